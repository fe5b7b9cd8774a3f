package billing_test

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/ledger/engine"
)

// countLines counts lines of the log.
type countLines struct{ n atomic.Int64 }

func (c *countLines) Write(line []byte) (int, error) {
	c.n.Add(1)
	return len(line), nil
}

// Whatever query fails, the caller learns of it, or a line in the log says so where the answer can do
// without: a page shows the purchase as it stands, and a bill is asked for again later.
func TestAQueryThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare   func(s *shop) billing.Purchase
		operation func(s *shop, failing *billing.Service, p billing.Purchase) error
		// readsLedger has the ledger's own queries fail, too.
		readsLedger bool
	}{
		"a start": {(*shop).order, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, _, err := failing.Start(s.t.Context(), p.Account, uuid.NewString(), billing.StartParams{Pack: pack(0).ID})
			return err
		}, false},
		"a start that is repeated": {(*shop).order, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			key := uuid.NewString()
			_, _, err := s.Start(s.t.Context(), p.Account, key, billing.StartParams{Pack: pack(0).ID})
			s.must(err)
			_, _, err = failing.Start(s.t.Context(), p.Account, key, billing.StartParams{Pack: pack(0).ID})
			return err
		}, false},
		"a purchase": {(*shop).order, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.Get(s.t.Context(), p.Account, p.ID)
			return err
		}, false},
		"some purchases": {(*shop).order, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.Some(s.t.Context(), p.Account, []uuid.UUID{p.ID})
			return err
		}, false},
		"a list": {(*shop).order, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, _, err := failing.List(s.t.Context(), p.Account, "", 10)
			return err
		}, false},
		"open orders": {(*shop).order, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.OpenOrders(s.t.Context(), p.Account)
			return err
		}, false},
		"what is kept": {(*shop).completed, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.Kept(s.t.Context(), p.Account)
			return err
		}, false},
		"purchases by themselves": {(*shop).completed, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			return pgx.BeginFunc(s.t.Context(), s.failing, func(tx pgx.Tx) error {
				_, err := failing.Autos(s.t.Context(), tx, []uuid.UUID{p.Account}, s.clock.Now().Add(-time.Hour))
				return err
			})
		}, false},
		"forgetting a card": {(*shop).completed, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			return failing.Forget(s.t.Context(), p.Account)
		}, false},
		"a receipt": {(*shop).completed, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.Receipt(s.t.Context(), p.Account, p.ID)
			return err
		}, false},
		"its story": {(*shop).completed, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.Story(s.t.Context(), p)
			return err
		}, true},
		"whether it can be returned": {(*shop).completed, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, _, err := failing.Returnable(s.t.Context(), p)
			return err
		}, true},
		"a cancellation": {(*shop).order, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.Cancel(s.t.Context(), p.Account, p.ID)
			return err
		}, false},
		"a look at a payment": {(*shop).paidOrder, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.Refresh(s.t.Context(), p.Account, p.ID)
			return err
		}, false},
		"an event of a payment": {(*shop).paidOrder, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			return s.sendTo(failing, checkoutEvent("completed", p, nil))
		}, false},
		"an event of a failure": {(*shop).order, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			return s.sendTo(failing, checkoutEvent("async_payment_failed", p, nil))
		}, false},
		"an event of a refund": {(*shop).completed, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			return s.sendTo(failing, refunded(p, 450))
		}, false},
		"an event of a dispute": {(*shop).completed, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			return s.sendTo(failing, dispute("created", p, "dp_"+p.ID.String(), "needs_response"))
		}, false},
		"a refund": {(*shop).completed, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, _, err := failing.Refund(s.t.Context(), p.Account, p.ID, uuid.NewString(), billing.RefundParams{})
			return err
		}, false},
		"a return": {(*shop).completed, func(s *shop, failing *billing.Service, p billing.Purchase) error {
			_, _, err := failing.Return(s.t.Context(), p.Account, p.ID, uuid.NewString())
			return err
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			pool, faults := s.database.Failing(t)
			s.failing = pool
			lines := &countLines{}
			options := s.options
			options.Log = slog.New(slog.NewTextHandler(lines, nil))
			if c.readsLedger {
				options.Ledger = engine.New(pool, engine.Options{
					Clock:  s.clock.Now,
					Prices: options.Prices,
					Log:    options.Log,
				})
				t.Cleanup(options.Ledger.Close)
			}
			failing := billing.New(pool, options)
			faults.Each(t, func() error {
				p, before := c.prepare(s), lines.n.Load()
				err := c.operation(s, failing, p)
				if err == nil && lines.n.Load() > before {
					err = errors.New("a line in the log")
				}
				return err
			})
		})
	}
}

func (s *shop) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// sendTo delivers an event to one of several servers.
func (s *shop) sendTo(server *billing.Service, event members) error {
	payload := event.payload()
	return server.HandleEvent(s.t.Context(), payload, sign(payload, secret, time.Now()))
}
