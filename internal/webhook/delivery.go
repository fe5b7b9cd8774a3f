package webhook

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
)

// State is the state of a delivery.
type State string

// The states of a delivery.
const (
	Pending   State = "pending"   // waits for an attempt
	Delivered State = "delivered" // answered with a 2xx
	Failed    State = "failed"    // given up
)

// Delivery is an event for one endpoint and the result of its attempts. Zero instants: never.
type Delivery struct {
	AccountID   uuid.UUID
	Seq         int64
	ExternalID  string // the host's id of the account
	Kind        string // of the event
	At          time.Time
	State       State
	Attempts    int
	LastAttempt time.Time
	LastStatus  int    // HTTP status; 0: no response
	LastError   string // readable text; empty after a success
	NextAttempt time.Time
	CreatedAt   time.Time
}

// ID is the event's id, sent as webhook-id: the same for every endpoint and attempt.
func (d Delivery) ID() string { return EventID(d.AccountID, d.Seq) }

// An event's id is its account and number.
const (
	eventMark   = "evt_"
	eventLength = 16 + 8
)

var eventEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// EventID encodes an account and an event number.
func EventID(account uuid.UUID, seq int64) string {
	raw := binary.BigEndian.AppendUint64(account[:], uint64(seq))
	return eventMark + strings.ToLower(eventEncoding.EncodeToString(raw))
}

// parseEventID decodes an EventID; ok is false for any other text.
func parseEventID(id string) (account uuid.UUID, seq int64, ok bool) {
	raw, err := eventEncoding.DecodeString(strings.ToUpper(strings.TrimPrefix(id, eventMark)))
	if err != nil || len(raw) != eventLength {
		return uuid.Nil, 0, false
	}
	account, seq = uuid.UUID(raw[:16]), int64(binary.BigEndian.Uint64(raw[16:]))
	return account, seq, seq > 0 && EventID(account, seq) == id
}

// Only the first pending delivery of a stream has a next attempt. The others wait for it.
const sqlDeliveries = `
select d.account, d.seq, v.external_id, v.kind, v.at, d.state, d.attempts, d.last_attempt_at, d.last_status, d.last_error,
	case when d.state = 'pending' and d.attempts > 0 then l.next_at end, d.created_at
from webhook_deliveries as d
join webhook_events as v on v.account = d.account and v.seq = d.seq
left join webhook_lanes as l on l.endpoint = d.endpoint and l.account = d.account
where d.endpoint = $1`

func scanDelivery(row pgx.CollectableRow) (Delivery, error) {
	var d Delivery
	var last, next *time.Time
	err := row.Scan(&d.AccountID, &d.Seq, &d.ExternalID, &d.Kind, &d.At, &d.State, &d.Attempts, &last, &d.LastStatus,
		&d.LastError, &next, &d.CreatedAt)
	d.At, d.LastAttempt, d.NextAttempt, d.CreatedAt = d.At.UTC(), orZero(last), orZero(next), d.CreatedAt.UTC()
	return d, err
}

// Cursor is an opaque position in a list of deliveries. Empty is the first page, and no next page.
type Cursor string

// Deliveries reads a page of an endpoint's deliveries, newest first, starting at a cursor. next is
// empty on the last page. Errors: kind Unprocessable (fields "cursor", "limit"), ErrNoEndpoint,
// kind Unavailable.
func (s *Service) Deliveries(ctx context.Context, endpoint uuid.UUID, from Cursor, limit int) (_ []Delivery,
	next Cursor, err error,
) {
	if limit < 1 || limit > MaxPage {
		return nil, "", problem.Invalid("limit", "must be between 1 and %d", MaxPage)
	}
	before, err := from.parse()
	if err != nil {
		return nil, "", problem.Invalid("cursor", "must be one that this list gave").Wrap(err)
	}
	if _, err := s.Get(ctx, endpoint); err != nil {
		return nil, "", err
	}
	rows, err := s.pool.Query(ctx, sqlDeliveries+` and (d.created_at, d.account, d.seq) < ($2, $3, $4)
		order by d.created_at desc, d.account desc, d.seq desc limit $5`, endpoint, before.CreatedAt,
		before.AccountID, before.Seq, limit+1)
	if err != nil {
		return nil, "", problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, scanDelivery)
	if err != nil {
		return nil, "", problem.Unavailable(err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = cursorAfter(list[limit-1])
	}
	return list, next, nil
}

func cursorAfter(d Delivery) Cursor {
	raw := binary.BigEndian.AppendUint64(nil, uint64(d.CreatedAt.UnixMicro()))
	raw = binary.BigEndian.AppendUint64(append(raw, d.AccountID[:]...), uint64(d.Seq))
	return Cursor(base64.RawURLEncoding.EncodeToString(raw))
}

var latest = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// parse returns the position as the delivery just before the cursor.
func (c Cursor) parse() (Delivery, error) {
	if c == "" {
		return Delivery{CreatedAt: latest}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(string(c))
	if err == nil && base64.RawURLEncoding.EncodeToString(raw) != string(c) {
		err = errors.New("another spelling") // the decoder ignores line breaks
	}
	if err != nil {
		return Delivery{}, err
	}
	if len(raw) != 8+eventLength {
		return Delivery{}, errors.New("wrong length")
	}
	micros, seq := binary.BigEndian.Uint64(raw), binary.BigEndian.Uint64(raw[8+16:])
	if micros > math.MaxInt64 || time.UnixMicro(int64(micros)).After(latest) || seq > math.MaxInt64 {
		return Delivery{}, errors.New("out of range")
	}
	return Delivery{
		CreatedAt: time.UnixMicro(int64(micros)).UTC(),
		AccountID: uuid.UUID(raw[8 : 8+16]),
		Seq:       int64(seq),
	}, nil
}

const (
	sqlAgain = `update webhook_deliveries set state = 'pending', once = true, attempts = 0, first_attempt_at = null
	where account = $1 and seq = $2 and endpoint = $3 and state <> 'pending'`

	sqlDueNow = `insert into webhook_lanes (endpoint, account, next_at) values ($1, $2, $3)
	on conflict (endpoint, account) do update set next_at = least(webhook_lanes.next_at, excluded.next_at)`
)

// Redeliver sends an event once more, ahead of its stream; id is Delivery.ID. A pending event is
// tried at once. Errors: ErrNoEndpoint, ErrNoDelivery, ErrDisabled, idempotency.ErrKeyReused, kind Unavailable.
func (s *Service) Redeliver(ctx context.Context, key string, endpoint uuid.UUID, id string) (_ Delivery,
	replayed bool, err error,
) {
	return request(ctx, s, key, fingerprint("redeliver", endpoint.String(), id),
		func(tx pgx.Tx) (d Delivery, err error) {
			account, seq, ok := parseEventID(id)
			e, err := changed(ctx, tx, "select "+endpointColumns+
				" from webhook_endpoints where id = $1 and deleted_at is null", endpoint)
			switch {
			case err != nil:
				return d, err
			case !ok:
				return d, ErrNoDelivery
			case !e.DisabledAt.IsZero():
				return d, ErrDisabled
			}
			if _, err = tx.Exec(ctx, sqlDueNow, endpoint, account, s.o.Clock()); err != nil {
				return d, err
			}
			if _, err = tx.Exec(ctx, sqlAgain, account, seq, endpoint); err != nil {
				return d, err
			}
			rows, err := tx.Query(ctx, sqlDeliveries+" and d.account = $2 and d.seq = $3", endpoint, account, seq)
			if err != nil {
				return d, err
			}
			if d, err = pgx.CollectExactlyOneRow(rows, scanDelivery); errors.Is(err, pgx.ErrNoRows) {
				err = ErrNoDelivery
			}
			return d, err
		})
}
