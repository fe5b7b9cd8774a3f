package ledger

import (
	"errors"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// operation is one request to the core. decide looks at a settled state and either refuses, leaving the state as it was, or
// applies itself and answers the entry that records it. It is pure: no clock, no database, no goroutine.
type operation interface {
	decide(s *state, now time.Time, prices *catalog.Catalog) (*Entry, error)
	needs(prices *catalog.Catalog) needs
}

// needs is what an operation has to see of its account besides the account's row.
type needs struct {
	spend            tokens.Amount // what it takes from the open lot, if that has so much
	whole            bool          // all lots and holds
	about            int64         // an earlier entry, by its seq
	opens            bool          // it may be the account's first
	passing          bool          // it comes by once: not worth remembering the account for
	fresh            bool          // it may write nothing, which would not tell that the lane remembers what is no longer true
	scope, reference string        // the permanent reference that it uses up
}

// apply is the core's one door: settle first, then decide. An attempt that lacks tokens is noted.
func (s *state) apply(op operation, now time.Time, prices *catalog.Catalog) (*Entry, error) {
	now = later(now, s.lastAt)
	if due := !s.dueAt.IsZero() && !s.dueAt.After(now); due && s.whole {
		s.settle(now, prices)
		s.dueAt, s.changed = s.wakeAt(now), true
	}
	e, err := op.decide(s, now, prices)
	if _, charge := op.(*Charge); !charge && s.whole {
		s.dueAt = s.wakeAt(now) // a charge brings nothing nearer
	}
	var lacking *shortfall
	if errors.As(err, &lacking) {
		s.decline(lacking, now)
		return nil, lacking.problem()
	}
	return e, err
}

// later is the later of two instants: an account's time never runs backwards, even when two servers' clocks disagree.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// ErrNoAccount is the answer for an account that was never opened.
var ErrNoAccount = problem.New(problem.NotFound, "account_not_found", "There is no such account.")

// settling is the operation that does nothing but what is due.
type settling struct{}

func (settling) needs(*catalog.Catalog) needs { return needs{whole: true, fresh: true, passing: true} }

func (settling) decide(s *state, _ time.Time, _ *catalog.Catalog) (*Entry, error) {
	if !s.exists {
		return nil, ErrNoAccount
	}
	return nil, nil
}
