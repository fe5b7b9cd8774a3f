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

// A turn goes through all accounts in chunks. When its time is over it ends after the current chunk, and
// the next turn continues there.
func TestTopUpsGoThroughAllAccounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	log := slog.New(slog.NewTextHandler(&f.log, nil))
	ledgerEngine := engine.New(f.pool, engine.Options{
		Clock:  f.clock.Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	t.Cleanup(ledgerEngine.Close)
	var asked []uuid.UUID
	chunks := []uuid.UUID{{1}, {2}, {3}}
	r := New(f.pool, Options{
		Ledger:   ledgerEngine,
		Sessions: session.New(f.pool, session.Options{Clock: f.clock.Now}),
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
