package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stripe/stripe-go/v85/webhook"

	"pop.store/credits/internal/logs"
)

// After maxAttempts an event stays stored as undelivered.
const (
	maxDeliveries = 16
	maxAttempts   = 20
	// An event that a crash left behind is retried after this time, which exceeds the client's timeout.
	lease        = time.Minute
	longestWait  = time.Minute
	shortestWait = 100 * time.Millisecond
	errorWait    = 2 * time.Second // while the database fails
)

// backoffs are the waits after the first failures; the last one repeats.
var backoffs = []time.Duration{
	time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute,
	time.Hour,
}

// Run delivers events until ctx ends: new ones at once, failed ones at growing intervals.
func (p *Provider) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wait, err := p.work(ctx)
		if err != nil && ctx.Err() == nil {
			logs.Database(p.o.Log).Warn("sandbox events could not be looked up", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-time.After(wait):
		}
	}
}

// wakeUp makes Run look for events now. One pending wake-up is enough.
func (p *Provider) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// work expires sessions, sends one batch of due events, and returns the wait until the next one.
func (p *Provider) work(ctx context.Context) (wait time.Duration, err error) {
	if err := p.expire(ctx); err != nil {
		return errorWait, err
	}
	batch, err := p.claim(ctx)
	if err != nil {
		return errorWait, err
	}
	var sending sync.WaitGroup
	for _, d := range batch {
		sending.Go(func() { p.deliver(ctx, d) })
	}
	sending.Wait()
	return p.untilNext(ctx)
}

const sqlExpire = `update sandbox_sessions set status = 'expired'
	where id = any (array(select id from sandbox_sessions where status = 'open' and expires_at <= $1 limit $2 for update skip locked))
	returning ` + sessionColumns

// expire closes sessions that were not paid in time, and records their events.
func (p *Provider) expire(ctx context.Context) error {
	return pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlExpire, p.o.Clock(), maxDeliveries)
		if err != nil {
			return err
		}
		sessions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Session, error) { return p.scan(row) })
		if err != nil {
			return err
		}
		for _, s := range sessions {
			if err := p.record(ctx, tx, "checkout.session.expired", s); err != nil {
				return err
			}
		}
		return nil
	})
}

// delivery is one attempt to deliver an event.
type delivery struct {
	ID      string
	Body    string
	Attempt int // counted from 1
}

const sqlClaim = `update sandbox_events set attempts = attempts + 1, next_attempt_at = $2
	where id = any (array(select id from sandbox_events where delivered_at is null and attempts < $3 and next_attempt_at <= $1
		order by next_attempt_at limit $4 for update skip locked))
	returning id, body, attempts`

// claim leases a batch of due events, so that several servers do not send the same ones.
func (p *Provider) claim(ctx context.Context) ([]delivery, error) {
	now := p.o.Clock()
	rows, err := p.pool.Query(ctx, sqlClaim, now, now.Add(lease), maxAttempts, maxDeliveries)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[delivery])
}

// sqlDelivered keeps an event due that is to be repeated.
const sqlDelivered = `update sandbox_events set delivered_at = case when copies = 0 then $2::timestamptz end, next_attempt_at = $2, copies = greatest(copies - 1, 0)
	where id = $1`

// deliver sends an event and stores the result. If that fails, the lease ends and the event is sent again;
// receivers have to tolerate duplicates.
func (p *Provider) deliver(ctx context.Context, d delivery) {
	failure := p.post(ctx, d)
	if ctx.Err() != nil {
		return
	}
	var err error
	if failure == nil {
		_, err = p.pool.Exec(ctx, sqlDelivered, d.ID, p.o.Clock())
	} else {
		p.o.Log.Warn("sandbox event not delivered", "event", d.ID, "attempt", d.Attempt, "last",
			d.Attempt >= maxAttempts, "error", failure)
		_, err = p.pool.Exec(ctx, `update sandbox_events set next_attempt_at = $2 where id = $1`, d.ID,
			p.o.Clock().Add(backoff(d.Attempt)))
	}
	if err != nil {
		p.o.Log.Warn("the delivery of a sandbox event was not stored", "event", d.ID, "error", err)
	}
}

// post sends the event with a signature like Stripe's. The signature has the real time, since the receiver
// compares it with the wall clock, even where a test sets another clock.
func (p *Provider) post(ctx context.Context, d delivery) error {
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{
		Payload:   []byte(d.Body),
		Secret:    p.o.Secret,
		Timestamp: time.Now(),
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.o.DeliverURL, bytes.NewReader(signed.Payload))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("Stripe-Signature", signed.Header)
	req.Header.Set("User-Agent", "Stripe/1.0 (sandbox)")
	res, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // allows the connection to be reused
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("the endpoint answered %s", res.Status)
	}
	return nil
}

func backoff(attempt int) time.Duration { return backoffs[min(attempt, len(backoffs))-1] }

const sqlNext = `select min(next_attempt_at) from sandbox_events where delivered_at is null and attempts < $1`

// untilNext is the time until the next event is due.
func (p *Provider) untilNext(ctx context.Context) (time.Duration, error) {
	var next *time.Time
	if err := p.pool.QueryRow(ctx, sqlNext, maxAttempts).Scan(&next); err != nil {
		return errorWait, err
	}
	if next == nil {
		return longestWait, nil
	}
	return min(max(next.Sub(p.o.Clock()), shortestWait), longestWait), nil
}
