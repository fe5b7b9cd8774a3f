package webhook

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
)

// patience is how long an event is retried from its first attempt, and how long an endpoint may
// fail until it is disabled.
const patience = 3 * 24 * time.Hour

// Retries wait firstWait, tripled after each failure up to longestWait, with 20% jitter so that
// streams which failed together do not retry together.
const (
	firstWait   = 5 * time.Second
	longestWait = time.Hour
)

// Stream is the events of one account for one endpoint. They are delivered in order.
type Stream struct {
	Endpoint  uuid.UUID `json:"endpoint"`
	AccountID uuid.UUID `json:"account"`
}

// Active lists the endpoints that are not disabled. The error is kind Unavailable.
func (s *Service) Active(ctx context.Context) ([]uuid.UUID, error) {
	rows, err := s.pool.Query(ctx, "select id from webhook_endpoints where deleted_at is null and disabled_at is null order by id")
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	return list, known(err)
}

const sqlDue = `
select e.id, l.account
from webhook_endpoints as e
cross join lateral (select account from webhook_lanes where endpoint = e.id and next_at <= $1 order by next_at limit $2) as l
where e.deleted_at is null and e.disabled_at is null`

// Due lists the streams with an event due now: at most limit per endpoint, longest waiting first.
// The error is kind Unavailable.
func (s *Service) Due(ctx context.Context, limit int) ([]Stream, error) {
	rows, err := s.pool.Query(ctx, sqlDue, s.o.Clock(), limit)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Stream])
	return list, known(err)
}

// head is the first pending event of a stream.
type head struct {
	message
	seq          int64
	attempts     int
	once         bool
	firstAttempt time.Time // zero: not tried yet
	failing      bool      // the endpoint had a failure and no success since
	unread       error     // why the endpoint's secrets cannot be read
}

const sqlHead = `
select e.url, e.secret, case when e.old_secret_until > $3 then e.old_secret else '' end, e.failing_since is not null,
	d.seq, d.attempts, d.once, d.first_attempt_at, v.external_id, v.kind, v.at, v.data
from webhook_lanes as l
join webhook_endpoints as e on e.id = l.endpoint and e.deleted_at is null and e.disabled_at is null
cross join lateral (
	select seq, attempts, once, first_attempt_at from webhook_deliveries where endpoint = $1 and account = $2 and state = 'pending' order by seq limit 1
) as d
join webhook_events as v on v.account = $2 and v.seq = d.seq
where l.endpoint = $1 and l.account = $2 and l.next_at <= $3`

// head reads the next event to send in a stream; nil if none is due.
func (s *Service) head(ctx context.Context, stream Stream) (*head, error) {
	var h head
	var secret, old, data []byte
	var first *time.Time
	var externalID, kind string
	var at time.Time
	err := s.pool.QueryRow(ctx, sqlHead, stream.Endpoint, stream.AccountID, s.o.Clock()).Scan(
		&h.url, &secret, &old, &h.failing, &h.seq, &h.attempts, &h.once, &first, &externalID, &kind, &at, &data,
	)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	h.id, h.firstAttempt = EventID(stream.AccountID, h.seq), orZero(first)
	h.secrets, h.unread = s.signing(stream.Endpoint, secret, old)
	h.body, err = bodyOf(kind, at, externalID, data)
	return &h, err
}

// signing returns the secrets that sign an endpoint's requests. A previous secret that cannot be
// read is skipped.
func (s *Service) signing(endpoint uuid.UUID, stored, old []byte) ([][]byte, error) {
	secret, err := s.unseal(endpoint, stored)
	if err != nil {
		return nil, err
	}
	secrets := [][]byte{secret}
	if before, err := s.unseal(endpoint, old); err == nil && len(before) > 0 {
		secrets = append(secrets, before)
	}
	return secrets, nil
}

// Next sends the next event of a stream, if one is due. more means that another may be due. Run one
// Next per stream at a time: two would send events twice. If ctx ends meanwhile, nothing is
// recorded and the event is sent again. The error has kind Unavailable.
func (s *Service) Next(ctx context.Context, stream Stream) (more bool, err error) {
	h, err := s.head(ctx, stream)
	if err != nil {
		return false, err
	}
	if h == nil {
		return false, s.clear(ctx, stream)
	}
	o := outcome{failure: "its signing secret cannot be read here"}
	if h.unread == nil {
		o = s.send(ctx, h.message)
	} else {
		s.o.Log.Error("a webhook cannot be signed", "endpoint", stream.Endpoint, "error", h.unread)
	}
	switch {
	case ended(ctx):
		return false, nil
	case o.delivered():
		return s.noteSuccess(ctx, stream, h, o)
	}
	return s.noteFailure(ctx, stream, h, o)
}

func ended(ctx context.Context) bool { return ctx.Err() != nil }

const (
	sqlLockStream  = `select from webhook_lanes where endpoint = $1 and account = $2 for update`
	sqlClearStream = `delete from webhook_lanes where endpoint = $1 and account = $2
	and not exists (select from webhook_deliveries where endpoint = $1 and account = $2 and state = 'pending')`
)

// clear deletes an empty stream. The lock is a separate statement before: whoever adds an event
// holds it until the event is visible.
func (s *Service) clear(ctx context.Context, stream Stream) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlLockStream, stream.Endpoint, stream.AccountID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlClearStream, stream.Endpoint, stream.AccountID)
		return err
	})
	return known(err)
}

// A result is recorded only if the attempt count is unchanged. If two servers sent the event, the
// first result stands.
const (
	sqlAttempted = `update webhook_deliveries set state = $5, attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, $6),
		last_attempt_at = $6, last_status = $7, last_error = $8
	where account = $1 and seq = $2 and endpoint = $3 and attempts = $4 and state = 'pending'`

	sqlRecovered = `update webhook_endpoints set failing_since = null where id = $1 and failing_since is not null`

	sqlFailing = `update webhook_endpoints set failing_since = $2 where id = $1 and failing_since is null`

	sqlDisable = `update webhook_endpoints set disabled_at = $2, disabled_reason = $3
	where id = $1 and disabled_at is null and deleted_at is null and (failing_since <= $4 or $5)`

	sqlWait = `update webhook_lanes set next_at = $3 where endpoint = $1 and account = $2`
)

func (s *Service) attempted(ctx context.Context, tx pgx.Tx, stream Stream, h *head, state State,
	o outcome,
) (first bool, err error) {
	tag, err := tx.Exec(ctx, sqlAttempted, stream.AccountID, h.seq, stream.Endpoint, h.attempts, string(state),
		s.o.Clock(), o.status, o.failure)
	return tag.RowsAffected() == 1, err
}

// noteSuccess records a delivery. The first success after failures makes the endpoint's other
// streams due. Locks are always taken in this order: endpoint, then its streams by account, or one
// delivery and its stream.
func (s *Service) noteSuccess(ctx context.Context, stream Stream, h *head, o outcome) (more bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if h.failing {
			tag, err := tx.Exec(ctx, sqlRecovered, stream.Endpoint)
			if err == nil && tag.RowsAffected() > 0 {
				_, err = tx.Exec(ctx, sqlWake, stream.Endpoint, s.o.Clock())
			}
			if err != nil {
				return err
			}
		}
		more, err = s.attempted(ctx, tx, stream, h, Delivered, o)
		return err
	})
	return more, known(err)
}

// noteFailure records a failure and schedules a retry. An exhausted event is marked failed and the
// stream continues. If nothing else succeeded either, or the endpoint answered 410 Gone, the
// endpoint is disabled and the event stays pending.
func (s *Service) noteFailure(ctx context.Context, stream Stream, h *head, o outcome) (more bool, err error) {
	disabled := false
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if disabled, err = s.endure(ctx, tx, stream.Endpoint, h, o); err != nil {
			return err
		}
		state := Pending
		if h.once || h.exhausted(s.o.Clock()) && !disabled {
			state = Failed
		}
		first, err := s.attempted(ctx, tx, stream, h, state, o)
		if more = first && !disabled && state == Failed; err != nil || more || !first {
			return err
		}
		_, err = tx.Exec(ctx, sqlWait, stream.Endpoint, stream.AccountID, s.o.Clock().Add(wait(h.attempts)))
		return err
	})
	if disabled && err == nil {
		s.o.Log.Warn("a webhook endpoint is disabled", "endpoint", stream.Endpoint, "last", o.failure)
	}
	return more, known(err)
}

// endure records the failure on the endpoint and reports whether that disables it. Manual
// redeliveries do not count.
func (s *Service) endure(ctx context.Context, tx pgx.Tx, endpoint uuid.UUID, h *head, o outcome) (disabled bool,
	err error,
) {
	now := s.o.Clock()
	if !h.once {
		if _, err := tx.Exec(ctx, sqlFailing, endpoint, now); err != nil {
			return false, err
		}
	}
	if !o.gone() && (h.once || !h.exhausted(now)) {
		return false, nil
	}
	reason := "Nothing got through for 3 days. Last: " + o.failure + "."
	if o.gone() {
		reason = "It answered 410 Gone."
	}
	tag, err := tx.Exec(ctx, sqlDisable, endpoint, now, reason, now.Add(-patience), o.gone())
	return tag.RowsAffected() > 0, err
}

// exhausted reports whether an event was retried for its whole time.
func (h *head) exhausted(now time.Time) bool {
	return !h.firstAttempt.IsZero() && now.Sub(h.firstAttempt) >= patience
}

// wait is the delay before the next attempt, by the attempts made before.
func wait(attempts int) time.Duration {
	d := firstWait
	for range attempts {
		if d *= 3; d >= longestWait {
			d = longestWait
			break
		}
	}
	return d*4/5 + rand.N(d*2/5)
}
