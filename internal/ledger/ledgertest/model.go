package ledgertest

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Model is the reference model of the ledger. It is written from the specification and as simple as possible: it keeps
// lists of everything that happened and adds every figure up again when it is read. It shares no rule with the ledger,
// only the types of requests and answers.
type Model struct {
	prices   *catalog.Catalog
	accounts map[uuid.UUID]*modelAccount
}

type modelAccount struct {
	id            uuid.UUID
	plan, next    string
	status        ledger.PlanStatus
	closed        time.Time // zero: open
	anchor        time.Time
	zone          *time.Location
	period        int // the newest that began; -1: none
	granted       tokens.Amount
	owed          tokens.Amount
	last          time.Time
	entries       []ledger.Entry
	notes         map[int64]ledger.Note
	balances      map[int64]ledger.Balance // what there was once the request of an entry was done
	lots          []modelLot
	holds         []modelHold
	keys          map[string]modelKey
	references    map[string]int64 // used for ever, and by which entry
	declined      []ledger.Declined
	declinedCount int
	agents        []modelAgent   // by their ids
	ownReserve    tokens.Amount  // reserved for the creator's own tools
	threshold     *tokens.Amount // nil: a fifth of the plan's allowance
	level         ledger.Level
	events        []modelEvent
}

type modelLot struct {
	number             int64
	kind               ledger.LotKind
	amount             tokens.Amount
	effective, expires time.Time // zero: never
	frozen, revoked    bool
	source             string
}

type modelHold struct {
	entry   ledger.Entry
	expires time.Time
	outcome string // how; empty while open
}

type modelKey struct {
	request string
	seq     int64
	until   time.Time // of an extension, which has no entry
}

// NewModel makes a model without accounts. It uses the prices for all requests.
func NewModel(prices *catalog.Catalog) *Model {
	return &Model{prices: prices, accounts: map[uuid.UUID]*modelAccount{}}
}

func refusal(kind problem.Kind, code string) *problem.Error {
	return &problem.Error{Kind: kind, Code: code}
}

func invalid(field string) *problem.Error {
	return &problem.Error{
		Kind:  problem.Unprocessable,
		Code:  "invalid_field",
		Field: field,
	}
}

var errClosed = refusal(problem.Conflict, "account_closed")

var errNoAccount = refusal(problem.NotFound, "account_not_found")

// clone copies the account deeply enough to settle it without changing the original.
func (a *modelAccount) clone() *modelAccount {
	c := *a
	c.entries, c.lots, c.holds = slices.Clone(a.entries), slices.Clone(a.lots), slices.Clone(a.holds)
	c.agents, c.events = slices.Clone(a.agents), slices.Clone(a.events)
	c.references = map[string]int64{}
	for reference, seq := range a.references {
		c.references[reference] = seq
	}
	return &c
}

func (a *modelAccount) balance() (sum tokens.Amount) {
	for _, e := range a.entries {
		sum += e.Amount
	}
	return sum
}

func (a *modelAccount) held() (sum tokens.Amount) {
	for _, h := range a.holds {
		if h.outcome == "" {
			sum += h.entry.HeldDelta
		}
	}
	return sum
}

func (a *modelAccount) remaining(lot int64) (sum tokens.Amount) {
	for _, e := range a.entries {
		for _, p := range e.Parts {
			if p.Lot == lot && e.Kind != ledger.KindHold && e.Kind != ledger.KindRelease {
				sum += p.Amount
			}
		}
	}
	return sum
}

func (a *modelAccount) heldOf(lot int64) (sum tokens.Amount) {
	for _, h := range a.holds {
		for _, p := range h.entry.Parts {
			if h.outcome == "" && p.Lot == lot {
				sum += p.Amount
			}
		}
	}
	return sum
}

func (l *modelLot) expired(at time.Time) bool { return !l.expires.IsZero() && !at.Before(l.expires) }

// spendableOf is the spendable part of a lot: nothing before it is effective, after it expires and while it is frozen,
// else what remains less what is held.
func (a *modelAccount) spendableOf(l *modelLot, at time.Time) tokens.Amount {
	if l.frozen || l.expired(at) || at.Before(l.effective) {
		return 0
	}
	return a.remaining(l.number) - a.heldOf(l.number)
}

func (a *modelAccount) spendable(at time.Time) (sum tokens.Amount) {
	for i := range a.lots {
		sum += a.spendableOf(&a.lots[i], at)
	}
	return sum
}

// burnOrder lists the lots in the order in which they are spent: purchases last, then by expiry, then by age.
func (a *modelAccount) burnOrder() []*modelLot {
	var list []*modelLot
	for i := range a.lots {
		list = append(list, &a.lots[i])
	}
	never := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	end := func(l *modelLot) time.Time {
		if l.expires.IsZero() {
			return never
		}
		return l.expires
	}
	slices.SortFunc(list, func(x, y *modelLot) int {
		xBought, yBought := countTrue(x.kind == ledger.LotPurchase), countTrue(y.kind == ledger.LotPurchase)
		if bought := cmp.Compare(xBought, yBought); bought != 0 {
			return bought
		}
		if soonest := end(x).Compare(end(y)); soonest != 0 {
			return soonest
		}
		return cmp.Compare(x.number, y.number)
	})
	return list
}

func countTrue(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (a *modelAccount) lot(number int64) *modelLot {
	for i := range a.lots {
		if a.lots[i].number == number {
			return &a.lots[i]
		}
	}
	return nil
}

// pay splits an amount over the lots, in burn order.
func (a *modelAccount) pay(amount tokens.Amount, at time.Time) (parts []ledger.Part) {
	for _, l := range a.burnOrder() {
		if part := min(amount, a.spendableOf(l, at)); part > 0 {
			parts = append(parts, ledger.Part{Lot: l.number, Amount: part})
			amount -= part
		}
	}
	return parts
}

func negated(parts []ledger.Part) []ledger.Part {
	out := slices.Clone(parts)
	for i := range out {
		out[i].Amount = -out[i].Amount
	}
	return out
}

// write appends an entry.
func (a *modelAccount) write(e ledger.Entry, at time.Time) ledger.Entry {
	if a.last.Before(at) {
		a.last = at
	}
	e.AccountID, e.Seq, e.At = a.id, int64(len(a.entries)+1), a.last
	year, month, day := e.At.In(a.zone).Date()
	e.Day = time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	a.entries = append(a.entries, e)
	w := &a.entries[len(a.entries)-1]
	w.BalanceAfter, w.HeldAfter = a.balance(), a.held()
	if w.Kind == ledger.KindHold {
		w.HeldAfter += w.HeldDelta // the hold itself is listed only afterwards
		w.SpendableAfter = a.spendable(w.At) - w.HeldDelta
		return *w
	}
	w.SpendableAfter = a.spendable(w.At)
	return *w
}
