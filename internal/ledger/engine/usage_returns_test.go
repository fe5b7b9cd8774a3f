package engine_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/tokens"
)

func (f *fixture) sums(id uuid.UUID, by ledger.UsageBy, first, last time.Time) ledger.UsageSums {
	f.T.Helper()
	sums, err := f.UsageSums(f.T.Context(), id, ledger.UsageQuery{
		By:    by,
		First: first,
		Last:  last,
	})
	f.NoError(err)
	return sums
}

// A charge of 60 is refunded 35 days later: the day of the refund shows no usage, and that of the charge shows the
// refunded part.
func TestAReturnCountsOnTheDayOfItsWork(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	worked := ledgertest.Start.Truncate(24 * time.Hour)
	old := f.MustCharge(id, "auto_selling", "60")
	f.Clock.Advance(35 * 24 * time.Hour)
	f.MustCharge(id, "lip_sync", "")
	f.refund(id, old.Seq, "40")
	today := worked.AddDate(0, 0, 35)
	for _, c := range []struct {
		first, last time.Time
		want        string
	}{
		{worked, today, "2026-01-31 60 1 1 40, 2026-03-07 5 1 1 0, total 65 2 2 40"},
		{worked, worked, "2026-01-31 60 1 1 40, total 60 1 1 40"},
		{today, today, "2026-03-07 5 1 1 0, total 5 1 1 0"},
	} {
		sums := f.sums(id, ledger.ByDay, c.first, c.last)
		var got string
		for _, s := range sums.Sums {
			got += s.Name + " " + sumText(s) + ", "
		}
		if got += "total " + sumText(sums.Total); got != c.want {
			t.Errorf("from %s to %s: %s, want %s", c.first, c.last, got, c.want)
		}
	}
	// The largest net amount comes first: 20 of the old charge are left, and then nothing.
	for _, c := range []struct{ back, first string }{{"", "auto_selling"}, {"20", "lip_sync"}} {
		if c.back != "" {
			f.refund(id, old.Seq, c.back)
		}
		if got := f.sums(id, ledger.ByFeature, worked, today).Sums[0].Name; got != c.first {
			t.Errorf("after %q more: %s is first", c.back, got)
		}
		if got := f.series(id, ledger.ByFeature, 60).Series[0].Name; got != c.first {
			t.Errorf("after %q more: the chart begins with %s", c.back, got)
		}
	}
}

func sumText(s ledger.UsageSum) string {
	return s.Amount.String() + " " + inText(s.Quantity) + " " + inText(s.Count) + " " + s.Returned.String()
}

// A refund makes room in the budget of the month of the charge: today, after the day was rolled up, and in any order.
func TestARefundMakesRoomInTheMonthOfItsWork(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	f.MustPutAgent(id, "replies", "50", "")
	work := func(amount string) ledger.Receipt {
		t.Helper()
		r, err := f.Charge(t.Context(), id, uuid.NewString(), ledger.Charge{
			Feature: repliesFeature,
			Agent:   "replies",
			Amount:  amountOf(amount),
		})
		f.NoError(err)
		return r
	}
	january := work("40")
	f.Clock.Set(time.Date(2026, 2, 10, 12, 0, 0, 0, time.UTC))
	february := work("30")
	f.wantAgentCharge(id, "replies", "20.000001", "over_budget")
	f.refund(id, january.Seq, "40")
	f.wantAgentCharge(
		id,
		"replies",
		"20.000001",
		"over_budget",
	) // a refund of January makes no room in February
	f.refund(id, february.Seq, "10")
	f.wantAgentCharge(id, "replies", "30.000001", "over_budget")
	f.Clock.Advance(3 * 24 * time.Hour)
	more := work("25")
	f.refund(id, february.Seq, "15") // of a day that was rolled up
	f.wantAgentCharge(id, "replies", "20.000001", "over_budget")
	f.refund(id, more.Seq, "")
	list, _, err := f.Agents(t.Context(), id)
	if f.NoError(err); list[0].Spent != 5*tokens.One {
		t.Errorf("it spent %s this month", list[0].Spent)
	}
	f.wantAgentCharge(id, "replies", "45.000001", "over_budget")
	f.wantAgentCharge(id, "replies", "45", "")
}
