package engine

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// History reads a page of an account's entries, newest first, before the given seq; zero starts at the
// newest. It settles the account first, so that an expiry shows on time. A page reads at most MaxScan
// entries, whatever the length of the history. Errors: ErrNoAccount, kinds Unprocessable (naming the
// filter's field) and Unavailable.
func (e *Engine) History(
	ctx context.Context,
	account uuid.UUID,
	f ledger.Filter,
	before int64,
	limit int,
) (ledger.Page, error) {
	if limit < 1 || limit > ledger.MaxPage {
		return ledger.Page{}, problem.Invalid("limit", "must be between 1 and %d", ledger.MaxPage)
	}
	newest, err := e.settleIfDue(ctx, account)
	if err != nil {
		return ledger.Page{}, err
	}
	if err := e.checkFilter(ctx, account, f); err != nil {
		return ledger.Page{}, err
	}
	r, err := e.bounds(ctx, account, f, before, newest)
	if err != nil {
		return ledger.Page{}, err
	}
	if f.Reference != "" {
		return e.historyByReference(ctx, account, f, r.low, r.high, limit)
	}
	lines, err := e.readLines(ctx, account, f, r, limit+1)
	if err != nil {
		return ledger.Page{}, orUnavailable(err)
	}
	return e.page(ctx, account, lines, r, limit)
}

// checkFilter refuses a filter that names something unknown.
func (e *Engine) checkFilter(ctx context.Context, account uuid.UUID, f ledger.Filter) error {
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return problem.Invalid("from", "must be before to")
	}
	if _, ok := e.prices().Feature(f.Feature); f.Feature != "" && !ok {
		return problem.Invalid("feature", "is not a feature of the catalog")
	}
	if f.Agent == "" {
		return nil
	}
	var known bool
	if err := e.pool.QueryRow(ctx, sqlHasAgent, account, f.Agent).Scan(&known); err != nil {
		return problem.Unavailable(err)
	}
	if !known {
		return problem.Invalid("agent", "is not an agent of this account")
	}
	return nil
}

// page trims lines to the page's size and sets where the next page begins.
func (e *Engine) page(
	ctx context.Context,
	account uuid.UUID,
	lines []ledger.Line,
	r seqRange,
	limit int,
) (ledger.Page, error) {
	switch {
	case len(lines) > limit:
		return ledger.Page{Lines: lines[:limit], Before: lines[limit-1].Seq}, nil
	case !r.cut:
		return ledger.Page{Lines: lines}, nil
	}
	p := ledger.Page{Lines: lines, Before: r.low}
	err := e.pool.QueryRow(ctx, sqlTimeOf, account, r.low).Scan(&p.SearchedTo)
	p.SearchedTo = p.SearchedTo.UTC()
	return p, orUnavailable(err)
}

// readLines reads at most limit matching entries of a range, newest first.
func (e *Engine) readLines(
	ctx context.Context,
	account uuid.UUID,
	f ledger.Filter,
	r seqRange,
	limit int,
) ([]ledger.Line, error) {
	var rows pgx.Rows
	var err error
	if indexed(&f) {
		rows, err = e.pool.Query(ctx, sqlRareHistory, account, r.high, r.low, smallints(f.Kinds),
			smallints(lotKinds(&f)), limit)
	} else {
		rows, err = e.pool.Query(ctx, sqlHistory, account, r.high, r.low, smallints(f.Kinds),
			smallints(f.LotKinds), f.Feature, f.Agent, limit)
	}
	if err != nil {
		return nil, err
	}
	return collectLines(rows)
}

// rareKinds are the kinds in the index entries_rare, which charges need not update.
var rareKinds = []ledger.Kind{ledger.KindGrant, ledger.KindExpiry, ledger.KindClawback}

// indexed reports whether the index entries_rare covers the filter.
func indexed(f *ledger.Filter) bool {
	common := func(k ledger.Kind) bool { return !slices.Contains(rareKinds, k) }
	return len(f.Kinds) > 0 && f.Feature == "" && f.Agent == "" && f.Reference == "" &&
		!slices.ContainsFunc(f.Kinds, common)
}

func lotKinds(f *ledger.Filter) []ledger.LotKind {
	if len(f.LotKinds) > 0 {
		return f.LotKinds
	}
	return []ledger.LotKind{ledger.LotPlan, ledger.LotPromo, ledger.LotAdjustment, ledger.LotPurchase}
}

// seqRange is the range that a page reads: low inclusive, high exclusive. cut means that MaxScan shortened
// it.
type seqRange struct {
	low, high int64
	cut       bool
}

// bounds converts the filter's times to a range of seq, so that an old page costs no more than the newest
// one. Entries are numbered without gaps, so MaxScan numbers are at most as many rows.
func (e *Engine) bounds(ctx context.Context, account uuid.UUID, f ledger.Filter, before, newest int64) (r seqRange,
	err error,
) {
	r = seqRange{low: 1, high: newest + 1}
	if before > 0 {
		r.high = min(r.high, before)
	}
	if !f.From.IsZero() {
		if r.low, err = e.seqAt(ctx, account, f.From); err != nil {
			return r, err
		}
	}
	if !f.To.IsZero() {
		end, err := e.seqAt(ctx, account, f.To)
		if err != nil {
			return r, err
		}
		r.high = min(r.high, end)
	}
	if lowest := r.high - ledger.MaxScan; lowest > r.low && !indexed(&f) && !matchesAll(&f) && f.Reference == "" {
		r.low, r.cut = lowest, true
	}
	return r, nil
}

func matchesAll(f *ledger.Filter) bool {
	return len(f.Kinds) == 0 && len(f.LotKinds) == 0 && f.Feature == "" && f.Agent == ""
}

// smallints is nil for an empty list, which matches all.
func smallints[T ~uint8](list []T) []int16 {
	var out []int16
	for _, k := range list {
		out = append(out, int16(k))
	}
	return out
}

// DeclinedOn lists the newest attempts of a day of the billing zone that lacked tokens, at most MaxPage.
// Kind Unavailable.
func (e *Engine) DeclinedOn(ctx context.Context, account uuid.UUID, day time.Time) ([]ledger.Declined, error) {
	rows, err := e.pool.Query(ctx, sqlDeclined, account, day, ledger.MaxPage)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.Declined])
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	for i := range list {
		list[i].At = list[i].At.UTC()
	}
	return list, nil
}
