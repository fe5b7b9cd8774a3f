package directory

import (
	"context"
	"errors"
	"net/mail"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/plaintext"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Put is what the host platform says about an account. Nil fields stay as they are.
type Put struct {
	Plan          *string
	PlanStatus    *string
	Stay          bool // drops a downgrade that waits
	Name          *string
	Email         *string
	TimeZone      *string
	BillingAnchor *time.Time
	BillingZone   *string
	OwnReserve    *tokens.Amount       // kept for the creator's own tools; zero takes it away
	LowThreshold  *ledger.SetThreshold // below it the balance is low
}

const maxEmail = 254 // characters

// Put creates an account or changes it. A new account needs a plan and gets its first allowance at
// once. It answers whether this call made the account: of all that try at once, one did. Errors:
// problem kinds Unprocessable (naming the field; nothing is written, but where own_reserve is more
// than tokens.Max together with what agents reserve: then all else is) and Unavailable.
func (d *Directory) Put(ctx context.Context, externalID string, p Put) (id uuid.UUID, created bool, err error) {
	if !plaintext.ID(externalID) {
		return uuid.Nil, false, problem.Invalid("account", plaintext.IDRule)
	}
	if err := p.check(); err != nil {
		return uuid.Nil, false, err
	}
	plan := ledger.SetPlan{
		Plan:        value(p.Plan),
		Status:      ledger.PlanStatus(value(p.PlanStatus)),
		Anchor:      value(p.BillingAnchor),
		Zone:        value(p.BillingZone),
		Stay:        p.Stay,
		OpeningZone: value(p.TimeZone),
	}
	if id, err = d.ensure(ctx, externalID, &plan); err != nil {
		return uuid.Nil, false, err
	}
	// The ledger says who made the account, and not the row that names it: that one may be left of
	// a PUT which got no further.
	if created, err = d.ledger.PutPlan(ctx, id, plan); err != nil {
		return uuid.Nil, false, err
	}
	_, err = d.pool.Exec(ctx, `update accounts set name = coalesce($2, name), email = coalesce($3, email), time_zone = coalesce($4, time_zone)
		where id = $1`, id, p.Name, p.Email, p.TimeZone)
	if err != nil {
		return uuid.Nil, false, problem.Unavailable(err)
	}
	return id, created, d.putSettings(ctx, id, p)
}

func (d *Directory) putSettings(ctx context.Context, id uuid.UUID, p Put) error {
	if p.LowThreshold != nil {
		if err := d.ledger.SetThreshold(ctx, id, *p.LowThreshold); err != nil {
			return err
		}
	}
	if p.OwnReserve != nil {
		return d.agents.SetOwnReserve(ctx, id, *p.OwnReserve)
	}
	return nil
}

// ensure maps the host's id to a ledger id, once, if the request can open an account. A PUT that
// failed half-way is simply sent again.
func (d *Directory) ensure(ctx context.Context, externalID string, plan *ledger.SetPlan) (uuid.UUID, error) {
	id, err := d.Find(ctx, externalID)
	if !errors.Is(err, ledger.ErrNoAccount) {
		return id, err
	}
	now := d.ledger.Now()
	if err := plan.Check(d.prices(), now); err != nil {
		return uuid.Nil, err
	}
	_, err = d.pool.Exec(ctx, "insert into accounts (external_id, id, created_at) values ($1, $2, $3) on conflict (external_id) do nothing",
		externalID, uuid.New(), now)
	if err != nil {
		return uuid.Nil, problem.Unavailable(err)
	}
	return d.Find(ctx, externalID)
}

func (p Put) check() error {
	// To the ledger an empty text is one that is absent; from a caller it is a mistake.
	for _, f := range []struct {
		name string
		text *string
	}{{"plan", p.Plan}, {"plan_status", p.PlanStatus}, {"billing_zone", p.BillingZone}} {
		if f.text != nil && *f.text == "" {
			return problem.Invalid(f.name, "must not be empty")
		}
	}
	if p.Name != nil && !plaintext.Name(*p.Name) {
		return problem.Invalid("name", plaintext.NameRule, plaintext.MaxName)
	}
	if p.Email != nil && *p.Email != "" {
		address, err := mail.ParseAddress(*p.Email)
		if err != nil || address.Address != *p.Email || len(*p.Email) > maxEmail {
			return problem.Invalid("email", "must be an e-mail address")
		}
	}
	if p.TimeZone != nil {
		if _, err := ledger.LoadZone(*p.TimeZone); err != nil {
			return problem.Invalid("time_zone", `must be a time zone such as "Europe/Paris"`)
		}
	}
	if p.OwnReserve != nil {
		if err := notNegative("own_reserve", *p.OwnReserve); err != nil {
			return err
		}
	}
	if p.LowThreshold != nil && p.LowThreshold.Amount != nil {
		return notNegative("low_threshold", *p.LowThreshold.Amount)
	}
	return nil
}

func notNegative(field string, amount tokens.Amount) error {
	if amount < 0 {
		return problem.Invalid(field, "must not be below zero")
	}
	return nil
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
