package engine_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/audit"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// A closed account accepts no requests. Its tokens stay until they expire, and it can still be read.
func TestAClosedAccount(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	ctx, id := t.Context(), f.MustOpen("star")
	f.NoError(f.SetPlan(ctx, id, ledger.SetPlan{Plan: "starter"}))
	charge := f.MustCharge(id, "image_generation", "")
	hold := f.holdFeature(id, "lip_sync", time.Hour)
	f.MustPutAgent(id, "scout", "50", "5")
	f.NoError(f.CloseAccount(ctx, id))
	before := f.count("select seq from ledger_accounts where account = $1", id)
	f.NoError(f.CloseAccount(ctx, id))

	a, err := f.Account(ctx, id)
	if err != nil || !a.ClosedAt.Equal(ledgertest.Start) || !a.NextReset.IsZero() || a.NextPlan != "" || a.Held != 0 ||
		a.Holds != 0 {
		t.Errorf("it is %+v (%v)", a, err)
	}
	one := tokens.One
	grant := ledger.Grant{Kind: ledger.LotPromo, Amount: one}
	_, charged := f.Charge(ctx, id, "a", ledger.Charge{Feature: "lip_sync"})
	_, held := f.Hold(ctx, id, "b", ledger.Hold{Feature: "lip_sync"})
	_, captured := f.Capture(ctx, id, "c", ledger.Capture{Hold: hold})
	_, granted := f.Grant(ctx, id, "d", grant)
	_, taken := f.TakeBack(ctx, id, "e", ledger.TakeBack{Amount: one, Reason: "r"})
	_, quoted := f.Quote(ctx, id, ledger.Charge{Feature: "lip_sync"})
	for what, err := range map[string]error{
		"charge":    charged,
		"hold":      held,
		"capture":   captured,
		"grant":     granted,
		"take back": taken,
		"quote":     quoted,
		"agent":     f.PutAgent(ctx, id, ledger.PutAgent{ID: "scout", Reserve: &one}),
		"switch":    f.SwitchAgent(ctx, id, ledger.SwitchAgent{ID: "scout"}),
		"threshold": f.SetThreshold(ctx, id, ledger.SetThreshold{Amount: &one}),
		"upgrade":   f.SetPlan(ctx, id, ledger.SetPlan{Plan: "pro"}),
		"status":    f.SetPlan(ctx, id, ledger.SetPlan{Status: ledger.PlanPastDue}),
	} {
		f.wantCode(what, err, "account_closed")
		if problem.Of(err).Kind != problem.Conflict {
			t.Errorf("%s is a %v", what, problem.Of(err).Kind)
		}
	}
	_, err = f.Release(ctx, id, "f", ledger.Release{Hold: hold})
	f.wantCode("release", err, "hold_released")
	// a profile sync that changes nothing
	f.NoError(f.SetPlan(ctx, id, ledger.SetPlan{Plan: "star", Status: ledger.PlanActive}))
	if n := f.count("select seq from ledger_accounts where account = $1", id); n != before {
		t.Errorf("%d entries were written", n-before)
	}

	// A refund still revokes a purchase, and a paid purchase is credited.
	_, err = f.Refund(ctx, id, "g", ledger.Refund{Entry: charge.Seq, Reason: "r"})
	f.NoError(err)
	_, err = f.Grant(ctx, id, "", ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: "late",
	})
	f.NoError(err)
	f.Clock.Advance(40 * 24 * time.Hour)
	f.NoError(f.Settle(ctx, id))
	f.WantSpendable(id, "100") // the allowance has expired without a new one
	f.wantClean(audit.Options{})
}

// A closed account emits no events about a low balance or resumed agents.
func TestAClosedAccountTellsNothing(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	id := f.MustOpenWith("60")
	f.MustPutAgent(id, "scout", "5", "")
	f.wantAgentCharge(id, "scout", "6", "over_budget")
	f.wantAgentCharge(id, "seller", "100", "insufficient_tokens")
	f.NoError(f.CloseAccount(t.Context(), id))
	events := f.count("select event_seq from ledger_accounts where account = $1", id)
	f.Clock.Advance(70 * 24 * time.Hour)
	f.NoError(f.Settle(t.Context(), id))
	if n := f.count("select event_seq from ledger_accounts where account = $1", id); n != events {
		t.Errorf("%d events more", n-events)
	}
	f.wantClean(audit.Options{})
}

// A canceled plan grants no more allowances, and granted tokens can be spent until they expire. When it is resumed, it
// grants the allowance of this period once.
func TestACanceledPlan(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	ctx, id := t.Context(), f.MustOpen("pro")
	set := func(p ledger.SetPlan) { t.Helper(); f.NoError(f.SetPlan(ctx, id, p)) }
	f.MustCharge(id, "auto_selling", "50")
	set(ledger.SetPlan{Status: ledger.PlanCanceled})
	a, err := f.Account(ctx, id)
	if err != nil || !a.NextReset.IsZero() || a.PlanStatus != ledger.PlanCanceled || a.Spendable == 0 {
		t.Errorf("canceled: %+v, %v", a, err)
	}
	f.MustCharge(id, "auto_selling", "50")
	f.Clock.Advance(32 * 24 * time.Hour)
	f.WantSpendable(id, "0")
	f.NoError(f.Settle(ctx, id))
	set(ledger.SetPlan{Plan: "pro", Status: ledger.PlanActive})
	f.WantSpendable(id, "400")
	set(ledger.SetPlan{Status: ledger.PlanCanceled})
	set(ledger.SetPlan{Status: ledger.PlanActive})
	f.WantSpendable(id, "400")
	f.wantClean(audit.Options{})
}

// Requests while an account is being closed are applied before that or refused after, on every server; so is a
// purchase.
func TestClosingOnSeveralServers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	servers := []*engine.Engine{f.Engine, f.NewServer()}
	id := f.MustOpen("star")
	var all sync.WaitGroup
	var ordered atomic.Int32
	for i := range 16 {
		all.Go(func() {
			for n := range 30 {
				server := f.through(servers[(i+n)%2])
				if i == 0 && n == 15 {
					f.NoError(server.CloseAccount(t.Context(), id))
				}
				err := server.smallCharge(id, fmt.Sprint(i, " ", n))
				if i == 1 {
					err = pgx.BeginFunc(t.Context(), f.Pool, func(tx pgx.Tx) error {
						return server.KeepOpen(t.Context(), tx, id)
					})
				}
				if err != nil && !errors.Is(err, ledger.ErrClosed) {
					t.Error(err)
				}
				if err == nil {
					ordered.Add(1)
				}
			}
		})
	}
	all.Wait()
	for _, server := range servers {
		f.wantCode("after it", f.through(server).smallCharge(id, uuid.NewString()), "account_closed")
	}
	late := f.count(
		"select count(*) from entries e join ledger_accounts a using (account) where e.account = $1 and e.seq > a.seq",
		id,
	)
	if late != 0 || ordered.Load() == 0 {
		t.Errorf("%d entries are behind the row, %d requests were done", late, ordered.Load())
	}
}

// Setting the same plan again changes nothing, also when the operator has changed its allowance or does not sell it any
// more (M17).
func TestAnUnchangedPlanChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, id := t.Context(), f.MustOpen("star")
	set := func(p ledger.SetPlan) { t.Helper(); f.NoError(f.SetPlan(ctx, id, p)) }
	want := func(next string) {
		t.Helper()
		if a, err := f.Account(ctx, id); err != nil || a.Plan != "star" || a.NextPlan != next {
			t.Errorf("plan %s, then %q (%v), want star, then %q", a.Plan, a.NextPlan, err, next)
		}
	}
	set(ledger.SetPlan{Plan: "starter"})
	version := f.count("select version from ledger_accounts where account = $1", id)
	set(ledger.SetPlan{Plan: "star"})
	set(ledger.SetPlan{
		Plan:   "star",
		Status: ledger.PlanActive,
		Zone:   "UTC",
		Anchor: ledgertest.Start,
	})
	want("starter")
	if n := f.count("select version from ledger_accounts where account = $1", id); n != version {
		t.Error("the account was written")
	}
	set(ledger.SetPlan{Stay: true})
	want("")
	set(ledger.SetPlan{Plan: "pro"})
	set(ledger.SetPlan{Plan: "star", Stay: true})
	want("")
	f.wantCode("both at once", f.SetPlan(ctx, id, ledger.SetPlan{Plan: "pro", Stay: true}), "invalid_field")
}
