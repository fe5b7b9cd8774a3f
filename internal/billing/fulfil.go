package billing

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
)

// Refresh returns a purchase for the page that a buyer returns to. While the outcome is open it asks the
// provider, and it fulfils a paid purchase. Open in the answer means that the provider has just reported it
// unpaid. If the provider does not answer, the stored state is returned. ErrNoPurchase also for another
// account's.
func (s *Service) Refresh(ctx context.Context, account, id uuid.UUID) (Purchase, error) {
	p, err := s.Get(ctx, account, id)
	open := p.Status == StatusPending || p.Status == StatusProcessing
	if err != nil || !open || !s.sameProvider(&p) {
		return p, err
	}
	state, err := s.ask(ctx, p)
	if err != nil {
		s.o.Log.Warn("purchase could not be refreshed", "purchase", p.ID, "error", err)
	}
	p, err = s.Get(ctx, account, id)
	p.Open = state == payment.Open && p.Status == StatusPending
	return p, err
}

// ask fetches the state of a purchase's checkout and applies it.
func (s *Service) ask(ctx context.Context, p Purchase) (payment.State, error) {
	checkout, err := s.o.Provider.Checkout(ctx, p.session)
	if err != nil {
		return "", problem.Unavailable(err)
	}
	return checkout.State, s.settle(ctx, p, checkout)
}

// forward lists the states from which a purchase may move into a state. A payment always wins, and late
// events never undo later ones.
var forward = map[Status][]Status{
	StatusProcessing: {StatusPending},
	StatusFailed:     {StatusPending, StatusProcessing},
	StatusExpired:    {StatusPending},
	StatusCompleted:  {StatusPending, StatusProcessing, StatusFailed, StatusExpired},
}

// outcomes maps the state of a checkout to that of its purchase.
var outcomes = map[payment.State]Status{
	payment.Waiting: StatusProcessing,
	payment.Failed:  StatusFailed,
	payment.Expired: StatusExpired,
	payment.Paid:    StatusCompleted,
}

// settle applies a checkout to our order. A payment that does not match the order is logged and ignored for
// good.
func (s *Service) settle(ctx context.Context, p Purchase, c payment.Checkout) error {
	outcome, news := outcomes[c.State]
	if !news {
		return nil
	}
	if err := s.attachCheckout(ctx, &p, &c); err != nil {
		return err
	}
	if !s.matches(&p, &c) {
		s.o.Log.Error("a payment does not match the order: nothing is credited", "purchase", p.ID, "provider",
			p.provider, "session", c.ID,
			"our_session", p.session, "reference", c.Reference, "price", c.Price, "our_price", p.Price, "live",
			c.Live, "outcome", c.State)
		return nil
	}
	if outcome != StatusCompleted {
		return s.advance(ctx, p, outcome, failureOf(&p, &c))
	}
	if err := s.note(ctx, &p, &c); err != nil {
		return err
	}
	return s.fulfil(ctx, p, c)
}

// matches compares a checkout with our order. Nothing else that came with the payment is trusted.
func (s *Service) matches(p *Purchase, c *payment.Checkout) bool {
	return c.ID == p.session && c.Reference == p.ID.String() && c.Price == p.Price && c.Total >= 0 && c.OneOff &&
		p.provider == s.o.Provider.Name() &&
		c.Live == s.o.Provider.Live() && (!p.Auto || c.Customer == p.customer)
}

// fulfil credits the tokens in the ledger and then marks the purchase as completed. The ledger credits a
// purchase only once, so concurrent calls are safe, and after a crash between the two steps the next call
// finishes.
func (s *Service) fulfil(ctx context.Context, p Purchase, c payment.Checkout) error {
	if !p.credited() {
		_, err := s.o.Ledger.Grant(ctx, p.AccountID, "", ledger.Grant{
			Kind:      ledger.LotPurchase,
			Amount:    p.Tokens,
			Source:    p.ID.String(),
			ExpiresAt: p.expiry(s.o.Clock()),
			Reason:    p.autoNote(),
		})
		if err != nil {
			s.o.Log.Error("a paid purchase could not be credited", "purchase", p.ID, "error", err)
			return err
		}
		if err := s.complete(ctx, p, c); err != nil {
			return err
		}
	}
	return s.applyReversals(ctx, p.ID) // refunds that arrived before the tokens
}

// sqlComplete also schedules the bill.
const sqlComplete = `with done as (
		update purchases set status = 'completed', failure = '', paid_minor = $3, card = $4, payment = coalesce(payment, nullif($7, '')), updated_at = $5,
			completed_at = $5
		where account = $1 and id = $2 and status = any ($6) returning id, account)
	insert into purchase_bills (purchase, account, since, ask_at) select id, account, $5, $8 from done on conflict (purchase) do nothing`

func (s *Service) complete(ctx context.Context, p Purchase, c payment.Checkout) error {
	c, now := s.details(ctx, c), s.o.Clock()
	_, err := s.pool.Exec(ctx, sqlComplete, p.AccountID, p.ID, c.Total, c.Card, now, forward[StatusCompleted],
		c.Payment, now.Add(afterWait))
	if err != nil {
		return problem.Unavailable(err)
	}
	p.Paid.Minor = c.Total
	s.storeBill(ctx, &p, c.Bill)
	return s.storeCustomer(ctx, p, c)
}

// details fetches what events lack: the card, the method that may be charged again, and the bill. Crediting
// does not depend on it.
func (s *Service) details(ctx context.Context, c payment.Checkout) payment.Checkout {
	if c.Card != "" {
		return c
	}
	whole, err := s.o.Provider.Checkout(ctx, c.ID)
	if err != nil {
		s.o.Log.Warn("the details of a payment are not known", "session", c.ID, "error", err)
		return c
	}
	c.Card, c.Method, c.Bill = whole.Card, whole.Method, whole.Bill
	if c.Payment == "" {
		c.Payment = whole.Payment
	}
	if c.Customer == "" {
		c.Customer = whole.Customer
	}
	return c
}

const sqlKeepCustomer = `insert into payment_customers as kept (account, provider, customer, method, card) values ($1, $2, $3, $4, $5)
	on conflict (account, provider) do update set customer = excluded.customer, method = excluded.method, card = excluded.card
	where excluded.method <> '' or kept.method = ''`

// storeCustomer stores the provider's customer and payment method for the next purchase. For an auto
// purchase both are known already, or were deleted since.
func (s *Service) storeCustomer(ctx context.Context, p Purchase, c payment.Checkout) error {
	if c.Customer == "" || p.Auto {
		return nil
	}
	card := ""
	if c.Method != "" {
		card = c.Card
	}
	if _, err := s.pool.Exec(ctx, sqlKeepCustomer, p.AccountID, p.provider, c.Customer, c.Method, card); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

const sqlAdvance = `update purchases set status = $3, updated_at = $4, failure = $6
	where account = $1 and id = $2 and status = any ($5)`

// advance moves a purchase to a later state, if the transition is allowed.
func (s *Service) advance(ctx context.Context, p Purchase, to Status, why Failure) error {
	if _, err := s.pool.Exec(ctx, sqlAdvance, p.AccountID, p.ID, to, s.o.Clock(), forward[to], why); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// paidWith finds the purchase of a payment. It asks the provider about an unknown payment, whose checkout
// may be unknown, too. ErrNoPurchase if it is not ours.
func (s *Service) paidWith(ctx context.Context, paid string) (Purchase, error) {
	p, err := s.getOne(ctx, "payment = $1 and provider = $2", paid, s.o.Provider.Name())
	if !errors.Is(err, ErrNoPurchase) {
		return p, err
	}
	checkout, err := s.o.Provider.CheckoutOf(ctx, paid)
	if errors.Is(err, payment.ErrNone) || errors.Is(err, payment.ErrRefused) {
		return Purchase{}, ErrNoPurchase
	}
	if err != nil {
		return Purchase{}, problem.Unavailable(err)
	}
	if p, err = s.purchaseOf(ctx, &checkout); err != nil {
		return Purchase{}, err
	}
	if err := s.attachCheckout(ctx, &p, &checkout); err != nil {
		return Purchase{}, err
	}
	if p.session != checkout.ID || p.provider != s.o.Provider.Name() {
		return Purchase{}, ErrNoPurchase
	}
	_, err = s.pool.Exec(ctx, `update purchases set payment = $2 where id = $1 and payment is null`, p.ID, paid)
	if err != nil {
		return Purchase{}, problem.Unavailable(err)
	}
	p.payment = paid
	return p, nil
}
