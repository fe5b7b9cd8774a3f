package ledger

import (
	"context"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
)

// ErrClosed is the answer to what a closed account does not do any more.
var ErrClosed = problem.New(problem.Conflict, "account_closed",
	"This account is closed: its tokens cannot be spent, and none can be added.")

// CloseAccount closes the account for good. Open holds are released. From then on nothing is
// charged, held, granted, ordered or changed (ErrClosed), and no allowance comes. What is left
// stays in the books until it expires. Charges and purchases can still be refunded, and a purchase
// that was paid is credited. Closing a closed account changes nothing. Errors: ErrNoAccount, kind
// Unavailable.
func (l *Ledger) CloseAccount(ctx context.Context, account uuid.UUID) error {
	_, err := l.submit(ctx, newCall(account), closing{})
	return err
}

// closing is the operation of Ledger.CloseAccount.
type closing struct{}

func (closing) needs(*catalog.Catalog) needs {
	return needs{
		whole:     true,
		fresh:     true,
		passing:   true,
		endsHolds: true,
	}
}

func (closing) decide(s *state, now time.Time, _ *catalog.Catalog) (*Entry, error) {
	if !s.exists {
		return nil, ErrNoAccount
	}
	if !s.closedAt.IsZero() {
		return nil, nil
	}
	for i := range s.holds {
		if h := &s.holds[i]; h.open() {
			s.release(h, KindRelease, ending{}, now)
		}
	}
	s.closedAt, s.closing, s.nextPlan, s.changed = now, true, "", true
	return nil, nil
}

// mustBeOpen says why an account takes no request that spends, adds or changes something; nil when it does.
func (s *state) mustBeOpen() error {
	switch {
	case !s.exists:
		return ErrNoAccount
	case !s.closedAt.IsZero():
		return ErrClosed
	}
	return nil
}
