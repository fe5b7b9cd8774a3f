package topup_test

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/topup"
)

// countLines counts lines of the log.
type countLines struct{ n atomic.Int64 }

func (c *countLines) Write(line []byte) (int, error) {
	c.n.Add(1)
	return len(line), nil
}

// Whatever query fails, the caller learns of it, and what was asked for is done the next time.
func TestAQueryThatFails(t *testing.T) {
	t.Parallel()
	for name, operation := range map[string]func(d *desk, s *topup.Service, id uuid.UUID) error{
		"saving": func(d *desk, s *topup.Service, id uuid.UUID) error {
			return s.Save(d.t.Context(), id, below40())
		},
		"turning off": func(d *desk, s *topup.Service, id uuid.UUID) error {
			return s.TurnOff(d.t.Context(), id)
		},
		"whether it stopped": func(d *desk, s *topup.Service, id uuid.UUID) error {
			_, _, err := s.Stopped(d.t.Context(), id)
			return err
		},
		"the overview": func(d *desk, s *topup.Service, id uuid.UUID) error {
			a, err := d.books.Account(d.t.Context(), id)
			d.must(err)
			_, err = s.Overview(d.t.Context(), &a)
			return err
		},
		"a step with nothing to buy": func(d *desk, s *topup.Service, _ uuid.UUID) error {
			_, _, err := s.Step(d.t.Context(), uuid.Nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			pool, faults := d.db.Failing(t)
			books := engine.New(pool, engine.Options{
				Clock:  d.clock.Now,
				Prices: d.prices,
				Log:    d.log,
			})
			t.Cleanup(books.Close)
			_, service := d.services(pool, books)
			id := d.account(sandbox.CardGood)
			d.save(id)
			faults.Each(t, func() error { return operation(d, service, id) })
		})
	}
}

// A step in which an account's turn fails says so in the log and serves the others.
func TestAQueryThatFailsWhileOneAccountIsServed(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(d *desk, id uuid.UUID){
		"buying":  func(d *desk, id uuid.UUID) { d.spendTo(id, 10) },
		"closing": func(d *desk, id uuid.UUID) { d.must(d.books.CloseAccount(d.t.Context(), id)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			lines := &countLines{}
			d.log = slog.New(slog.NewTextHandler(lines, nil))
			pool, faults := d.db.Failing(t)
			_, service := d.services(pool, d.books)
			faults.Each(t, func() error {
				id := d.account(sandbox.CardGood)
				d.save(id)
				prepare(d, id)
				before := lines.n.Load()
				_, _, err := service.Step(t.Context(), uuid.Nil)
				if err == nil && lines.n.Load() > before {
					err = errors.New("a line in the log")
				}
				return err
			})
		})
	}
}

// A stop that its creator could not be written to about is told again.
func TestAStopIsToldUntilItIsKnown(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	pool, faults := d.db.Failing(t)
	_, service := d.services(pool, d.books)
	faults.Each(t, func() error {
		id := d.account(sandbox.CardLater)
		d.save(id)
		d.spendTo(id, 10)
		d.mustStop(id)
		_, _, err := service.Step(t.Context(), uuid.Nil)
		return err
	})
	if n := d.count(`select count(*) from topups where stopped <> '' and told_at is null`); n != 0 {
		t.Errorf("%d stops were told to nobody", n)
	}
}

// mustStop stops an account's auto top-up without telling.
func (d *desk) mustStop(id uuid.UUID) {
	d.t.Helper()
	_, err := d.pool.Exec(d.t.Context(), `update topups set enabled = false, stopped = 'declined', stopped_at = $2,
		told_at = null where account = $1`, id, d.clock.Now())
	d.must(err)
}
