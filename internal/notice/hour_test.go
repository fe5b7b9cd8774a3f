package notice_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/notice"
	"pop.store/credits/internal/tokens"
)

func (f *fixture) work(id uuid.UUID, agent, feature, amount string) ledger.Receipt {
	f.T.Helper()
	n := tokens.MustParse(amount)
	receipt, err := f.Ledger.Charge(f.T.Context(), id, uuid.NewString(), ledger.Charge{
		Feature: feature,
		Agent:   agent,
		Amount:  &n,
	})
	f.Must(err)
	return receipt
}

// 130 tokens a day for a week, and then a refund of 750 for work of ten days ago: the pace is 130 a
// day all the same.
func TestAReturnOfOldWorkIsNoSlowerPace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.open("maya", "UTC")
	f.grant(id, "2000")
	old := f.spend(id, "auto_selling", "750")
	f.Clock.Advance(2 * day)
	f.days(7, func() { f.spend(id, "auto_selling", "130") })
	f.Clock.Advance(day)
	f.wantPace(id, "130", 7)
	_, err := f.Ledger.Refund(t.Context(), id, uuid.NewString(), ledger.Refund{Entry: old.Seq})
	f.Must(err)
	f.wantPace(id, "130", 7)
	f.Clock.Advance(day)
	f.wantPace(id, "111.428572", 7) // 6 x 130 / 7
}

// A week of little work, and then an agent that spends half a token every three seconds. From ten
// minutes before the end on the notice, the Credits page and the e-mail say when it is, and what
// they say moves by no more than a minute; two minutes before the end they say "within minutes".
func TestTheForecastLearnsFromTheLastHour(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.open("maya", "UTC")
	name := "Night desk"
	_, _, err := f.Agents.Put(t.Context(), id, "seller", agents.Put{Name: &name})
	f.Must(err)
	f.days(3, func() { f.work(id, "seller", "auto_selling", "5") })
	const each = 3 * time.Second
	told := map[time.Time]int{}
	for left := f.overview(id).Spendable; left >= 15*tokens.One; left -= tokens.One / 2 {
		f.work(id, "seller", "auto_selling", "0.5")
		f.Clock.Advance(each)
		o := f.overview(id)
		end := f.Clock.Now().Add(time.Duration(2*int64(o.Spendable)/int64(tokens.One)) * each)
		if left > 100*tokens.One || o.First == nil {
			continue
		}
		outlook := f.outlook(id)
		if first, ok := outlook.First(); !ok || !first.At.Equal(o.First.At) || outlook.Hour.Known() != o.Hurried {
			t.Fatalf("%s left: the notice says %v, the page %v", o.Spendable, o.First.At, first.At)
		}
		if off := outlook.RunsOut.Sub(end).Abs(); !o.Hurried || off > 2*time.Minute {
			t.Fatalf("%s left: out at %v, in truth at %v", o.Spendable, outlook.RunsOut, end)
		}
		told[outlook.RunsOut]++
	}
	if len(told) > 6 || len(told) == 0 {
		t.Errorf("170 looks told %d different times: %v", len(told), told)
	}
	o := f.overview(id)
	if o.Notice != notice.Low || o.First == nil || o.First.Who() != name ||
		o.First.At.Sub(f.Clock.Now()) > 3*time.Minute {
		t.Errorf("at the end: %s, %+v", o.Notice, o.First)
	}
	// An hour later nobody knows of the hour any more.
	f.Clock.Advance(61 * time.Minute)
	if o = f.overview(id); o.Hurried {
		t.Error("an hour without work is still the last hour's pace")
	}
}

// What creators run by hand says nothing about the next hour, and is nothing that stops.
func TestToolsAreNoHurry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.open("maya", "UTC")
	f.days(3, func() { f.spend(id, "lip_sync", "") })
	for range 33 {
		f.spend(id, "lip_sync", "")
		f.Clock.Advance(time.Second)
	}
	if o := f.overview(id); o.Notice != notice.Low || o.First != nil || o.Hurried {
		t.Errorf("%s, %+v", o.Notice, o.First)
	}
	if o := f.outlook(id); o.Hour.Known() || len(o.Stops) > 0 || !o.Pace.Known() {
		t.Errorf("%+v", o)
	}
}
