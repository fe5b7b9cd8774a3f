package engine_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// Agents' work since an instant, and all work on agents' features, less its refunds; at most the newest thousand
// entries of each account.
func TestRecentWork(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	busy, quiet, many := f.MustOpen("star"), f.MustOpen("star"), f.MustOpen("star")
	work := func(id uuid.UUID, agent, feature, amount string) ledger.Receipt {
		t.Helper()
		c := ledger.Charge{Feature: feature, Agent: agent}
		if amount != "" {
			c.Amount = amountOf(amount)
		}
		r, err := f.Charge(t.Context(), id, uuid.NewString(), c)
		f.NoError(err)
		return r
	}
	old := work(busy, "seller", "auto_selling", "100")
	work(quiet, "seller", "auto_selling", "100")
	f.Clock.Advance(time.Hour)
	since := f.Clock.Now()
	work(busy, "studio", "lip_sync", "")
	f.Clock.Advance(time.Minute)
	half := work(busy, "", "auto_selling", "8")
	work(busy, "", "pdf_creation", "")
	back := work(busy, "seller", "auto_selling", "3")
	f.refund(busy, old.Seq, "")
	f.refund(busy, half.Seq, "4")
	f.refund(busy, back.Seq, "")
	hold, err := f.Hold(t.Context(), busy, "h", ledger.Hold{
		Feature: "auto_selling",
		Agent:   "seller",
		Amount:  amountOf("9"),
	})
	f.NoError(err)
	_, err = f.Capture(t.Context(), busy, "c", ledger.Capture{Hold: hold.Seq, Amount: amountOf("2")})
	f.NoError(err)
	work(quiet, "", "pdf_creation", "")
	for i := range 1_003 {
		_, err := f.Charge(t.Context(), many, strconv.Itoa(i), ledger.Charge{Feature: repliesFeature, Agent: "replies"})
		f.NoError(err)
		f.Clock.Advance(time.Millisecond)
	}
	found, err := f.RecentWork(t.Context(), []uuid.UUID{busy, quiet, many, uuid.New()}, since,
		[]string{"auto_selling"})
	f.NoError(err)
	want := map[uuid.UUID]ledger.RecentWork{
		busy: {
			Amount: 11 * tokens.One,
			Count:  4,
			First:  since,
		}, // 5, 8 - 4, 3 - 3, 2
		many: {
			Amount: 50 * tokens.One,
			Count:  1_000,
			First:  since.Add(time.Minute + 3*time.Millisecond),
		},
	}
	if len(found) != len(want) || found[busy] != want[busy] || found[many] != want[many] {
		t.Errorf("got %+v, want %+v", found, want)
	}
}
