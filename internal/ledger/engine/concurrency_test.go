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
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// 64 callers on one account, a fifth of what they send being sent before, by themselves or by
// another at the same moment: nothing is lost, doubled or overspent. CREDITS_HOT_OPERATIONS=1000000
// (and -timeout 0) is the drill.
func TestHotAccount(t *testing.T) {
	t.Parallel()
	const callers = 64
	n := onRequest(t, "CREDITS_HOT_OPERATIONS", 10_000)
	b := booksOn(t, testdb.Open(t).AppURL)
	j := newJournal(t)
	ids := j.open(b, 1)
	var shared past
	var working sync.WaitGroup
	for i := range callers {
		c := newCaller("hot-"+strconv.Itoa(i), ids)
		c.past = &shared
		working.Go(func() { j.work(t.Context(), c, []server{local{b.Engine}}, n/callers) })
	}
	working.Wait()
	j.resolve(local{b.Engine})
	if j.unknown.Load() != 0 || j.replayed.Load() == 0 || j.refused.Load() == 0 {
		t.Errorf("%d answers unknown, %d replayed, %d refused", j.unknown.Load(), j.replayed.Load(), j.refused.Load())
	}
	j.check(b)
}

// sendAll makes charges in bulk and notes the answers.
func (j *journal) sendAll(ctx context.Context, l *engine.Engine, deeds []deed) {
	charges, on := make([]ledger.BulkCharge, len(deeds)), make([]sent, len(deeds))
	for i := range deeds {
		d := &deeds[i]
		on[i] = j.begin(*d)
		charges[i] = ledger.BulkCharge{
			AccountID: d.Account,
			Key:       d.Key,
			Charge:    ledger.Charge{Feature: "auto_selling", Amount: &d.Amount},
		}
	}
	for i, r := range l.ChargeAll(ctx, charges) {
		j.end(on[i], r.Receipt, r.Err)
	}
}

// Callers of one to three servers go through overlapping accounts in opposite directions: nobody
// waits in a circle, nothing has to be tried again. Each server has its own connections.
func TestOppositeDirections(t *testing.T) {
	t.Parallel()
	for servers := range 3 {
		t.Run(strconv.Itoa(servers+1)+" servers", func(t *testing.T) {
			t.Parallel()
			database := testdb.Open(t)
			b := booksOn(t, database.AppURL)
			var said logged
			ledgers := make([]*engine.Engine, servers+1)
			for i := range ledgers {
				ledgers[i] = ledgerOn(t, poolOn(t, database.AppURL, nil), said.logger())
			}
			j := newJournal(t)
			ids := j.open(b, 24)
			var working sync.WaitGroup
			for i := range 12 {
				working.Go(func() { j.sweep(t.Context(), "sweep-"+strconv.Itoa(i), ids, ledgers, 25) })
			}
			working.Wait()
			j.resolve(local{b.Engine})
			if j.unknown.Load() != 0 || said.String() != "" {
				t.Errorf("%d answers unknown; the ledgers say %s", j.unknown.Load(), said.String())
			}
			j.check(b)
		})
	}
}

// sweep charges accounts in bulk, in any order, and one by one in between.
func (j *journal) sweep(ctx context.Context, name string, ids []uuid.UUID, ledgers []*engine.Engine, rounds int) {
	c := newCaller(name, ids)
	for range rounds {
		to := ledgers[c.random.IntN(len(ledgers))]
		if c.random.IntN(3) == 0 {
			if r, known := j.send(ctx, local{to}, c.next()); known {
				c.learn(r)
			}
			continue
		}
		var deeds []deed
		for _, i := range c.random.Perm(len(ids))[:16] {
			c.made++
			deeds = append(deeds, deed{
				Account: ids[i],
				Key:     name + "-" + strconv.Itoa(c.made),
				Kind:    ledger.KindCharge,
				Amount:  tokens.Amount(1 + c.random.IntN(3_000_000)),
			})
		}
		j.sendAll(ctx, to, append(deeds, deeds[c.random.IntN(len(deeds))]))
	}
}

// A caller that stops waiting learns nothing, and learns it all by asking again with the same key.
func TestACallerWhoLeavesLosesNoAnswer(t *testing.T) {
	t.Parallel()
	b, _, open := narrow(t)
	j := newJournal(t)
	open()
	ids := j.open(b, 4)
	var working sync.WaitGroup
	for i := range 16 {
		c := newCaller("leaver-"+strconv.Itoa(i), ids)
		working.Go(func() {
			for range 30 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(c.random.IntN(2_000))*time.Microsecond)
				d := c.next()
				r, known := j.send(ctx, local{b.Engine}, d)
				cancel()
				if !known && c.random.IntN(2) == 0 {
					r, known = j.send(t.Context(), local{b.Engine}, d)
				}
				if known {
					c.learn(r)
				}
			}
		})
	}
	working.Wait()
	if j.unknown.Load() == 0 {
		t.Error("nobody left; the test tests nothing")
	}
	j.resolve(local{b.Engine})
	j.check(b)
}

// A request that was queued when its caller left is carried out once.
func TestARequestOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	b, first, open := narrow(t)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := b.Charge(ctx, first, "left", ledger.Charge{Feature: "lip_sync"})
		left <- err
	}()
	time.Sleep(20 * time.Millisecond)
	cancel()
	if err := <-left; !problem.IsUnavailable(err) {
		t.Errorf("a caller who left was told %v", err)
	}
	open()
	if r, err := b.Charge(t.Context(), first, "left", ledger.Charge{Feature: "lip_sync"}); err != nil || !r.Replayed {
		t.Errorf("asked again: %+v, %v", r, err)
	}
	b.wantSpendable(first, "990")
}

// A bulk answers each charge by itself, in its place.
func TestABulkAnswersEachChargeInItsPlace(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	rich, poor, nobody := b.openWith("100"), b.openWith("10"), uuid.New()
	charges := []ledger.BulkCharge{
		{
			AccountID: rich,
			Key:       "a",
			Charge:    ledger.Charge{Feature: "image_generation"},
		},
		{
			AccountID: nobody,
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
	told := func(r ledger.BulkResult) string {
		switch {
		case r.Err != nil:
			return problem.Of(r.Err).Code
		case r.Replayed:
			return "replay"
		}
		return ""
	}
	results := b.ChargeAll(t.Context(), charges)
	for i, r := range results {
		if got := told(r); got != want[i] || (r.Err == nil && r.AccountID != charges[i].AccountID) {
			t.Errorf("charge %d: %q, want %q", i, got, want[i])
		}
	}
	for i, r := range b.ChargeAll(t.Context(), charges) {
		if results[i].Err == nil && (!r.Replayed || !sameEntry(r.Entry, results[i].Entry)) {
			t.Errorf("charge %d again: %+v, %v", i, r.Receipt, r.Err)
		}
	}
	b.wantSpendable(rich, "40")
	b.wantSpendable(poor, "0")
	if len(b.ChargeAll(t.Context(), nil)) != 0 {
		t.Error("an empty bulk has answers")
	}
}

// What a server remembers of an account makes it refuse nothing that another server has made
// possible meanwhile.
func TestALimitIsNotFromMemory(t *testing.T) {
	t.Parallel()
	b := booksOn(t, testdb.Open(t).AppURL)
	other := ledgerOn(t, b.pool, quiet)
	id := b.open("star")
	hold := func(key string) error {
		amount := tokens.Amount(1)
		_, err := b.Hold(t.Context(), id, key, ledger.Hold{Feature: "auto_selling", Amount: &amount})
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
	b.checkInvariants()
}
