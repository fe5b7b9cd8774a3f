package billing

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/stripe/stripe-go/v85"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/problem"
)

// Errors of HandleEvent besides ErrBadSignature and ErrUnavailable.
var (
	ErrLiveMode     = problem.New(problem.Syntax, "live_event", "Live events are not accepted here.")
	ErrEventChanged = problem.New(problem.Conflict, "event_changed", "This event came before with other contents.")
)

// HandleEvent takes an event as it came over the wire. Nil means that it is dealt with for good and need not be sent again: also when it
// is about nothing of ours, or about a payment that does not match our order, which is logged and never credited. An error means that
// nothing has changed or that sending it again completes it: ErrBadSignature, ErrLiveMode, ErrEventChanged, kind Unavailable.
func (s *Service) HandleEvent(ctx context.Context, payload []byte, signature string) error {
	event, err := verify(payload, signature, s.o.WebhookSecret)
	if err != nil {
		return err
	}
	if event.Livemode {
		s.o.Log.Error("a live payment event came to a sandbox", "event", event.ID)
		return ErrLiveMode
	}
	done, err := s.receive(ctx, event)
	if done || err != nil {
		return err
	}
	if err := s.dispatch(ctx, event); err != nil {
		return err
	}
	if _, err := s.pool.Exec(ctx, `update payment_events set processed_at = $2 where id = $1`, event.ID, s.o.Clock()); err != nil {
		return ErrUnavailable.Because(err)
	}
	return nil
}

const (
	sqlReceive = `insert into payment_events (id, kind, body_hash, received_at) values ($1, $2, $3, $4) on conflict (id) do nothing`
	sqlInbox   = `select body_hash, processed_at is not null from payment_events where id = $1`
)

// receive puts the event into the inbox and says whether it was dealt with before. Deliveries of one event at the same time all go on:
// what keeps a credit from happening twice is the ledger.
func (s *Service) receive(ctx context.Context, event stripe.Event) (done bool, err error) {
	hash := contents(event)
	if _, err := s.pool.Exec(ctx, sqlReceive, event.ID, string(event.Type), hash, s.o.Clock()); err != nil {
		return false, ErrUnavailable.Because(err)
	}
	var known []byte
	if err := s.pool.QueryRow(ctx, sqlInbox, event.ID).Scan(&known, &done); err != nil {
		return false, ErrUnavailable.Because(err)
	}
	if !bytes.Equal(known, hash) {
		s.o.Log.Error("a payment event came again with other contents", "event", event.ID)
		return false, ErrEventChanged
	}
	return done, nil
}

// contents hashes what an event says. White space is left out, and how many webhooks are pending: they differ between one delivery and
// the next.
func contents(event stripe.Event) []byte {
	var object bytes.Buffer
	if event.Data != nil {
		_ = json.Compact(&object, event.Data.Raw) // the library has read it: it is JSON
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s", event.Type, event.Created, object.Bytes()))
	return sum[:]
}

// dispatch turns an event into what it says about one of our purchases.
func (s *Service) dispatch(ctx context.Context, event stripe.Event) error {
	if !checkoutEvent(event.Type) || event.Data == nil {
		s.o.Log.Info("payment event is about nothing of ours", "event", event.ID, "type", event.Type)
		return nil
	}
	var session stripe.CheckoutSession
	if err := json.Unmarshal(event.Data.Raw, &session); err != nil {
		return problem.New(problem.Syntax, "bad_event", "This event cannot be read.").Because(err)
	}
	p, err := s.owner(ctx, &session)
	if errors.Is(err, ErrNoPurchase) {
		s.o.Log.Info("payment event is about nothing of ours", "event", event.ID, "type", event.Type, "session", session.ID)
		return nil
	}
	if err != nil {
		return err
	}
	return s.settle(ctx, p, payment{
		session: session.ID, reference: session.ClientReferenceID, paid: session.AmountTotal, outcome: outcomeOf(event.Type, session.PaymentStatus),
		price: money.Amount{Minor: session.AmountSubtotal, Currency: strings.ToUpper(string(session.Currency))},
	})
}

func checkoutEvent(kind stripe.EventType) bool {
	return strings.HasPrefix(string(kind), "checkout.session.")
}

// owner finds the purchase that a session claims to pay, or whose session it is. Whether the two agree is for settle to check.
func (s *Service) owner(ctx context.Context, session *stripe.CheckoutSession) (Purchase, error) {
	if id, err := uuid.Parse(session.ClientReferenceID); err == nil {
		if p, err := s.one(ctx, "id = $1", id); !errors.Is(err, ErrNoPurchase) {
			return p, err
		}
	}
	return s.one(ctx, "provider_session = $1", session.ID)
}

// outcomeOf is what an event means for a purchase.
func outcomeOf(kind stripe.EventType, paid stripe.CheckoutSessionPaymentStatus) Status {
	switch kind {
	case stripe.EventTypeCheckoutSessionCompleted, stripe.EventTypeCheckoutSessionAsyncPaymentSucceeded:
		if paid == stripe.CheckoutSessionPaymentStatusPaid || paid == stripe.CheckoutSessionPaymentStatusNoPaymentRequired {
			return StatusCompleted
		}
		return StatusProcessing
	case stripe.EventTypeCheckoutSessionAsyncPaymentFailed:
		return StatusFailed
	case stripe.EventTypeCheckoutSessionExpired:
		return StatusExpired
	}
	return StatusPending // no news
}
