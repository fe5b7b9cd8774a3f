package ledger

import (
	"cmp"
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
	note      Note   // of its entry, while that is new or the hold is due: what ends the hold inherits it
	added     bool
	changed   bool // it ended
}

// work is what a hold will be captured for, at the price of the time it was made.
type work struct {
	feature, agent string
	quantity       int64
	unitPrice      tokens.Amount
	version        string
	reference      string
}

func (h *hold) open() bool { return h.outcome == 0 }

// Bounds on how long a hold lives from now on, when it is made or extended, and on how many an
// account can have open.
const (
	DefaultHold  = 15 * time.Minute
	MaxHold      = 24 * time.Hour
	maxOpenHolds = 1_000
)

// Hold asks to set tokens aside for a job that will be captured or released. Zero ExpiresIn means
// DefaultHold.
type Hold struct {
	Feature   string
	Quantity  *int64
	Amount    *tokens.Amount
	Agent     string
	Reference string
	ExpiresIn time.Duration
	Reason    string
	Metadata  map[string]string
	// KeepAgentOn is as in Charge.
	KeepAgentOn bool
}

func (h *Hold) keepsAgentOn() bool { return h.KeepAgentOn }

func (h *Hold) needs(*catalog.Catalog) needs { return needs{whole: true, agent: h.Agent} }

func (h *Hold) decide(s *state, now time.Time, prices *catalog.Catalog) (*Entry, error) {
	if err := s.mustBeOpen(); err != nil {
		return nil, err
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
	if err := checkLife(life); err != nil {
		return nil, err
	}
	if open := s.openHolds(); open >= maxOpenHolds {
		return nil, problem.New(problem.Conflict, "too_many_holds", "This account has %d open holds already.", open)
	}
	if err := s.afford(h.Feature, h.Agent, price.Amount, now); err != nil {
		return nil, err
	}
	return s.hold(h, price, now, life, prices.Version), nil
}

func checkLife(life time.Duration) error {
	if life < time.Second || life > MaxHold {
		return problem.Invalid("expires_in", "must be from 1 to %d seconds", int64(MaxHold/time.Second))
	}
	return nil
}

func (s *state) hold(h *Hold, price catalog.Price, now time.Time, life time.Duration, version string) *Entry {
	note := Note{h.Reason, h.Metadata}
	var parts []Part
	s.split(price.Amount, now, func(l *lot, part tokens.Amount) {
		l.held += part
		parts = append(parts, Part{Lot: l.number, Amount: part})
	})
	e := s.append(Entry{
		Kind:           KindHold,
		HeldDelta:      price.Amount,
		Feature:        h.Feature,
		Agent:          h.Agent,
		Quantity:       price.Quantity,
		UnitPrice:      price.Unit,
		CatalogVersion: version,
		Reference:      h.Reference,
		Parts:          parts,
		note:           note,
	}, now)
	s.holds = append(s.holds, hold{
		number:    e.Seq,
		amount:    price.Amount,
		expiresAt: e.At.Add(life),
		note:      note,
		added:     true,
		parts:     parts,
		work:      work{h.Feature, h.Agent, price.Quantity, price.Unit, version, h.Reference},
	})
	return e
}

// Release asks to end a hold without spending. An empty Reference or Reason, or no Metadata, means
// that of the hold.
type Release struct {
	Hold      int64 // the seq of the hold's entry
	Reference string
	Reason    string
	Metadata  map[string]string
}

func (r *Release) needs(*catalog.Catalog) needs { return needs{whole: true, about: r.Hold} }

func (r *Release) decide(s *state, now time.Time, _ *catalog.Catalog) (*Entry, error) {
	h, err := s.openHold(r.Hold)
	if err != nil {
		return nil, err
	}
	return s.release(h, KindRelease, ending{r.Reference, Note{r.Reason, r.Metadata}}, now), nil
}

// ending is what a request that ends a hold says about it.
type ending struct {
	reference string
	note      Note
}

// inherit fills what was left empty from the hold.
func (e ending) inherit(s *state, h *hold) ending {
	note := h.note
	if p, ok := s.past[h.number]; ok {
		note = p.note
	}
	return ending{cmp.Or(e.reference, h.work.reference), e.note.or(note)}
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
	return nil, errNoHold
}

var errNoHold = problem.New(problem.NotFound, "hold_not_found", "There is no such hold.")

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
func (s *state) release(h *hold, outcome Kind, said ending, now time.Time) *Entry {
	parts := make([]Part, len(h.parts))
	for i, p := range h.parts {
		s.lot(p.Lot).held -= p.Amount
		parts[i] = Part{Lot: p.Lot, Amount: -p.Amount}
	}
	h.outcome, h.changed = outcome, true
	said = said.inherit(s, h)
	e := s.append(Entry{
		Kind:           KindRelease,
		HeldDelta:      -h.amount,
		Feature:        h.work.feature,
		Agent:          h.work.agent,
		Quantity:       h.work.quantity,
		UnitPrice:      h.work.unitPrice,
		CatalogVersion: h.work.version,
		Reference:      said.reference,
		About:          h.number,
		Parts:          parts,
		note:           said.note,
	}, now)
	s.afterRelease(h, now)
	return e
}

// afterRelease deals with tokens that came free in a lot which has ended meanwhile: they pay what
// is owed for it, and what is left expires at once.
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
			s.release(h, KindExpiry, ending{}, due)
			s.emit(EventHoldExpired, due, holdEvent{
				Hold:      EntryID(s.account, h.number),
				Feature:   h.work.feature,
				Agent:     h.work.agent,
				Amount:    h.amount,
				Reference: h.work.reference,
			})
			found = true
		}
	}
	return found
}
