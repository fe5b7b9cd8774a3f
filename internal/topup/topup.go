// Package topup buys a pack automatically when an account's tokens fall below the creator's threshold,
// within a monthly limit of purchases and money. It is off by default, and after a failed payment it stops
// until the creator turns it on again.
//
// decide.go has all rules in one pure function. The decision and the purchase are written in one
// transaction that locks the account's settings; billing then charges the purchase.
//
// Tokens are millionths of a token, money is minor units of a currency, instants are UTC. Months are
// calendar months of the account's billing zone, as in agents' budgets. Errors that a caller may see are
// *problem.Error.
package topup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

type Options struct {
	Ledger  *engine.Engine
	Billing *billing.Service
	Prices  func() *catalog.Catalog // the current catalog
	Clock   clock.Clock
	Log     *slog.Logger
	// Tell orders the e-mail about a stop. It may be called twice with the same stop. Nil: no e-mail is
	// sent.
	Tell func(ctx context.Context, account uuid.UUID, s Stopped) error
}

// Service runs auto top-up. It is safe for concurrent use, by any number of servers.
type Service struct {
	pool *pgxpool.Pool
	o    Options
}

// New returns a service over a migrated database.
func New(pool *pgxpool.Pool, o Options) *Service { return &Service{pool: pool, o: o} }

// MostTimes is the largest monthly number of purchases.
const MostTimes = 30

// mostMoney is the largest monthly amount: MostTimes of the most expensive pack that can be paid in the
// currency.
func mostMoney(currency string) money.Amount {
	return money.Amount{Minor: MostTimes * money.MaxPayment(currency).Minor, Currency: currency}
}

// Settings are a creator's settings of auto top-up.
type Settings struct {
	On        bool
	Threshold tokens.Amount // a pack is bought below it
	// The pack as agreed; a worse one is never bought. Zero tokens mean an old agreement without them.
	Agreed    billing.Terms
	Times     int          // monthly limit
	Limit     money.Amount // monthly limit, tax included
	ChangedAt time.Time    // when the creator last turned it on or off
	Stopped   Stopped      // why it stopped; zero if the creator turned it off
}

// Stopped is why and when auto top-up stopped. The zero value means that it did not.
type Stopped struct {
	Why      Stop
	At       time.Time
	Purchase uuid.UUID // the attempt that caused it; uuid.Nil: none
}

// Stop is a reason to stop until the creator turns it on again.
type Stop string

const (
	StopDeclined Stop = "declined"       // the bank declined the card, or there is no method to charge
	StopConfirm  Stop = "authentication" // the bank wants the creator to confirm the payment
	// the pack is worse than agreed: more expensive, another currency, fewer tokens, or an earlier expiry
	StopPrice Stop = "price"
	StopPack  Stop = "pack" // the pack is no longer sold
	// an automatic purchase was returned or is disputed
	StopReturned Stop = "returned"
	StopOwed     Stop = "owed" // the debt is so high that a pack would not lift the balance over the threshold
)

// Overview is the state of auto top-up for display.
type Overview struct {
	Settings
	Set   bool         // it was saved at least once
	Kept  billing.Kept // the payment method
	Times int          // purchases this month, pending ones included
	Spent money.Amount // their sum, in the limit's currency
	Last  *billing.Purchase
	Wait  Wait // why no pack is bought although the balance is below the threshold
}

const settingsColumns = `account, enabled, threshold, pack, price_minor, currency, times, limit_minor, changed_at, stopped, coalesce(stopped_at, '0001-01-01'),
	coalesce(purchase, '00000000-0000-0000-0000-000000000000'),
	case when agreed_at = changed_at then agreed_tokens else 0 end, case when agreed_at = changed_at then agreed_expires_days else 0 end`

type setting struct {
	account uuid.UUID
	Settings
}

func scanSetting(row pgx.CollectableRow) (setting, error) {
	var s setting
	agreed := &s.Agreed
	err := row.Scan(&s.account, &s.On, &s.Threshold, &agreed.Pack, &agreed.Price.Minor, &agreed.Price.Currency,
		&s.Times, &s.Limit.Minor, &s.ChangedAt,
		&s.Stopped.Why, &s.Stopped.At, &s.Stopped.Purchase, &agreed.Tokens, &agreed.ExpiresDays)
	s.Limit.Currency, s.ChangedAt, s.Stopped.At = agreed.Price.Currency, s.ChangedAt.UTC(), s.Stopped.At.UTC()
	return s, err
}

// settings reads an account's settings; false if it never had any.
func settings(ctx context.Context, from billing.Queryer, account uuid.UUID, lock string) (setting, bool, error) {
	rows, err := from.Query(ctx, "select "+settingsColumns+" from topups where account = $1 "+lock, account)
	if err != nil {
		return setting{}, false, err
	}
	s, err := pgx.CollectExactlyOneRow(rows, scanSetting)
	if errors.Is(err, pgx.ErrNoRows) {
		return setting{account: account}, false, nil
	}
	return s, err == nil, err
}

// Overview returns the state of auto top-up for an account that was just read.
func (s *Service) Overview(ctx context.Context, a *ledger.Account) (Overview, error) {
	set, found, err := settings(ctx, s.pool, a.ID, "")
	if err != nil {
		return Overview{}, problem.Unavailable(err)
	}
	o := Overview{Settings: set.Settings, Set: found}
	if o.Kept, err = s.o.Billing.Kept(ctx, a.ID); err != nil {
		return Overview{}, err
	}
	if !found {
		return o, nil
	}
	now := s.o.Clock()
	attempts, err := s.attempts(ctx, s.pool, []uuid.UUID{a.ID}, now)
	if err != nil {
		return Overview{}, err
	}
	f := factsOf(a, attempts[a.ID], o.Kept.Any, now)
	if len(f.attempts) > 0 {
		o.Last = &f.attempts[0]
	}
	o.Times, o.Spent = f.thisMonth(o.Limit.Currency)
	o.Wait = decide(o.Settings, f, s.o.Prices(), now).wait
	return o, nil
}

// Stopped reports whether auto top-up stopped and the creator has not reacted yet.
func (s *Service) Stopped(ctx context.Context, account uuid.UUID) (Stopped, bool, error) {
	set, _, err := settings(ctx, s.pool, account, "")
	if err != nil {
		return Stopped{}, false, problem.Unavailable(err)
	}
	return set.Stopped, set.Stopped.Why != "", nil
}

// SaveParams turn auto top-up on.
type SaveParams struct {
	Threshold tokens.Amount
	Agreed    billing.Terms // the pack as the page showed it
	Times     int
	Limit     money.Amount
}

const sqlSave = `insert into topups (account, enabled, threshold, pack, price_minor, currency, times, limit_minor, changed_at, agreed_tokens,
		agreed_expires_days, agreed_at)
	values ($1, true, $2, $3, $4, $5, $6, $7, $8, $9, $10, $8)
	on conflict (account) do update set enabled = true, threshold = excluded.threshold, pack = excluded.pack, price_minor = excluded.price_minor,
		currency = excluded.currency, agreed_tokens = excluded.agreed_tokens, agreed_expires_days = excluded.agreed_expires_days,
		agreed_at = excluded.agreed_at, times = excluded.times, limit_minor = excluded.limit_minor, changed_at = excluded.changed_at,
		stopped = '', stopped_at = null, purchase = null, told_at = null`

// Save stores the settings and turns auto top-up on. Errors: billing.ErrNotSetUp, ledger.ErrNoAccount,
// ledger.ErrClosed, kinds Unprocessable (the first of Check) and Unavailable.
func (s *Service) Save(ctx context.Context, account uuid.UUID, p SaveParams) error {
	if !s.o.Billing.Available() {
		return billing.ErrNotSetUp
	}
	if wrong := s.Check(p); len(wrong) > 0 {
		return wrong[0]
	}
	a, err := s.o.Ledger.Account(ctx, account)
	if err != nil {
		return err
	}
	if !a.ClosedAt.IsZero() {
		return ledger.ErrClosed
	}
	agreed := p.Agreed
	_, err = s.pool.Exec(ctx, sqlSave, account, p.Threshold, agreed.Pack, agreed.Price.Minor,
		agreed.Price.Currency, p.Times, p.Limit.Minor, s.o.Clock(),
		agreed.Tokens, agreed.ExpiresDays)
	if err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// Check validates settings and returns at most one problem for each field: "threshold", "pack", "times",
// "limit".
func (s *Service) Check(p SaveParams) []*problem.Error {
	var wrong []*problem.Error
	bad := func(field, format string, args ...any) {
		e := problem.New(problem.Unprocessable, "invalid_field", format, args...)
		e.Field = field
		wrong = append(wrong, e)
	}
	pack, sold := s.o.Prices().Pack(p.Agreed.Pack)
	switch {
	case p.Threshold <= 0:
		bad("threshold", "Must be above zero.")
	case sold && p.Threshold >= pack.Tokens:
		bad("threshold", "Must be less than the %s tokens that the pack brings.", pack.Tokens)
	}
	switch {
	case !sold:
		bad("pack", "Choose one of the list.")
	case pack.Price.Minor <= 0:
		bad("pack", "This pack costs nothing, so it cannot be bought by itself.")
	case billing.TermsOf(pack) != p.Agreed:
		bad("pack", "This pack is %s now. Save again if that is fine.", inWords(pack))
	}
	if p.Times < 1 || p.Times > MostTimes {
		bad("times", "Choose a number from 1 to %d.", MostTimes)
	}
	switch {
	case sold && (p.Limit.Minor < pack.Price.Minor || p.Limit.Currency != pack.Price.Currency):
		bad("limit", "Must be enough for one pack: at least %s.", pack.Price)
	case p.Limit.Minor <= 0:
		bad("limit", "Must be above zero.")
	case p.Limit.Minor > mostMoney(p.Limit.Currency).Minor:
		bad("limit", "Must be at most %s.", mostMoney(p.Limit.Currency))
	}
	return wrong
}

// inWords describes a pack's terms: "500 tokens for $39.00, which expire after 90 days".
func inWords(p catalog.Pack) string {
	text := p.Tokens.String() + " tokens for " + p.Price.String()
	switch {
	case p.ExpiresDays == 1:
		text += ", which expire after a day"
	case p.ExpiresDays > 1:
		text += fmt.Sprintf(", which expire after %d days", p.ExpiresDays)
	}
	return text
}

const sqlOff = `update topups set enabled = false, stopped = '', stopped_at = null, purchase = null, told_at = null, changed_at = $2
	where account = $1`

// TurnOff turns auto top-up off and clears the reason of a stop. A pending purchase still completes.
func (s *Service) TurnOff(ctx context.Context, account uuid.UUID) error {
	_, err := s.pool.Exec(ctx, sqlOff, account, s.o.Clock())
	if err != nil {
		return problem.Unavailable(err)
	}
	return nil
}
