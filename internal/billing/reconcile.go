package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
)

// Limits of the reconciling job.
const (
	firstAsk  = 2 * time.Minute // after ordering: most buyers are back by then
	rarestAsk = time.Hour       // however old the purchase is
	giveUp    = 25 * time.Hour  // when an order whose checkout never opened is left: none opens for longer than a day
	afterWait = time.Minute     // what is younger may be under way
	chunk     = 100             // purchases, refunds of a turn
	pages     = 10              // of events in a turn
	// by which a walk through the events reaches into the one before: not all are there at once
	overlap   = 10 * time.Minute
	firstWalk = 24 * time.Hour // how far back the first one goes
)

// Reconcile makes up for what did not arrive: it asks the provider about each purchase whose outcome is
// open, finishes interrupted refunds and reversals, and fetches missing events and bills. more means
// that work is left for the next turn. A failure with one purchase is logged and does not stop the
// others; the returned error is one that did.
func (s *Service) Reconcile(ctx context.Context) (more bool, err error) {
	if s.o.Provider == nil {
		return false, nil
	}
	for _, step := range []func(context.Context) (bool, error){
		s.askOpen, s.chargeOpen, s.finishRefunds, s.finishReversals, s.fetchMissed, s.askBills,
	} {
		m, err := step(ctx)
		if err != nil {
			return false, err
		}
		more = more || m
	}
	return more, s.abandon(ctx)
}

const (
	sqlOpen = `select ` + purchaseColumns + ` from purchases
		where status in ('pending', 'processing') and ask_at <= $1 and provider = $2 and provider_session is not null order by ask_at limit $3`
	sqlAsked = `update purchases set ask_at = $2 where id = $1`
)

// askOpen asks about purchases whose outcome is open: the older, the more rarely.
func (s *Service) askOpen(ctx context.Context) (more bool, err error) {
	now := s.o.Clock()
	list, err := s.query(ctx, sqlOpen, now, s.o.Provider.Name(), chunk)
	if err != nil {
		return false, err
	}
	for i := range list {
		p := list[i]
		// Before it is asked about: one that fails each time must not keep others waiting.
		next := now.Add(min(max(now.Sub(p.CreatedAt)/4, time.Minute), rarestAsk))
		if _, err := s.pool.Exec(ctx, sqlAsked, p.ID, next); err != nil {
			return false, problem.Unavailable(err)
		}
		if err := s.askAgain(ctx, p); err != nil {
			return false, fmt.Errorf("ask about purchase %s: %w", p.ID, err)
		}
	}
	return len(list) == chunk, nil
}

// askAgain asks about one purchase. A checkout that the provider does not know any more tells
// nothing, now or later: once none can be open, the purchase is closed. If the money did come, an
// event says so, and the purchase is completed all the same.
func (s *Service) askAgain(ctx context.Context, p Purchase) error {
	_, err := s.ask(ctx, p)
	if !errors.Is(err, payment.ErrNone) {
		return err
	}
	s.o.Log.Error("the payment provider does not know a purchase's checkout", "purchase", p.ID, "session",
		p.session, "error", err)
	if s.o.Clock().Sub(p.CreatedAt) <= giveUp {
		return nil
	}
	if p.Status == StatusProcessing {
		return s.advance(ctx, p, StatusFailed, "")
	}
	return s.advance(ctx, p, StatusExpired, "")
}

const sqlOpenRefunds = `select id, purchase, account, amount_minor, untouched from purchase_refunds
	where done_at is null and created_at <= $1 order by created_at limit $2`

// finishRefunds carries out refunds that broke off.
func (s *Service) finishRefunds(ctx context.Context) (more bool, err error) {
	rows, err := s.pool.Query(ctx, sqlOpenRefunds, s.o.Clock().Add(-afterWait), chunk)
	if err != nil {
		return false, problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r refund, err error) {
		return r, row.Scan(&r.id, &r.purchase, &r.account, &r.amount, &r.untouched)
	})
	if err != nil {
		return false, problem.Unavailable(err)
	}
	for _, r := range list {
		if p, err := s.Get(ctx, r.account, r.purchase); err != nil || !s.ours(&p) {
			continue // another provider's
		}
		if err := s.executeRefund(ctx, r); err != nil {
			s.o.Log.Warn("a refund could not be finished", "purchase", r.purchase, "refund", r.id, "error", err)
		}
	}
	return false, nil // what is left has failed: the next turn is soon enough
}

const sqlUnapplied = `select id from purchases where applied < version and completed_at is not null and updated_at <= $1 order by updated_at limit $2`

// finishReversals makes the books agree where that broke off.
func (s *Service) finishReversals(ctx context.Context) (more bool, err error) {
	rows, err := s.pool.Query(ctx, sqlUnapplied, s.o.Clock().Add(-afterWait), chunk)
	if err != nil {
		return false, problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return false, problem.Unavailable(err)
	}
	for _, id := range list {
		if err := s.applyReversals(ctx, id); err != nil {
			s.o.Log.Error("a purchase's tokens could not be taken back", "purchase", id, "error", err)
		}
	}
	return false, nil
}

const sqlAbandon = `update purchases set status = 'expired', updated_at = $1
	where status = 'pending' and provider_session is null and created_at <= $2 and ask_at is not null`

// abandon closes orders whose checkout nobody ever saw.
func (s *Service) abandon(ctx context.Context) error {
	now := s.o.Clock()
	if _, err := s.pool.Exec(ctx, sqlAbandon, now, now.Add(-giveUp)); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// walk is a way through the provider's list of events, from the newest back to where the last one began.
type walk struct {
	since time.Time
	until *time.Time // nil: none is under way
	after string
}

const (
	sqlBeginWalk = `insert into payment_walks (provider, since) values ($1, $2) on conflict (provider) do nothing`
	sqlWalk      = `select since, until, after from payment_walks where provider = $1`
	sqlStep      = `update payment_walks set since = $2, until = $3, after = $4 where provider = $1`
)

// fetchMissed goes through what the provider told, and deals with what did not arrive. Where it
// stops it goes on, in whichever server; that two go the same way does no harm.
func (s *Service) fetchMissed(ctx context.Context) (more bool, err error) {
	now, name := s.o.Clock(), s.o.Provider.Name()
	if _, err := s.pool.Exec(ctx, sqlBeginWalk, name, now.Add(-firstWalk)); err != nil {
		return false, problem.Unavailable(err)
	}
	var w walk
	if err := s.pool.QueryRow(ctx, sqlWalk, name).Scan(&w.since, &w.until, &w.after); err != nil {
		return false, problem.Unavailable(err)
	}
	if w.until == nil {
		w.until, w.after = &now, ""
	}
	for range pages {
		more, err := s.step(ctx, &w)
		if err != nil {
			return false, err
		}
		if !more {
			w = walk{since: w.until.Add(-overlap)}
		}
		if _, err := s.pool.Exec(ctx, sqlStep, name, w.since, w.until, w.after); err != nil {
			return false, problem.Unavailable(err)
		}
		if !more {
			return false, nil
		}
	}
	return true, nil
}

// step deals with one page of events. An event that cannot be dealt with now stops the walk where it is.
func (s *Service) step(ctx context.Context, w *walk) (more bool, err error) {
	list, more, err := s.o.Provider.Events(ctx, w.since, *w.until, w.after)
	if errors.Is(err, payment.ErrNone) && w.after != "" {
		s.o.Log.Warn("the payment provider does not know the event that the walk stopped at: it begins again",
			"event", w.after)
		w.after = ""
		list, more, err = s.o.Provider.Events(ctx, w.since, *w.until, "")
	}
	if err != nil {
		return false, problem.Unavailable(err)
	}
	for _, event := range list {
		if err := s.handle(ctx, event, nil); err != nil {
			return false, err
		}
		if event.ID != "" {
			w.after = event.ID
		}
	}
	return more && len(list) > 0, nil
}
