package billing

import (
	"context"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/sandbox"
)

// payment is what the provider says about a checkout, wherever we heard it.
type payment struct {
	session   string
	reference string       // the order that the checkout was opened for, as the provider knows it
	price     money.Amount // before tax and discounts
	paid      int64        // after them, in minor units
	outcome   Status       // what the purchase becomes; StatusPending: no news
}

// Refresh reads a purchase for the page that a buyer comes back to. While its outcome is open it asks the provider, never the browser,
// and fulfils it when it is paid. If that cannot be found out now, the purchase is answered as it stands. ErrNoPurchase for another
// account's, too.
func (s *Service) Refresh(ctx context.Context, account, id uuid.UUID) (Purchase, error) {
	p, err := s.Get(ctx, account, id)
	open := p.Status == StatusPending || p.Status == StatusProcessing
	if err != nil || !open || p.session == "" || s.o.Provider == nil {
		return p, err
	}
	session, err := s.o.Provider.Session(ctx, p.session)
	if err == nil {
		err = s.settle(ctx, p, paymentOf(session))
	}
	if err != nil {
		s.o.Log.Warn("purchase could not be refreshed", "purchase", p.ID, "error", err)
	}
	return s.Get(ctx, account, id)
}

func paymentOf(session sandbox.Session) payment {
	pay := payment{
		session: session.ID, reference: session.ClientReference, price: session.Amount, paid: session.Amount.Minor, outcome: StatusPending,
	}
	switch {
	case session.PaymentStatus == sandbox.Paid:
		pay.outcome = StatusCompleted
	case session.Status == sandbox.Complete:
		pay.outcome = StatusProcessing
	case session.Status == sandbox.Expired:
		pay.outcome = StatusExpired
	}
	return pay
}

// forward lists the states from which a purchase may move into a state. Money that did come always wins; news that comes late never
// undoes what came after it.
var forward = map[Status][]Status{
	StatusProcessing: {StatusPending},
	StatusFailed:     {StatusPending, StatusProcessing},
	StatusExpired:    {StatusPending},
	StatusCompleted:  {StatusPending, StatusProcessing, StatusFailed, StatusExpired},
}

// settle applies what the provider says to our order. A payment that is not the one we asked for is logged and changes nothing, which is
// final: hearing of it again would not make it match.
func (s *Service) settle(ctx context.Context, p Purchase, pay payment) error {
	if pay.outcome == StatusPending {
		return nil
	}
	if pay.session != p.session || pay.reference != p.ID.String() || pay.price != p.Price {
		s.o.Log.Error("a payment does not match our order: nothing credited", "purchase", p.ID, "session", pay.session, "our_session", p.session,
			"reference", pay.reference, "price", pay.price, "our_price", p.Price, "outcome", pay.outcome)
		return nil
	}
	if pay.outcome == StatusCompleted {
		return s.fulfil(ctx, p, pay)
	}
	return s.advance(ctx, p, pay.outcome)
}

// fulfil puts the tokens into the ledger and then notes that it is done. The ledger lets a purchase be credited once, for ever, so all
// who hear of a payment can come here at the same time; and after a crash between the two steps the next one to hear finishes.
func (s *Service) fulfil(ctx context.Context, p Purchase, pay payment) error {
	_, err := s.o.Ledger.Grant(ctx, p.Account, "", ledger.Grant{
		Kind: ledger.LotPurchase, Amount: p.Tokens, Source: p.ID.String(), ExpiresAt: p.expiry(s.o.Clock()),
	})
	if err != nil {
		s.o.Log.Error("a paid purchase could not be credited", "purchase", p.ID, "error", err)
		return err
	}
	return s.complete(ctx, p, pay)
}

const sqlComplete = `update purchases set status = 'completed', paid_minor = $3, card = $4, updated_at = $5
	where account = $1 and id = $2 and status = any ($6)`

func (s *Service) complete(ctx context.Context, p Purchase, pay payment) error {
	card := s.card(ctx, pay.session)
	_, err := s.pool.Exec(ctx, sqlComplete, p.Account, p.ID, pay.paid, card, s.o.Clock(), forward[StatusCompleted])
	if err != nil {
		return ErrUnavailable.Because(err)
	}
	return nil
}

// card asks what was paid with, which events do not tell. It is only shown, so nothing depends on the answer.
func (s *Service) card(ctx context.Context, session string) string {
	if s.o.Provider == nil {
		return ""
	}
	paid, err := s.o.Provider.Session(ctx, session)
	if err != nil {
		s.o.Log.Warn("the card of a payment is not known", "session", session, "error", err)
	}
	return paid.Card
}

const sqlAdvance = `update purchases set status = $3, updated_at = $4
	where account = $1 and id = $2 and status = any ($5)`

// advance moves a purchase forward, if it still can.
func (s *Service) advance(ctx context.Context, p Purchase, to Status) error {
	if _, err := s.pool.Exec(ctx, sqlAdvance, p.Account, p.ID, to, s.o.Clock(), forward[to]); err != nil {
		return ErrUnavailable.Because(err)
	}
	return nil
}
