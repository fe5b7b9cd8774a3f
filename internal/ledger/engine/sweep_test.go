package engine_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/audit"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
)

// sweep settles accounts in chunks until nothing is due.
func sweep(ctx context.Context, e *engine.Engine, chunk int) (settled, failed int, err error) {
	for more, place := true, (engine.DuePlace{}); more; {
		s, err := e.SettleDue(ctx, place, chunk)
		if err != nil {
			return settled, failed, err
		}
		settled, failed, place, more = settled+s.Settled, failed+s.Failed, s.Next, s.More
	}
	return settled, failed, nil
}

// Two servers with two sweeps each, after three boundaries without requests: each period's allowance is granted once
// and expires once, in order.
func TestSweepsThatRaceGrantOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ids []uuid.UUID
	for range 60 {
		ids = append(ids, f.MustOpen("starter"))
	}
	past := f.MustOpen("starter")
	if err := f.SetPlan(t.Context(), past, ledger.SetPlan{Status: ledger.PlanPastDue}); err != nil {
		t.Fatal(err)
	}
	f.Clock.Set(time.Date(2026, 4, 30, 9, 30, 0, 0, time.UTC)) // the third boundary, at the very second
	var settled atomic.Int64
	var working sync.WaitGroup
	for _, server := range []*engine.Engine{f.Engine, f.NewServer()} {
		for range 2 {
			working.Go(func() {
				n, failed, err := sweep(context.WithoutCancel(t.Context()), server, 7)
				if settled.Add(int64(n)); err != nil || failed > 0 {
					t.Errorf("%d failed, %v", failed, err)
				}
			})
		}
	}
	working.Wait()
	if n := settled.Load(); n < 61 || n > 4*61 {
		t.Errorf("%d were settled, want 61 or some of them more than once", n)
	}
	want := []string{
		"Jan 31 09:30 grant 200 = 200", "Feb 28 09:30 expiry -200 = 0", "Feb 28 09:30 grant 200 = 200",
		"Mar 31 09:30 expiry -200 = 0",
		"Mar 31 09:30 grant 200 = 200", "Apr 30 09:30 expiry -200 = 0", "Apr 30 09:30 grant 200 = 200",
	}
	for _, id := range ids {
		if got := f.historyLines(id); !slices.Equal(got, want) {
			t.Fatalf("%q\nwant %q", got, want)
		}
	}
	if got := f.historyLines(past); !slices.Equal(got, want[:2]) {
		t.Errorf("past due: %q", got)
	}
	if n, failed, err := sweep(t.Context(), f.Engine, 7); n != 0 || failed != 0 || err != nil {
		t.Errorf("afterwards a sweep settled %d, %d failed (%v)", n, failed, err)
	}
	f.wantClean(audit.Options{})
}

// A sweep continues after accounts that Postgres refuses, and stops at its limit.
func TestASweepPassesOverWhatItCannotSettle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ids []uuid.UUID
	for range 9 {
		ids = append(ids, f.MustOpen("starter"))
	}
	reset := f.account(ids[0]).NextReset
	// The unique row that the grant needs is taken.
	if _, err := f.Pool.Exec(t.Context(),
		"insert into permanent_references (account, scope, reference, seq) values ($1, 'period', '1', 1)",
		ids[4]); err != nil {
		t.Fatal(err)
	}
	if s, err := f.SettleDue(t.Context(), engine.DuePlace{}, 4); err != nil || s.Settled != 0 || s.More {
		t.Errorf("before anything is due: %+v, %v", s, err)
	}
	f.Clock.Set(reset)
	if s, err := f.SettleDue(t.Context(), engine.DuePlace{}, 0); err != nil || s.Settled != 0 || s.More {
		t.Errorf("a chunk of nothing: %+v, %v", s, err)
	}
	first, err := f.SettleDue(t.Context(), engine.DuePlace{}, 4)
	if err != nil || first.Settled+first.Failed != 4 || !first.More {
		t.Errorf("the first chunk: %+v, %v", first, err)
	}
	settled, failed, err := sweep(t.Context(), f.Engine, 4)
	if settled += first.Settled; err != nil || settled != 8 || failed != 1 {
		t.Errorf("%d settled, %d failed, %v", settled, failed, err)
	}
	for i, id := range ids {
		if i != 4 && f.account(id).Seq != 3 {
			t.Errorf("account %d has %d entries", i, f.account(id).Seq)
		}
	}
}

// A closing server stops its sweep and returns an error.
func TestASweepOfAClosedLedger(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Clock.Set(f.account(f.MustOpen("starter")).NextReset)
	f.Close()
	if s, err := f.SettleDue(t.Context(), engine.DuePlace{},
		10); problem.Of(err).Code != "unavailable" || s.Settled != 0 || s.Next != (engine.DuePlace{}) {
		t.Errorf("%+v, %v", s, err)
	}
}

// At the instant of the reset all of the new allowance can be spent without a sweep; a microsecond before, nothing.
func TestAChargeAtTheInstantOfTheReset(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	whole := chargeOf("200")
	for i, e := range []*engine.Engine{f.Engine, f.NewServer()} { // one has cached the account, the other has not
		f.Clock.Set(ledgertest.Start)
		id := f.MustOpen("starter")
		reset := f.account(id).NextReset
		f.MustCharge(id, "auto_selling", "200")
		f.Clock.Set(reset.Add(-time.Microsecond))
		if _, err := e.Charge(t.Context(), id, "before", whole); problem.Of(err).Kind != problem.Insufficient {
			t.Errorf("server %d, before: %v", i, err)
		}
		f.Clock.Set(reset)
		if quote, err := e.Quote(t.Context(), id, whole); err != nil || !quote.Affordable {
			t.Errorf("server %d, quote: %+v, %v", i, quote, err)
		}
		if r, err := e.Charge(t.Context(), id, "at", whole); err != nil || !r.At.Equal(reset) || r.Seq != 4 {
			t.Errorf("server %d, at the reset: %+v, %v", i, r, err)
		}
	}
	f.wantClean(audit.Options{})
}

// A hundred changes between plans grant what the largest plan grants, in this period and the next, by both rules.
func TestAHundredFlips(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	share := func() *catalog.Catalog {
		c := catalog.Builtin()
		c.Upgrade = catalog.UpgradeProrated
		return c
	}
	for _, c := range []struct {
		server                *engine.Engine
		want, spent, wantNext string
	}{{f.Engine, "1000", "900", "200"}, {f.NewServerWith(share), "600", "500", "200"}} {
		f.Clock.Set(ledgertest.Start)
		id := f.MustOpen("starter")
		f.Clock.Set(ledgertest.Start.Add(14 * 24 * time.Hour)) // half of the period
		for i := range 100 {
			if err := c.server.SetPlan(t.Context(), id,
				ledger.SetPlan{Plan: []string{"star", "starter", "pro", "starter"}[i%4]}); err != nil {
				t.Fatal(err)
			}
		}
		f.WantSpendable(id, c.want)
		f.MustCharge(id, "auto_selling", c.spent)
		f.Clock.Set(f.account(id).NextReset)
		f.WantSpendable(id, c.wantNext)
		if a := f.account(id); a.Plan != "starter" || a.NextPlan != "" {
			t.Errorf("on %s, then %s", a.Plan, a.NextPlan)
		}
	}
	f.wantClean(audit.Options{})
}

// After a failed renewal there is no allowance at the boundaries, and bought tokens stay. Once it is paid, the current
// period grants the allowance of the plan that waited for it; the months in between grant none.
func TestARenewalThatIsPaidLate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("pro")
	set := func(p ledger.SetPlan) {
		t.Helper()
		if err := f.SetPlan(t.Context(), id, p); err != nil {
			t.Fatal(err)
		}
	}
	f.MustGrant(id, ledger.LotPurchase, "50", time.Time{})
	set(ledger.SetPlan{Plan: "starter", Status: ledger.PlanPastDue})
	f.WantSpendable(id, "450")
	f.Clock.Set(ledgertest.Start.AddDate(0, 0, 100)) // 11 May: three boundaries on
	f.WantSpendable(id, "50")
	f.MustCharge(id, "auto_selling", "20")
	if a := f.account(id); !a.NextReset.IsZero() || a.PlanStatus != ledger.PlanPastDue {
		t.Errorf("past due: %+v", a)
	}
	set(ledger.SetPlan{Status: ledger.PlanActive})
	f.WantSpendable(id, "230")
	set(ledger.SetPlan{Status: ledger.PlanPastDue})
	set(ledger.SetPlan{Plan: "star"}) // not paid yet: no allowance
	f.WantSpendable(id, "230")
	set(ledger.SetPlan{Status: ledger.PlanActive})
	f.WantSpendable(id, "1030")
	want := []string{
		"Jan 31 09:30 grant 400 = 400", "Jan 31 09:30 grant 50 = 450", "Feb 28 09:30 expiry -400 = 50",
		"May 11 09:30 charge -20 = 30",
		"May 11 09:30 grant 200 = 230", "May 11 09:30 grant 800 = 1030",
	}
	if got := f.historyLines(id); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	f.Clock.Set(time.Date(2026, 5, 31, 9, 30, 0, 0, time.UTC))
	f.WantSpendable(id, "1030")
	f.wantClean(audit.Options{})
}

// Charges do not change the instant that sweeps look for, so that their updates touch no index.
func TestTheCommonChargeIsAHotUpdate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	count := func() (updates, hot int) {
		t.Helper()
		const read = "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'ledger_accounts'"
		if err := f.Pool.QueryRow(t.Context(), read).Scan(&updates, &hot); err != nil {
			t.Fatal(err)
		}
		return updates, hot
	}
	fresh := f.NewServer()
	const charges = 40
	for i := range charges {
		if _, err := fresh.Charge(t.Context(), id, fmt.Sprint(i), chargeOf("1")); err != nil {
			t.Fatal(err)
		}
	}
	// Postgres reports the statistics of a connection when it ends.
	fresh.Close()
	f.Close()
	updates, hot := count()
	for updates < charges+1 {
		time.Sleep(10 * time.Millisecond)
		updates, hot = count()
	}
	if updates-hot > 2 { // opening the account sets the instant, and its plan
		t.Errorf("%d of %d updates touched the indexes", updates-hot, updates)
	}
}
