package ledger

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/tokens"
)

// state is what the core knows of one account: its row, its open lots, and what this batch has changed so far. It is owned by one
// goroutine.
type state struct {
	account uuid.UUID
	exists  bool // false until a plan was set

	balance tokens.Amount // sum of the lots' remainders
	held    tokens.Amount
	seq     int64
	lastAt  time.Time

	plan          string
	nextPlan      string // a downgrade that waits for the next boundary
	status        PlanStatus
	anchor        time.Time
	zone          *time.Location
	period        int           // the newest period that was granted; -1 before the first
	periodGranted tokens.Amount // the highest allowance granted in it

	lots []lot // open ones, in burn order

	// What to write.
	changed bool
	entries []Entry
	refs    []permanent
	usage   map[usageKey]usage
}

// lot is a grant's tokens and what is left of them.
type lot struct {
	number      int64 // the seq of the entry that granted it
	kind        LotKind
	amount      tokens.Amount
	remaining   tokens.Amount
	held        tokens.Amount
	effectiveAt time.Time
	expiresAt   time.Time // zero: never
	frozen      bool
	source      string // what it came from: a plan's id, a purchase's id, or empty
	added       bool   // made in this batch
	changed     bool
}

// permanent is a reference that can be used once only, for ever.
type permanent struct {
	scope, reference string
	seq              int64
}

// free is what can be spent of a lot at an instant.
func (l *lot) free(now time.Time) tokens.Amount {
	if l.frozen || l.effectiveAt.After(now) || l.expired(now) {
		return 0
	}
	return l.remaining - l.held
}

func (l *lot) expired(now time.Time) bool { return !l.expiresAt.IsZero() && !l.expiresAt.After(now) }

// spendable is rule 1: effective, unexpired, unfrozen lots, less what is held of them.
func (s *state) spendable(now time.Time) tokens.Amount {
	var sum tokens.Amount
	for i := range s.lots {
		sum += s.lots[i].free(now)
	}
	return sum
}

// burnOrder: priority, then soonest expiry (never last), then older.
func burnOrder(a, b lot) int {
	return cmp.Or(
		cmp.Compare(a.kind.priority(), b.kind.priority()),
		compareExpiry(a.expiresAt, b.expiresAt),
		cmp.Compare(a.number, b.number),
	)
}

func compareExpiry(a, b time.Time) int {
	switch {
	case a.Equal(b):
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

func (s *state) addLot(l lot) {
	l.added = true
	at, _ := slices.BinarySearchFunc(s.lots, l, burnOrder)
	s.lots = slices.Insert(s.lots, at, l)
}

// take spends an amount from the lots in burn order. The caller has checked that it is there.
func (s *state) take(amount tokens.Amount, now time.Time) []Part {
	parts := make([]Part, 0, 1)
	for i := range s.lots {
		l := &s.lots[i]
		part := min(l.free(now), amount)
		if part == 0 {
			continue
		}
		l.remaining -= part
		l.changed = true
		amount -= part
		parts = append(parts, Part{Lot: l.number, Amount: -part})
		if amount == 0 {
			break
		}
	}
	return parts
}

// append numbers an entry, stamps it, and adds it to the books. Everything that changes a balance goes through here.
func (s *state) append(e Entry, now time.Time) Entry {
	s.seq++
	s.balance += e.Amount
	s.held += e.HeldDelta
	if s.lastAt.Before(now) {
		s.lastAt = now
	}
	e.Account, e.Seq, e.At = s.account, s.seq, s.lastAt
	e.BalanceAfter, e.HeldAfter, e.SpendableAfter = s.balance, s.held, s.spendable(s.lastAt)
	e.Day = dayIn(s.lastAt, s.zone)
	s.entries = append(s.entries, e)
	s.changed = true
	return e
}

// dayIn is the calendar date of an instant in a zone, as midnight UTC of that date.
func dayIn(at time.Time, zone *time.Location) time.Time {
	year, month, day := at.In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// nextDue is the earliest instant at which settling will have something to do; zero when never.
func (s *state) nextDue() time.Time {
	var due time.Time
	if s.exists && s.status == PlanActive {
		due = boundary(s.anchor, s.zone, s.period+1)
	}
	for i := range s.lots {
		if l := &s.lots[i]; l.remaining > l.held && compareExpiry(l.expiresAt, due) < 0 {
			due = l.expiresAt
		}
	}
	return due
}
