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

type countLines struct{ n atomic.Int64 }

func (c *countLines) Write(line []byte) (int, error) {
	c.n.Add(1)
	return len(line), nil
}

// Each failing query reaches the caller as an error, or the log where the answer does without it: a page
// shows the stored purchase, and a bill is fetched later.
func TestAQueryThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare   func(s *fixture) billing.Purchase
		operation func(s *fixture, failing *billing.Service, p billing.Purchase) error
		// readsLedger makes the ledger's own queries fail, too.
		readsLedger bool
	}{
		"a start": {(*fixture).order, func(s *fixture, failing *billing.Service, p billing.Purchase) error {
			_, _, err := failing.Start(s.T.Context(), p.AccountID, uuid.NewString(),
				billing.StartParams{Pack: pack(0).ID})
			return err
		}, false},
		"a start that is repeated": {
			(*fixture).order,
			func(s *fixture, failing *billing.Service, p billing.Purchase) error {
				key := uuid.NewString()
				_, _, err := s.Start(s.T.Context(), p.AccountID, key, billing.StartParams{Pack: pack(0).ID})
				s.must(err)
				_, _, err = failing.Start(s.T.Context(), p.AccountID, key, billing.StartParams{Pack: pack(0).ID})
				return err
			}, false,
		},
		"a purchase": {(*fixture).order, func(s *fixture, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.Get(s.T.Context(), p.AccountID, p.ID)
			return err
		}, false},
		"some purchases": {(*fixture).order, func(s *fixture, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.Some(s.T.Context(), p.AccountID, []uuid.UUID{p.ID})
			return err
		}, false},
		"a list": {(*fixture).order, func(s *fixture, failing *billing.Service, p billing.Purchase) error {
			_, _, err := failing.List(s.T.Context(), p.AccountID, "", 10)
			return err
		}, false},
		"open orders": {(*fixture).order, func(s *fixture, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.OpenOrders(s.T.Context(), p.AccountID)
			return err
		}, false},
		"what is kept": {(*fixture).completed, func(s *fixture, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.Kept(s.T.Context(), p.AccountID)
			return err
		}, false},
		"purchases by themselves": {
			(*fixture).completed,
			func(s *fixture, failing *billing.Service, p billing.Purchase) error {
				return pgx.BeginFunc(s.T.Context(), s.failing, func(tx pgx.Tx) error {
					_, err := failing.Autos(s.T.Context(), tx, []uuid.UUID{p.AccountID},
						s.Clock.Now().Add(-time.Hour))
					return err
				})
			}, false,
		},
		"forgetting a card": {
			(*fixture).completed,
			func(s *fixture, failing *billing.Service, p billing.Purchase) error {
				return failing.Forget(s.T.Context(), p.AccountID)
			}, false,
		},
		"a receipt": {(*fixture).completed, func(s *fixture, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.Receipt(s.T.Context(), p.AccountID, p.ID)
			return err
		}, false},
		"its breakdown": {(*fixture).completed, func(s *fixture, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.TokenBreakdown(s.T.Context(), p)
			return err
		}, true},
		"whether it can be returned": {
			(*fixture).completed,
			func(s *fixture, failing *billing.Service, p billing.Purchase) error {
				_, _, err := failing.Returnable(s.T.Context(), p)
				return err
			}, true,
		},
		"a cancellation": {(*fixture).order, func(s *fixture, failing *billing.Service, p billing.Purchase) error {
			_, err := failing.Cancel(s.T.Context(), p.AccountID, p.ID)
			return err
		}, false},
		"a look at a payment": {
			(*fixture).paidOrder,
			func(s *fixture, failing *billing.Service, p billing.Purchase) error {
				_, err := failing.Refresh(s.T.Context(), p.AccountID, p.ID)
				return err
			}, false,
		},
		"an event of a payment": {
			(*fixture).paidOrder,
			func(s *fixture, failing *billing.Service, p billing.Purchase) error {
				return s.sendTo(failing, checkoutEvent("completed", p, nil))
			}, false,
		},
		"an event of a failure": {
			(*fixture).order,
			func(s *fixture, failing *billing.Service, p billing.Purchase) error {
				return s.sendTo(failing, checkoutEvent("async_payment_failed", p, nil))
			}, false,
		},
		"an event of a refund": {
			(*fixture).completed,
			func(s *fixture, failing *billing.Service, p billing.Purchase) error {
				return s.sendTo(failing, refunded(p, 450))
			}, false,
		},
		"an event of a dispute": {
			(*fixture).completed,
			func(s *fixture, failing *billing.Service, p billing.Purchase) error {
				return s.sendTo(failing, dispute("created", p, "dp_"+p.ID.String(), "needs_response"))
			}, false,
		},
		"a refund": {(*fixture).completed, func(s *fixture, failing *billing.Service, p billing.Purchase) error {
			_, _, err := failing.Refund(s.T.Context(), p.AccountID, p.ID, uuid.NewString(), billing.RefundParams{})
			return err
		}, false},
		"a return": {(*fixture).completed, func(s *fixture, failing *billing.Service, p billing.Purchase) error {
			_, _, err := failing.Return(s.T.Context(), p.AccountID, p.ID, uuid.NewString())
			return err
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFixture(t)
			pool, faults := s.DB.Failing(t)
			s.failing = pool
			lines := &countLines{}
			options := s.options
			options.Log = slog.New(slog.NewTextHandler(lines, nil))
			if c.readsLedger {
				options.Ledger = engine.New(pool, engine.Options{
					Clock:  s.Clock.Now,
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
					err = errors.New("a logged error")
				}
				return err
			})
		})
	}
}

func (s *fixture) must(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

// sendTo delivers an event to one of several servers.
func (s *fixture) sendTo(server *billing.Service, event members) error {
	payload := event.payload()
	return server.HandleEvent(s.T.Context(), payload, sign(payload, secret, time.Now()))
}
