package engine

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
)

// After a conflict a lane bypasses its cache for a batch, then for twice as many each time, up to a bound. Batches
// without a conflict reduce that again.
func TestCautionGrowsAndFades(t *testing.T) {
	t.Parallel()
	c := newCache()
	id := uuid.New()
	known := func() bool {
		c.states[id] = ledger.Open(&ledger.Snapshot{Account: ledger.AccountRow{AccountID: id}, Complete: true})
		return c.find(&batchAccount{id: id}, time.Time{}) != nil
	}
	if !known() || !c.worthFullLoad() {
		t.Fatal("a new lane does not trust its memory")
	}
	for want := 1; want <= 2*maxSkipBatches; want *= 2 {
		c.recordConflict()
		if len(c.states) != 0 {
			t.Fatal("accounts are cached that may be stale")
		}
		read := 0
		for !known() {
			if c.worthFullLoad() {
				t.Fatal("it reads for a memory that it does not use")
			}
			c.keep(nil)
			read++
		}
		if read != min(want, maxSkipBatches) {
			t.Errorf("it was careful for %d batches, want %d", read, min(want, maxSkipBatches))
		}
	}
	for range 6 {
		c.recordHit()
	}
	c.recordConflict()
	if c.skipBatches != 2 {
		t.Errorf("after six batches that were right it is careful for %d", c.skipBatches)
	}
}

// single is an engine with one lane over a database of its own.
func single(t *testing.T) *Engine {
	t.Helper()
	now := clock.NewManual(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)).Now
	l := New(testdb.New(t), Options{
		Clock:  now,
		Prices: catalog.Builtin,
		Lanes:  1,
		Log:    slog.New(slog.DiscardHandler),
	})
	t.Cleanup(l.Close)
	return l
}

func (l *Engine) openOne(t *testing.T) uuid.UUID {
	t.Helper()
	id := uuid.New()
	if err := l.SetPlan(t.Context(), id, ledger.SetPlan{Plan: "star"}); err != nil {
		t.Fatal(err)
	}
	return id
}

// A key that is older than the lane's cache is answered from the database, and does not count as a cache conflict.
func TestAnOldKeyCausesNoBackoff(t *testing.T) {
	t.Parallel()
	l := single(t)
	ids := []uuid.UUID{l.openOne(t), l.openOne(t), l.openOne(t)}
	work := ledger.Charge{Feature: "lip_sync"}
	for _, id := range ids {
		if _, err := l.Charge(t.Context(), id, "old", work); err != nil {
			t.Fatal(err)
		}
	}
	c := l.lanes[0].cache
	before := len(c.states)
	delete(c.keys, accountKey{ids[0], "old"}) // as if newer ones had evicted it
	if r, err := l.Charge(t.Context(), ids[0], "old", work); err != nil || !r.Replayed {
		t.Fatal(err, r.Replayed)
	}
	if before != len(ids) || len(c.states) < before-1 || c.skipBatches != 0 {
		t.Errorf("of %d accounts %d are cached, skipping %d batches", before, len(c.states), c.skipBatches)
	}
}

// The cache of a lane is bounded: it does not keep metadata.
func TestMetadataIsNotRemembered(t *testing.T) {
	t.Parallel()
	l := single(t)
	id := l.openOne(t)
	if _, err := l.Charge(t.Context(), id, "k",
		ledger.Charge{Feature: "lip_sync", Metadata: map[string]string{"k": strings.Repeat("x", 1_000)}}); err != nil {
		t.Fatal(err)
	}
	e := l.lanes[0].cache.keys[accountKey{id, "k"}]
	if e == nil || !e.Note.Empty() {
		t.Errorf("the cache has %+v", e)
	}
	var kept int
	if err := l.pool.QueryRow(t.Context(), "select length(metadata->>'k') from entry_notes where account = $1",
		id).Scan(&kept); err != nil || kept != 1_000 {
		t.Errorf("the entry has %d characters: %v", kept, err)
	}
}
