package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// hold is tokens set aside for a job: a share of specific lots, until a time.
type hold struct {
	number    int64 // the seq of its entry
	amount    tokens.Amount
	expiresAt time.Time
	outcome   Kind // 0 while open, else the kind of the entry that ended it
	work      work
	parts     []Part // what is held of which lot
	added     bool
	changed   bool
}

// work is what a hold will be captured for, at the price of the time it was made.
type work struct {
	feature, agent string
	quantity       int64
	unitPrice      tokens.Amount
	version        string
}

func (h *hold) open() bool { return h.outcome == 0 }

// Bounds on how long a hold lives, and on how many an account can have open.
const (
	DefaultHold  = 15 * time.Minute
	MaxHold      = 24 * time.Hour
	maxOpenHolds = 1_000
)

// Hold asks to set tokens aside for a job that will be captured or released. Zero ExpiresIn means DefaultHold.
type Hold struct {
	Feature   string
	Quantity  *int64
	Amount    *tokens.Amount
	Agent     string
	Reference string
	ExpiresIn time.Duration
	// KeepAgentOn is as in Charge.
	KeepAgentOn bool
}

func (h *Hold) keepsAgentOn() bool { return h.KeepAgentOn }

func (h *Hold) needs(*catalog.Catalog) needs { return needs{whole: true, agent: h.Agent} }

func (h *Hold) decide(s *state, now time.Time, prices *catalog.Catalog) (*Entry, error) {
	if !s.exists {
		return nil, ErrNoAccount
	}
	price, err := prices.Price(h.Feature, h.Quantity, h.Amount)
	if err != nil {
		return nil, err
	}
	if price.Amount == 0 {
		return nil, problem.Invalid("feature", "is free: there is nothing to hold")
	}
	life := h.ExpiresIn
	if life == 0 {
		life = DefaultHold
	}
	if life < time.Second || life > MaxHold {
		return nil, problem.Invalid("expires_in", "must be from 1 to %d seconds", int64(MaxHold/time.Second))
	}
	if open := s.openHolds(); open >= maxOpenHolds {
		return nil, problem.New(problem.Conflict, "too_many_holds", "This account has %d open holds already.", open)
	}
	if err := s.afford(h.Feature, h.Agent, price.Amount, now); err != nil {
		return nil, err
	}
	return s.hold(h, price, now, life, prices.Version), nil
}

func (s *state) hold(h *Hold, price catalog.Price, now time.Time, life time.Duration, version string) *Entry {
	var parts []Part
	s.split(price.Amount, now, func(l *lot, part tokens.Amount) {
		l.held += part
		parts = append(parts, Part{Lot: l.number, Amount: part})
	})
	e := s.append(Entry{
		Kind: KindHold, HeldDelta: price.Amount, Feature: h.Feature, Agent: h.Agent, Quantity: price.Quantity, UnitPrice: price.Unit,
		CatalogVersion: version, Reference: h.Reference, Parts: parts,
	}, now)
	s.holds = append(s.holds, hold{
		number: e.Seq, amount: price.Amount, expiresAt: e.At.Add(life), added: true, parts: parts,
		work: work{h.Feature, h.Agent, price.Quantity, price.Unit, version},
	})
	return e
}

// Capture asks to spend held tokens. Nil Amount means all of them; what is not captured is released at once.
type Capture struct {
	Hold   int64 // the seq of the hold's entry
	Amount *tokens.Amount
}

func (c *Capture) needs(*catalog.Catalog) needs { return needs{whole: true, about: c.Hold} }

func (c *Capture) decide(s *state, now time.Time, _ *catalog.Catalog) (*Entry, error) {
	h, err := s.openHold(c.Hold)
	if err != nil {
		return nil, err
	}
	amount := h.amount
	if c.Amount != nil {
		amount = *c.Amount
	}
	if amount <= 0 || amount > h.amount {
		return nil, problem.Invalid("amount", "must be more than zero and at most the %s tokens that are held", h.amount)
	}
	rest := amount
	var parts []Part
	for _, p := range h.parts {
		l := s.lot(p.Lot)
		l.held -= p.Amount
		if part := min(p.Amount, rest); part > 0 {
			l.remaining -= part
			rest -= part
			parts = append(parts, Part{Lot: p.Lot, Amount: -part})
		}
	}
	h.outcome, h.changed = KindCapture, true
	e := s.append(Entry{
		Kind: KindCapture, Amount: -amount, HeldDelta: -h.amount, Contra: ContraSpent, Feature: h.work.feature, Agent: h.work.agent,
		Quantity: h.work.quantity, UnitPrice: h.work.unitPrice, CatalogVersion: h.work.version, About: h.number, Parts: parts,
	}, now)
	s.afterRelease(h, now)
	return e, nil
}

// Release asks to end a hold without spending.
type Release struct {
	Hold int64 // the seq of the hold's entry
}

func (r *Release) needs(*catalog.Catalog) needs { return needs{whole: true, about: r.Hold} }

func (r *Release) decide(s *state, now time.Time, _ *catalog.Catalog) (*Entry, error) {
	h, err := s.openHold(r.Hold)
	if err != nil {
		return nil, err
	}
	return s.release(h, KindRelease, now), nil
}

// openHolds counts them: those that ended in this batch are still in the list.
func (s *state) openHolds() (n int) {
	for i := range s.holds {
		if s.holds[i].open() {
			n++
		}
	}
	return n
}

// openHold finds a hold that can still be captured or released, or says why not.
func (s *state) openHold(number int64) (*hold, error) {
	if !s.exists {
		return nil, ErrNoAccount
	}
	for i := range s.holds {
		if h := &s.holds[i]; h.number == number {
			return h, h.ended()
		}
	}
	if p, ok := s.past[number]; ok && p.hold != nil {
		return nil, p.hold.ended()
	}
	return nil, problem.New(problem.NotFound, "hold_not_found", "There is no such hold.")
}

// ended says how a hold ended; nil while it is open.
func (h *hold) ended() error {
	switch h.outcome {
	case 0:
		return nil
	case KindCapture:
		return problem.New(problem.Conflict, "hold_captured", "This hold was captured already.")
	case KindExpiry:
		return problem.New(problem.Conflict, "hold_expired", "This hold has expired, and its tokens were released.")
	default:
		return problem.New(problem.Conflict, "hold_released", "This hold was released already.")
	}
}

// release ends a hold. outcome is KindRelease, or KindExpiry when its time was over.
func (s *state) release(h *hold, outcome Kind, now time.Time) *Entry {
	parts := make([]Part, len(h.parts))
	for i, p := range h.parts {
		s.lot(p.Lot).held -= p.Amount
		parts[i] = Part{Lot: p.Lot, Amount: -p.Amount}
	}
	h.outcome, h.changed = outcome, true
	e := s.append(Entry{
		Kind: KindRelease, HeldDelta: -h.amount, Feature: h.work.feature, Agent: h.work.agent, Quantity: h.work.quantity,
		UnitPrice: h.work.unitPrice, CatalogVersion: h.work.version, About: h.number, Parts: parts,
	}, now)
	s.afterRelease(h, now)
	return e
}

// afterRelease deals with tokens that came free in a lot which has ended meanwhile: they pay what is owed for it, and what is left expires at once.
func (s *state) afterRelease(h *hold, now time.Time) {
	for _, p := range h.parts {
		l := s.lot(p.Lot)
		if l.revoked {
			s.payOwed(l, now)
		}
		if gone := l.remaining - l.held; l.expired(now) && gone > 0 {
			s.expire(l, gone, now)
		}
	}
}

// timeOutHolds releases the holds whose time is over at the instant and says whether there were any.
func (s *state) timeOutHolds(due time.Time) bool {
	found := false
	for i := range s.holds {
		if h := &s.holds[i]; h.open() && h.expiresAt.Equal(due) {
			s.release(h, KindExpiry, due)
			s.emit(EventHoldExpired, due, holdEvent{EntryID(s.account, h.number), h.work.feature, h.work.agent, h.amount})
			found = true
		}
	}
	return found
}
