package engine

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Account reads an account and settles it in memory, as a charge would see it. Errors: ErrNoAccount, kind
// Unavailable.
func (e *Engine) Account(ctx context.Context, id uuid.UUID) (ledger.Account, error) {
	a, ok, err := e.reader.Get(ctx, id)
	switch {
	case err != nil:
		return ledger.Account{}, problem.Unavailable(err)
	case !ok:
		return ledger.Account{}, ledger.ErrNoAccount
	}
	return a, nil
}

// Balances is Accounts without lots and holds. It reads one row per account, unless something is due.
func (e *Engine) Balances(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]ledger.Account, error) {
	rows, err := e.pool.Query(ctx, sqlReadBalances, ids)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	defer rows.Close()
	now, accounts := e.now(), make(map[uuid.UUID]ledger.Account, len(ids))
	prices := e.prices().At(now)
	var due []uuid.UUID
	for rows.Next() {
		var snap ledger.Snapshot
		row := &snap.Account
		if err := scanAccount(rows, row, &row.StoppedByBudget); err != nil {
			return nil, problem.Unavailable(err)
		}
		switch {
		case !row.Exists():
		case row.IsDue(now):
			due = append(due, row.AccountID)
		default:
			a := ledger.Open(&snap).View(now, prices)
			a.Lots = nil
			accounts[row.AccountID] = a
		}
	}
	if err := rows.Err(); err != nil || len(due) == 0 {
		return accounts, orUnavailable(err)
	}
	settled, err := e.Accounts(ctx, due)
	for id, a := range settled {
		a.Lots, a.Holds = nil, 0
		accounts[id] = a
	}
	return accounts, err
}

// Accounts reads several accounts in one snapshot and settles them in memory. Unknown accounts are absent.
// Kind Unavailable.
func (e *Engine) Accounts(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]ledger.Account, error) {
	rows, err := e.pool.Query(ctx, sqlReadAccounts, ids)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	snaps, err := readSnapshots(rows)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	now := e.now()
	if err := e.readWithAgents(ctx, snaps, now); err != nil {
		return nil, problem.Unavailable(err)
	}
	prices := e.prices().At(now)
	accounts := make(map[uuid.UUID]ledger.Account, len(snaps))
	for id, snap := range snaps {
		if snap.Account.Exists() {
			accounts[id] = ledger.Open(snap).ViewSettled(now, prices)
		}
	}
	return accounts, nil
}

// readWithAgents reads accounts again, together with their agents, if something is due that may resume an
// agent.
func (e *Engine) readWithAgents(ctx context.Context, snaps map[uuid.UUID]*ledger.Snapshot, now time.Time) error {
	var ids []uuid.UUID
	for id, snap := range snaps {
		if snap.Account.AgentRules && snap.Account.IsDue(now) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.SortFunc(ids, func(x, y uuid.UUID) int { return bytes.Compare(x[:], y[:]) })
	again := map[uuid.UUID]*ledger.Snapshot{}
	find := snapshotFinder(func(id uuid.UUID) *ledger.Snapshot { return again[id] })
	pgxBatch := &pgx.Batch{}
	pgxBatch.Queue("begin isolation level repeatable read read only")
	pgxBatch.Queue(sqlReadAccounts, ids).Query(func(rows pgx.Rows) (err error) {
		again, err = readSnapshots(rows)
		return err
	})
	pgxBatch.Queue(sqlAgents, ids).Query(func(rows pgx.Rows) error { return find.readAgents(rows) })
	pgxBatch.Queue(sqlAgentMonths, ids).Query(func(rows pgx.Rows) error { return find.readMonths(rows) })
	pgxBatch.Queue("commit")
	err := e.pool.SendBatch(ctx, pgxBatch).Close()
	maps.Copy(snaps, again)
	return err
}

// singleSnapshot is a finder for queries about one account.
func singleSnapshot(snap *ledger.Snapshot) snapshotFinder {
	return func(uuid.UUID) *ledger.Snapshot { return snap }
}

func (find snapshotFinder) readRow(rows pgx.Rows) error {
	for rows.Next() {
		if err := scanAccount(rows, &find(uuid.Nil).Account); err != nil {
			return err
		}
	}
	return rows.Err()
}

// readSnapshots reads rows of sqlReadAccounts: complete accounts without their agents.
func readSnapshots(rows pgx.Rows) (map[uuid.UUID]*ledger.Snapshot, error) {
	defer rows.Close()
	snaps := map[uuid.UUID]*ledger.Snapshot{}
	for rows.Next() {
		var part partRow
		read := &ledger.Snapshot{Complete: true}
		a := &read.Account
		if err := scanAccount(rows, a, append(part.columns(), &a.StoppedByBudget)...); err != nil {
			return nil, err
		}
		snap, known := snaps[a.AccountID]
		if !known {
			snap, snaps[a.AccountID] = read, read
		}
		part.addTo(snap)
	}
	return snaps, rows.Err()
}

// partRow is a lot or a hold of an account; the columns of the other are null. Both are null if the account
// has neither.
type partRow struct {
	lot, lotAmount, remaining, held *int64
	kind                            *int16
	effective, lotExpires           *time.Time
	frozen, revoked                 *bool
	source                          *string

	hold, holdAmount *int64
	holdExpires      *time.Time
	agent            *string
	lots, amounts    []int64
}

func (r *partRow) columns() []any {
	return []any{
		&r.lot, &r.kind, &r.lotAmount, &r.remaining, &r.held, &r.effective, &r.lotExpires, &r.frozen, &r.revoked,
		&r.source,
		&r.hold, &r.holdAmount, &r.holdExpires, &r.agent, &r.lots, &r.amounts,
	}
}

func (r *partRow) addTo(snap *ledger.Snapshot) {
	if r.lot != nil {
		snap.Lots = append(snap.Lots, ledger.Lot{
			Number:      *r.lot,
			Kind:        ledger.LotKind(*r.kind),
			Amount:      tokens.Amount(*r.lotAmount),
			Remaining:   tokens.Amount(*r.remaining),
			Held:        tokens.Amount(*r.held),
			EffectiveAt: r.effective.UTC(),
			ExpiresAt:   instant(r.lotExpires),
			Frozen:      *r.frozen,
			Revoked:     *r.revoked,
			Source:      *r.source,
		})
	}
	if r.hold != nil {
		snap.Holds = append(snap.Holds, ledger.HoldRow{
			Number:    *r.hold,
			Amount:    tokens.Amount(*r.holdAmount),
			ExpiresAt: r.holdExpires.UTC(),
			Parts:     partsOf(r.lots, r.amounts),
			Agent:     *r.agent,
		})
	}
}

// BalanceAt is the balance after the last entry before an instant; zero before the first. It settles the
// account first. Errors: ErrNoAccount, kind Unavailable.
func (e *Engine) BalanceAt(ctx context.Context, account uuid.UUID, at time.Time) (ledger.Balance, error) {
	if _, err := e.settleIfDue(ctx, account); err != nil {
		return ledger.Balance{}, err
	}
	seq, err := e.seqAt(ctx, account, at)
	if err != nil {
		return ledger.Balance{}, err
	}
	var b ledger.Balance
	err = e.pool.QueryRow(ctx, sqlBalanceAt, account, seq-1).Scan(&b.Total, &b.Held, &b.Spendable)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return ledger.Balance{}, problem.Unavailable(err)
	}
	return b, nil
}

// seqAt is the seq of the first entry at or after an instant; the newest seq plus one if there is none.
func (e *Engine) seqAt(ctx context.Context, account uuid.UUID, at time.Time) (int64, error) {
	var seq int64
	err := e.pool.QueryRow(ctx, sqlSeqAt, account, at).Scan(&seq)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, ledger.ErrNoAccount
	case err != nil:
		return 0, problem.Unavailable(err)
	}
	return seq, nil
}

// settleIfDue settles the account if something is due, and returns the seq of its newest entry.
func (e *Engine) settleIfDue(ctx context.Context, account uuid.UUID) (newest int64, err error) {
	newest, due, err := e.newest(ctx, account)
	if err != nil || due.IsZero() || due.After(e.now()) {
		return newest, err
	}
	if err := e.Settle(ctx, account); err != nil {
		return 0, err
	}
	newest, _, err = e.newest(ctx, account)
	return newest, err
}

// newest returns the seq of the account's newest entry, and when something is due; zero: never.
func (e *Engine) newest(ctx context.Context, account uuid.UUID) (seq int64, due time.Time, err error) {
	var at *time.Time
	err = e.pool.QueryRow(ctx, sqlNewest, account).Scan(&seq, &at)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, due, ledger.ErrNoAccount
	case err != nil:
		return 0, due, problem.Unavailable(err)
	}
	return seq, instant(at), nil
}
