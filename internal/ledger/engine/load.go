package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// Lock begins the transaction, locks the accounts, reads their rows, and looks up the batch's keys and
// references. It locks cached accounts too: all rows are locked at once, in id order, or two servers could
// deadlock.
func (s *pgSession) Lock(ctx context.Context, b *batch) error {
	s.began = true
	pgxBatch := &pgx.Batch{}
	s.db.queueBegin(pgxBatch)
	if opening := b.ids(func(a *batchAccount) bool { return a.MayOpen }); len(opening) > 0 {
		pgxBatch.Queue(sqlEnsureAccounts, opening)
	}
	pgxBatch.Queue(sqlLockAccounts, b.ids(func(*batchAccount) bool { return true })).Query(b.readAccounts)
	if accounts, agents := b.unknownAgents(); len(agents) > 0 {
		pgxBatch.Queue(sqlNamedAgents, accounts, agents).Query(snapshotFinder(b.snapshotOf).readAgents)
	}
	b.queueLookUps(pgxBatch)
	return s.conn.Conn().SendBatch(ctx, pgxBatch).Close()
}

// unknownAgents lists the agents to read, of accounts that are not cached.
func (b *batch) unknownAgents() (accounts idList, agents []string) {
	for _, a := range b.accounts {
		if a.remembered {
			continue
		}
		for _, agent := range a.Agents {
			accounts, agents = append(accounts, a.id), append(agents, agent)
		}
	}
	return accounts, agents
}

// queueLookUps looks up keys of accounts that are not cached, and references.
func (b *batch) queueLookUps(pgxBatch *pgx.Batch) {
	var keyAccounts, refAccounts idList
	var keys, scopes, refs []string
	for _, c := range b.calls {
		if c.key != "" && !c.part.remembered {
			keyAccounts, keys = append(keyAccounts, c.account), append(keys, c.key)
		}
		if c.needs.Scope != "" {
			refAccounts, scopes, refs = append(refAccounts, c.account), append(scopes, c.needs.Scope),
				append(refs, c.needs.Reference)
		}
	}
	if len(keys) > 0 {
		pgxBatch.Queue(sqlKnownKeys, keyAccounts, keys).Query(b.readKeys)
	}
	if len(refs) > 0 {
		pgxBatch.Queue(sqlKnownReferences, refAccounts, scopes, refs).Query(b.readReferences)
	}
}

// Complete reads all lots, holds and agents of some accounts, the entries that requests refer to, and which
// keys are claimed or bound by extensions.
func (s *pgSession) Complete(ctx context.Context, b *batch, accounts []uuid.UUID, now time.Time) error {
	pgxBatch := &pgx.Batch{}
	b.queueClaims(pgxBatch)
	if len(accounts) > 0 {
		b.queueComplete(pgxBatch, accounts, now)
	}
	if accounts, keys := b.keysOfExtended(func(c *call) bool { return !c.part.remembered }); len(keys) > 0 {
		pgxBatch.Queue(sqlKnownExtensions, accounts, keys).Query(b.readExtensions)
	}
	if pgxBatch.Len() == 0 {
		return nil
	}
	return s.conn.Conn().SendBatch(ctx, pgxBatch).Close()
}

func (b *batch) queueComplete(pgxBatch *pgx.Batch, accounts idList, now time.Time) {
	latest := now // no account settles later than this
	for _, id := range accounts {
		latest = ledger.Later(latest, b.snapshotOf(id).Account.LastAt)
	}
	if slices.ContainsFunc(b.calls, func(c *call) bool { return c.needs.EndsHolds }) {
		latest = now.Add(2 * ledger.MaxHold) // no hold lasts longer, so all notes are read
	}
	read := snapshotFinder(b.snapshotOf)
	pgxBatch.Queue(sqlOpenLots, accounts).Query(read.readLots)
	pgxBatch.Queue(sqlOpenHolds, accounts, latest).Query(read.readHolds)
	pgxBatch.Queue(sqlAgents, accounts).Query(read.readAgents)
	if months := b.ids(func(a *batchAccount) bool {
		return a.snapshot != nil && a.snapshot.Complete && (a.NeedsMonths || a.snapshot.Account.AgentRules)
	}); len(months) > 0 {
		pgxBatch.Queue(sqlAgentMonths, months).Query(read.readMonths)
	}
	if accounts, seqs := b.referredTo(); len(seqs) > 0 {
		pgxBatch.Queue(sqlPast, accounts, seqs).Query(read.readPast)
		pgxBatch.Queue(sqlPastLots, accounts, seqs).Query(read.readLots)
	}
}

func (b *batch) referredTo() (accounts idList, seqs []int64) {
	for _, c := range b.calls {
		if c.needs.RefersTo != 0 {
			accounts, seqs = append(accounts, c.account), append(seqs, c.needs.RefersTo)
		}
	}
	return accounts, seqs
}

// queueClaims looks up which keys are claimed, of locked accounts that have claims.
func (b *batch) queueClaims(pgxBatch *pgx.Batch) {
	var wanted claimedKeys
	for _, c := range b.calls {
		if a := c.part; c.key != "" && !a.remembered && a.state != nil && a.state.HasClaims {
			wanted.add(c.account, c.key)
		}
	}
	if len(wanted.keys) > 0 {
		pgxBatch.Queue(sqlKnownClaims, wanted.accounts, wanted.keys).Query(b.readClaims)
	}
}

func (b *batch) readClaims(rows pgx.Rows) error {
	b.claimed = map[accountKey]bool{}
	var k accountKey
	_, err := pgx.ForEachRow(rows, []any{&k.account, &k.key}, func() error {
		b.claimed[k] = true
		return nil
	})
	return err
}

func (b *batch) readAccounts(rows pgx.Rows) error {
	for rows.Next() {
		snap := &ledger.Snapshot{}
		if err := scanAccount(rows, &snap.Account); err != nil {
			return err
		}
		a := b.account(snap.Account.AccountID)
		switch {
		case !a.remembered:
			a.snapshot = snap
		case a.state.Version != snap.Account.Version:
			return errStale
		}
	}
	return rows.Err()
}

func (b *batch) readExtensions(rows pgx.Rows) error {
	for rows.Next() {
		var account uuid.UUID
		var mark []byte
		x := &ledger.ExtensionRow{}
		if err := rows.Scan(&account, &x.Key, &mark, &x.Hold, &x.At, &x.ExpiresAt); err != nil {
			return err
		}
		x.At, x.ExpiresAt = x.At.UTC(), x.ExpiresAt.UTC()
		copy(x.Fingerprint[:], mark)
		b.rememberExtension(account, x)
	}
	return rows.Err()
}

func (b *batch) readKeys(rows pgx.Rows) error {
	for rows.Next() {
		e, err := scanSettled(rows)
		if err != nil {
			return err
		}
		if b.known == nil {
			b.known = map[accountKey]*ledger.Entry{}
		}
		b.known[accountKey{e.AccountID, e.Key}] = &e
	}
	return rows.Err()
}

func (b *batch) readReferences(rows pgx.Rows) error {
	for rows.Next() {
		var scope, reference string
		e, err := scanSettled(rows, &scope, &reference)
		if err != nil {
			return err
		}
		b.useReference(accountReference{e.AccountID, scope, reference}, &e)
	}
	return rows.Err()
}

// snapshotFinder returns the snapshot of an account to read rows into, or nil.
type snapshotFinder func(account uuid.UUID) *ledger.Snapshot

func (find snapshotFinder) readLots(rows pgx.Rows) error {
	for rows.Next() {
		var account uuid.UUID
		var l ledger.Lot
		var expires *time.Time
		err := rows.Scan(&account, &l.Number, &l.Kind, &l.Amount, &l.Remaining, &l.Held, &l.EffectiveAt, &expires,
			&l.Frozen, &l.Revoked, &l.Source, &l.TakenBack)
		if err != nil {
			return err
		}
		l.ExpiresAt, l.EffectiveAt = instant(expires), l.EffectiveAt.UTC()
		if snap := find(account); snap != nil {
			snap.Lots = append(snap.Lots, l)
		}
	}
	return rows.Err()
}

func (find snapshotFinder) readHolds(rows pgx.Rows) error {
	for rows.Next() {
		var account uuid.UUID
		var h ledger.HoldRow
		var lots, amounts []int64
		err := rows.Scan(&account, &h.Number, &h.Amount, &h.ExpiresAt, &h.Outcome, &h.Feature, &h.Agent,
			&h.Quantity, &h.UnitPrice, &h.CatalogVersion, &h.Reference, &lots, &amounts, &h.Note.Reason,
			&h.Note.Metadata)
		if err != nil {
			return err
		}
		h.ExpiresAt, h.Parts = h.ExpiresAt.UTC(), partsOf(lots, amounts)
		if snap := find(account); snap != nil {
			snap.Holds = append(snap.Holds, h)
		}
	}
	return rows.Err()
}

func (find snapshotFinder) readAgents(rows pgx.Rows) error {
	for rows.Next() {
		var account uuid.UUID
		var a ledger.AgentRow
		if err := scanAgent(rows, &account, &a); err != nil {
			return err
		}
		if snap := find(account); snap != nil {
			snap.Agents = append(snap.Agents, a)
		}
	}
	return rows.Err()
}

// scanAgent reads agentColumns.
func scanAgent(rows pgx.Rows, account *uuid.UUID, a *ledger.AgentRow) error {
	var since, resumed *time.Time
	var budget *int64
	err := rows.Scan(account, &a.ID, &a.Name, &a.Feature, &a.State, &since, &a.TurnedAway, &a.Unit, &budget,
		&a.Reserve, &resumed, &a.Missed)
	if err != nil {
		return err
	}
	a.PausedSince, a.ResumedAt, a.Budget = instant(since), instant(resumed), (*tokens.Amount)(budget)
	return nil
}

func (find snapshotFinder) readMonths(rows pgx.Rows) error {
	for rows.Next() {
		var account uuid.UUID
		var agent string
		var m ledger.MonthSpend
		if err := rows.Scan(&account, &agent, &m.Month, &m.Amount); err != nil {
			return err
		}
		if snap := find(account); snap != nil {
			for i := range snap.Agents {
				if a := &snap.Agents[i]; a.ID == agent {
					a.Month = m
				}
			}
		}
	}
	return rows.Err()
}

func (find snapshotFinder) readPast(rows pgx.Rows) error {
	for rows.Next() {
		p := &ledger.PastEntry{}
		var outcome int16
		var note ledger.Note
		var err error
		p.Entry, err = scanEntry(rows, &p.Reversed, &p.Lapsed, &p.Expired, &outcome, &note.Reason, &note.Metadata)
		if err != nil {
			return err
		}
		p.Entry.Note = note
		if outcome >= 0 {
			p.Hold = &ledger.HoldRow{Number: p.Entry.Seq, Outcome: ledger.Kind(outcome)}
		}
		snap := find(p.Entry.AccountID)
		if snap.Past == nil {
			snap.Past = map[int64]*ledger.PastEntry{}
		}
		snap.Past[p.Entry.Seq] = p
	}
	return rows.Err()
}

// scanAccount reads accountColumns, and further columns into more.
func scanAccount(rows pgx.Rows, a *ledger.AccountRow, more ...any) error {
	var zone string
	var due, closed *time.Time
	var usage []byte
	var threshold *int64
	columns := []any{
		&a.AccountID, &a.Balance, &a.Held, &a.Unusable, &a.Owed, &a.Seq, &a.LastAt, &due, &a.OpenLot,
		&a.OpenRemaining, &a.OpenHeld,
		&a.Today.Day, &usage, &a.Today.Declined, &a.DeclinedEver, &a.Plan, &a.NextPlan, &a.PlanStatus, &a.Anchor,
		&zone, &a.Period, &a.PeriodGranted, &a.Version,
		&a.NewestLot, &a.Level, &a.AgentCount, &a.PausedAgents, &a.AgentRules, &a.Reserved, &threshold, &a.EventSeq,
		&a.HasClaims, &closed, &a.HasExtensions,
	}
	if err := rows.Scan(append(columns, more...)...); err != nil {
		return err
	}
	a.LastAt, a.Anchor, a.DueAt, a.Today.Day = a.LastAt.UTC(), a.Anchor.UTC(), instant(due), a.Today.Day.UTC()
	a.ClosedAt = instant(closed)
	if a.LowThreshold = ledger.NoThreshold; threshold != nil {
		a.LowThreshold = tokens.Amount(*threshold)
	}
	var err error
	if a.Zone, err = ledger.LoadZone(zone); err == nil {
		a.Today.Lines, err = ledger.DecodeToday(usage)
	}
	if err != nil {
		return fmt.Errorf("%w: account %s: %w", errUnreadable, a.AccountID, err)
	}
	return nil
}

// scanEntry reads entryColumns, and the columns before them into first.
func scanEntry(rows pgx.CollectableRow, first ...any) (ledger.Entry, error) {
	var e ledger.Entry
	var lot int64
	var mark []byte
	var lots, amounts []int64
	columns := append(first, &e.AccountID, &e.Seq, &e.At, &e.Kind, &e.Amount, &e.HeldDelta, &e.BalanceAfter,
		&e.HeldAfter, &e.SpendableAfter, &e.Contra,
		&e.LotKind, &e.Feature, &e.Agent, &e.Quantity, &e.UnitPrice, &e.CatalogVersion, &e.Reference, &e.About,
		&e.Day, &lot, &lots, &amounts, &e.Key,
		&mark)
	if err := rows.Scan(columns...); err != nil {
		return ledger.Entry{}, err
	}
	e.At = e.At.UTC()
	copy(e.Fingerprint[:], mark)
	e.Parts = partsOf(lots, amounts)
	if lot != 0 {
		e.Parts = []ledger.Part{{Lot: lot, Amount: e.Moved()}}
	}
	e.Settled = e.Balance()
	return e, nil
}

// scanSettled reads settledColumns and entryColumns, and the columns before them into first.
func scanSettled(rows pgx.Rows, first ...any) (ledger.Entry, error) {
	var b ledger.Balance
	e, err := scanEntry(rows, append(first, &b.Spendable, &b.Held, &b.Total)...)
	e.Settled = b
	return e, err
}

func partsOf(lots, amounts []int64) []ledger.Part {
	parts := make([]ledger.Part, len(lots))
	for i := range lots {
		parts[i] = ledger.Part{Lot: lots[i], Amount: tokens.Amount(amounts[i])}
	}
	return parts
}

// instant converts a nullable time to UTC; null becomes the zero time.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
