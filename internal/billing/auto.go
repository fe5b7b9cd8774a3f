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

// An auto purchase charges a stored payment method while the buyer is absent. It is recorded first, like
// any order; the provider's payment takes the place of the checkout. An index allows one open auto purchase
// per account.

// chargeTries is how long a charge with an unknown outcome is retried. Stripe remembers an idempotency key
// for at least a day; a later retry could charge twice. After that only events report the outcome.
const chargeTries = 20 * time.Hour

// Kept describes the stored payment method of an account. The zero value means none.
type Kept struct {
	Card string // "Visa 4242"; empty when the provider does not report it
	Any  bool
}

// Kept returns the payment method that the provider stores for an account.
func (s *Service) Kept(ctx context.Context, account uuid.UUID) (Kept, error) {
	kept, err := s.KeptOf(ctx, []uuid.UUID{account})
	return kept[account], err
}

const sqlKept = `select account, card from payment_customers where account = any ($1) and provider = $2 and method <> ''`

// KeptOf is Kept for many accounts. Accounts without a stored method are absent.
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
		s.o.Log.Warn("the payment provider could not delete a payment method", "account", account, "error", err)
	}
	return nil
}

// AutoParams order a pack that is charged while the buyer is absent.
type AutoParams struct {
	Agreed Terms         // the pack and its worst acceptable terms
	Most   int64         // maximum charge in minor units, tax included
	Owed   tokens.Amount // the account's debt, which is deducted from the pack's tokens
}

// sqlInsertAuto inserts nothing while another auto purchase is open, or without a stored method. It also
// inserts nothing while a refund, return or dispute is open: tokens that it removes are no reason to charge
// the buyer again. The fingerprint is a constant that no request has, so no request can continue this
// purchase by its key.
const sqlInsertAuto = `insert into purchases (id, account, pack, tokens, price_minor, currency, catalog_version, lot_expires_days, status, provider,
		idempotency_key, fingerprint, created_at, updated_at, ask_at, owed, auto, most_minor, customer, method)
	select $1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $10, $11, $12, $12, $13, $14, true, $15, customer, method
	from payment_customers where account = $2 and provider = $9 and method <> ''
		and not exists (select from purchases p where p.account = $2 and p.completed_at is not null and p.applied < p.version)
		and not exists (select from purchase_refunds r where r.account = $2 and r.untouched and r.done_at is null)
		and not exists (select from purchases p join purchase_disputes d on d.purchase = p.id where p.account = $2 and d.state = 'open')
	for share
	on conflict do nothing`

// OrderAuto records an auto purchase in the caller's transaction and returns its id. Charge then takes the
// money. It returns uuid.Nil if one is open already, no method is stored, or the pack breaks the agreed
// terms. Errors: ErrNotSetUp, ledger.ErrClosed, kind Unprocessable (field "pack"), the database's.
func (s *Service) OrderAuto(ctx context.Context, tx pgx.Tx, account uuid.UUID, p AutoParams) (uuid.UUID, error) {
	if !s.Available() {
		return uuid.Nil, ErrNotSetUp
	}
	prices, now, id := s.o.Prices(), s.o.Clock(), uuid.New()
	pack, err := check(prices, StartParams{Pack: p.Agreed.Pack})
	if err != nil {
		return uuid.Nil, err
	}
	if !p.Agreed.Allows(pack) {
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

// Autos lists the auto purchases of accounts since an instant, grouped by account, newest first.
func (s *Service) Autos(ctx context.Context, from Queryer, accounts []uuid.UUID, since time.Time) ([]Purchase,
	error,
) {
	return collect(from.Query(ctx, sqlAutos, accounts, since))
}

// Charge has the provider charge a pending auto purchase and returns its new state. It is idempotent. While
// the outcome is unknown the purchase stays pending, the error is problem.Unavailable, and the reconciling
// job retries.
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

// chargeRefused ends an auto purchase that the provider refused to charge. It first deletes a customer or
// method that the provider no longer knows, so that the next purchase does not use it.
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

// sqlUncharged leaves out charges whose method was deleted since: only events report their outcome.
const sqlUncharged = `select ` + purchaseColumns + ` from purchases
	where status in ('pending', 'processing') and ask_at <= $1 and provider = $2 and auto and provider_session is null and created_at > $3
		and exists (select from payment_customers k where k.account = purchases.account and k.provider = $2 and k.method = purchases.method)
	order by ask_at limit $4`

// chargeOpen retries charges with an unknown outcome.
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
	return false, nil // the rest has failed and can wait for the next turn
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

// failureOf returns why a purchase failed. An auto purchase without a reported reason was declined.
func failureOf(p *Purchase, c *payment.Checkout) Failure {
	if c.State == payment.Failed && p.Auto {
		return cmp.Or(Failure(c.Reason), FailureDeclined)
	}
	return Failure(c.Reason)
}

// autoNote is the note on the ledger entry of the purchase.
func (p *Purchase) autoNote() string {
	if p.Auto {
		return "Auto top-up"
	}
	return ""
}
