package forecast_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/tokens"
)

func anyAmount(most int64) *rapid.Generator[tokens.Amount] {
	return rapid.Custom(func(t *rapid.T) tokens.Amount {
		return tokens.Amount(rapid.Int64Range(0, most).Draw(t, "millionths"))
	})
}

func anyFacts() *rapid.Generator[forecast.Facts] {
	return rapid.Custom(func(t *rapid.T) forecast.Facts {
		most := rapid.SampledFrom([]int64{1_000, 1_000_000_000, int64(tokens.Max)}).Draw(t, "most")
		f := forecast.Facts{
			Now:    now,
			Prices: prices(),
			Plan:   "starter",
		}
		f.Past = forecast.Past{
			Days:   rapid.IntRange(0, 7).Draw(t, "days"),
			Active: rapid.IntRange(0, 7).Draw(t, "active"),
		}
		for _, feature := range []string{"reply", "image", "selling"} {
			f.Past.Uses = append(f.Past.Uses, forecast.Use{
				Feature: feature,
				Amount:  anyAmount(most).Draw(t, feature),
				Count:   rapid.Int64Range(0, 9).Draw(t, "count"),
			})
			f.Past.Today = append(f.Past.Today, forecast.Use{
				Feature: feature,
				Amount:  anyAmount(most).Draw(t, feature),
				Count:   1,
				Agent:   rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "agent"),
			})
		}
		if rapid.Bool().Draw(t, "busy") {
			f.Past.Hour = forecast.Recent{
				Amount: anyAmount(most).Draw(t, "hour"),
				Count:  rapid.Int64Range(0, 30).Draw(t, "pieces"),
				Since:  time.Duration(rapid.Int64Range(0, int64(hour)).Draw(t, "since")),
			}
			f.Hurried = rapid.Bool().Draw(t, "hurried")
		}
		for range rapid.IntRange(0, 5).Draw(t, "lots") {
			l := forecast.Lot{
				Source: forecast.Source(rapid.IntRange(0, 2).Draw(t, "source")),
				Amount: anyAmount(most).Draw(t, "amount"),
			}
			if rapid.Bool().Draw(t, "expires") {
				l.Until = in(time.Duration(rapid.Int64Range(0, int64(120*day)).Draw(t, "until")))
			}
			if rapid.Bool().Draw(t, "later") {
				l.From = in(time.Duration(rapid.Int64Range(0, int64(9*day)).Draw(t, "from")))
			}
			f.Lots = append(f.Lots, l)
		}
		if rapid.Bool().Draw(t, "paid") {
			f.Resets = months("200", time.Duration(rapid.Int64Range(1, int64(31*day)).Draw(t, "reset")))
		}
		return f
	})
}

// all is the sum of everything that could be spent if it were available now and did not expire.
func all(f forecast.Facts) tokens.Amount {
	var sum tokens.Amount
	for _, l := range f.Lots {
		sum += l.Amount
	}
	for _, r := range f.Resets {
		sum += r.Amount
	}
	return sum
}

func TestForecastsAreNeverTooGood(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts().Draw(t, "facts")
		o := forecast.Look(f)
		if !o.Known() {
			if !o.RunsOut.IsZero() || len(o.Stops) > 0 {
				t.Fatalf("an outlook without a pace: %+v", o)
			}
			return
		}
		one := f
		one.Lots, one.Resets = []forecast.Lot{{Source: forecast.Bought, Amount: all(f)}}, nil
		if naive := forecast.Look(one); !naive.RunsOut.IsZero() &&
			(o.RunsOut.IsZero() || o.RunsOut.After(naive.RunsOut)) {
			t.Fatalf("out at %v, and at %v if nothing ever expired", o.RunsOut, naive.RunsOut)
		}
		for _, s := range o.Stops {
			if s.At.Before(now) || (!o.RunsOut.IsZero() && s.At.After(o.RunsOut)) {
				t.Fatalf("%s stops at %v, all is out at %v", s.Feature.ID, s.At, o.RunsOut)
			}
		}
		var lost tokens.Amount
		for _, l := range o.Losses {
			lost += l.Amount
		}
		if lost > all(f) {
			t.Fatalf("%v of %v are lost", lost, all(f))
		}
	})
}

func TestMoreTokensLastLonger(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts().Draw(t, "facts")
		if len(f.Lots) == 0 {
			return
		}
		less := forecast.Look(f)
		i := rapid.IntRange(0, len(f.Lots)-1).Draw(t, "which")
		more := f
		more.Lots = append([]forecast.Lot{}, f.Lots...)
		more.Lots[i].Amount += anyAmount(int64(tokens.Max)).Draw(t, "more")
		if longer := forecast.Look(more); !longer.RunsOut.IsZero() &&
			(less.RunsOut.IsZero() || longer.RunsOut.Before(less.RunsOut)) {
			t.Fatalf("out at %v, with more at %v", less.RunsOut, longer.RunsOut)
		}
	})
}

func TestAFasterPaceIsNoLongerOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts().Draw(t, "facts")
		slow := forecast.Look(f)
		f.Past.Uses = append([]forecast.Use{{
			Feature: "reply",
			Amount:  anyAmount(int64(tokens.Max)).Draw(t, "more"),
		}}, f.Past.Uses...)
		fast := forecast.Look(f)
		if slow.Pace.Known() && !slow.RunsOut.IsZero() &&
			(fast.RunsOut.IsZero() || fast.RunsOut.After(slow.RunsOut)) {
			t.Fatalf("out at %v, faster at %v", slow.RunsOut, fast.RunsOut)
		}
	})
}

// If Enough is true, Look never warns.
func TestEnoughIsEnough(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts().Draw(t, "facts")
		f.Lots = []forecast.Lot{{Source: forecast.Plan, Amount: anyAmount(int64(tokens.Max)).Draw(t, "left")}}
		if len(f.Resets) > 0 {
			f.Lots[0].Until = f.Resets[0].At
		}
		o := forecast.Look(f)
		if forecast.Enough(f.Past, f.Lots[0].Amount) && (o.Soon(false) || o.Soon(true)) {
			t.Fatalf("enough, but out at %v", o.RunsOut)
		}
		if o.Soon(false) && !o.Soon(true) {
			t.Fatal("a warning ends as soon as it has begun")
		}
	})
}

// Advice is consistent for any account.
func TestAdviceIsConsistent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts().Draw(t, "facts")
		w := forecast.Wish{Needs: anyAmount(2_000_000_000).Draw(t, "needs")}
		w.Bought = forecast.Purchases{
			Count:  rapid.IntRange(0, 3).Draw(t, "bought"),
			Tokens: anyAmount(900_000_000).Draw(t, "tokens"),
			Paid:   dollars(rapid.Int64Range(0, 99_99).Draw(t, "paid")),
		}
		list := forecast.Advise(f, w)
		for i, a := range list {
			switch {
			case i > 1, i == 1 && a.Kind != forecast.Upgrade:
				t.Fatalf("%+v", list)
			case a.Kind == forecast.Upgrade &&
				(a.Packs.Minor <= a.Extra.Minor || a.Count < 1 || a.Plan.Allowance <= amount("200")):
				t.Fatalf("an upgrade that does not pay: %+v", a)
			case a.Kind == forecast.Buy && !a.Until.IsZero() && a.Until.Before(now):
				t.Fatalf("a pack that is gone: %+v", a)
			}
		}
	})
}
