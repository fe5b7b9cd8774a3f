package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
)

// Extend asks to keep a hold open for longer: ExpiresIn from now, at most MaxHold. A hold may be
// extended again and again, but never ends later than MaxHold from now, and an extension never
// makes it end earlier. It moves no tokens, so it is no entry of the books.
type Extend struct {
	Hold      int64 // the seq of the hold's entry
	ExpiresIn time.Duration
}

// Extension is the durable answer to an Extend.
type Extension struct {
	Hold      int64
	At        time.Time
	ExpiresAt time.Time // when the hold ends by itself, as of this extension
	Replayed  bool      // an earlier request with the same key made it
}

// Needs is part of Operation.
func (x *Extend) Needs(*catalog.Catalog) Needs { return Needs{Complete: true, RefersTo: x.Hold} }

func (x *Extend) decide(s *State, now time.Time, _ *catalog.Catalog) (Outcome, error) {
	if err := s.mustBeOpen(); err != nil {
		return Outcome{}, err
	}
	h, err := s.openHold(x.Hold)
	if err != nil {
		return Outcome{}, err
	}
	if err := checkLife(x.ExpiresIn); err != nil {
		return Outcome{}, err
	}
	if until := now.Add(x.ExpiresIn); until.After(h.ExpiresAt) {
		h.ExpiresAt = until
	}
	row := &ExtensionRow{
		Hold:      h.Number,
		At:        now,
		ExpiresAt: h.ExpiresAt,
	}
	s.extensions = append(s.extensions, row)
	s.LastAt, s.HasExtensions, s.changed = Later(now, s.LastAt), true, true
	return Outcome{Extension: row}, nil
}
