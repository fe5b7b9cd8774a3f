package webhook

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
)

// overlap is how long the previous secret also signs after a rotation.
const overlap = 24 * time.Hour

// Endpoint is a URL that receives events. Zero instants: never.
type Endpoint struct {
	ID             uuid.UUID
	URL            string
	Kinds          []string // event kinds sent to it; empty: all
	CreatedAt      time.Time
	OldSecretUntil time.Time // until then the previous secret also signs
	FailingSince   time.Time // the first failure since the last success
	DisabledAt     time.Time
	DisabledReason string // readable text
}

// Secret is an endpoint with its signing secret, which is shown only when it is created or rotated.
type Secret struct {
	Endpoint
	Secret string `json:"-"` // whsec_...; not part of the stored answer
}

// CreateParams describe a new endpoint.
type CreateParams struct {
	URL   string
	Kinds []string // nil: all
}

// Create makes an endpoint. Errors: kind Unprocessable (fields "events", "url"), ErrTooMany,
// idempotency.ErrKeyReused, kind Unavailable; ErrNoEndpoint for a replay after the endpoint was deleted.
func (s *Service) Create(ctx context.Context, key string, p CreateParams) (_ Secret, replayed bool, err error) {
	if p.Kinds, err = checkKinds(p.Kinds); err != nil {
		return Secret{}, false, err
	}
	if err := checkURL(p.URL, s.o.AllowPrivate); err != nil {
		return Secret{}, false, err
	}
	return s.secretRequest(ctx, key, fingerprint(append([]string{"create", p.URL}, p.Kinds...)...),
		func(tx pgx.Tx, secret []byte) (Endpoint, error) {
			if _, err := tx.Exec(ctx, sqlOneAtATime); err != nil {
				return Endpoint{}, err
			}
			e := Endpoint{
				ID:        uuid.New(),
				URL:       p.URL,
				Kinds:     p.Kinds,
				CreatedAt: s.o.Clock(),
			}
			tag, err := tx.Exec(ctx, `insert into webhook_endpoints (id, url, kinds, secret, created_at) select $1, $2, $3, $4, $5
			where (select count(*) from webhook_endpoints where deleted_at is null) < $6`, e.ID, e.URL, e.Kinds,
				s.seal(e.ID, secret), e.CreatedAt, MaxEndpoints)
			if err == nil && tag.RowsAffected() == 0 {
				err = ErrTooMany
			}
			return e, err
		})
}

// sqlOneAtATime serializes creation, so that concurrent requests cannot exceed MaxEndpoints.
const sqlOneAtATime = `select pg_advisory_xact_lock(hashtext('credits webhook endpoints'))`

// checkKinds validates, sorts and deduplicates kinds.
func checkKinds(kinds []string) ([]string, error) {
	if kinds != nil && len(kinds) == 0 {
		return nil, problem.Invalid("events", "must name at least one event; leave it out for all of them")
	}
	for i, kind := range kinds {
		if !slices.Contains(Kinds, kind) {
			return nil, problem.Invalid("events["+strconv.Itoa(i)+"]", "is not an event that there is")
		}
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(kinds)))
	return append([]string{}, sorted...), nil
}

const endpointColumns = `id, url, kinds, created_at, old_secret_until, failing_since, disabled_at, disabled_reason`

func scanEndpoint(row pgx.CollectableRow) (Endpoint, error) {
	var e Endpoint
	var oldUntil, failing, disabled *time.Time
	err := row.Scan(&e.ID, &e.URL, &e.Kinds, &e.CreatedAt, &oldUntil, &failing, &disabled, &e.DisabledReason)
	e.CreatedAt, e.OldSecretUntil, e.FailingSince, e.DisabledAt = e.CreatedAt.UTC(), orZero(oldUntil),
		orZero(failing), orZero(disabled)
	return e, err
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// List returns all endpoints, oldest first. The error is kind Unavailable.
func (s *Service) List(ctx context.Context) ([]Endpoint, error) {
	return s.endpoints(ctx, "true")
}

// Get returns one endpoint. Errors: ErrNoEndpoint, kind Unavailable.
func (s *Service) Get(ctx context.Context, id uuid.UUID) (Endpoint, error) {
	list, err := s.endpoints(ctx, "id = $1", id)
	if err == nil && len(list) == 0 {
		err = ErrNoEndpoint
	}
	if err != nil {
		return Endpoint{}, err
	}
	return list[0], nil
}

func (s *Service) endpoints(ctx context.Context, where string, args ...any) ([]Endpoint, error) {
	rows, err := s.pool.Query(ctx, "select "+endpointColumns+
		" from webhook_endpoints where deleted_at is null and "+where+" order by created_at, id", args...)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, scanEndpoint)
	return list, known(err)
}

// sqlDelete also erases the secrets stored with answers. Answers of older versions have them
// inline.
const sqlDelete = `with forgotten as (
		update webhook_requests set secret = null, answer = answer - 'Secret' where endpoint = $1 or (answer ? 'Secret' and answer->>'ID' = $1::text))
	update webhook_endpoints set deleted_at = $2, secret = '', old_secret = '' where id = $1 and deleted_at is null`

// Delete removes an endpoint and erases its secrets. Pending events are not sent; the sweep deletes
// them. Errors: ErrNoEndpoint, kind Unavailable.
func (s *Service) Delete(ctx context.Context, id uuid.UUID) error {
	tag, err := s.pool.Exec(ctx, sqlDelete, id, s.o.Clock())
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrNoEndpoint
	}
	return known(err)
}

const sqlRotate = `update webhook_endpoints set old_secret = secret, old_secret_until = $2, secret = $3
	where id = $1 and deleted_at is null
	returning ` + endpointColumns

// Rotate replaces an endpoint's secret. The previous one also signs for a day. Errors:
// ErrNoEndpoint, idempotency.ErrKeyReused, kind Unavailable.
func (s *Service) Rotate(ctx context.Context, key string, id uuid.UUID) (_ Secret, replayed bool, err error) {
	return s.secretRequest(ctx, key, fingerprint("rotate", id.String()),
		func(tx pgx.Tx, secret []byte) (Endpoint, error) {
			return changed(ctx, tx, sqlRotate, id, s.o.Clock().Add(overlap), s.seal(id, secret))
		})
}

// changed runs a statement that returns one endpoint; ErrNoEndpoint if it returns none.
func changed(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Endpoint, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return Endpoint{}, err
	}
	e, err := pgx.CollectExactlyOneRow(rows, scanEndpoint)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoEndpoint
	}
	return e, err
}

const (
	sqlEnable = `update webhook_endpoints set disabled_at = null, disabled_reason = '', failing_since = null
	where id = $1 and deleted_at is null
	returning ` + endpointColumns

	// Restarts the three days of pending deliveries.
	sqlForgive = `update webhook_deliveries set attempts = 0, first_attempt_at = null where endpoint = $1 and state = 'pending' and attempts > 0`

	// Locks rows in the same order as Take.
	sqlWake = `update webhook_lanes as l set next_at = $2
	from (select account from webhook_lanes where endpoint = $1 and next_at > $2 order by account for update) as w
	where l.endpoint = $1 and l.account = w.account`
)

// Enable resumes deliveries to an endpoint, starting with what is pending. An enabled endpoint has
// its pending events tried at once. It is idempotent. Errors: ErrNoEndpoint, kind Unavailable.
func (s *Service) Enable(ctx context.Context, id uuid.UUID) (e Endpoint, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if e, err = changed(ctx, tx, sqlEnable, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlForgive, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlWake, id, s.o.Clock())
		return err
	})
	return e, known(err)
}
