package ledger

import (
	"cmp"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Limits on the time until a hold ends, when created or extended, and on the open holds of an account.
const (
	DefaultHold  = 15 * time.Minute
	MaxHold      = 24 * time.Hour
	maxOpenHolds = 1_000
)

// Hold reserves tokens for a job, to be captured or released later. Zero ExpiresIn means DefaultHold.
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

// Needs implements Operation.
func (h *Hold) Needs(*catalog.Catalog) Needs { return Needs{Complete: true, Agent: h.Agent} }

func (h *Hold) decide(s *State, now time.Time, prices *catalog.Catalog) (Outcome, error) {
	if err := s.mustBeOpen(); err != nil {
		return Outcome{}, err
	}
	price, err := prices.Price(h.Feature, h.Quantity, h.Amount)
	if err != nil {
		return Outcome{}, err
	}
	if price.Amount == 0 {
		return Outcome{}, problem.Invalid("feature", "is free: there is nothing to hold")
	}
	life := h.ExpiresIn
	if life == 0 {
		life = DefaultHold
	}
	if err := checkLife(life); err != nil {
		return Outcome{}, err
	}
	if open := s.openHolds(); open >= maxOpenHolds {
		return Outcome{}, problem.New(problem.Conflict, "too_many_holds",
			"This account has %d open holds already.", open)
	}
	if err := s.afford(h.Feature, h.Agent, price.Amount, now); err != nil {
		return Outcome{}, err
	}
	return Outcome{Entry: s.hold(h, price, now, life, prices.Version)}, nil
}

func checkLife(life time.Duration) error {
	if life < time.Second || life > MaxHold {
		return problem.Invalid("expires_in", "must be from 1 to %d seconds", int64(MaxHold/time.Second))
	}
	return nil
}

func (s *State) hold(h *Hold, price catalog.Price, now time.Time, life time.Duration, version string) *Entry {
	note := Note{h.Reason, h.Metadata}
	var parts []Part
	s.split(price.Amount, now, func(l *lot, part tokens.Amount) {
		l.Held += part
		parts = append(parts, Part{Lot: l.Number, Amount: part})
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
		Note:           note,
	}, now)
	s.holds = append(s.holds, hold{
		HoldRow: HoldRow{
			Number:         e.Seq,
			Amount:         price.Amount,
			ExpiresAt:      e.At.Add(life),
			Parts:          parts,
			Note:           note,
			Feature:        h.Feature,
			Agent:          h.Agent,
			Quantity:       price.Quantity,
			UnitPrice:      price.Unit,
			CatalogVersion: version,
			Reference:      h.Reference,
		},
		added: true,
	})
	return e
}

// Release ends a hold without spending. An empty Reference, Reason or Metadata is copied from the hold.
type Release struct {
	Hold      int64 // seq of the hold's entry
	Reference string
	Reason    string
	Metadata  map[string]string
}

// Needs implements Operation.
func (r *Release) Needs(*catalog.Catalog) Needs { return Needs{Complete: true, RefersTo: r.Hold} }

func (r *Release) decide(s *State, now time.Time, _ *catalog.Catalog) (Outcome, error) {
	h, err := s.openHold(r.Hold)
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{Entry: s.release(h, KindRelease, details{r.Reference, Note{r.Reason, r.Metadata}}, now)}, nil
}

// details is the caller's reference and note of a request that refers to an earlier entry.
type details struct {
	reference string
	note      Note
}

// inherit copies empty fields from the hold.
func (d details) inherit(s *State, h *hold) details {
	note := h.Note
	if p, ok := s.pastEntries[h.Number]; ok {
		note = p.Entry.Note
	}
	return details{cmp.Or(d.reference, h.Reference), d.note.or(note)}
}

// openHolds counts open holds; s.holds also contains those that ended in this batch.
func (s *State) openHolds() (n int) {
	for i := range s.holds {
		if s.holds[i].open() {
			n++
		}
	}
	return n
}

// openHold returns an open hold, or an error that says how it ended.
func (s *State) openHold(number int64) (*hold, error) {
	if !s.Exists() {
		return nil, ErrNoAccount
	}
	for i := range s.holds {
		if h := &s.holds[i]; h.Number == number {
			return h, h.endedError()
		}
	}
	if p, ok := s.pastEntries[number]; ok && p.Hold != nil {
		return nil, p.Hold.endedError()
	}
	return nil, ErrNoHold
}

// endedError says how a hold ended; nil while it is open.
func (h *HoldRow) endedError() error {
	switch h.Outcome {
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

// release ends a hold. outcome is KindRelease, or KindExpiry after a timeout.
func (s *State) release(h *hold, outcome Kind, d details, now time.Time) *Entry {
	parts := make([]Part, len(h.Parts))
	for i, p := range h.Parts {
		s.lot(p.Lot).Held -= p.Amount
		parts[i] = Part{Lot: p.Lot, Amount: -p.Amount}
	}
	h.Outcome, h.ended = outcome, true
	d = d.inherit(s, h)
	e := s.append(Entry{
		Kind:           KindRelease,
		HeldDelta:      -h.Amount,
		Feature:        h.Feature,
		Agent:          h.Agent,
		Quantity:       h.Quantity,
		UnitPrice:      h.UnitPrice,
		CatalogVersion: h.CatalogVersion,
		Reference:      d.reference,
		About:          h.Number,
		Parts:          parts,
		Note:           d.note,
	}, now)
	s.afterRelease(h, now)
	return e
}

// afterRelease handles freed tokens of lots that have ended meanwhile: those of a revoked lot pay what is
// owed, those of an expired lot expire.
func (s *State) afterRelease(h *hold, now time.Time) {
	for _, p := range h.Parts {
		l := s.lot(p.Lot)
		if l.Revoked {
			s.payOwed(l, now)
		}
		if gone := l.Remaining - l.Held; l.expired(now) && gone > 0 {
			s.expire(l, gone, now)
		}
	}
}

// expireHolds releases the holds that end at an instant and reports whether there were any.
func (s *State) expireHolds(due time.Time) bool {
	found := false
	for i := range s.holds {
		if h := &s.holds[i]; h.open() && h.ExpiresAt.Equal(due) {
			s.release(h, KindExpiry, details{}, due)
			s.emit(EventHoldExpired, due, holdEvent{
				Hold:      EntryID(s.AccountID, h.Number),
				Feature:   h.Feature,
				Agent:     h.Agent,
				Amount:    h.Amount,
				Reference: h.Reference,
			})
			found = true
		}
	}
	return found
}
