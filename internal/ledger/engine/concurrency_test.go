package engine_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// 64 callers on one account. A fifth of the requests were sent before, by the same caller or at the same time by
// another. Nothing is lost, doubled or overspent. CREDITS_HOT_OPERATIONS=1000000 (and -timeout 0) is the drill.
func TestHotAccount(t *testing.T) {
	t.Parallel()
	const callers = 64
	n := ledgertest.DrillSize(t, "CREDITS_HOT_OPERATIONS", 10_000)
	f := fixtureOn(t, testdb.Open(t).AppURL)
	rec := ledgertest.NewRecorder(f.Fixture)
	ids := rec.OpenAccounts(1)
	var shared ledgertest.SentRequests
	var working sync.WaitGroup
	for i := range callers {
		g := ledgertest.NewGenerator("hot-"+strconv.Itoa(i), ids)
		g.Sent = &shared
		working.Go(func() { rec.Work(t.Context(), g, []ledgertest.Server{ledgertest.InProcess(f.Engine)}, n/callers) })
	}
	working.Wait()
	rec.Resolve(ledgertest.InProcess(f.Engine))
	if rec.Unknown.Load() != 0 || rec.Replayed.Load() == 0 || rec.Refused.Load() == 0 {
		t.Errorf(
			"%d answers unknown, %d replayed, %d refused",
			rec.Unknown.Load(),
			rec.Replayed.Load(),
			rec.Refused.Load(),
		)
	}
	rec.Check()
}

// Callers of one to three servers lock overlapping accounts in opposite orders: there is no deadlock and no retry. Each
// server has its own connections.
func TestOppositeDirections(t *testing.T) {
	t.Parallel()
	for servers := range 3 {
		t.Run(strconv.Itoa(servers+1)+" servers", func(t *testing.T) {
			t.Parallel()
			database := testdb.Open(t)
			f := fixtureOn(t, database.AppURL)
			var logs ledgertest.LogBuffer
			engines := make([]*engine.Engine, servers+1)
			for i := range engines {
				engines[i] = ledgertest.NewEngine(t, ledgertest.NewPool(t, database.AppURL, nil), logs.Logger())
			}
			rec := ledgertest.NewRecorder(f.Fixture)
			ids := rec.OpenAccounts(24)
			var working sync.WaitGroup
			for i := range 12 {
				working.Go(func() { rec.WorkInBulk(t.Context(), "sweep-"+strconv.Itoa(i), ids, engines, 25) })
			}
			working.Wait()
			rec.Resolve(ledgertest.InProcess(f.Engine))
			if rec.Unknown.Load() != 0 || logs.String() != "" {
				t.Errorf("%d answers unknown; the ledgers say %s", rec.Unknown.Load(), logs.String())
			}
			rec.Check()
		})
	}
}

// A caller that stops waiting gets no answer, and gets it later by sending the same key again.
func TestACallerWhoLeavesLosesNoAnswer(t *testing.T) {
	t.Parallel()
	f, _, open := newSingleLane(t)
	rec := ledgertest.NewRecorder(f.Fixture)
	open()
	ids := rec.OpenAccounts(4)
	var working sync.WaitGroup
	for i := range 16 {
		g := ledgertest.NewGenerator("leaver-"+strconv.Itoa(i), ids)
		working.Go(func() {
			for range 30 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(g.Random.IntN(2_000))*time.Microsecond)
				req := g.Next()
				r, known := rec.Send(ctx, ledgertest.InProcess(f.Engine), req)
				cancel()
				if !known && g.Random.IntN(2) == 0 {
					r, known = rec.Send(t.Context(), ledgertest.InProcess(f.Engine), req)
				}
				if known {
					g.Observe(r)
				}
			}
		})
	}
	working.Wait()
	if rec.Unknown.Load() == 0 {
		t.Error("no caller left early; the test tests nothing")
	}
	rec.Resolve(ledgertest.InProcess(f.Engine))
	rec.Check()
}

// A queued request whose caller has left is applied once.
func TestARequestOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	f, first, open := newSingleLane(t)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := f.Charge(ctx, first, "left", ledger.Charge{Feature: "lip_sync"})
		left <- err
	}()
	time.Sleep(20 * time.Millisecond)
	cancel()
	if err := <-left; !problem.IsUnavailable(err) {
		t.Errorf("a caller who left got %v", err)
	}
	open()
	if r, err := f.Charge(t.Context(), first, "left", ledger.Charge{Feature: "lip_sync"}); err != nil || !r.Replayed {
		t.Errorf("sent again: %+v, %v", r, err)
	}
	f.WantSpendable(first, "990")
}

func TestABulkAnswersEachChargeInItsPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	rich, poor, unknown := f.MustOpenWith("100"), f.MustOpenWith("10"), uuid.New()
	charges := []ledger.BulkCharge{
		{
			AccountID: rich,
			Key:       "a",
			Charge:    ledger.Charge{Feature: "image_generation"},
		},
		{
			AccountID: unknown,
			Key:       "a",
			Charge:    ledger.Charge{Feature: "image_generation"},
		},
		{
			AccountID: poor,
			Key:       "a",
			Charge:    ledger.Charge{Feature: "image_generation"},
		},
		{
			AccountID: rich,
			Key:       "a",
			Charge:    ledger.Charge{Feature: "image_generation"},
		},
		{
			AccountID: rich,
			Key:       "a",
			Charge:    ledger.Charge{Feature: "lip_sync"},
		},
		{
			AccountID: poor,
			Key:       "b",
			Charge:    ledger.Charge{Feature: "image_generation"},
		},
		{
			AccountID: rich,
			Key:       "c",
			Charge:    ledger.Charge{Feature: "nothing"},
		},
		{
			AccountID: rich,
			Key:       "b",
			Charge:    ledger.Charge{Feature: "video_10s"},
		},
		{
			AccountID: rich,
			Key:       "d",
			Charge:    ledger.Charge{Feature: "video_10s"},
		},
		{
			AccountID: rich,
			Key:       "e",
			Charge:    ledger.Charge{Feature: "motion_reference_video"},
		},
	}
	want := []string{
		"", "account_not_found", "", "replay", "idempotency_key_reused", "insufficient_tokens",
		"unknown_feature", "", "insufficient_tokens", "insufficient_tokens",
	}
	codeOf := func(r ledger.BulkResult) string {
		switch {
		case r.Err != nil:
			return problem.Of(r.Err).Code
		case r.Replayed:
			return "replay"
		}
		return ""
	}
	results := f.ChargeAll(t.Context(), charges)
	for i, r := range results {
		if got := codeOf(r); got != want[i] || (r.Err == nil && r.AccountID != charges[i].AccountID) {
			t.Errorf("charge %d: %q, want %q", i, got, want[i])
		}
	}
	for i, r := range f.ChargeAll(t.Context(), charges) {
		if results[i].Err == nil && (!r.Replayed || !ledgertest.SameEntry(r.Entry, results[i].Entry)) {
			t.Errorf("charge %d again: %+v, %v", i, r.Receipt, r.Err)
		}
	}
	f.WantSpendable(rich, "40")
	f.WantSpendable(poor, "0")
	if len(f.ChargeAll(t.Context(), nil)) != 0 {
		t.Error("an empty bulk has answers")
	}
}

// A stale cached account refuses nothing that another server has made possible since.
func TestALimitIsNotFromMemory(t *testing.T) {
	t.Parallel()
	f := fixtureOn(t, testdb.Open(t).AppURL)
	other := ledgertest.NewEngine(t, f.Pool, ledgertest.DiscardLog)
	id := f.MustOpen("star")
	hold := func(key string) error {
		amount := tokens.Amount(1)
		_, err := f.Hold(t.Context(), id, key, ledger.Hold{Feature: "auto_selling", Amount: &amount})
		return err
	}
	var working sync.WaitGroup
	for i := range 1_000 {
		working.Go(func() {
			if err := hold(strconv.Itoa(i)); err != nil {
				t.Error(err)
			}
		})
	}
	working.Wait()
	if err := hold("one more"); kindOf(err) != problem.Conflict {
		t.Fatalf("more holds than there may be: %v", err)
	}
	if _, err := other.Release(t.Context(), id, "release", ledger.Release{Hold: 2}); err != nil {
		t.Fatal(err)
	}
	if err := hold("one more"); err != nil {
		t.Errorf("a hold after another server has ended one: %v", err)
	}
	f.CheckInvariants()
}
