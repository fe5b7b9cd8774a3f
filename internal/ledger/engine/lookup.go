package engine

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

var errNoTransaction = problem.New(problem.NotFound, "transaction_not_found", "There is no such transaction.")

// Transaction reads one entry of an account by its seq. Kinds NotFound and Unavailable.
func (e *Engine) Transaction(ctx context.Context, account uuid.UUID, seq int64) (ledger.Line, error) {
	rows, err := e.pool.Query(ctx, sqlEntry, account, seq)
	if err != nil {
		return ledger.Line{}, problem.Unavailable(err)
	}
	lines, err := collectLines(rows)
	switch {
	case err != nil:
		return ledger.Line{}, err
	case len(lines) == 0:
		return ledger.Line{}, errNoTransaction
	}
	return lines[0], nil
}

// historyByReference reads a page of entries with a reference. With other filters it reads at most MaxPage
// entries, so the page may be short or empty although another one follows.
func (e *Engine) historyByReference(
	ctx context.Context,
	account uuid.UUID,
	f ledger.Filter,
	low, high int64,
	limit int,
) (ledger.Page,
	error,
) {
	scanned := limit
	if len(f.Kinds) > 0 || len(f.LotKinds) > 0 || f.Feature != "" || f.Agent != "" {
		scanned = ledger.MaxPage
	}
	rows, err := e.pool.Query(ctx, sqlReferenced, account, f.Reference, high, low, scanned+1)
	if err != nil {
		return ledger.Page{}, problem.Unavailable(err)
	}
	found, err := collectLines(rows)
	if err != nil {
		return ledger.Page{}, err
	}
	more := len(found) > scanned
	if more {
		found = found[:scanned]
	}
	var p ledger.Page
	for i := range found {
		if len(p.Lines) == limit {
			more = true
			break
		}
		p.Before = found[i].Seq
		if matches(&f, &found[i].Entry) {
			p.Lines = append(p.Lines, found[i])
		}
	}
	if !more {
		p.Before = 0
	}
	return p, nil
}

// matches reports whether an entry passes the filters other than the reference.
func matches(f *ledger.Filter, e *ledger.Entry) bool {
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, e.Kind)) &&
		(len(f.LotKinds) == 0 || slices.Contains(f.LotKinds, e.LotKind)) &&
		(f.Feature == "" || f.Feature == e.Feature) && (f.Agent == "" || f.Agent == e.Agent)
}

// collectLines reads rows of lineColumns.
func collectLines(rows pgx.Rows) ([]ledger.Line, error) {
	defer rows.Close()
	var lines []ledger.Line
	for rows.Next() {
		line, err := scanLine(rows)
		if err != nil {
			return nil, problem.Unavailable(err)
		}
		lines = append(lines, line)
	}
	return lines, orUnavailable(rows.Err())
}

func scanLine(rows pgx.Rows) (ledger.Line, error) {
	var l ledger.Line
	e, err := scanEntry(rows, &l.Reason, &l.Metadata, &l.Cause)
	l.Entry = e
	return l, err
}
