package ledger

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/tokens"
)

// state is what the core knows of one account: its row, its lots and holds, and what this batch has
// changed so far. It is owned by one goroutine.
//
// Most charges are paid by one lot, and the account's row carries the remainder of that lot. So a
// state may be loaded without its other lots: then it is not whole, rest counts what could be spent
// of them, and only a charge that the open lot can pay may be applied. The shell loads what a batch
// needs; take checks it.
type state struct {
	account uuid.UUID
	exists  bool // false until a plan was set

	balance  tokens.Amount // sum of the lots' remainders
	held     tokens.Amount
	unusable tokens.Amount // frozen lots, and lots that are not in effect yet
	owed     tokens.Amount // of purchases whose money went back after the tokens were spent
	seq      int64
	lastAt   time.Time
	version  int64     // of the row: every write makes it one more
	dueAt    time.Time // no later than the next instant at which settling has something to do; zero: never
	claims   bool      // calls that write no entry have bound keys of the account (claim.go)
	closedAt time.Time // zero: it is open

	before        plan // as the row says
	plan          string
	nextPlan      string // a downgrade that waits for the next boundary
	status        PlanStatus
	anchor        time.Time
	zone          *time.Location
	period        int           // the newest period that was granted; -1 before the first
	periodGranted tokens.Amount // the highest allowance granted in it

	newestLot int64 // the highest number of a lot
	openLot   int64 // the lot whose remainder the account's row carries; 0: none
	lots      []lot // in burn order; only the open one unless whole
	holds     []hold
	stash     lot           // the open lot as the account's row says, while the lots are being loaded
	rest      tokens.Amount // free in lots that are not loaded
	whole     bool          // all open lots and holds are loaded

	past  map[int64]*past // entries that a request of this batch is about
	today today

	declinedEver  int64
	hasExtensions bool // holds were extended: idempotency keys may be bound by extensions as well as by entries

	guardsBefore guards // as the row says
	guards
	agents []agent // all of them when whole, else those that requests are about

	stoppedByBudget int // agents that their budget has stopped, of a state that is only read

	// What to write.
	changed    bool
	closing    bool // closedAt is new
	entries    []*Entry
	refs       []permanent
	usage      []dayUsage // days that are over
	declined   []Declined
	reversals  map[int64]reversal
	extensions []*extension
	events     []Event

	grants int // how often tokens were granted since the state was loaded
}

// guards is the part of an account's row that says how its agents and its level stand. It changes rarely.
type guards struct {
	level        Level
	agentCount   int
	pausedAgents int // for lack of tokens
	// an agent is paused, or has a budget or a reserve: then every request needs the account whole
	guarded      bool
	reserved     tokens.Amount // by all agents
	lowThreshold tokens.Amount // below it the balance is low, as the creator chose; noThreshold: as the catalog says
	eventSeq     int64         // of the newest event
}

// lot is a grant's tokens and what is left of them.
type lot struct {
	number      int64 // the seq of the entry that granted it
	kind        LotKind
	amount      tokens.Amount
	remaining   tokens.Amount
	held        tokens.Amount
	effectiveAt time.Time
	expiresAt   time.Time     // zero: never
	frozen      bool          // its payment is disputed
	revoked     bool          // its payment went back
	source      string        // what it came from: a plan's id, a purchase's id, or empty
	taken       tokens.Amount // taken back by support

	row     lotRow // as its row says
	added   bool   // has no row yet
	retaken bool   // more was taken back than its row says
}

// lotRow is the part of a lot that changes, as its row has it.
type lotRow struct {
	remaining, held tokens.Amount
	frozen, revoked bool
	open            bool
}

func (l *lot) present() lotRow {
	return lotRow{
		remaining: l.remaining,
		held:      l.held,
		frozen:    l.frozen,
		revoked:   l.revoked,
		open:      l.remaining > 0,
	}
}

// permanent is a reference that can be used once only, for ever.
type permanent struct {
	scope, reference string
	seq              int64
}

// past is an entry that a request is about, the lots that it was paid from, and how much of it was
// reversed before.
type past struct {
	entry    Entry
	note     Note
	reversed tokens.Amount
	hold     *hold // of a hold that is over
	// Of a purchase: what has expired of it, and how much of that was taken back.
	expired, lapsed tokens.Amount
}

// usable says whether a lot may be spent at an instant.
func (l *lot) usable(now time.Time) bool {
	return !l.frozen && !l.effectiveAt.After(now) && !l.expired(now)
}

// free is what can be spent of a lot at an instant.
func (l *lot) free(now time.Time) tokens.Amount {
	if !l.usable(now) {
		return 0
	}
	return l.remaining - l.held
}

func (l *lot) expired(now time.Time) bool { return !l.expiresAt.IsZero() && !l.expiresAt.After(now) }

// spendable is rule 1: effective, unexpired, unfrozen lots, less what is held of them.
func (s *state) spendable(now time.Time) tokens.Amount {
	sum := s.rest
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
	s.newestLot = max(s.newestLot, l.number)
	at, _ := slices.BinarySearchFunc(s.lots, l, burnOrder)
	s.lots = slices.Insert(s.lots, at, l)
}

// lot finds a loaded lot by its number.
func (s *state) lot(number int64) *lot {
	for i := range s.lots {
		if s.lots[i].number == number {
			return &s.lots[i]
		}
	}
	return nil
}

// split goes through the lots in burn order and shares an amount among them. The caller has checked
// that it is there.
func (s *state) split(amount tokens.Amount, now time.Time, share func(l *lot, part tokens.Amount)) {
	for i := range s.lots {
		if amount == 0 {
			return // also when nothing was asked for: a feature may be free
		}
		if part := min(s.lots[i].free(now), amount); part > 0 {
			share(&s.lots[i], part)
			amount -= part
		}
	}
	if amount > 0 {
		panic("ledger: an amount was spent that is not in the loaded lots")
	}
}

// take spends an amount from the lots in burn order.
func (s *state) take(amount tokens.Amount, now time.Time) []Part {
	parts := make([]Part, 0, 1)
	s.split(amount, now, func(l *lot, part tokens.Amount) {
		l.remaining -= part
		parts = append(parts, Part{Lot: l.number, Amount: -part})
	})
	return parts
}

// append numbers an entry, stamps it, and adds it to the books. Everything that changes a balance
// goes through here.
func (s *state) append(e Entry, now time.Time) *Entry {
	s.seq++
	s.balance += e.Amount
	s.held += e.HeldDelta
	if s.lastAt.Before(now) {
		s.lastAt = now
	}
	e.Account, e.Seq, e.At = s.account, s.seq, s.lastAt
	e.BalanceAfter, e.HeldAfter, e.SpendableAfter = s.balance, s.held, s.spendable(s.lastAt)
	e.Day = s.turnDay(s.lastAt)
	s.countUsage(&e)
	s.entries = append(s.entries, &e)
	s.changed = true
	return &e
}

// nextDue is the earliest instant at which settling will have something to do; zero when never.
func (s *state) nextDue() time.Time {
	var due time.Time
	if s.renews() {
		due = Boundary(s.anchor, s.zone, s.period+1)
	}
	for i := range s.lots {
		if l := &s.lots[i]; l.remaining > l.held && compareExpiry(l.expiresAt, due) < 0 {
			due = l.expiresAt
		}
	}
	for i := range s.holds {
		if h := &s.holds[i]; h.open() && compareExpiry(h.expiresAt, due) < 0 {
			due = h.expiresAt
		}
	}
	for i := range s.agents {
		if a := &s.agents[i]; s.waitsForMonth(a) && compareExpiry(s.monthEnd(a), due) < 0 {
			due = s.monthEnd(a)
		}
	}
	return due
}

// renews says whether the account gets an allowance with each period.
func (s *state) renews() bool { return s.exists && s.status == PlanActive && s.closedAt.IsZero() }

// wakeAt is when a state stops being true without anybody's doing: when something is due, or a lot
// comes into effect.
func (s *state) wakeAt(now time.Time) time.Time {
	due := s.nextDue()
	for i := range s.lots {
		if l := &s.lots[i]; l.effectiveAt.After(now) && compareExpiry(l.effectiveAt, due) < 0 {
			due = l.effectiveAt
		}
	}
	return due
}

// isDue says whether something may have fallen due.
func (s *state) isDue(now time.Time) bool { return !s.dueAt.IsZero() && !s.dueAt.After(now) }

// chooseOpenLot picks the lot that will be spent next and sums up what cannot be. A state that is
// not whole keeps both, unless its lot is used up.
func (s *state) chooseOpenLot(now time.Time) {
	if !s.whole {
		if s.lots[0].remaining == 0 {
			s.openLot = 0
		}
		return
	}
	s.openLot, s.unusable = 0, 0
	for i := range s.lots {
		l := &s.lots[i]
		switch {
		case !l.usable(now):
			s.unusable += l.remaining - l.held
		case s.openLot == 0 && l.remaining > l.held:
			s.openLot = l.number
		}
	}
}
