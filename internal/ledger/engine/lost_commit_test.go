package engine_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/ledgertest"
)

// Connections break around COMMIT: before it reaches the server, after it was sent, and after the server has committed
// but before the answer arrives. An acknowledged request has one entry. An unknown outcome is known once the request is
// sent again. Mostly no caller notices, because the lane looks for its own commit. CREDITS_LOST_COMMITS=10000 (and
// -timeout 0) is the number of cuts in the drill.
func TestLostCommits(t *testing.T) {
	t.Parallel()
	const callers = 8
	n := int64(ledgertest.DrillSize(t, "CREDITS_LOST_COMMITS", 300))
	database := testdb.Open(t)
	f := fixtureOn(t, database.AppURL)
	var c ledgertest.CommitCutter
	var logs ledgertest.LogBuffer
	servers := make([]ledgertest.Server, 2)
	for i := range servers {
		servers[i] = ledgertest.InProcess(
			ledgertest.NewEngine(t, ledgertest.NewPool(t, database.AppURL, c.Configure), logs.Logger()),
		)
	}
	rec := ledgertest.NewRecorder(f.Fixture)
	ids := rec.OpenAccounts(6)
	for _, chance := range []int64{20, 90} { // at first the lane's own tries suffice, then often they do not
		c.Chance.Store(chance)
		until := c.Broken() + n/2
		var working sync.WaitGroup
		for i := range callers {
			caller := ledgertest.NewGenerator("cut-"+strconv.FormatInt(chance, 10)+"-"+strconv.Itoa(i), ids)
			working.Go(func() {
				for c.Broken() < until {
					rec.Work(t.Context(), caller, servers, 1)
				}
			})
		}
		working.Wait()
		t.Logf(
			"%d%%: %d cuts so far (%d before it was sent, %d after, %d after the commit), %d unknown to a caller",
			chance,
			c.Broken(),
			c.Made[ledgertest.CutBeforeSend].Load(),
			c.Made[ledgertest.CutAfterSend].Load(),
			c.Made[ledgertest.CutAfterCommit].Load(),
			rec.Unknown.Load(),
		)
		if chance == 20 && rec.Unknown.Load()*4 > rec.Acked.Load() {
			t.Errorf("%d answers were unknown, %d acknowledged: lanes do not resolve lost commits",
				rec.Unknown.Load(), rec.Acked.Load())
		}
	}
	if rec.Unknown.Load() == 0 {
		t.Error("no caller ever met an unknown outcome; the test tests less than it should")
	}
	for how := ledgertest.CutBeforeSend; how < ledgertest.NumCuts; how++ {
		if c.Made[how].Load() == 0 {
			t.Errorf("cut %d was never made", how)
		}
	}
	rec.Resolve(servers[0])
	rec.Check()
	if text := logs.String(); strings.Contains(text, "the database refused") {
		t.Errorf("a cut was taken for a refusal: %.2000s", text)
	}
}

// Without other requests, a commit whose answer is lost is applied once and acknowledged normally.
func TestTheLaneResolvesALostCommitByItself(t *testing.T) {
	t.Parallel()
	database := testdb.Open(t)
	f := fixtureOn(t, database.AppURL)
	for _, how := range []ledgertest.Cut{ledgertest.CutBeforeSend, ledgertest.CutAfterSend, ledgertest.CutAfterCommit} {
		id := f.MustOpen("starter")
		var c ledgertest.CommitCutter
		c.Once.Store(int64(how))
		e := ledgertest.NewEngine(t, ledgertest.NewPool(t, database.AppURL, c.Configure), ledgertest.DiscardLog)
		r, err := e.Charge(t.Context(), id, "lost", chargeOf("50"))
		if err != nil {
			t.Fatalf("cut %d: %v", how, err)
		}
		if left := c.Once.Load(); left != int64(ledgertest.CutNone) {
			t.Errorf("cut %d was not made", how)
		}
		again, err := e.Charge(t.Context(), id, "lost", chargeOf("50"))
		if err != nil || !again.Replayed || !ledgertest.SameEntry(again.Entry, r.Entry) {
			t.Errorf("cut %d, sent again: %+v, %v", how, again, err)
		}
		if _, err := e.Charge(t.Context(), id, "lost", ledger.Charge{Feature: "lip_sync"}); kindOf(err) !=
			kindOf(idempotency.ErrKeyReused) {
			t.Errorf("cut %d, another request: %v", how, err)
		}
		f.WantSpendable(id, "150")
	}
	f.CheckInvariants()
}

// Requests without a key are applied once as well: a purchase by its reference, a plan because it is a state.
func TestLostCommitsWithoutAKey(t *testing.T) {
	t.Parallel()
	database := testdb.Open(t)
	f := fixtureOn(t, database.AppURL)
	for _, how := range []ledgertest.Cut{ledgertest.CutBeforeSend, ledgertest.CutAfterSend, ledgertest.CutAfterCommit} {
		id := f.MustOpen("starter")
		var c ledgertest.CommitCutter
		e := ledgertest.NewEngine(t, ledgertest.NewPool(t, database.AppURL, c.Configure), ledgertest.DiscardLog)
		do := func(what string, request func() error) {
			c.Once.Store(int64(how))
			if err := request(); err != nil {
				t.Errorf("cut %d, %s: %v", how, what, err)
			}
			if c.Once.Load() != int64(ledgertest.CutNone) {
				t.Errorf("cut %d, %s: it was not made", how, what)
			}
		}
		do("an upgrade", func() error { return e.SetPlan(t.Context(), id, ledger.SetPlan{Plan: "pro"}) })
		do("a purchase", func() error {
			_, err := e.Grant(t.Context(), id, "", ledger.Grant{
				Kind:   ledger.LotPurchase,
				Amount: mustParse("100"),
				Source: "bought",
			})
			return err
		})
		f.WantSpendable(id, "500")
		do("a part of a purchase taken back", func() error {
			_, err := ledgertest.Revoke(t.Context(), e, id, "bought", mustParse("30"), ledger.CauseRefund, "")
			return err
		})
		do("a purchase frozen", func() error { return ledgertest.Freeze(t.Context(), e, id, "bought", true) })
		f.WantSpendable(id, "400")
		do("a purchase thawed", func() error { return ledgertest.Freeze(t.Context(), e, id, "bought", false) })
		f.WantSpendable(id, "470")
	}
	f.CheckInvariants()
}
