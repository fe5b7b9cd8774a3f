package jobs

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/session"
)

// One turn goes through all accounts, chunk after chunk; one whose time is over ends after the
// chunk that it is at, and the next goes on from there.
func TestTopUpsGoThroughAllAccounts(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	log := slog.New(slog.NewTextHandler(&o.log, nil))
	books := engine.New(o.pool, engine.Options{
		Clock:  o.clock.Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	t.Cleanup(books.Close)
	var asked []uuid.UUID
	chunks := []uuid.UUID{{1}, {2}, {3}}
	r := New(o.pool, Options{
		Ledger:   books,
		Sessions: session.New(o.pool, session.Options{Clock: o.clock.Now}),
		Log:      log,
		TopUps: func(_ context.Context, after uuid.UUID) (uuid.UUID, bool, error) {
			asked = append(asked, after)
			at := slices.Index(chunks, after) + 1
			return chunks[min(at, 2)], at < 2, nil
		},
	})
	if more, err := r.topUp(t.Context()); more || err != nil ||
		!slices.Equal(asked, []uuid.UUID{uuid.Nil, {1}, {2}}) {
		t.Errorf("%v, more %t, %v", asked, more, err)
	}
	asked, r.turn = nil, time.Nanosecond
	for i := range 4 {
		if more, err := r.topUp(t.Context()); more != (i%3 < 2) || err != nil {
			t.Error(i, more, err)
		}
	}
	if !slices.Equal(asked, []uuid.UUID{uuid.Nil, {1}, {2}, uuid.Nil}) {
		t.Errorf("a turn without time asked for %v", asked)
	}
}
