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

// extension is an Extension on its way to the books, with the key under which a replay finds it.
type extension struct {
	hold          int64
	at, expiresAt time.Time
	key           string
	fingerprint   fingerprint
}

func (x *Extend) needs(*catalog.Catalog) needs { return needs{whole: true, about: x.Hold} }

func (x *Extend) decide(s *state, now time.Time, _ *catalog.Catalog) (*Entry, error) {
	if err := s.mustBeOpen(); err != nil {
		return nil, err
	}
	h, err := s.openHold(x.Hold)
	if err != nil {
		return nil, err
	}
	if err := checkLife(x.ExpiresIn); err != nil {
		return nil, err
	}
	if until := now.Add(x.ExpiresIn); until.After(h.expiresAt) {
		h.expiresAt = until
	}
	s.extensions = append(s.extensions, &extension{
		hold:      h.number,
		at:        now,
		expiresAt: h.expiresAt,
	})
	s.lastAt, s.hasExtensions, s.changed = later(now, s.lastAt), true, true
	return nil, nil
}
