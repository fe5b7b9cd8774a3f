package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/tokens"
)

// Each read of the engine, with each of its queries failing once: the caller gets an error.
func TestAReadWhoseQueryFails(t *testing.T) {
	t.Parallel()
	database := testdb.Open(t)
	f := &fixture{ledgertest.NewWith(t, ledgertest.Options{Pool: database.Pool, CheckInvariants: true})}
	id, due := f.withEverything(), f.withEverything()
	f.Clock.Advance(24 * time.Hour)
	f.NoError(f.Settle(t.Context(), id)) // the lanes settle, and they try again after a failure
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			pool, faults := database.Failing(t)
			e := engine.New(pool, engine.Options{
				Clock:  f.Clock.Now,
				Prices: catalog.Builtin,
				Log:    ledgertest.DiscardLog,
			})
			t.Cleanup(e.Close)
			faults.Each(t, func() error { return read(t.Context(), e, id, due) })
		})
	}
}

// withEverything opens an account that has something for each read: agents with rules, one of them
// stopped, an open hold that is about to expire, a purchase, usage, a refusal.
func (f *fixture) withEverything() uuid.UUID {
	f.T.Helper()
	id := f.MustOpen("starter")
	f.MustPutAgent(id, "replies", "1", "")
	f.MustPutAgent(id, "scout", "", "5")
	f.wantAgentCharge(id, "replies", "1", "")
	f.wantAgentCharge(id, "replies", "1", "over_budget")
	f.MustGrant(id, ledger.LotPurchase, "10", time.Time{})
	amount := 2 * tokens.One
	_, err := f.Hold(f.T.Context(), id, uuid.NewString(), ledger.Hold{
		Feature:   "auto_selling",
		Amount:    &amount,
		ExpiresIn: time.Hour,
	})
	f.NoError(err)
	return id
}

// reads call each read of the engine. Something has fallen due of the second account.
var reads = map[string]func(ctx context.Context, e *engine.Engine, id, due uuid.UUID) error{
	"account": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, err := e.Account(ctx, id)
		return err
	},
	"balances": func(ctx context.Context, e *engine.Engine, id, due uuid.UUID) error {
		_, err := e.Balances(ctx, []uuid.UUID{id, due})
		return err
	},
	"agents": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, _, err := e.Agents(ctx, id)
		return err
	},
	"agent names": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, err := e.AgentNames(ctx, id)
		return err
	},
	"stopped agents": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, err := e.StoppedAgents(ctx, []uuid.UUID{id}, []uuid.UUID{id})
		return err
	},
	"agents that would resume": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, err := e.WouldResume(ctx, id, []ledger.Grant{{Kind: ledger.LotPurchase, Amount: tokens.One}})
		return err
	},
	"history": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, err := e.History(ctx, id, ledger.Filter{}, 0, 10)
		return err
	},
	"history by reference": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, err := e.History(ctx, id, ledger.Filter{Reference: "r"}, 0, 10)
		return err
	},
	"transaction": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, err := e.Transaction(ctx, id, 1)
		return err
	},
	"refusals": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, err := e.DeclinedOn(ctx, id, e.Now())
		return err
	},
	"open holds": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, _, err := e.OpenHolds(ctx, id, 0, 10)
		return err
	},
	"hold": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		list, err := e.History(ctx, id, ledger.Filter{Kinds: []ledger.Kind{ledger.KindHold}}, 0, 1)
		if err != nil {
			return err
		}
		_, err = e.HoldInfo(ctx, id, list.Lines[0].Seq)
		return err
	},
	"quote": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, err := e.Quote(ctx, id, ledger.Charge{Feature: repliesFeature, Agent: "scout"})
		return err
	},
	"balance at": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, err := e.BalanceAt(ctx, id, ledgertest.Start)
		return err
	},
	"recent work": func(ctx context.Context, e *engine.Engine, id, due uuid.UUID) error {
		_, err := e.RecentWork(ctx, []uuid.UUID{id, due}, ledgertest.Start.Add(-time.Hour), []string{repliesFeature})
		return err
	},
	"usage": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, err := e.Usage(ctx, id, ledgertest.Start.AddDate(0, 0, -7), e.Now())
		return err
	},
	"usage sums": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		_, err := e.UsageSums(ctx, id, ledger.UsageQuery{
			By:    ledger.ByFeature,
			First: ledgertest.Start.AddDate(0, 0, -7),
			Last:  e.Now(),
		})
		return err
	},
	"recent usage, series, spent this period": func(ctx context.Context, e *engine.Engine, id, _ uuid.UUID) error {
		a, err := e.Account(ctx, id)
		if err != nil {
			return err
		}
		if _, err = e.RecentUsage(ctx, []ledger.Account{a}, 7); err != nil {
			return err
		}
		if _, err = e.UsageSeries(ctx, a, ledger.ByFeature, 7); err != nil {
			return err
		}
		_, err = e.SpentThisPeriod(ctx, a)
		return err
	},
	"outbox": func(ctx context.Context, e *engine.Engine, _, _ uuid.UUID) error {
		_, err := e.Outbox(ctx, 10)
		return err
	},
}
