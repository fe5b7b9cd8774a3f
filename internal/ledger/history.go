package ledger

import (
	"cmp"
	"context"
	"slices"
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
	// SearchedTo is set when the page ended because it had read MaxScan entries, before it was
	// full: the time of the oldest entry read. Older ones may match, so Before is set as well, and
	// Lines may be empty.
	SearchedTo time.Time
}

// Line is an entry with the free text beside it.
type Line struct {
	Entry
	Reason   string
	Metadata map[string]string
	Cause    Cause // of a clawback; empty where the notes do not tell it
}

// Bounds on one page of a history.
const (
	MaxPage = 200   // entries shown
	MaxScan = 4_000 // entries read, when the filter has no index
)

// History reads a page of an account's entries, newest first, from before the given seq; zero
// begins at the newest. What is due is written first, so that an expiry shows at its time. The work
// for a page does not grow with the history: see MaxScan. Errors: ErrNoAccount, kinds Meaning
// (naming the field of the filter) and Unavailable.
func (l *Ledger) History(ctx context.Context, account uuid.UUID, f Filter, before int64, limit int) (Page, error) {
	if limit < 1 || limit > MaxPage {
		return Page{}, problem.Invalid("limit", "must be between 1 and %d", MaxPage)
	}
	newest, err := l.settleIfDue(ctx, account)
	if err != nil {
		return Page{}, err
	}
	if err := l.checkFilter(ctx, account, f); err != nil {
		return Page{}, err
	}
	r, err := l.bounds(ctx, account, f, before, newest)
	if err != nil {
		return Page{}, err
	}
	if f.Reference != "" {
		return l.referenced(ctx, account, f, r.low, r.high, limit)
	}
	lines, err := l.readLines(ctx, account, f, r, limit+1)
	if err != nil {
		return Page{}, orUnavailable(err)
	}
	return l.page(ctx, account, lines, r, limit)
}

// checkFilter refuses a filter that nothing can match because it names what is not there.
func (l *Ledger) checkFilter(ctx context.Context, account uuid.UUID, f Filter) error {
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return problem.Invalid("from", "must be before to")
	}
	if _, ok := l.prices().Feature(f.Feature); f.Feature != "" && !ok {
		return problem.Invalid("feature", "is not a feature of the catalog")
	}
	if f.Agent == "" {
		return nil
	}
	var known bool
	if err := l.pool.QueryRow(ctx, sqlHasAgent, account, f.Agent).Scan(&known); err != nil {
		return ErrUnavailable.Wrap(err)
	}
	if !known {
		return problem.Invalid("agent", "is not an agent of this account")
	}
	return nil
}

// page cuts lines to the page's size and says where the next one begins.
func (l *Ledger) page(ctx context.Context, account uuid.UUID, lines []Line, r seqRange, limit int) (Page, error) {
	switch {
	case len(lines) > limit:
		return Page{Lines: lines[:limit], Before: lines[limit-1].Seq}, nil
	case !r.cut:
		return Page{Lines: lines}, nil
	}
	p := Page{Lines: lines, Before: r.low}
	err := l.pool.QueryRow(ctx, sqlTimeOf, account, r.low).Scan(&p.SearchedTo)
	p.SearchedTo = p.SearchedTo.UTC()
	return p, orUnavailable(err)
}

// readLines reads at most limit entries of a range that match a filter, newest first.
func (l *Ledger) readLines(ctx context.Context, account uuid.UUID, f Filter, r seqRange, limit int) ([]Line, error) {
	var rows pgx.Rows
	var err error
	if f.indexed() {
		rows, err = l.pool.Query(ctx, sqlRareHistory, account, r.high, r.low, smallints(f.Kinds),
			smallints(f.lotKinds()), limit)
	} else {
		rows, err = l.pool.Query(ctx, sqlHistory, account, r.high, r.low, smallints(f.Kinds),
			smallints(f.LotKinds), f.Feature, f.Agent, limit)
	}
	if err != nil {
		return nil, err
	}
	return collectLines(rows)
}

// rareKinds are the kinds that the index entries_rare has: no charge pays for it.
var rareKinds = []Kind{KindGrant, KindExpiry, KindClawback}

// indexed says whether the index entries_rare finds what matches the filter.
func (f *Filter) indexed() bool {
	common := func(k Kind) bool { return !slices.Contains(rareKinds, k) }
	return len(f.Kinds) > 0 && f.Feature == "" && f.Agent == "" && f.Reference == "" &&
		!slices.ContainsFunc(f.Kinds, common)
}

// lotKinds are the kinds of lot that match the filter.
func (f *Filter) lotKinds() []LotKind {
	if len(f.LotKinds) > 0 {
		return f.LotKinds
	}
	return []LotKind{LotPlan, LotPromo, LotAdjustment, LotPurchase}
}

// seqRange is what a page reads: low inclusive, high exclusive. It was cut when more of the history
// lies below it.
type seqRange struct {
	low, high int64
	cut       bool
}

// bounds turns the filter's times into a range of seq, so that a page deep in a long history costs
// no more than the newest one. Entries are numbered without gaps, so a range of MaxScan numbers is
// at most as many rows.
func (l *Ledger) bounds(ctx context.Context, account uuid.UUID, f Filter, before, newest int64) (r seqRange,
	err error,
) {
	r = seqRange{low: 1, high: newest + 1}
	if before > 0 {
		r.high = min(r.high, before)
	}
	if !f.From.IsZero() {
		if r.low, err = l.seqAt(ctx, account, f.From); err != nil {
			return r, err
		}
	}
	if !f.To.IsZero() {
		end, err := l.seqAt(ctx, account, f.To)
		if err != nil {
			return r, err
		}
		r.high = min(r.high, end)
	}
	if lowest := r.high - MaxScan; lowest > r.low && !f.indexed() && !f.all() && f.Reference == "" {
		r.low, r.cut = lowest, true
	}
	return r, nil
}

// all says whether every entry of the range matches.
func (f *Filter) all() bool {
	return len(f.Kinds) == 0 && len(f.LotKinds) == 0 && f.Feature == "" && f.Agent == ""
}

// collectLines reads lineColumns to the end of the rows.
func collectLines(rows pgx.Rows) ([]Line, error) {
	defer rows.Close()
	var lines []Line
	for rows.Next() {
		line, err := scanLine(rows)
		if err != nil {
			return nil, ErrUnavailable.Wrap(err)
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
		return nil, ErrUnavailable.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Declined])
	if err != nil {
		return nil, ErrUnavailable.Wrap(err)
	}
	for i := range list {
		list[i].At = list[i].At.UTC()
	}
	return list, nil
}
