package ledger

import (
	"cmp"
	"context"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
)

// Filter narrows a history. Zero fields do not narrow.
type Filter struct {
	Kinds     []Kind
	LotKinds  []LotKind
	Feature   string
	Agent     string
	Reference string    // the caller's, or the purchase or plan that tokens came from
	From, To  time.Time // From inclusive, To exclusive
}

// Page is part of a history, newest first.
type Page struct {
	Lines []Line
	// Before is where the next page begins: pass it as before; zero when there is none.
	Before int64
}

// Line is an entry with the free text beside it.
type Line struct {
	Entry
	Reason   string
	Metadata map[string]string
	Cause    Cause // of a clawback; empty where the notes do not tell it
}

// MaxPage bounds one page of a history.
const MaxPage = 200

// History reads a page of an account's entries, newest first, from before the given seq; zero begins at the newest. What is due is
// written first, so that an expiry shows at its time.
func (l *Ledger) History(ctx context.Context, account uuid.UUID, f Filter, before int64, limit int) (Page, error) {
	if limit < 1 || limit > MaxPage {
		return Page{}, problem.Invalid("limit", "must be between 1 and %d", MaxPage)
	}
	if err := l.settleIfDue(ctx, account); err != nil {
		return Page{}, err
	}
	low, high, err := l.bounds(ctx, account, f, before)
	if err != nil {
		return Page{}, err
	}
	if f.Reference != "" {
		return l.referenced(ctx, account, f, low, high, limit)
	}
	rows, err := l.pool.Query(ctx, sqlHistory, account, high, low, smallints(f.Kinds), smallints(f.LotKinds), f.Feature, f.Agent, limit+1)
	if err != nil {
		return Page{}, ErrUnavailable.Because(err)
	}
	lines, err := collectLines(rows)
	p := Page{Lines: lines}
	if len(p.Lines) > limit {
		p.Lines = p.Lines[:limit]
		p.Before = p.Lines[limit-1].Seq
	}
	return p, err
}

// bounds turns the filter's times into a range of seq, low inclusive and high exclusive, so that a page deep in a long history costs no more than
// the newest one.
func (l *Ledger) bounds(ctx context.Context, account uuid.UUID, f Filter, before int64) (low, high int64, err error) {
	high = math.MaxInt64
	if before > 0 {
		high = before
	}
	if !f.From.IsZero() {
		if low, err = l.seqAt(ctx, account, f.From); err != nil {
			return 0, 0, err
		}
	}
	if !f.To.IsZero() {
		end, err := l.seqAt(ctx, account, f.To)
		if err != nil {
			return 0, 0, err
		}
		high = min(high, end)
	}
	return low, high, nil
}

// collectLines reads lineColumns to the end of the rows.
func collectLines(rows pgx.Rows) ([]Line, error) {
	defer rows.Close()
	var lines []Line
	for rows.Next() {
		line, err := scanLine(rows)
		if err != nil {
			return nil, ErrUnavailable.Because(err)
		}
		lines = append(lines, line)
	}
	return lines, orUnavailable(rows.Err())
}

func scanLine(rows pgx.Rows) (Line, error) {
	var l Line
	e, err := scanEntry(rows, &l.Reason, &l.Metadata, &l.Cause)
	l.Entry = e
	return l, err
}

// smallints is null for an empty list, which means all.
func smallints[T ~uint8](list []T) []int16 {
	var out []int16
	for _, k := range list {
		out = append(out, int16(k))
	}
	return out
}

func compareUsage(a, b Usage) int {
	return cmp.Or(a.Day.Compare(b.Day), cmp.Compare(a.Feature, b.Feature), cmp.Compare(a.Agent, b.Agent))
}

// DeclinedOn lists the newest attempts of a day of the billing zone that lacked tokens, at most MaxPage.
func (l *Ledger) DeclinedOn(ctx context.Context, account uuid.UUID, day time.Time) ([]Declined, error) {
	rows, err := l.pool.Query(ctx, sqlDeclined, account, day, MaxPage)
	if err != nil {
		return nil, ErrUnavailable.Because(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Declined])
	if err != nil {
		return nil, ErrUnavailable.Because(err)
	}
	for i := range list {
		list[i].At = list[i].At.UTC()
	}
	return list, nil
}
