package billing

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
)

// Errors of HandleEvent besides problem.Unavailable.
var (
	// ErrBadSignature refuses an event that the provider did not sign, or not recently.
	ErrBadSignature = problem.New(problem.Malformed, "bad_signature", "This event's signature cannot be accepted.")
)

// HandleEvent handles a webhook's body. Nil means that the event needs no further delivery. That includes
// events that are logged and ignored, since no retry can help: unreadable, of the other mode, a known id
// with other contents, unrelated to our purchases, or a payment that does not match the order. After an
// error another delivery completes the event: ErrBadSignature, kind Unavailable.
func (s *Service) HandleEvent(ctx context.Context, payload []byte, signature string) error {
	if s.o.Provider == nil {
		return ErrBadSignature.Wrap(errors.New("there is no payment provider"))
	}
	event, err := s.o.Provider.Event(payload, signature)
	if errors.Is(err, payment.ErrUnreadable) {
		s.o.Log.Error("a payment event that cannot be read is ignored", "error", err)
		return nil
	}
	if err != nil {
		return ErrBadSignature.Wrap(err)
	}
	// A test payment must never buy real tokens, nor a live payment test ones.
	if event.Live != s.o.Provider.Live() {
		s.o.Log.Warn("a payment event of the other mode is ignored", "event", event.ID, "live", event.Live)
		return nil
	}
	return s.handle(ctx, event, contents(&event))
}

// handle processes an event that was delivered or fetched. hash is nil for a fetched one.
func (s *Service) handle(ctx context.Context, event payment.Event, hash []byte) error {
	if why := event.Unreadable; why != nil {
		s.o.Log.Error("a payment event that cannot be read is ignored", "event", event.ID, "type", event.Type,
			"error", why)
		return nil //nolint:nilerr // another delivery would not help
	}
	done, err := s.receive(ctx, event, hash)
	if done || err != nil {
		return err
	}
	if err := s.dispatch(ctx, event, &event.Update); err != nil {
		return err
	}
	if _, err := s.pool.Exec(ctx, `update payment_events set processed_at = $2 where id = $1`, event.ID,
		s.o.Clock()); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

const (
	sqlReceive = `insert into payment_events (id, kind, body_hash, received_at) values ($1, $2, $3, $4) on conflict (id) do nothing`
	sqlInbox   = `select body_hash, processed_at is not null from payment_events where id = $1`
)

// receive stores the event in the inbox. done means that it was handled before, or that its id came with
// other contents. Concurrent deliveries of one event all continue: the ledger prevents a second credit.
func (s *Service) receive(ctx context.Context, event payment.Event, hash []byte) (done bool, err error) {
	if _, err := s.pool.Exec(ctx, sqlReceive, event.ID, event.Type, hash, s.o.Clock()); err != nil {
		return false, problem.Unavailable(err)
	}
	var known []byte
	if err := s.pool.QueryRow(ctx, sqlInbox, event.ID).Scan(&known, &done); err != nil {
		return false, problem.Unavailable(err)
	}
	if known != nil && hash != nil && !bytes.Equal(known, hash) {
		s.o.Log.Error("a payment event that came before with other contents is ignored", "event", event.ID)
		return true, nil
	}
	return done, nil
}

// contents hashes an event. It leaves out white space and the number of pending webhooks, which differ
// between deliveries.
func contents(event *payment.Event) []byte {
	var object bytes.Buffer
	_ = json.Compact(&object, event.Object) // the library has parsed it: it is JSON or empty
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s", event.Type, event.Created.Unix(), object.Bytes()))
	return sum[:]
}

// dispatch applies an event to the purchase that it concerns.
func (s *Service) dispatch(ctx context.Context, event payment.Event, update *payment.Update) error {
	var p Purchase
	var err error
	switch {
	case update.CheckoutID != "":
		p, err = s.askAbout(ctx, update)
	case update.Checkout != nil:
		p, err = s.purchaseOf(ctx, update.Checkout)
	case update.Payment != "":
		p, err = s.paidWith(ctx, update.Payment)
	default:
		err = ErrNoPurchase
	}
	if errors.Is(err, ErrNoPurchase) {
		s.o.Log.Info("a payment event concerns no purchase", "event", event.ID, "type", event.Type)
		return nil
	}
	if err != nil {
		return err
	}
	return s.applyUpdate(ctx, p, update)
}

// askAbout fetches a checkout from the provider and finds its purchase.
func (s *Service) askAbout(ctx context.Context, update *payment.Update) (Purchase, error) {
	checkout, err := s.o.Provider.Checkout(ctx, update.CheckoutID)
	if errors.Is(err, payment.ErrNone) || errors.Is(err, payment.ErrRefused) {
		return Purchase{}, ErrNoPurchase
	}
	if err != nil {
		return Purchase{}, problem.Unavailable(err)
	}
	update.Checkout = &checkout
	return s.purchaseOf(ctx, &checkout)
}

func (s *Service) applyUpdate(ctx context.Context, p Purchase, update *payment.Update) error {
	if update.Checkout != nil {
		return s.settle(ctx, p, *update.Checkout)
	}
	if update.Alert != "" {
		s.o.Log.Error(update.Alert, "purchase", p.ID)
	}
	if back := update.Refunded; back != nil {
		if back.Currency != p.Price.Currency {
			s.o.Log.Error("a refund is in another currency than the purchase: no tokens are taken back", "purchase",
				p.ID, "refunded", *back)
			return nil
		}
		if err := s.noteRefunded(ctx, &p, back.Minor); err != nil {
			return err
		}
	}
	if update.Dispute != nil {
		if err := s.noteDispute(ctx, &p, *update.Dispute); err != nil {
			return err
		}
	}
	return s.applyReversals(ctx, p.ID)
}

// purchaseOf finds the purchase that a checkout references or that has this checkout. settle checks that both
// agree.
func (s *Service) purchaseOf(ctx context.Context, c *payment.Checkout) (Purchase, error) {
	if id, err := uuid.Parse(c.Reference); err == nil {
		if p, err := s.getOne(ctx, "id = $1", id); !errors.Is(err, ErrNoPurchase) {
			return p, err
		}
	}
	return s.getOne(ctx, "provider_session = $1", c.ID)
}
