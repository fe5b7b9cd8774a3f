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
	// ErrBadSignature is the answer to an event that the provider did not send, or not just now.
	ErrBadSignature = problem.New(problem.Malformed, "bad_signature", "This event's signature cannot be accepted.")
)

// HandleEvent takes an event as it came over the wire. Nil means that it is dealt with for good and
// need not be sent again. That is so, too, when nothing can ever come of it, which is logged: it
// cannot be read, it is of the other mode, it came before with other contents, it is about nothing
// of ours, or about a payment that does not match our order. An error means that nothing has
// changed or that sending it again completes it: ErrBadSignature, kind Unavailable.
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
	// The modes are kept apart: play money buys nothing real, and real money is not taken for play.
	if event.Live != s.o.Provider.Live() {
		s.o.Log.Warn("a payment event of the other mode is ignored", "event", event.ID, "live", event.Live)
		return nil
	}
	return s.handle(ctx, event, contents(&event))
}

// handle deals with an event that the provider sent or was asked for; hash is nil for the latter.
func (s *Service) handle(ctx context.Context, event payment.Event, hash []byte) error {
	if why := event.Unreadable; why != nil {
		s.o.Log.Error("a payment event that cannot be read is ignored", "event", event.ID, "type", event.Type,
			"error", why)
		return nil //nolint:nilerr // sent again it would be no more readable
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

// receive puts the event into the inbox and says whether there is nothing to do: it was dealt with
// before, or it came before with other contents. Deliveries of one event at the same time all go
// on: what keeps a credit from happening twice is the ledger.
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

// contents hashes what an event says. White space is left out, and how many webhooks are pending:
// they differ between one delivery and the next.
func contents(event *payment.Event) []byte {
	var object bytes.Buffer
	_ = json.Compact(&object, event.Object) // the library has read it: it is JSON, or nothing
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s", event.Type, event.Created.Unix(), object.Bytes()))
	return sum[:]
}

// dispatch turns an event into what it says about one of our purchases.
func (s *Service) dispatch(ctx context.Context, event payment.Event, update *payment.Update) error {
	var p Purchase
	var err error
	switch {
	case update.CheckoutID != "":
		p, err = s.askAbout(ctx, update)
	case update.Checkout != nil:
		p, err = s.owner(ctx, update.Checkout)
	case update.Payment != "":
		p, err = s.paidWith(ctx, update.Payment)
	default:
		err = ErrNoPurchase
	}
	if errors.Is(err, ErrNoPurchase) {
		s.o.Log.Info("payment event is about nothing of ours", "event", event.ID, "type", event.Type)
		return nil
	}
	if err != nil {
		return err
	}
	return s.applyUpdate(ctx, p, update)
}

// askAbout has the provider tell what happened to a checkout, and finds the purchase that it is for.
func (s *Service) askAbout(ctx context.Context, update *payment.Update) (Purchase, error) {
	checkout, err := s.o.Provider.Checkout(ctx, update.CheckoutID)
	if errors.Is(err, payment.ErrNone) || errors.Is(err, payment.ErrRefused) {
		return Purchase{}, ErrNoPurchase
	}
	if err != nil {
		return Purchase{}, problem.Unavailable(err)
	}
	update.Checkout = &checkout
	return s.owner(ctx, &checkout)
}

// applyUpdate changes a purchase as an event says.
func (s *Service) applyUpdate(ctx context.Context, p Purchase, update *payment.Update) error {
	if update.Checkout != nil {
		return s.settle(ctx, p, *update.Checkout)
	}
	if update.Alert != "" {
		s.o.Log.Error(update.Alert, "purchase", p.ID)
	}
	if back := update.Refunded; back != nil {
		if back.Currency != p.Price.Currency {
			s.o.Log.Error("a refund is in another currency than the purchase: nothing taken back", "purchase",
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

// owner finds the purchase that a session claims to pay, or whose session it is. Whether the two
// agree is for settle to check.
func (s *Service) owner(ctx context.Context, c *payment.Checkout) (Purchase, error) {
	if id, err := uuid.Parse(c.Reference); err == nil {
		if p, err := s.one(ctx, "id = $1", id); !errors.Is(err, ErrNoPurchase) {
			return p, err
		}
	}
	return s.one(ctx, "provider_session = $1", c.ID)
}
