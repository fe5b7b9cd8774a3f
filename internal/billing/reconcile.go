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
	firstAsk  = 2 * time.Minute // after the order: most buyers are back by then
	rarestAsk = time.Hour       // however old the purchase is
	giveUp    = 25 * time.Hour  // after which an order whose checkout never opened is closed
	afterWait = time.Minute     // younger refunds and reversals may be in progress
	chunk     = 100             // purchases or refunds per turn
	pages     = 10              // of events per turn
	// of one walk through the events with the one before: events may appear late
	overlap   = 10 * time.Minute
	firstWalk = 24 * time.Hour // how far back the first walk goes
)

// Reconcile repairs what webhooks and crashes left open: it asks the provider about each open purchase,
// finishes interrupted refunds and reversals, and fetches missing events and bills. more means that work is
// left for the next turn. A failure of one purchase is logged and does not stop the others; the returned
// error stopped the turn.
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

// askOpen asks about open purchases; the older a purchase, the less often.
func (s *Service) askOpen(ctx context.Context) (more bool, err error) {
	now := s.o.Clock()
	list, err := s.query(ctx, sqlOpen, now, s.o.Provider.Name(), chunk)
	if err != nil {
		return false, err
	}
	for i := range list {
		p := list[i]
		// Scheduled before the call, so that a purchase that always fails does not block the others.
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

// askAgain asks about one purchase. If the provider no longer knows the checkout, the purchase is closed as
// soon as no checkout can be open. An event of a later payment still completes it.
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

// finishRefunds completes interrupted refunds.
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
		if p, err := s.Get(ctx, r.account, r.purchase); err != nil || !s.sameProvider(&p) {
			continue // of another provider
		}
		if err := s.executeRefund(ctx, r); err != nil {
			s.o.Log.Warn("a refund could not be finished", "purchase", r.purchase, "refund", r.id, "error", err)
		}
	}
	return false, nil // the rest has failed and can wait for the next turn
}

const sqlUnapplied = `select id from purchases where applied < version and completed_at is not null and updated_at <= $1 order by updated_at limit $2`

// finishReversals applies reversals that the ledger does not have yet.
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

// abandon closes orders whose checkout never opened.
func (s *Service) abandon(ctx context.Context) error {
	now := s.o.Clock()
	if _, err := s.pool.Exec(ctx, sqlAbandon, now, now.Add(-giveUp)); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// walk is the position of a pass through the provider's events, from the newest back to where the last pass
// began.
type walk struct {
	since time.Time
	until *time.Time // nil: no walk is under way
	after string
}

const (
	sqlBeginWalk = `insert into payment_walks (provider, since) values ($1, $2) on conflict (provider) do nothing`
	sqlWalk      = `select since, until, after from payment_walks where provider = $1`
	sqlStep      = `update payment_walks set since = $2, until = $3, after = $4 where provider = $1`
)

// fetchMissed walks through the provider's events and handles those that were not delivered. The position
// is stored, so any server can continue. Two servers on the same page do no harm.
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
		more, err := s.handlePage(ctx, &w)
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

// handlePage handles one page of events. An event that cannot be handled now stops the walk there.
func (s *Service) handlePage(ctx context.Context, w *walk) (more bool, err error) {
	list, more, err := s.o.Provider.Events(ctx, w.since, *w.until, w.after)
	if errors.Is(err, payment.ErrNone) && w.after != "" {
		s.o.Log.Warn("the payment provider does not know the event where the walk stopped: the walk starts again",
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
