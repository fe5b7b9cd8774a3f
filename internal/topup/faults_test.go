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

type countLines struct{ n atomic.Int64 }

func (c *countLines) Write(line []byte) (int, error) {
	c.n.Add(1)
	return len(line), nil
}

// Each failing query reaches the caller as an error, and the work is done at the next attempt.
func TestAQueryThatFails(t *testing.T) {
	t.Parallel()
	for name, operation := range map[string]func(f *fixture, s *topup.Service, id uuid.UUID) error{
		"saving": func(f *fixture, s *topup.Service, id uuid.UUID) error {
			return s.Save(f.T.Context(), id, below40())
		},
		"turning off": func(f *fixture, s *topup.Service, id uuid.UUID) error {
			return s.TurnOff(f.T.Context(), id)
		},
		"whether it stopped": func(f *fixture, s *topup.Service, id uuid.UUID) error {
			_, _, err := s.Stopped(f.T.Context(), id)
			return err
		},
		"the overview": func(f *fixture, s *topup.Service, id uuid.UUID) error {
			a, err := f.Ledger.Account(f.T.Context(), id)
			f.Must(err)
			_, err = s.Overview(f.T.Context(), &a)
			return err
		},
		"a step with nothing to buy": func(f *fixture, s *topup.Service, _ uuid.UUID) error {
			_, _, err := s.Step(f.T.Context(), uuid.Nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			pool, faults := f.DB.Failing(t)
			ledgerEngine := engine.New(pool, engine.Options{
				Clock:  f.Clock.Now,
				Prices: f.prices,
				Log:    f.log,
			})
			t.Cleanup(ledgerEngine.Close)
			_, service := f.services(pool, ledgerEngine)
			id := f.account(sandbox.CardGood)
			f.save(id)
			faults.Each(t, func() error { return operation(f, service, id) })
		})
	}
}

// A failure with one account is logged, and the others are served.
func TestAQueryThatFailsWhileOneAccountIsServed(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(f *fixture, id uuid.UUID){
		"buying":  func(f *fixture, id uuid.UUID) { f.spendTo(id, 10) },
		"closing": func(f *fixture, id uuid.UUID) { f.Must(f.Ledger.CloseAccount(f.T.Context(), id)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			lines := &countLines{}
			f.log = slog.New(slog.NewTextHandler(lines, nil))
			pool, faults := f.DB.Failing(t)
			_, service := f.services(pool, f.Ledger)
			faults.Each(t, func() error {
				id := f.account(sandbox.CardGood)
				f.save(id)
				prepare(f, id)
				before := lines.n.Load()
				_, _, err := service.Step(t.Context(), uuid.Nil)
				if err == nil && lines.n.Load() > before {
					err = errors.New("a logged error")
				}
				return err
			})
		})
	}
}

// A stop whose e-mail could not be ordered is reported again.
func TestAStopIsToldUntilItIsKnown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	pool, faults := f.DB.Failing(t)
	_, service := f.services(pool, f.Ledger)
	faults.Each(t, func() error {
		id := f.account(sandbox.CardLater)
		f.save(id)
		f.spendTo(id, 10)
		f.mustStop(id)
		_, _, err := service.Step(t.Context(), uuid.Nil)
		return err
	})
	if n := f.Count(`select count(*) from topups where stopped <> '' and told_at is null`); n != 0 {
		t.Errorf("%d stops have no e-mail", n)
	}
}

// mustStop stops an account's auto top-up without an e-mail.
func (f *fixture) mustStop(id uuid.UUID) {
	f.T.Helper()
	_, err := f.DB.Pool.Exec(f.T.Context(), `update topups set enabled = false, stopped = 'declined', stopped_at = $2,
		told_at = null where account = $1`, id, f.Clock.Now())
	f.Must(err)
}
