package ledgertest

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/tokens"
)

// MustOpen opens an account on a plan.
func (f *Fixture) MustOpen(plan string) uuid.UUID {
	f.T.Helper()
	id := uuid.New()
	if err := f.SetPlan(f.T.Context(), id, ledger.SetPlan{Plan: plan}); err != nil {
		f.T.Fatal(err)
	}
	return id
}

// MustOpenWith opens an account that has spent its allowance and then got exactly the given tokens.
func (f *Fixture) MustOpenWith(amount string) uuid.UUID {
	f.T.Helper()
	id := f.MustOpen("starter")
	f.MustCharge(id, "auto_selling", "200")
	f.MustGrant(id, ledger.LotPromo, amount, time.Time{})
	return id
}

// MustCharge charges a feature. An empty amount leaves it to the feature's price.
func (f *Fixture) MustCharge(id uuid.UUID, feature, amount string) ledger.Receipt {
	f.T.Helper()
	c := ledger.Charge{Feature: feature}
	if amount != "" {
		a := tokens.MustParse(amount)
		c.Amount = &a
	}
	r, err := f.Charge(f.T.Context(), id, uuid.NewString(), c)
	if err != nil {
		f.T.Fatal(err)
	}
	return r
}

// MustGrant grants tokens that expire at an instant; zero: never.
func (f *Fixture) MustGrant(id uuid.UUID, kind ledger.LotKind, amount string, expires time.Time) ledger.Receipt {
	f.T.Helper()
	r, err := f.Grant(f.T.Context(), id, uuid.NewString(), ledger.Grant{
		Kind:      kind,
		Amount:    tokens.MustParse(amount),
		ExpiresAt: expires,
		Source:    uuid.NewString(),
	})
	if err != nil {
		f.T.Fatal(err)
	}
	return r
}

// Spendable is what an account can spend, as text.
func (f *Fixture) Spendable(id uuid.UUID) string {
	f.T.Helper()
	a, err := f.Account(f.T.Context(), id)
	if err != nil {
		f.T.Fatal(err)
	}
	return a.Spendable.String()
}

// WantSpendable compares what an account can spend.
func (f *Fixture) WantSpendable(id uuid.UUID, want string) {
	f.T.Helper()
	if got := f.Spendable(id); got != want {
		f.T.Errorf("spendable is %s, want %s", got, want)
	}
}

// MustPutAgent registers or changes an agent. An empty budget or reserve is left as it is. The agent without a name is
// the creator.
func (f *Fixture) MustPutAgent(id uuid.UUID, agent string, budget, reserve string) {
	f.T.Helper()
	p := ledger.PutAgent{ID: agent}
	if budget != "" {
		a := tokens.MustParse(budget)
		p.Budget = &a
	}
	if reserve != "" {
		a := tokens.MustParse(reserve)
		p.Reserve = &a
	}
	f.NoError(f.PutAgent(f.T.Context(), id, p))
}

// purchaser is an engine or a fixture.
type purchaser interface {
	Purchase(ctx context.Context, account uuid.UUID, purchase string) (*engine.Purchase, error)
}

// Revoke takes back what a purchase has granted, up to a total.
func Revoke(ctx context.Context, l purchaser, id uuid.UUID, purchase string, total tokens.Amount,
	cause ledger.Cause, reason string,
) (ledger.Receipt, error) {
	p, err := l.Purchase(ctx, id, purchase)
	if err != nil {
		return ledger.Receipt{}, err
	}
	return p.Revoke(ctx, total, cause, reason)
}

// Freeze freezes a purchase's lots during a dispute, or ends that.
func Freeze(ctx context.Context, l purchaser, id uuid.UUID, purchase string, frozen bool) error {
	p, err := l.Purchase(ctx, id, purchase)
	if err != nil {
		return err
	}
	return p.Freeze(ctx, frozen)
}

// Claim binds an idempotency key to a request that writes no entry. It returns whether the key was bound to the same
// request before.
func (f *Fixture) Claim(ctx context.Context, id uuid.UUID, key, request string) (known bool, err error) {
	err = pgx.BeginFunc(ctx, f.Pool, func(tx pgx.Tx) error {
		known, err = f.ClaimKey(ctx, tx, id, key, []byte(request))
		return err
	})
	return known, err
}
