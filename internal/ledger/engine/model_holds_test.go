package engine_test

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

func drawReference(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "", "job", "task"}).Draw(t, "reference")
}

func drawNote(t *rapid.T) (reason string, metadata map[string]string) {
	reason = rapid.SampledFrom([]string{"", "", "scene 4", "take 2"}).Draw(t, "reason")
	metadata = rapid.SampledFrom([]map[string]string{nil, nil, {"clip": "7"}, {"clip": "8", "take": "2"}}).Draw(t,
		"metadata")
	return reason, metadata
}

func (m *model) extend(t *rapid.T) {
	id := m.account(t)
	x := ledger.Extend{Hold: m.earlier(t, id, ledger.KindHold)}
	x.ExpiresIn = rapid.SampledFrom([]time.Duration{
		time.Second, time.Hour, time.Hour, 24 * time.Hour,
		24*time.Hour + 1, 0,
	}).Draw(t, "life")
	m.both(t, "extend", func(key string) (result, result) {
		e, err := m.Extend(context.Background(), id, key, x)
		got := result{until: e.ExpiresAt, replayed: e.Replayed}
		if err != nil {
			got = result{err: problem.Of(err)}
		}
		return got, m.twin.extend(id, key, x, m.clock.Now())
	})
}

// openHolds compares the lists of open holds, page by page, and one hold by its number.
func (m *model) openHolds(t *rapid.T) {
	id := m.account(t)
	limit := rapid.IntRange(1, 5).Draw(t, "limit")
	var got []ledger.HoldInfo
	for before := int64(math.MaxInt64); before != 0; {
		page, next, err := m.OpenHolds(context.Background(), id, before, limit)
		if err != nil || len(page) > limit {
			t.Fatalf("%d holds, %v", len(page), err)
		}
		got, before = append(got, page...), next
	}
	want := m.twin.openHolds(id, m.clock.Now())
	if inText(got) != inText(want) {
		t.Fatalf("open holds are\n%s, its twin\n%s", inText(got), inText(want))
	}
	number := m.earlier(t, id, ledger.KindHold)
	one, err := m.HoldInfo(context.Background(), id, number)
	known, there := m.twin.hold1(id, number)
	if (err == nil) != there || (there && inText(one) != inText(known)) {
		t.Fatalf("hold %d is %s (%v), its twin %s", number, inText(one), err, inText(known))
	}
}

// openHolds lists the holds that have not ended, newest first.
func (w *twin) openHolds(id uuid.UUID, now time.Time) (list []ledger.HoldInfo) {
	a := w.write(id, now)
	for i := range slices.Backward(a.holds) {
		if h := &a.holds[i]; h.ended == "" {
			list = append(list, a.shown(h))
		}
	}
	return list
}

func (w *twin) hold1(id uuid.UUID, number int64) (ledger.HoldInfo, bool) {
	a := w.accounts[id]
	for i := range a.holds {
		if h := &a.holds[i]; h.entry.Seq == number {
			return a.shown(h), true
		}
	}
	return ledger.HoldInfo{}, false
}

func (a *twinAccount) shown(h *twinHold) ledger.HoldInfo {
	outcomes := map[string]ledger.Kind{
		"hold_captured": ledger.KindCapture,
		"hold_released": ledger.KindRelease,
		"hold_expired":  ledger.KindExpiry,
	}
	e, note := h.entry, a.notes[h.entry.Seq]
	return ledger.HoldInfo{
		Number:         e.Seq,
		At:             e.At,
		ExpiresAt:      h.expires,
		Outcome:        outcomes[h.ended],
		Amount:         e.HeldDelta,
		Feature:        e.Feature,
		Agent:          e.Agent,
		Quantity:       e.Quantity,
		UnitPrice:      e.UnitPrice,
		CatalogVersion: e.CatalogVersion,
		Reference:      e.Reference,
		Reason:         note.Reason,
		Metadata:       note.Metadata,
		Parts:          e.Parts,
	}
}
