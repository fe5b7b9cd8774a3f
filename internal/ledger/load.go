package ledger

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/tokens"
)

// loaded is what a batch needs to know before it can decide: locked states, entries under known keys, and used references.
type loaded struct {
	states map[uuid.UUID]*state
	keys   map[accountKey]Entry
	refs   map[accountReference]Entry
}

type accountKey struct {
	account uuid.UUID
	key     string
}

type accountReference struct {
	account          uuid.UUID
	scope, reference string
}

// load begins the transaction, locks the accounts and reads what the calls need, in one round trip.
func load(ctx context.Context, conn *pgx.Conn, calls []*call) (*loaded, error) {
	l := &loaded{states: map[uuid.UUID]*state{}, keys: map[accountKey]Entry{}, refs: map[accountReference]Entry{}}
	accounts, opening := accountsOf(calls)
	batch := &pgx.Batch{}
	batch.Queue("begin")
	if len(opening) > 0 {
		batch.Queue(sqlEnsureAccounts, opening)
	}
	batch.Queue(sqlLockAccounts, accounts).Query(l.readAccounts)
	batch.Queue(sqlOpenLots, accounts).Query(l.readLots)
	l.queueKeys(batch, calls)
	l.queueReferences(batch, calls)
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	for _, s := range l.states {
		slices.SortFunc(s.lots, burnOrder)
	}
	return l, nil
}

// accountsOf lists the accounts of a batch, each once, in id order, and those that a call would open.
func accountsOf(calls []*call) (accounts, opening []uuid.UUID) {
	for _, c := range calls {
		accounts = append(accounts, c.account)
		if _, opens := c.op.(*SetPlan); opens {
			opening = append(opening, c.account)
		}
	}
	return distinct(accounts), distinct(opening)
}

func distinct(ids []uuid.UUID) []uuid.UUID {
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return cmp.Compare(string(a[:]), string(b[:])) })
	return slices.Compact(ids)
}

func (l *loaded) queueKeys(batch *pgx.Batch, calls []*call) {
	var accounts []uuid.UUID
	var keys []string
	for _, c := range calls {
		if c.key != "" {
			accounts, keys = append(accounts, c.account), append(keys, c.key)
		}
	}
	if len(keys) == 0 {
		return
	}
	batch.Queue(sqlKnownKeys, accounts, keys).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			e, err := scanEntry(rows)
			if err != nil {
				return err
			}
			l.keys[accountKey{e.Account, e.key}] = e
		}
		return rows.Err()
	})
}

func (l *loaded) queueReferences(batch *pgx.Batch, calls []*call) {
	var accounts []uuid.UUID
	var scopes, references []string
	for _, c := range calls {
		if scope, reference := c.op.permanent(); scope != "" {
			accounts, scopes, references = append(accounts, c.account), append(scopes, scope), append(references, reference)
		}
	}
	if len(accounts) == 0 {
		return
	}
	batch.Queue(sqlKnownReferences, accounts, scopes, references).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var scope, reference string
			e, err := scanEntry(rows, &scope, &reference)
			if err != nil {
				return err
			}
			l.refs[accountReference{e.Account, scope, reference}] = e
		}
		return rows.Err()
	})
}

func (l *loaded) readAccounts(rows pgx.Rows) error {
	for rows.Next() {
		s, err := scanState(rows)
		if err != nil {
			return err
		}
		l.states[s.account] = s
	}
	return rows.Err()
}

func (l *loaded) readLots(rows pgx.Rows) error {
	for rows.Next() {
		var account uuid.UUID
		var t lot
		var expires *time.Time
		err := rows.Scan(&account, &t.number, &t.kind, &t.amount, &t.remaining, &t.held, &t.effectiveAt, &expires, &t.frozen, &t.source)
		if err != nil {
			return err
		}
		t.expiresAt = instant(expires)
		t.effectiveAt = t.effectiveAt.UTC()
		s := l.states[account]
		s.lots = append(s.lots, t)
	}
	return rows.Err()
}

// scanState reads accountColumns, and further columns into more. A row that was only just inserted has no plan and does not exist yet as an account.
func scanState(rows pgx.Rows, more ...any) (*state, error) {
	s := &state{}
	var zone string
	var lastAt, anchor time.Time
	columns := []any{
		&s.account, &s.balance, &s.held, &s.seq, &lastAt, &s.plan, &s.nextPlan, &s.status, &anchor, &zone, &s.period, &s.periodGranted,
	}
	if err := rows.Scan(append(columns, more...)...); err != nil {
		return nil, err
	}
	s.exists = s.plan != ""
	s.lastAt, s.anchor = lastAt.UTC(), anchor.UTC()
	var err error
	s.zone, err = LoadZone(zone)
	return s, err
}

// scanEntry reads entryColumns, after the columns before them into first.
func scanEntry(rows pgx.Rows, first ...any) (Entry, error) {
	var e Entry
	var lots, amounts []int64
	columns := append(first, &e.Account, &e.Seq, &e.At, &e.Kind, &e.Amount, &e.HeldDelta, &e.BalanceAfter, &e.HeldAfter, &e.SpendableAfter, &e.Contra, &e.LotKind,
		&e.Feature, &e.Agent, &e.Quantity, &e.UnitPrice, &e.CatalogVersion, &e.Reference, &e.Day, &lots, &amounts, &e.key, &e.fingerprint)
	if err := rows.Scan(columns...); err != nil {
		return Entry{}, err
	}
	e.At = e.At.UTC()
	for i := range lots {
		e.Parts = append(e.Parts, Part{Lot: lots[i], Amount: tokens.Amount(amounts[i])})
	}
	return e, nil
}

// instant turns a database time, null for never, into a time whose zero means never.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// orNull is the way back.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
