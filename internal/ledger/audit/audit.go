// Package audit verifies the ledger in plain SQL: it compares all data that is stored or derivable twice,
// such as an account's balance and the sum of its entries.
//
// It shares no code with the rules, except what is needed to read a row: the boundary of a billing period,
// the billing zone and the encoding of today's usage.
package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/ledger"
)

// Options configure an audit. The zero value is valid.
type Options struct {
	MaxDifferences int   // the audit stops after this many; zero: 100
	ChunkEntries   int64 // approximate number of entries per snapshot; zero: four million
	// Progress is called from time to time with the number of entries compared so far and in total. It may
	// be nil.
	Progress func(done, total int64)
}

// Report is the result of an audit.
type Report struct {
	Accounts, Entries int64 // compared
	Differences       []Difference
	// Complete means that all accounts were compared: fewer than MaxDifferences were found.
	Complete bool
}

// Difference is one contradiction in the ledger.
type Difference struct {
	AccountID       uuid.UUID
	What            string // "entry 17: balance after"
	Expected, Found string
}

func (d Difference) String() string {
	return fmt.Sprintf("%s  %s: expected %s, found %s", d.AccountID, d.What, d.Expected, d.Found)
}

// Limits of a chunk: accounts whose today_usage this process decodes, and entries per snapshot.
const (
	chunkAccounts       = 20_000
	defaultChunkEntries = 4_000_000
	defaultDifferences  = 100
)

// Verify compares all accounts while charges continue. It reads one range of accounts after another, each
// in its own consistent snapshot. Postgres compares and sums up, so memory is bounded, and an error in the
// rules is not repeated here.
func Verify(ctx context.Context, pool *pgxpool.Pool, o Options) (Report, error) {
	if o.MaxDifferences == 0 {
		o.MaxDifferences = defaultDifferences
	}
	if o.ChunkEntries == 0 {
		o.ChunkEntries = defaultChunkEntries
	}
	v := &verifier{pool: pool, options: o}
	if err := pool.QueryRow(ctx, sqlVerifyTotal).Scan(&v.total); err != nil {
		return Report{}, fmt.Errorf("count the entries: %w", err)
	}
	var low uuid.UUID
	for more := true; more && len(v.report.Differences) < o.MaxDifferences; {
		high, err := v.end(ctx, low)
		if err == nil {
			err = v.chunk(ctx, low, high)
		}
		if err != nil {
			return Report{}, fmt.Errorf("verify the accounts from %s on: %w", low, err)
		}
		low, more = after(high)
	}
	v.report.Complete = len(v.report.Differences) < o.MaxDifferences
	return v.report, nil
}

type verifier struct {
	pool    *pgxpool.Pool
	options Options
	total   int64 // entries at the start
	report  Report
}

// end chooses the last account of a chunk. The last chunk extends to the highest id, to find rows without
// an account.
func (v *verifier) end(ctx context.Context, low uuid.UUID) (uuid.UUID, error) {
	rows, err := v.pool.Query(ctx, sqlVerifyChunk, low, chunkAccounts, v.options.ChunkEntries)
	if err != nil {
		return uuid.Nil, err
	}
	ends, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil || len(ends) == 0 {
		return uuid.Max, err
	}
	return ends[0], nil
}

// after is the next id; false after the last one.
func after(id uuid.UUID) (uuid.UUID, bool) {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			return id, true
		}
	}
	return id, false
}

// chunk compares a range of accounts in one snapshot.
func (v *verifier) chunk(ctx context.Context, low, high uuid.UUID) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, v.pool, options, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlVerifySettings); err != nil {
			return err
		}
		today, err := v.accounts(ctx, tx, low, high)
		if err != nil {
			return err
		}
		args := []any{
			low, high, v.room(), today.accounts, today.days, today.features, today.agents, today.amounts,
			today.quantities, today.counts,
			today.returned,
		}
		if err := v.compare(ctx, tx, args); err != nil {
			return err
		}
		v.progress()
		return nil
	})
}

// room is how many more differences may be reported.
func (v *verifier) room() int { return max(0, v.options.MaxDifferences-len(v.report.Differences)) }

func (v *verifier) addDifference(d Difference) {
	if v.room() > 0 {
		v.report.Differences = append(v.report.Differences, d)
	}
}

// progress reports progress. New entries do not count beyond the total.
func (v *verifier) progress() {
	if v.options.Progress != nil {
		v.options.Progress(min(v.report.Entries, v.total), v.total)
	}
}

func (v *verifier) compare(ctx context.Context, tx pgx.Tx, args []any) error {
	rows, err := tx.Query(ctx, sqlVerify, args...)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Difference])
	for _, d := range found {
		v.addDifference(d)
	}
	return err
}

// todayColumns are the usage lines of the accounts' rows. Only this program can decode them, so it sends
// them back to Postgres for the comparison.
type todayColumns struct {
	accounts                    []uuid.UUID
	days                        []time.Time
	features, agents            []string
	amounts, quantities, counts []int64
	returned                    []int64
}

// accounts reads the rows of a chunk's accounts, collects today's usage, and checks next_due_at against the
// billing period, which SQL cannot compute.
func (v *verifier) accounts(ctx context.Context, tx pgx.Tx, low, high uuid.UUID) (*todayColumns, error) {
	rows, err := tx.Query(ctx, sqlVerifyAccounts, low, high)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	today := &todayColumns{}
	for rows.Next() {
		var a accountRow
		if err := rows.Scan(&a.account, &a.seq, &a.due, &a.day, &a.usage, &a.active, &a.anchor, &a.zone,
			&a.period); err != nil {
			return nil, err
		}
		v.report.Accounts++
		v.report.Entries += a.seq
		a.checkNextDue(v.addDifference)
		a.addToday(today, v.addDifference)
	}
	return today, rows.Err()
}

type accountRow struct {
	account uuid.UUID
	seq     int64
	due     *time.Time
	day     time.Time
	usage   []byte
	active  bool
	anchor  time.Time
	zone    string
	period  int
}

// checkNextDue checks that an account with a paid plan is settled no later than its next period.
func (a *accountRow) checkNextDue(differs func(Difference)) {
	if !a.active {
		return
	}
	zone, err := ledger.LoadZone(a.zone)
	if err != nil {
		differs(Difference{a.account, "billing zone", "a time zone", a.zone})
		return
	}
	reset := ledger.Boundary(a.anchor, zone, a.period+1)
	if due := instant(a.due); due.IsZero() || due.After(reset) {
		differs(Difference{
			a.account, "next due", "not after the reset at " + reset.Format(time.RFC3339Nano),
			instantText(due),
		})
	}
}

// instant converts a nullable time to UTC; null becomes the zero time.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func instantText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.RFC3339Nano)
}

func (a *accountRow) addToday(c *todayColumns, differs func(Difference)) {
	lines, err := ledger.DecodeToday(a.usage)
	if err != nil {
		differs(Difference{a.account, "usage of today", "lines that can be read", fmt.Sprintf("%x", a.usage)})
	}
	for _, l := range lines {
		c.accounts, c.days = append(c.accounts, a.account), append(c.days, a.day)
		c.features, c.agents = append(c.features, l.Feature), append(c.agents, l.Agent)
		c.amounts, c.quantities, c.counts = append(c.amounts, int64(l.Amount)), append(c.quantities, l.Quantity),
			append(c.counts, l.Count)
		c.returned = append(c.returned, int64(l.Returned))
	}
}
