package accounts

import (
	"context"
	"errors"
	"net/mail"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// Put is what the host platform says about an account. Nil fields stay as they are.
type Put struct {
	Plan          *string
	PlanStatus    *string
	Name          *string
	Email         *string
	TimeZone      *string
	BillingAnchor *time.Time
	BillingZone   *string
}

// Limits of profile texts, in characters.
const (
	maxName  = 200
	maxEmail = 254
)

// Put creates an account or changes it. A new account needs a plan and gets its first allowance at once. It answers whether the account is
// new. Errors: problem kinds Meaning (naming the field) and Unavailable.
func (a *Accounts) Put(ctx context.Context, externalID string, p Put) (id uuid.UUID, created bool, err error) {
	if !ValidID(externalID) {
		return uuid.Nil, false, problem.Invalid("account", `must be 1 to 64 of A-Za-z0-9_-.: and not "me", "." or ".."`)
	}
	if err := p.check(); err != nil {
		return uuid.Nil, false, err
	}
	if id, created, err = a.ensure(ctx, externalID, p); err != nil {
		return uuid.Nil, false, err
	}
	plan := ledger.SetPlan{
		Plan: value(p.Plan), Status: ledger.PlanStatus(value(p.PlanStatus)), Anchor: value(p.BillingAnchor), Zone: value(p.BillingZone),
	}
	if err := a.ledger.SetPlan(ctx, id, plan); err != nil {
		return uuid.Nil, false, err
	}
	_, err = a.pool.Exec(ctx, `update accounts set name = coalesce($2, name), email = coalesce($3, email), time_zone = coalesce($4, time_zone)
		where id = $1`, id, p.Name, p.Email, p.TimeZone)
	if err != nil {
		return uuid.Nil, false, ledger.ErrUnavailable.Because(err)
	}
	return id, created, nil
}

// ensure maps the host's id to a ledger id, once. An account counts as new until the ledger has opened it, so a PUT that failed half-way
// is simply sent again.
func (a *Accounts) ensure(ctx context.Context, externalID string, p Put) (id uuid.UUID, created bool, err error) {
	id, err = a.Find(ctx, externalID)
	if err == nil {
		_, err = a.ledger.Account(ctx, id)
		if created = errors.Is(err, ledger.ErrNoAccount); created {
			err = nil
		}
		return id, created, err
	}
	if !errors.Is(err, ledger.ErrNoAccount) {
		return uuid.Nil, false, err
	}
	if p.Plan == nil {
		return uuid.Nil, false, problem.Invalid("plan", "is needed for a new account")
	}
	if _, known := a.prices().Plan(*p.Plan); !known {
		return uuid.Nil, false, problem.Invalid("plan", "is not in the catalog")
	}
	_, err = a.pool.Exec(ctx, "insert into accounts (external_id, id, created_at) values ($1, $2, $3) on conflict (external_id) do nothing",
		externalID, uuid.New(), a.ledger.Now())
	if err != nil {
		return uuid.Nil, false, ledger.ErrUnavailable.Because(err)
	}
	id, err = a.Find(ctx, externalID)
	return id, true, err
}

func (p Put) check() error {
	if p.Name != nil && (utf8.RuneCountInString(*p.Name) > maxName || hasControl(*p.Name)) {
		return problem.Invalid("name", "must be at most %d printable characters", maxName)
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
	return nil
}

func hasControl(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) {
			return true
		}
	}
	return false
}

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
