package billing

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// An auto purchase is charged to a method that is kept, without its buyer. It is written down
// first, like any order, and then goes the same road: the provider's payment is its checkout. Of an
// account there is one under way at most, which an index sees to.

// chargeTries is how long a charge is asked for again whose outcome is not known. Stripe remembers
// a key for a day at least: later, asking again could charge twice. What comes of it after that is
// told by events alone.
const chargeTries = 20 * time.Hour

// Kept is what can be charged without the buyer. The zero value is nothing.
type Kept struct {
	Card string // "Visa 4242"; empty where the provider does not tell
	Any  bool
}

// Kept says what is kept of an account at the provider.
func (s *Service) Kept(ctx context.Context, account uuid.UUID) (Kept, error) {
	kept, err := s.KeptOf(ctx, []uuid.UUID{account})
	return kept[account], err
}

const sqlKept = `select account, card from payment_customers where account = any ($1) and provider = $2 and method <> ''`

// KeptOf is Kept for many accounts; those of which nothing is kept are absent.
func (s *Service) KeptOf(ctx context.Context, accounts []uuid.UUID) (map[uuid.UUID]Kept, error) {
	if !s.Available() {
		return nil, nil
	}
	rows, err := s.pool.Query(ctx, sqlKept, accounts, s.o.Provider.Name())
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	found := map[uuid.UUID]Kept{}
	var account uuid.UUID
	kept := Kept{Any: true}
	_, err = pgx.ForEachRow(rows, []any{&account, &kept.Card}, func() error {
		found[account] = kept
		return nil
	})
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	return found, nil
}

const sqlForget = `with old as (select account, method from payment_customers where account = $1 and provider = $2 and method <> '' for update)
	update payment_customers c set method = '', card = '' from old where c.account = old.account and c.provider = $2 returning old.method`

// Forget deletes an account's kept payment method, so nothing is charged from then on. It asks the
// provider to delete the method, too. If the provider cannot be reached, its copy stays unused.
func (s *Service) Forget(ctx context.Context, account uuid.UUID) error {
	if s.o.Provider == nil {
		return ErrNotSetUp
	}
	var method string
	err := s.pool.QueryRow(ctx, sqlForget, account, s.o.Provider.Name()).Scan(&method)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return problem.Unavailable(err)
	}
	if err := s.o.Provider.Forget(ctx, method); err != nil && !errors.Is(err, payment.ErrNone) {
		s.o.Log.Warn("the payment provider still keeps a method that was forgotten", "account", account, "error", err)
	}
	return nil
}

// AutoParams order a pack that is charged without its buyer.
type AutoParams struct {
	Agreed Terms         // the pack, and what it may be at worst
	Most   int64         // what may be taken for it, tax included, in minor units
	Owed   tokens.Amount // what the account owes: it comes off the pack's tokens
}

// sqlInsertAuto adds nothing while one is under way, and needs a method that is kept. Its
// fingerprint is no request's: none can go on with it by its key. It adds nothing either while
// money goes back or may: what that takes off the balance is no reason to charge the same buyer
// again.
const sqlInsertAuto = `insert into purchases (id, account, pack, tokens, price_minor, currency, catalog_version, lot_expires_days, status, provider,
		idempotency_key, fingerprint, created_at, updated_at, ask_at, owed, auto, most_minor, customer, method)
	select $1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $10, $11, $12, $12, $13, $14, true, $15, customer, method
	from payment_customers where account = $2 and provider = $9 and method <> ''
		and not exists (select from purchases p where p.account = $2 and p.completed_at is not null and p.applied < p.version)
		and not exists (select from purchase_refunds r where r.account = $2 and r.untouched and r.done_at is null)
		and not exists (select from purchases p join purchase_disputes d on d.purchase = p.id where p.account = $2 and d.state = 'open')
	for share
	on conflict do nothing`

// OrderAuto writes an auto purchase in the transaction of the caller who decided on it, and returns
// its id; Charge then takes the money. uuid.Nil: one is under way already, no card is kept, or the
// pack is not what was agreed to. Errors: ErrNotSetUp, ledger.ErrClosed, kind Unprocessable (field
// "pack"), the database's.
func (s *Service) OrderAuto(ctx context.Context, tx pgx.Tx, account uuid.UUID, p AutoParams) (uuid.UUID, error) {
	if !s.Available() {
		return uuid.Nil, ErrNotSetUp
	}
	prices, now, id := s.o.Prices(), s.o.Clock(), uuid.New()
	pack, err := check(prices, StartParams{Pack: p.Agreed.Pack})
	if err != nil {
		return uuid.Nil, err
	}
	if !p.Agreed.KeptBy(pack) {
		return uuid.Nil, nil
	}
	if err := s.o.Ledger.KeepOpen(ctx, tx, account); err != nil {
		return uuid.Nil, err
	}
	tag, err := tx.Exec(ctx, sqlInsertAuto, id, account, pack.ID, pack.Tokens, pack.Price.Minor,
		pack.Price.Currency, prices.Version, pack.ExpiresDays,
		s.o.Provider.Name(), "auto-"+id.String(), []byte("auto"), now, now.Add(firstAsk), p.Owed, p.Most)
	if err != nil || tag.RowsAffected() == 0 {
		return uuid.Nil, err
	}
	return id, nil
}

// Queryer is a pool or a transaction.
type Queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const sqlAutos = `select ` + purchaseColumns +
	` from purchases where auto and account = any ($1) and created_at >= $2 order by account, created_at desc, id desc`

// Autos lists the auto purchases of accounts since an instant, the newest of each account first.
func (s *Service) Autos(ctx context.Context, from Queryer, accounts []uuid.UUID, since time.Time) ([]Purchase,
	error,
) {
	return collect(from.Query(ctx, sqlAutos, accounts, since))
}

// Charge has the provider take the money of an auto purchase that waits for it, and answers how it
// stands then. Asking again changes nothing. While the outcome is not known the purchase stays
// pending, the error is problem.Unavailable, and the reconciling job asks again.
func (s *Service) Charge(ctx context.Context, account, id uuid.UUID) (Purchase, error) {
	p, err := s.Get(ctx, account, id)
	if err != nil || !p.Auto || p.Status != StatusPending || p.session != "" {
		return p, err
	}
	if s.o.Provider == nil || p.provider != s.o.Provider.Name() {
		return p, ErrNotSetUp.Wrap(errors.New("it was ordered from " + p.provider))
	}
	checkout, err := s.o.Provider.Charge(ctx, payment.Charge{
		Reference:   p.ID.String(),
		Price:       p.Price,
		Most:        p.most,
		Description: description(&p),
		Customer:    p.customer,
		Method:      p.method,
	})
	switch {
	case errors.Is(err, payment.ErrTooMuch):
		err = s.advance(ctx, p, StatusFailed, FailureTooMuch)
	case payment.Final(err):
		s.o.Log.Warn("an auto top-up was refused", "purchase", p.ID, "error", err)
		err = s.chargeRefused(ctx, p, err)
	case err != nil:
		err = problem.Unavailable(err)
	default:
		err = s.settle(ctx, p, checkout)
	}
	if err != nil {
		return p, err
	}
	return s.Get(ctx, account, id)
}

const sqlForgetMethod = `update payment_customers set method = '', card = '' where account = $1 and provider = $2 and method = $3`

// chargeRefused ends an auto purchase that the provider takes nothing for. What it does not know any more is
// forgotten first: else the next one would be charged to it.
func (s *Service) chargeRefused(ctx context.Context, p Purchase, why error) error {
	var err error
	switch {
	case errors.Is(why, payment.ErrNoCustomer):
		err = s.forgetCustomer(ctx, &p)
	case errors.Is(why, payment.ErrNoMethod):
		if _, err = s.pool.Exec(ctx, sqlForgetMethod, p.AccountID, p.provider, p.method); err != nil {
			err = problem.Unavailable(err)
		}
	}
	if err != nil {
		return err
	}
	return s.advance(ctx, p, StatusFailed, FailureRefused)
}

// sqlUncharged leaves out what was forgotten since: only events tell of that.
const sqlUncharged = `select ` + purchaseColumns + ` from purchases
	where status in ('pending', 'processing') and ask_at <= $1 and provider = $2 and auto and provider_session is null and created_at > $3
		and exists (select from payment_customers k where k.account = purchases.account and k.provider = $2 and k.method = purchases.method)
	order by ask_at limit $4`

// chargeOpen goes on with charges whose outcome is not known.
func (s *Service) chargeOpen(ctx context.Context) (more bool, err error) {
	now := s.o.Clock()
	list, err := s.query(ctx, sqlUncharged, now, s.o.Provider.Name(), now.Add(-chargeTries), chunk)
	if err != nil {
		return false, err
	}
	for i := range list {
		p := &list[i]
		if _, err := s.pool.Exec(ctx, sqlAsked, p.ID,
			now.Add(min(max(now.Sub(p.CreatedAt)/4, time.Minute), rarestAsk))); err != nil {
			return false, problem.Unavailable(err)
		}
		if _, err := s.Charge(ctx, p.AccountID, p.ID); err != nil {
			s.o.Log.Warn("the outcome of an auto top-up is not known yet", "purchase", p.ID, "error", err)
		}
	}
	return false, nil // what is left has failed: the next turn is soon enough
}

const sqlAdopt = `update purchases set provider_session = $2, payment = $2 where id = $1 and provider_session is null`

// attachCheckout stores which payment belongs to an auto purchase. The charge's answer or an event may
// arrive first; both call it.
func (s *Service) attachCheckout(ctx context.Context, p *Purchase, c *payment.Checkout) error {
	if !p.Auto || c.ID == "" || c.Reference != p.ID.String() || c.Customer != p.customer {
		return nil
	}
	if _, err := s.pool.Exec(ctx, sqlAdopt, p.ID, c.ID); err != nil {
		return problem.Unavailable(err)
	}
	now, err := s.Get(ctx, p.AccountID, p.ID)
	if err == nil {
		*p = now
	}
	return err
}

// failureOf is why a purchase failed. For an auto purchase without a reason it is the payment method.
func failureOf(p *Purchase, c *payment.Checkout) Failure {
	if c.State == payment.Failed && p.Auto {
		return cmp.Or(Failure(c.Reason), FailureDeclined)
	}
	return Failure(c.Reason)
}

// autoNote is what the history says of the tokens.
func (p *Purchase) autoNote() string {
	if p.Auto {
		return "Auto top-up"
	}
	return ""
}
