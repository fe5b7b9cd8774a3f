package ledger

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Account is an account as it stands at an instant, settled to it.
type Account struct {
	ID         uuid.UUID
	Plan       string
	NextPlan   string // a downgrade that takes effect at NextReset; empty: none
	PlanStatus PlanStatus
	Anchor     time.Time
	Zone       *time.Location // the billing zone
	Spendable  tokens.Amount
	Held       tokens.Amount
	Total      tokens.Amount
	Seq        int64     // of the newest entry
	LastAt     time.Time // of the newest entry
	NextReset  time.Time // when the next allowance comes; zero while the plan is not paid for
	Lots       []Lot     // in the order in which they are spent
}

// Lot is a grant's tokens and what is left of them.
type Lot struct {
	Number      int64
	Kind        LotKind
	Amount      tokens.Amount
	Remaining   tokens.Amount
	Held        tokens.Amount
	EffectiveAt time.Time
	ExpiresAt   time.Time // zero: never
	Frozen      bool
	Source      string
}

// Account reads an account and settles it to now without writing: what a charge would decide on. ErrNoAccount when it was never opened.
func (l *Ledger) Account(ctx context.Context, id uuid.UUID) (Account, error) {
	accounts, err := l.Accounts(ctx, []uuid.UUID{id})
	if err != nil {
		return Account{}, err
	}
	a, ok := accounts[id]
	if !ok {
		return Account{}, ErrNoAccount
	}
	return a, nil
}

// Accounts reads several accounts in one consistent look. Those that do not exist are absent.
func (l *Ledger) Accounts(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Account, error) {
	rows, err := l.pool.Query(ctx, sqlReadAccounts, ids)
	if err != nil {
		return nil, ErrUnavailable.Because(err)
	}
	states, err := readStates(rows)
	if err != nil {
		return nil, ErrUnavailable.Because(err)
	}
	now, prices := l.now(), l.prices()
	accounts := make(map[uuid.UUID]Account, len(states))
	for id, s := range states {
		if !s.exists {
			continue
		}
		slices.SortFunc(s.lots, burnOrder)
		at := now
		if at.Before(s.lastAt) {
			at = s.lastAt
		}
		s.settle(at, prices)
		accounts[id] = s.view(at)
	}
	return accounts, nil
}

func readStates(rows pgx.Rows) (map[uuid.UUID]*state, error) {
	defer rows.Close()
	states := map[uuid.UUID]*state{}
	for rows.Next() {
		var t lotRow
		s, err := scanState(rows, &t.number, &t.kind, &t.amount, &t.remaining, &t.held, &t.effective, &t.expires, &t.frozen, &t.source)
		if err != nil {
			return nil, err
		}
		if known, ok := states[s.account]; ok {
			s = known
		}
		states[s.account] = s
		if t.number != nil {
			s.lots = append(s.lots, t.lot())
		}
	}
	return states, rows.Err()
}

// lotRow is the right side of a left join: all null when the account has no open lot.
type lotRow struct {
	number, amount, remaining, held *int64
	kind                            *int16
	effective, expires              *time.Time
	frozen                          *bool
	source                          *string
}

func (r *lotRow) lot() lot {
	return lot{
		number: *r.number, kind: LotKind(*r.kind), amount: tokens.Amount(*r.amount), remaining: tokens.Amount(*r.remaining), held: tokens.Amount(*r.held),
		effectiveAt: r.effective.UTC(), expiresAt: instant(r.expires), frozen: *r.frozen, source: *r.source,
	}
}

// view shows a settled state.
func (s *state) view(now time.Time) Account {
	a := Account{
		ID: s.account, Plan: s.plan, NextPlan: s.nextPlan, PlanStatus: s.status, Anchor: s.anchor, Zone: s.zone,
		Spendable: s.spendable(now), Held: s.held, Total: s.balance, Seq: s.seq, LastAt: s.lastAt,
	}
	if s.status == PlanActive {
		a.NextReset = boundary(s.anchor, s.zone, s.period+1)
	}
	for _, t := range s.lots {
		if t.remaining > 0 {
			a.Lots = append(a.Lots, Lot{
				Number: t.number, Kind: t.kind, Amount: t.amount, Remaining: t.remaining, Held: t.held,
				EffectiveAt: t.effectiveAt, ExpiresAt: t.expiresAt, Frozen: t.frozen, Source: t.source,
			})
		}
	}
	return a
}

// Filter narrows a history. Zero fields do not narrow.
type Filter struct {
	Kinds    []Kind
	LotKinds []LotKind
	Feature  string
	Agent    string
	From, To time.Time // From inclusive, To exclusive
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
	Reason string
}

// MaxPage bounds one page of a history.
const MaxPage = 200

// History reads a page of an account's entries, newest first, from before the given seq; zero begins at the newest. What is due is
// written first, so that an expiry shows at its time.
func (l *Ledger) History(ctx context.Context, account uuid.UUID, f Filter, before int64, limit int) (Page, error) {
	if limit < 1 || limit > MaxPage {
		return Page{}, problem.Invalid("limit", "must be between 1 and %d", MaxPage)
	}
	if before <= 0 {
		before = math.MaxInt64
	}
	if err := l.settleIfDue(ctx, account); err != nil {
		return Page{}, err
	}
	rows, err := l.pool.Query(ctx, sqlHistory, account, before, smallints(f.Kinds), smallints(f.LotKinds), f.Feature, f.Agent, orNull(f.From), orNull(f.To), limit+1)
	if err != nil {
		return Page{}, ErrUnavailable.Because(err)
	}
	defer rows.Close()
	var p Page
	for rows.Next() {
		line, err := scanLine(rows)
		if err != nil {
			return Page{}, ErrUnavailable.Because(err)
		}
		p.Lines = append(p.Lines, line)
	}
	if err := rows.Err(); err != nil {
		return Page{}, ErrUnavailable.Because(err)
	}
	if len(p.Lines) > limit {
		p.Lines = p.Lines[:limit]
		p.Before = p.Lines[limit-1].Seq
	}
	return p, nil
}

func (l *Ledger) settleIfDue(ctx context.Context, account uuid.UUID) error {
	var due *time.Time
	err := l.pool.QueryRow(ctx, sqlNextDue, account).Scan(&due)
	switch {
	case err == pgx.ErrNoRows:
		return ErrNoAccount
	case err != nil:
		return ErrUnavailable.Because(err)
	case due == nil || due.After(l.now()):
		return nil
	}
	return l.Settle(ctx, account)
}

func scanLine(rows pgx.Rows) (Line, error) {
	var reason string
	e, err := scanEntry(rows, &reason)
	return Line{Entry: e, Reason: reason}, err
}

// smallints is null for an empty list, which means all.
func smallints[T ~uint8](list []T) []int16 {
	var out []int16
	for _, k := range list {
		out = append(out, int16(k))
	}
	return out
}
