package billing

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
)

// MaxPage bounds one page of purchases.
const MaxPage = 200

// Get returns a purchase of an account. ErrNoPurchase also for another account's.
func (s *Service) Get(ctx context.Context, account, id uuid.UUID) (Purchase, error) {
	return s.getOne(ctx, "account = $1 and id = $2", account, id)
}

// Some returns an account's purchases with the given ids, in no particular order.
func (s *Service) Some(ctx context.Context, account uuid.UUID, ids []uuid.UUID) ([]Purchase, error) {
	return s.query(ctx, "select "+purchaseColumns+" from purchases where account = $1 and id = any ($2)", account,
		ids)
}

func (s *Service) byKey(ctx context.Context, account uuid.UUID, key string) (Purchase, error) {
	return s.getOne(ctx, "account = $1 and idempotency_key = $2", account, key)
}

func (s *Service) getOne(ctx context.Context, where string, args ...any) (Purchase, error) {
	list, err := s.query(ctx, "select "+purchaseColumns+" from purchases where "+where, args...)
	if err == nil && len(list) == 0 {
		err = ErrNoPurchase
	}
	if err != nil {
		return Purchase{}, err
	}
	return list[0], nil
}

func (s *Service) query(ctx context.Context, sql string, args ...any) ([]Purchase, error) {
	return collect(s.pool.Query(ctx, sql, args...))
}

func collect(rows pgx.Rows, err error) ([]Purchase, error) {
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, scanPurchase)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	return list, nil
}

// Cursor is an opaque position in a list of purchases. Empty means the beginning, and as next the end.
type Cursor string

const sqlList = `select ` + purchaseColumns + ` from purchases
	where account = $1 and (created_at, id) < ($2, $3)
	order by created_at desc, id desc limit $4`

var errCursor = &problem.Error{
	Kind:    problem.Malformed,
	Code:    "invalid_cursor",
	Field:   "cursor",
	Message: "cursor is not one that this list has given.",
}

// List returns a page of an account's purchases, newest first, and the cursor of the next page, which is
// empty after the last. Errors: kinds Malformed (field "cursor"), Unprocessable (field "limit").
func (s *Service) List(ctx context.Context, account uuid.UUID, from Cursor, limit int) (_ []Purchase, next Cursor,
	err error,
) {
	if limit < 1 || limit > MaxPage {
		return nil, "", problem.Invalid("limit", "must be between 1 and %d", MaxPage)
	}
	at, id, err := from.parse()
	if err != nil {
		return nil, "", errCursor.Wrap(err)
	}
	list, err := s.query(ctx, sqlList, account, at, id, limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(list) > limit {
		list = list[:limit]
		next = cursorAfter(list[limit-1])
	}
	return list, next, nil
}

func cursorAfter(p Purchase) Cursor {
	raw := binary.BigEndian.AppendUint64(nil, uint64(p.CreatedAt.UnixMicro()))
	return Cursor(base64.RawURLEncoding.EncodeToString(append(raw, p.ID[:]...)))
}

// latest is later than any purchase.
var latest = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// parse returns the position of the last purchase before the cursor.
func (c Cursor) parse() (time.Time, uuid.UUID, error) {
	if c == "" {
		return latest, uuid.Max, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(string(c))
	if err == nil && base64.RawURLEncoding.EncodeToString(raw) != string(c) {
		err = errors.New("another spelling") // the decoder ignores line breaks
	}
	if err != nil {
		return time.Time{}, uuid.Nil, err
	}
	if len(raw) != 8+16 {
		return time.Time{}, uuid.Nil, errors.New("wrong length")
	}
	micros := binary.BigEndian.Uint64(raw)
	if micros > math.MaxInt64 || time.UnixMicro(int64(micros)).After(latest) {
		return time.Time{}, uuid.Nil, errors.New("out of range")
	}
	return time.UnixMicro(int64(micros)).UTC(), uuid.UUID(raw[8:]), nil
}
