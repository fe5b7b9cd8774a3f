package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
)

// Extend moves the end of a hold to ExpiresIn from now, at most MaxHold. It never shortens a hold and may
// be repeated. It moves no tokens, so it writes no entry.
type Extend struct {
	Hold      int64 // the seq of the hold's entry
	ExpiresIn time.Duration
}

// Extension is the durable result of an Extend.
type Extension struct {
	Hold      int64
	At        time.Time
	ExpiresAt time.Time // when the hold times out, as of this extension
	Replayed  bool      // an earlier request with the same key made it
}

// Needs implements Operation.
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
