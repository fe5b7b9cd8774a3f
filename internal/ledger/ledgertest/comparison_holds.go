package ledgertest

import (
	"context"
	"math"
	"time"

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

func (m *comparison) extend(t *rapid.T) {
	id := m.account(t)
	x := ledger.Extend{Hold: m.drawEntry(t, id, ledger.KindHold)}
	x.ExpiresIn = rapid.SampledFrom([]time.Duration{
		time.Second, time.Hour, time.Hour, 24 * time.Hour,
		24*time.Hour + 1, 0,
	}).Draw(t, "life")
	m.sendBoth(t, "extend", func(key string) (Result, Result) {
		e, err := m.Extend(context.Background(), id, key, x)
		got := Result{Until: e.ExpiresAt, Replayed: e.Replayed}
		if err != nil {
			got = Result{Err: problem.Of(err)}
		}
		return got, m.model.Extend(id, key, x, m.Clock.Now())
	})
}

// compareOpenHolds compares the list of open holds, page by page, and one hold by its number.
func (m *comparison) compareOpenHolds(t *rapid.T) {
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
	want := m.model.OpenHolds(id, m.Clock.Now())
	if asJSON(got) != asJSON(want) {
		t.Fatalf("open holds are\n%s, the model's\n%s", asJSON(got), asJSON(want))
	}
	number := m.drawEntry(t, id, ledger.KindHold)
	one, err := m.HoldInfo(context.Background(), id, number)
	known, there := m.model.HoldInfo(id, number)
	if (err == nil) != there || (there && asJSON(one) != asJSON(known)) {
		t.Fatalf("hold %d is %s (%v), the model's %s", number, asJSON(one), err, asJSON(known))
	}
}
