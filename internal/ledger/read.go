package ledger

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// Account is an account as it stands at an instant, settled to it.
type Account struct {
	ID         uuid.UUID
	Plan       string
	NextPlan   string // a downgrade that takes effect at NextReset; empty: none
	PlanStatus PlanStatus
	ClosedAt   time.Time // when it was closed, for good; zero: it is open
	Anchor     time.Time
	Zone       *time.Location // the billing zone
	Spendable  tokens.Amount
	Held       tokens.Amount
	Total      tokens.Amount
	Owed       tokens.Amount // will be taken off the next purchase
	Seq        int64         // of the newest entry
	NewestLot  int64         // the highest number of a lot
	LastAt     time.Time     // of the newest entry or declined attempt
	// when the next allowance comes; zero while none does: the plan is past due or canceled, or the
	// account is closed
	NextReset time.Time
	// no later than the next instant at which something expires, ends or comes of itself; zero: never
	NextDue    time.Time
	Level      Level
	Threshold  tokens.Amount // below it the balance is low
	Agents     int           // registered ones
	Paused     int           // agents that wait for tokens
	OverBudget int           // agents that their budget has stopped
	Reserved   tokens.Amount // by agents, and for the creator's own tools
	// the newest day's part of the rollup, by feature and agent; Day says which, and a long day may
	// have more (RecentUsage)
	Today []Usage
	Lots  []Lot // in the order in which they are spent
	Holds int   // open ones
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

// Account reads an account and settles it to now without writing: what a charge would decide on.
// ErrNoAccount when it was never opened.
func (l *Ledger) Account(ctx context.Context, id uuid.UUID) (Account, error) {
	a, ok, err := l.reader.Get(ctx, id)
	switch {
	case err != nil:
		return Account{}, ErrUnavailable.Wrap(err)
	case !ok:
		return Account{}, ErrNoAccount
	}
	return a, nil
}

// Balances is Accounts without the lots and holds, which is all that most callers need: it reads
// one row for each account.
func (l *Ledger) Balances(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Account, error) {
	rows, err := l.pool.Query(ctx, sqlReadBalances, ids)
	if err != nil {
		return nil, ErrUnavailable.Wrap(err)
	}
	defer rows.Close()
	now, accounts := l.now(), make(map[uuid.UUID]Account, len(ids))
	prices := l.prices().At(now)
	var due []uuid.UUID
	for rows.Next() {
		var stopped int
		s, err := scanState(rows, &stopped)
		if err != nil {
			return nil, ErrUnavailable.Wrap(err)
		}
		s.stoppedByBudget = stopped
		switch {
		case !s.exists:
		case s.isDue(now):
			due = append(due, s.account)
		default:
			a := s.view(later(now, s.lastAt), prices)
			a.Lots = nil
			accounts[s.account] = a
		}
	}
	if err := rows.Err(); err != nil || len(due) == 0 {
		return accounts, orUnavailable(err)
	}
	settled, err := l.Accounts(ctx, due)
	for id, a := range settled {
		a.Lots, a.Holds = nil, 0
		accounts[id] = a
	}
	return accounts, err
}

func orUnavailable(err error) error {
	if err == nil {
		return nil
	}
	return ErrUnavailable.Wrap(err)
}

// Accounts reads several accounts in one consistent look. Those that do not exist are absent.
func (l *Ledger) Accounts(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Account, error) {
	rows, err := l.pool.Query(ctx, sqlReadAccounts, ids)
	if err != nil {
		return nil, ErrUnavailable.Wrap(err)
	}
	states, err := readStates(rows)
	if err != nil {
		return nil, ErrUnavailable.Wrap(err)
	}
	now := l.now()
	if err := l.readWithAgents(ctx, states, now); err != nil {
		return nil, ErrUnavailable.Wrap(err)
	}
	prices := l.prices().At(now)
	accounts := make(map[uuid.UUID]Account, len(states))
	for id, s := range states {
		if s.exists {
			at := later(now, s.lastAt)
			due := s.isDue(now)
			s.settle(at, prices)
			a := s.view(at, prices)
			if due || !s.guarded {
				a.NextDue = s.wakeAt(at)
			}
			accounts[id] = a
		}
	}
	return accounts, nil
}

// readWithAgents reads those accounts again, and their agents in the same snapshot, whose agents
// may go on by what has fallen due.
func (l *Ledger) readWithAgents(ctx context.Context, states map[uuid.UUID]*state, now time.Time) error {
	var ids []uuid.UUID
	for id, s := range states {
		if s.guarded && s.isDue(now) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.SortFunc(ids, func(x, y uuid.UUID) int { return bytes.Compare(x[:], y[:]) })
	again, batch := &loaded{}, &pgx.Batch{}
	batch.Queue("begin isolation level repeatable read read only")
	batch.Queue(sqlReadAccounts, ids).Query(func(rows pgx.Rows) error {
		read, err := readStates(rows)
		for _, id := range ids {
			again.parties = append(again.parties, &party{id: id, state: read[id]})
		}
		maps.Copy(states, read)
		return err
	})
	batch.Queue(sqlAgents, ids).Query(again.readAgents)
	batch.Queue(sqlAgentMonths, ids).Query(again.readMonths)
	batch.Queue("commit")
	return l.pool.SendBatch(ctx, batch).Close()
}

func readStates(rows pgx.Rows) (map[uuid.UUID]*state, error) {
	defer rows.Close()
	states := map[uuid.UUID]*state{}
	for rows.Next() {
		var part partRow
		var stopped int
		s, err := scanState(rows, append(part.columns(), &stopped)...)
		if err != nil {
			return nil, err
		}
		s.stoppedByBudget = stopped
		if known, ok := states[s.account]; ok {
			s = known
		} else {
			s.forgetOpenLot()
			states[s.account] = s
		}
		part.addTo(s)
	}
	for _, s := range states {
		s.lotsAreComplete()
	}
	return states, rows.Err()
}

// partRow is a lot or a hold of an account, the other's columns being null; all are null when the
// account has neither.
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

func (r *partRow) addTo(s *state) {
	if r.lot != nil {
		s.lots = append(s.lots, lot{
			number:      *r.lot,
			kind:        LotKind(*r.kind),
			amount:      tokens.Amount(*r.lotAmount),
			remaining:   tokens.Amount(*r.remaining),
			held:        tokens.Amount(*r.held),
			effectiveAt: r.effective.UTC(),
			expiresAt:   instant(r.lotExpires),
			frozen:      *r.frozen,
			revoked:     *r.revoked,
			source:      *r.source,
		})
	}
	if r.hold != nil {
		s.holds = append(s.holds, hold{
			number:    *r.hold,
			amount:    tokens.Amount(*r.holdAmount),
			expiresAt: r.holdExpires.UTC(),
			parts:     partsOf(r.lots, r.amounts),
			work:      work{agent: *r.agent},
		})
	}
}

// view shows a settled state.
func (s *state) view(now time.Time, prices *catalog.Catalog) Account {
	a := Account{
		ID:         s.account,
		Plan:       s.plan,
		NextPlan:   s.nextPlan,
		PlanStatus: s.status,
		ClosedAt:   s.closedAt,
		Anchor:     s.anchor,
		Zone:       s.zone,
		Spendable:  s.spendable(now),
		Held:       s.held,
		Total:      s.balance,
		Owed:       s.owed,
		Seq:        s.seq,
		NewestLot:  s.newestLot,
		LastAt:     s.lastAt,
		NextDue:    s.dueAt,
		Today:      s.today.usages(),
		Threshold:  s.threshold(prices),
		Agents:     s.agentCount,
		Paused:     s.pausedAgents,
		OverBudget: s.stoppedByBudget,
		Reserved:   s.reserved,
	}
	a.Level = s.level.next(a.Spendable+a.Held, a.Threshold, prices.ToolMinimum)
	if s.renews() {
		a.NextReset = Boundary(s.anchor, s.zone, s.period+1)
	}
	for _, t := range s.lots {
		if t.remaining > 0 {
			a.Lots = append(a.Lots, Lot{
				Number:      t.number,
				Kind:        t.kind,
				Amount:      t.amount,
				Remaining:   t.remaining,
				Held:        t.held,
				EffectiveAt: t.effectiveAt,
				ExpiresAt:   t.expiresAt,
				Frozen:      t.frozen,
				Source:      t.source,
			})
		}
	}
	for i := range s.holds {
		if s.holds[i].open() {
			a.Holds++
		}
	}
	return a
}

// Balance is what an account had at an instant.
type Balance struct {
	Spendable, Held, Total tokens.Amount
}

// BalanceAt tells what the account had right after its last entry before the instant; zero before
// its first. What fell due between that entry and the instant shows once it is written, which any
// later request does.
func (l *Ledger) BalanceAt(ctx context.Context, account uuid.UUID, at time.Time) (Balance, error) {
	if _, err := l.settleIfDue(ctx, account); err != nil {
		return Balance{}, err
	}
	seq, err := l.seqAt(ctx, account, at)
	if err != nil {
		return Balance{}, err
	}
	var b Balance
	err = l.pool.QueryRow(ctx, sqlBalanceAt, account, seq-1).Scan(&b.Total, &b.Held, &b.Spendable)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Balance{}, ErrUnavailable.Wrap(err)
	}
	return b, nil
}

// seqAt is the seq of the first entry at or after an instant; one more than the newest when there is none.
func (l *Ledger) seqAt(ctx context.Context, account uuid.UUID, at time.Time) (int64, error) {
	var seq int64
	err := l.pool.QueryRow(ctx, sqlSeqAt, account, at).Scan(&seq)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, ErrNoAccount
	case err != nil:
		return 0, ErrUnavailable.Wrap(err)
	}
	return seq, nil
}

// settleIfDue writes what has fallen due, if anything has, and gives the seq of the newest entry after that.
func (l *Ledger) settleIfDue(ctx context.Context, account uuid.UUID) (newest int64, err error) {
	newest, due, err := l.newest(ctx, account)
	if err != nil || due.IsZero() || due.After(l.now()) {
		return newest, err
	}
	if err := l.Settle(ctx, account); err != nil {
		return 0, err
	}
	newest, _, err = l.newest(ctx, account)
	return newest, err
}

// newest gives the seq of the account's newest entry, and when something is due; zero: never.
func (l *Ledger) newest(ctx context.Context, account uuid.UUID) (seq int64, due time.Time, err error) {
	var at *time.Time
	err = l.pool.QueryRow(ctx, sqlNewest, account).Scan(&seq, &at)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, due, ErrNoAccount
	case err != nil:
		return 0, due, ErrUnavailable.Wrap(err)
	}
	return seq, instant(at), nil
}

// Usage is the work of one agent on one feature in a day of the billing zone, and what was returned
// of that work, on whatever day.
type Usage struct {
	Day            time.Time // midnight UTC of the date
	Feature, Agent string
	Amount         tokens.Amount // what the work cost
	Quantity       int64         // units
	Count          int64         // charges and captures
	Returned       tokens.Amount // of Amount, by refunds: at most all of it
}

// Net is what the work cost in the end. It is never below zero: a server of the version before took
// refunds off the day on which they were given.
func (u *Usage) Net() tokens.Amount { return max(0, u.Amount-u.Returned) }

// Usage lists what was spent from one day to before another, both as midnight UTC of the date,
// oldest day first.
func (l *Ledger) Usage(ctx context.Context, account uuid.UUID, from, to time.Time) ([]Usage, error) {
	batch := &pgx.Batch{}
	batch.Queue("begin isolation level repeatable read read only")
	var list []Usage
	add := func(rows pgx.Rows) error {
		for rows.Next() {
			var u Usage
			if err := rows.Scan(&u.Day, &u.Feature, &u.Agent, &u.Amount, &u.Quantity, &u.Count,
				&u.Returned); err != nil {
				return err
			}
			list = append(list, u)
		}
		return rows.Err()
	}
	batch.Queue(sqlUsage, account, from, to).Query(add)
	batch.Queue(sqlToday, account).Query(func(rows pgx.Rows) error {
		today, err := readToday(rows)
		if !today.day.Before(from) && today.day.Before(to) {
			list = append(list, today.usages()...)
		}
		return err
	})
	batch.Queue("commit")
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, ErrUnavailable.Wrap(err)
	}
	return sumUsage(list), nil
}

func readToday(rows pgx.Rows) (today, error) {
	var t today
	for rows.Next() {
		var usage []byte
		if err := rows.Scan(&t.day, &usage); err != nil {
			return today{}, err
		}
		var err error
		if t.lines, err = DecodeToday(usage); err != nil {
			return today{}, err
		}
	}
	return t, rows.Err()
}

func (t *today) usages() []Usage {
	list := make([]Usage, len(t.lines))
	for i, l := range t.lines {
		list[i] = Usage{t.day, l.Feature, l.Agent, l.Amount, l.Quantity, l.Count, l.Returned}
	}
	return list
}

// sumUsage adds up the lines of one day, feature and agent: part of a long day may have moved to
// its table already.
func sumUsage(list []Usage) []Usage {
	slices.SortFunc(list, func(a, b Usage) int {
		return compareUsage(a, b)
	})
	var sums []Usage
	for _, u := range list {
		if last := len(sums) - 1; last >= 0 && compareUsage(sums[last], u) == 0 {
			sums[last].Amount += u.Amount
			sums[last].Quantity += u.Quantity
			sums[last].Count += u.Count
			sums[last].Returned += u.Returned
			continue
		}
		sums = append(sums, u)
	}
	return sums
}

// SpentThisPeriod is what the work since Account.PeriodStart cost in the end.
func (l *Ledger) SpentThisPeriod(ctx context.Context, a Account) (tokens.Amount, error) {
	now := l.now()
	list, err := l.Usage(ctx, a.ID, a.PeriodStart(now), dayIn(now, a.Zone).AddDate(0, 0, 1))
	if err != nil {
		return 0, err
	}
	var spent tokens.Amount
	for i := range list {
		spent += list[i].Net()
	}
	return spent, nil
}
