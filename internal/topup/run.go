package topup

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// Limits of one step.
const (
	chunk   = 500                 // accounts per query
	charges = 4                   // concurrent
	emails  = 100                 // e-mails per step
	history = 62 * 24 * time.Hour // age of the attempts that are read: longer than any month
)

const sqlEnabled = `select ` + settingsColumns +
	` from topups where enabled and account > $1 order by account limit $2`

// Step checks the next accounts after one, uuid.Nil for the first, and buys packs where they are due. more
// means that accounts are left after next. A failure with one account is logged and does not stop the
// others; the returned error stopped the step.
func (s *Service) Step(ctx context.Context, after uuid.UUID) (next uuid.UUID, more bool, err error) {
	rows, err := s.pool.Query(ctx, sqlEnabled, after, chunk)
	if err != nil {
		return uuid.Nil, false, problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, scanSetting)
	if err != nil {
		return uuid.Nil, false, problem.Unavailable(err)
	}
	if len(list) > 0 {
		next = list[len(list)-1].account
		if err := s.serve(ctx, list); err != nil {
			return uuid.Nil, false, err
		}
	}
	return next, len(list) == chunk, s.tell(ctx)
}

// serve acts on the accounts that are due.
func (s *Service) serve(ctx context.Context, list []setting) error {
	due, err := s.due(ctx, list)
	if err != nil {
		return err
	}
	var acting sync.WaitGroup
	places := make(chan struct{}, charges)
	for _, account := range due {
		places <- struct{}{}
		acting.Go(func() {
			defer func() { <-places }()
			if err := s.act(ctx, account); err != nil {
				s.o.Log.Warn("auto top-up failed for an account and will be retried", "account", account,
					"error", err)
			}
		})
	}
	acting.Wait()
	return nil
}

// due selects accounts with work to do, without a lock.
func (s *Service) due(ctx context.Context, list []setting) (due []uuid.UUID, err error) {
	ids := make([]uuid.UUID, len(list))
	for i := range list {
		ids[i] = list[i].account
	}
	balances, err := s.o.Ledger.Balances(ctx, ids)
	if err != nil {
		return nil, err
	}
	now := s.o.Clock()
	attempts, err := s.attempts(ctx, s.pool, ids, now)
	if err != nil {
		return nil, err
	}
	kept, err := s.o.Billing.KeptOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	prices := s.o.Prices()
	for i := range list {
		a, there := balances[list[i].account]
		if !there {
			continue
		}
		d := decide(list[i].Settings, factsOf(&a, attempts[a.ID], kept[a.ID].Any, now), prices, now)
		if d.buy || d.off || d.stop != "" {
			due = append(due, a.ID)
		}
	}
	return due, nil
}

// attempts returns recent auto purchases, newest first for each account.
func (s *Service) attempts(ctx context.Context, from billing.Queryer, ids []uuid.UUID,
	now time.Time,
) (map[uuid.UUID][]billing.Purchase, error) {
	list, err := s.o.Billing.Autos(ctx, from, ids, now.Add(-history))
	if err != nil {
		return nil, err
	}
	found := map[uuid.UUID][]billing.Purchase{}
	for i := range list {
		found[list[i].AccountID] = append(found[list[i].AccountID], list[i])
	}
	return found, nil
}

// act carries out the decision for one account, and decides again after a failed purchase.
func (s *Service) act(ctx context.Context, account uuid.UUID) error {
	for range 2 {
		order, err := s.settle(ctx, account)
		if err != nil || order == uuid.Nil {
			return err
		}
		p, err := s.o.Billing.Charge(ctx, account, order)
		if err != nil {
			return err // the purchase stays pending, and billing retries
		}
		if p.Status != billing.StatusFailed {
			return nil
		}
	}
	return nil
}

// settle decides while the settings are locked, and stores the result. It returns the purchase to charge,
// or uuid.Nil. The balance is read before the lock: if another server buys a pack in between, its attempt
// is visible, and the cool-down prevents a second one.
func (s *Service) settle(ctx context.Context, account uuid.UUID) (order uuid.UUID, err error) {
	a, err := s.o.Ledger.Account(ctx, account)
	if err != nil {
		return uuid.Nil, err
	}
	kept, err := s.o.Billing.Kept(ctx, account)
	if err != nil {
		return uuid.Nil, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		set, _, err := settings(ctx, tx, account, "for update")
		if err != nil {
			return err
		}
		now := s.o.Clock()
		attempts, err := s.attempts(ctx, tx, []uuid.UUID{account}, now)
		if err != nil {
			return err
		}
		d := decide(set.Settings, factsOf(&a, attempts[account], kept.Any, now), s.o.Prices(), now)
		order, err = s.write(ctx, tx, &a, set, d)
		return err
	})
	if err != nil {
		return uuid.Nil, problem.Unavailable(err)
	}
	return order, nil
}

const sqlStop = `update topups set enabled = false, stopped = $2, stopped_at = $3, purchase = nullif($4, '00000000-0000-0000-0000-000000000000'::uuid),
	told_at = null where account = $1 and enabled`

func (s *Service) write(ctx context.Context, tx pgx.Tx, a *ledger.Account, set setting,
	d decision,
) (order uuid.UUID, err error) {
	if d.stop != "" {
		_, err := tx.Exec(ctx, sqlStop, a.ID, d.stop, s.o.Clock(), d.because)
		return uuid.Nil, err
	}
	if d.off {
		_, err := tx.Exec(ctx, sqlOff, a.ID, s.o.Clock())
		return uuid.Nil, err
	}
	if !d.buy {
		return uuid.Nil, nil
	}
	return s.o.Billing.OrderAuto(ctx, tx, a.ID, billing.AutoParams{
		Agreed: set.agreed(s.o.Prices()),
		Most:   d.most,
		Owed:   a.Owed,
	})
}

const (
	sqlUntold = `select ` + settingsColumns + ` from topups where stopped <> '' and told_at is null limit $1`
	sqlTold   = `update topups set told_at = $3 where account = $1 and stopped_at = $2`
)

// tell orders the e-mails about stops. After an interruption it repeats one, which the receiver recognizes.
func (s *Service) tell(ctx context.Context) error {
	if s.o.Tell == nil {
		return nil
	}
	rows, err := s.pool.Query(ctx, sqlUntold, emails)
	if err != nil {
		return problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, scanSetting)
	if err != nil {
		return problem.Unavailable(err)
	}
	for i := range list {
		if err := s.o.Tell(ctx, list[i].account, list[i].Stopped); err != nil {
			return err
		}
		if _, err := s.pool.Exec(ctx, sqlTold, list[i].account, list[i].Stopped.At, s.o.Clock()); err != nil {
			return problem.Unavailable(err)
		}
	}
	return nil
}
