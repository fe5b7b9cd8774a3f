package billing

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sitepath"
	"pop.store/credits/internal/tokens"
)

// StartParams order a pack.
type StartParams struct {
	Pack       string // id of a pack in the catalog
	ReturnPath string // page of the app to return to after paying, as "/tools?feature=pdf_creation"; empty: none
	KeepMethod bool   // the payment method may be charged again while the buyer is absent
	// Shown is the newest open order that the page has shown, or the zero UUID for none. If another order
	// is open, the new one is refused (ErrOpenOrder): it was made in another tab. Nil: no check.
	Shown *uuid.UUID
}

// fingerprint tells apart requests with the same idempotency key.
func (p StartParams) fingerprint() []byte {
	text := "purchase\x00" + p.Pack + "\x00" + p.ReturnPath
	if p.KeepMethod {
		text += "\x00keep"
	}
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// Start orders a pack and opens a checkout; the buyer continues at CheckoutURL. The same key with the same
// recordRequest returns the same purchase in its current state (Purchase.Ordered is the first answer), and
// continues one whose checkout could not be opened. replayed reports that an earlier request was answered.
// Errors: ErrNotSetUp, idempotency.ErrNoKey, idempotency.ErrKeyReused, ErrNotTaken (final: the order has
// failed), ErrTooMuch, ErrOpenOrder, ledger.ErrNoAccount, ledger.ErrClosed, kinds Unprocessable (field
// "pack", "return_url") and Unavailable (retry with the same key).
func (s *Service) Start(ctx context.Context, account uuid.UUID, key string, p StartParams) (_ Purchase,
	replayed bool, err error,
) {
	if !s.Available() {
		return Purchase{}, false, ErrNotSetUp
	}
	if key == "" {
		return Purchase{}, false, idempotency.ErrNoKey
	}
	order, err := s.order(ctx, account, key, p)
	if err != nil {
		return Purchase{}, false, err
	}
	switch {
	case order.session != "":
		return order, true, nil
	case order.Status == StatusFailed:
		return Purchase{}, false, ErrNotTaken
	}
	return s.open(ctx, order)
}

// order finds the purchase of this key or creates it. Of concurrent requests one creates it.
func (s *Service) order(ctx context.Context, account uuid.UUID, key string, p StartParams) (Purchase, error) {
	order, err := s.byKey(ctx, account, key)
	if errors.Is(err, ErrNoPurchase) {
		if err = s.insert(ctx, account, key, p); err == nil {
			order, err = s.byKey(ctx, account, key)
		}
	}
	if err != nil {
		return Purchase{}, err
	}
	if string(order.fingerprint) != string(p.fingerprint()) {
		return Purchase{}, idempotency.ErrKeyReused
	}
	return order, nil
}

// sqlInsert stores the customer that is known now, so that retries with the same key send the provider the
// same request.
const sqlInsert = `insert into purchases (id, account, pack, tokens, price_minor, currency, catalog_version, lot_expires_days, status, provider,
		return_path, idempotency_key, fingerprint, created_at, updated_at, ask_at, owed, keep_method, customer)
	values ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $10, $11, $12, $13, $13, $14, $15, $16,
		coalesce((select customer from payment_customers where account = $2 and provider = $9), ''))
	on conflict (account, idempotency_key) do nothing`

// insert records an order at the current catalog price. The key is claimed in the same transaction, so a
// refused order claims none.
func (s *Service) insert(ctx context.Context, account uuid.UUID, key string, p StartParams) error {
	prices, now := s.o.Prices(), s.o.Clock()
	pack, err := check(prices, p)
	if err != nil {
		return err
	}
	if err := s.checkShown(ctx, account, p.Shown); err != nil {
		return err
	}
	// Checked before the payment: the account must be able to receive tokens, and its debt is shown.
	a, err := s.o.Ledger.Account(ctx, account)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := s.o.Ledger.ClaimKey(ctx, tx, account, key, p.fingerprint()); err != nil {
			return err
		}
		if err := s.checkCapacity(ctx, tx, &a, pack.Tokens); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlInsert, uuid.New(), account, pack.ID, pack.Tokens, pack.Price.Minor,
			pack.Price.Currency, prices.Version,
			pack.ExpiresDays, s.o.Provider.Name(), p.ReturnPath, key, p.fingerprint(), now, now.Add(firstAsk),
			a.Owed, p.KeepMethod)
		return err
	})
	return orUnavailable(err)
}

// orUnavailable passes a *problem.Error through. Any other error comes from the database.
func orUnavailable(err error) error {
	var own *problem.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	return problem.Unavailable(err)
}

// sqlOrdered sums the tokens of orders that may still be paid.
const sqlOrdered = `select coalesce(sum(tokens), 0)::bigint from purchases where account = $1 and status in ('pending', 'processing')`

// checkCapacity refuses an order for a closed account, and one that would exceed the maximum balance: it must happen
// before the payment, since a payment is always credited. The account is locked, so concurrent orders see
// each other.
func (s *Service) checkCapacity(ctx context.Context, tx pgx.Tx, a *ledger.Account, more tokens.Amount) error {
	if err := s.o.Ledger.KeepOpen(ctx, tx, a.ID); err != nil {
		return err
	}
	var ordered tokens.Amount
	if err := tx.QueryRow(ctx, sqlOrdered, a.ID).Scan(&ordered); err != nil {
		return err
	}
	left := tokens.Max - min(a.Total, tokens.Max)
	if left -= min(ordered, left); more > left {
		return ErrTooMuch
	}
	return nil
}

func check(prices *catalog.Catalog, p StartParams) (catalog.Pack, error) {
	pack, ok := prices.Pack(p.Pack)
	if !ok {
		return pack, &problem.Error{
			Kind:    problem.Unprocessable,
			Code:    "unknown_pack",
			Field:   "pack",
			Message: "pack is not in the catalog.",
		}
	}
	if p.ReturnPath != "" && (len(p.ReturnPath) > maxReturnPath || !sitepath.Valid(p.ReturnPath)) {
		return pack, problem.Invalid("return_url", `must be the path of a page of this app such as "/tools"`)
	}
	return pack, nil
}

// maxReturnPath is the longest ReturnPath, in bytes.
const maxReturnPath = 500

const sqlOpened = `update purchases set provider_session = $3, checkout_url = $4, updated_at = $5
	where account = $1 and id = $2 and provider_session is null`

// open opens the order's checkout at the provider. Our purchase id is the provider's idempotency key, so
// each request gets the same checkout, also after a crash.
func (s *Service) open(ctx context.Context, order Purchase) (_ Purchase, replayed bool, err error) {
	if order.provider != s.o.Provider.Name() {
		return Purchase{}, false, ErrNotSetUp.Wrap(errors.New("it was ordered from " + order.provider))
	}
	checkout, err := s.askToOpen(ctx, &order)
	if errors.Is(err, payment.ErrNoCustomer) && order.customer != "" {
		if err := s.forgetCustomer(ctx, &order); err != nil {
			return Purchase{}, false, err
		}
		checkout, err = s.askToOpen(ctx, &order)
	}
	switch {
	case payment.Final(err):
		s.o.Log.Error("the payment provider refuses an order", "purchase", order.ID, "price", order.Price, "error",
			err)
		if err := s.advance(ctx, order, StatusFailed, FailureRefused); err != nil {
			return Purchase{}, false, err
		}
		return Purchase{}, false, ErrNotTaken.Wrap(err)
	case err != nil:
		return Purchase{}, false, problem.Unavailable(err)
	}
	tag, err := s.pool.Exec(ctx, sqlOpened, order.AccountID, order.ID, checkout.ID, checkout.URL, s.o.Clock())
	if err != nil {
		return Purchase{}, false, problem.Unavailable(err)
	}
	order, err = s.Get(ctx, order.AccountID, order.ID)
	return order, tag.RowsAffected() == 0, err
}

func (s *Service) askToOpen(ctx context.Context, order *Purchase) (payment.Checkout, error) {
	back := s.o.BaseURL + "/credits/purchases/" + order.ID.String()
	return s.o.Provider.Open(ctx, payment.Order{
		Reference:   order.ID.String(),
		Price:       order.Price,
		Description: description(order),
		SuccessURL:  back,
		CancelURL:   back + "?cancelled=1",
		Customer:    order.customer,
		KeepMethod:  order.keepMethod,
	})
}

// sqlForgetCustomer also removes the customer from unopened orders.
const sqlForgetCustomer = `with gone as (delete from payment_customers where account = $1 and provider = $2 and customer = $3)
	update purchases set customer = '' where account = $1 and provider = $2 and customer = $3 and provider_session is null and not auto`

// forgetCustomer deletes a customer that the provider no longer knows, with its stored payment method.
func (s *Service) forgetCustomer(ctx context.Context, p *Purchase) error {
	s.o.Log.Warn("the payment provider no longer knows a customer, who is removed", "account", p.AccountID,
		"customer", p.customer)
	if _, err := s.pool.Exec(ctx, sqlForgetCustomer, p.AccountID, p.provider, p.customer); err != nil {
		return problem.Unavailable(err)
	}
	p.customer = ""
	return nil
}

// description is the text on the payment page. It names the debt before the payment.
func description(p *Purchase) string {
	text := p.Tokens.String() + " tokens"
	if p.Owed > 0 {
		text += ", " + min(p.Owed, p.Tokens).String() + " of them for tokens owed from before"
	}
	return text
}

// Owed is the debt that the next purchase settles, to be shown before paying.
func (s *Service) Owed(ctx context.Context, account uuid.UUID) (tokens.Amount, error) {
	a, err := s.o.Ledger.Account(ctx, account)
	return a.Owed, err
}
