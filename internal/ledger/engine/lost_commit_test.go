package engine_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
)

// Connections break around COMMIT: before it reaches the server, while nobody looks, and after the
// server has committed but before it can say so. Whoever gets an answer finds it in the books,
// once; whoever gets none learns it by asking again; mostly nobody notices, since the lane asks by
// itself. CREDITS_LOST_COMMITS=10000 (and -timeout 0) is the drill: so many cuts.
func TestLostCommits(t *testing.T) {
	t.Parallel()
	const callers = 8
	n := int64(onRequest(t, "CREDITS_LOST_COMMITS", 300))
	database := testdb.Open(t)
	b := booksOn(t, database.AppURL)
	var c cutter
	var said logged
	servers := make([]server, 2)
	for i := range servers {
		servers[i] = local{ledgerOn(t, poolOn(t, database.AppURL, c.configure), said.logger())}
	}
	j := newJournal(t)
	ids := j.open(b, 6)
	for _, chance := range []int64{20, 90} { // at first the lane's own tries suffice, then often they do not
		c.chance.Store(chance)
		until := c.broken() + n/2
		var working sync.WaitGroup
		for i := range callers {
			caller := newCaller("cut-"+strconv.FormatInt(chance, 10)+"-"+strconv.Itoa(i), ids)
			working.Go(func() {
				for c.broken() < until {
					j.work(t.Context(), caller, servers, 1)
				}
			})
		}
		working.Wait()
		t.Logf("%d%%: %d cuts so far (%d unsent, %d unheard, %d swallowed), %d unknown to a caller", chance,
			c.broken(), c.made[unsent].Load(),
			c.made[unheard].Load(), c.made[swallowed].Load(), j.unknown.Load())
		if chance == 20 && j.unknown.Load()*4 > j.acked.Load() {
			t.Errorf("%d answers were unknown, %d acknowledged: lanes do not resolve lost commits",
				j.unknown.Load(), j.acked.Load())
		}
	}
	if j.unknown.Load() == 0 {
		t.Error("no caller ever met an unknown outcome; the test tests less than it should")
	}
	for how := unsent; how < cuts; how++ {
		if c.made[how].Load() == 0 {
			t.Errorf("cut %d was never made", how)
		}
	}
	j.resolve(servers[0])
	j.check(b)
	if text := said.String(); strings.Contains(text, "the database refused") {
		t.Errorf("a cut was taken for a refusal: %.2000s", text)
	}
}

// With nobody else around, a commit whose acknowledgement is lost comes out as if nothing had
// happened, and is made once.
func TestTheLaneResolvesALostCommitByItself(t *testing.T) {
	t.Parallel()
	database := testdb.Open(t)
	b := booksOn(t, database.AppURL)
	for _, how := range []cut{unsent, unheard, swallowed} {
		id := b.open("starter")
		var c cutter
		c.once.Store(int64(how))
		l := ledgerOn(t, poolOn(t, database.AppURL, c.configure), quiet)
		r, err := l.Charge(t.Context(), id, "lost", chargeOf("50"))
		if err != nil {
			t.Fatalf("cut %d: %v", how, err)
		}
		if left := c.once.Load(); left != int64(spare) {
			t.Errorf("cut %d was not made", how)
		}
		again, err := l.Charge(t.Context(), id, "lost", chargeOf("50"))
		if err != nil || !again.Replayed || !sameEntry(again.Entry, r.Entry) {
			t.Errorf("cut %d, asked again: %+v, %v", how, again, err)
		}
		if _, err := l.Charge(t.Context(), id, "lost", ledger.Charge{Feature: "lip_sync"}); kindOf(err) !=
			kindOf(idempotency.ErrKeyReused) {
			t.Errorf("cut %d, another request: %v", how, err)
		}
		b.wantSpendable(id, "150")
	}
	b.checkInvariants()
}

// What is done without a key is done once all the same: a purchase by its reference, a plan because
// it is a state.
func TestLostCommitsWithoutAKey(t *testing.T) {
	t.Parallel()
	database := testdb.Open(t)
	b := booksOn(t, database.AppURL)
	for _, how := range []cut{unsent, unheard, swallowed} {
		id := b.open("starter")
		var c cutter
		l := ledgerOn(t, poolOn(t, database.AppURL, c.configure), quiet)
		do := func(what string, deed func() error) {
			c.once.Store(int64(how))
			if err := deed(); err != nil {
				t.Errorf("cut %d, %s: %v", how, what, err)
			}
			if c.once.Load() != int64(spare) {
				t.Errorf("cut %d, %s: it was not made", how, what)
			}
		}
		do("an upgrade", func() error { return l.SetPlan(t.Context(), id, ledger.SetPlan{Plan: "pro"}) })
		do("a purchase", func() error {
			_, err := l.Grant(t.Context(), id, "", ledger.Grant{
				Kind:   ledger.LotPurchase,
				Amount: amountOf("100"),
				Source: "bought",
			})
			return err
		})
		b.wantSpendable(id, "500")
		do("a part of a purchase taken back", func() error {
			_, err := revoke(t.Context(), l, id, "bought", amountOf("30"), ledger.CauseRefund, "")
			return err
		})
		do("a purchase frozen", func() error { return freeze(t.Context(), l, id, "bought", true) })
		b.wantSpendable(id, "400")
		do("a purchase thawed", func() error { return freeze(t.Context(), l, id, "bought", false) })
		b.wantSpendable(id, "470")
	}
	b.checkInvariants()
}
