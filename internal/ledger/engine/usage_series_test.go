package engine_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// spentByEntries is the net cost by the entries, per day of the charge and name.
func (f *fixture) spentByEntries(
	id uuid.UUID,
	by ledger.UsageBy,
	first time.Time,
) map[string]map[time.Time]tokens.Amount {
	f.T.Helper()
	rows, err := f.Pool.Query(f.T.Context(),
		`select case $2 when 'agent' then e.agent else e.feature end, w.day, -sum(e.amount)::bigint
		from entries as e join entries as w on w.account = e.account and w.seq = case e.kind when 6 then e.about else e.seq end
		where e.account = $1 and e.contra = 3 and w.day >= $3 group by 1, 2`, id, string(by), first)
	f.NoError(err)
	defer rows.Close()
	found := map[string]map[time.Time]tokens.Amount{}
	for rows.Next() {
		var name string
		var day time.Time
		var amount int64
		f.NoError(rows.Scan(&name, &day, &amount))
		if found[name] == nil {
			found[name] = map[time.Time]tokens.Amount{}
		}
		found[name][day] = tokens.Amount(amount)
	}
	f.NoError(rows.Err())
	return found
}

// series reads a series and compares it with the entries: largest first, and the rest in one.
func (f *fixture) series(id uuid.UUID, by ledger.UsageBy, days int) ledger.UsageSeries {
	f.T.Helper()
	a, err := f.Account(f.T.Context(), id)
	f.NoError(err)
	s, err := f.UsageSeries(f.T.Context(), a, by, days)
	f.NoError(err)
	spent := f.spentByEntries(id, by, s.First)
	if len(s.Series) != min(len(spent), ledger.MaxSeries) || !s.First.Equal(s.Last.AddDate(0, 0, 1-days)) {
		f.T.Fatalf("%d series of %d names from %s to %s", len(s.Series), len(spent), s.First, s.Last)
	}
	var total tokens.Amount
	for i, one := range s.Series {
		if one.Rest != (len(spent) > ledger.MaxSeries && i == ledger.MaxSeries-1) {
			f.T.Errorf("series %d of %d is the rest: %v", i, len(spent), one.Rest)
		}
		want := map[time.Time]tokens.Amount{}
		for name, amounts := range spent {
			if named := slices.ContainsFunc(s.Series, func(o ledger.Series) bool {
				return !o.Rest && o.Name == name
			}); name != one.Name && !one.Rest || one.Rest && named {
				continue
			}
			for day, amount := range amounts {
				want[day] += amount
			}
		}
		var sum tokens.Amount
		for n, got := range one.Days {
			if day := s.First.AddDate(0, 0, n); got != want[day] {
				f.T.Errorf("%s %q on %s: %s, the entries say %s", by, one.Name, day.Format(time.DateOnly), got,
					want[day])
			}
			sum += got
		}
		if sum != one.Net() || len(one.Days) != days {
			f.T.Errorf("%q: %d days add up to %s, not %s", one.Name, len(one.Days), sum, one.Net())
		}
		if i > 0 && !one.Rest && cmp.Compare(one.Net(), s.Series[i-1].Net()) > 0 {
			f.T.Errorf("%q comes after one that used less", one.Name)
		}
		total += one.Net()
	}
	if total != s.Total.Net() {
		f.T.Errorf("the series add up to %s, not %s", total, s.Total.Net())
	}
	return s
}

// Many agents over many days, with refunds, days without work, and a day on which more agents work
// than the account's row carries.
func TestUsageSeriesSayWhatTheEntriesSay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := uuid.New()
	f.NoError(f.SetPlan(t.Context(), id, ledger.SetPlan{Plan: "star", Zone: "Pacific/Auckland"}))
	f.MustGrant(id, ledger.LotPurchase, "100000", time.Time{})
	random := rand.New(rand.NewPCG(4, 4))
	features := []string{"lip_sync", "pdf_creation", "video_5s", "social_comment_reply", "brand_deal_scan"}
	var last ledger.Receipt
	for day := range 12 {
		for range random.IntN(5) + 40*(day%6/5) { // days 5 and 11, which is today, are long
			c := ledger.Charge{
				Feature:  features[random.IntN(len(features))],
				Agent:    fmt.Sprint("agent-", random.IntN(33)),
				Quantity: quantity(1 + random.Int64N(3)),
			}
			r, err := f.Charge(t.Context(), id, uuid.NewString(), c)
			f.NoError(err)
			last = r
		}
		if day == 8 || day == 11 {
			_, err := f.Refund(t.Context(), id, uuid.NewString(), ledger.Refund{Entry: last.Seq, Reason: "a test"})
			f.NoError(err)
		}
		if day < 11 {
			f.Clock.Advance(24 * time.Hour)
		}
	}
	// The clock's 09:30 UTC is the evening of the same date in Auckland; three hours later it is
	// tomorrow there.
	for _, days := range []int{1, 2, 7, 12, 30, 90} {
		for _, by := range []ledger.UsageBy{ledger.ByFeature, ledger.ByAgent} {
			f.series(id, by, days)
		}
	}
	f.Clock.Advance(3 * time.Hour)
	if s := f.series(id, ledger.ByFeature, 2); s.Last.Format(time.DateOnly) != "2026-02-12" {
		t.Errorf("today is %s in Auckland", s.Last)
	}
}

// The eighth name has its own series; from nine names on the smallest share one.
func TestUsageSeriesKeepTheSmallOnesTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	for n := range 10 {
		c := ledger.Charge{
			Feature:  "lip_sync",
			Agent:    fmt.Sprint("agent-", n),
			Quantity: quantity(int64(10 - n)),
		}
		if n == 3 {
			c.Agent = "" // the creator
		}
		_, err := f.Charge(t.Context(), id, uuid.NewString(), c)
		f.NoError(err)
		s := f.series(id, ledger.ByAgent, 7)
		got := s.Series[len(s.Series)-1]
		if want := tokens.Amount(5*(10-n)) * tokens.One; n < 8 && got.Amount != want {
			t.Errorf("with %d agents the last has %s, want %s", n+1, got.Amount, want)
		}
		// All of today's usage is in the account's row at first, then in the rollup.
		f.Clock.Advance(time.Hour)
	}
	s := f.series(id, ledger.ByAgent, 7)
	rest := s.Series[7]
	if !rest.Rest || rest.Name != "" || rest.Amount != 30*tokens.One || rest.Count != 3 || rest.Quantity != 6 ||
		s.Series[3].Name != "" || s.Series[3].Rest {
		t.Errorf("the rest is %+v", rest)
	}
	// A new agent of today becomes the largest, and its earlier days count as well.
	f.Clock.Advance(24 * time.Hour)
	big := tokens.MustParse("300")
	_, err := f.Charge(t.Context(), id, uuid.NewString(), ledger.Charge{
		Feature: "auto_selling",
		Agent:   "agent-9",
		Amount:  &big,
	})
	f.NoError(err)
	if first := f.series(id, ledger.ByAgent, 7).Series[0]; first.Name != "agent-9" || first.Amount != 305*tokens.One {
		t.Errorf("first is %q with %s", first.Name, first.Amount)
	}
}

func quantity(n int64) *int64 { return &n }

func TestUsageSeriesRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, err := f.Account(t.Context(), f.MustOpen("starter"))
	f.NoError(err)
	for _, c := range []struct {
		by   ledger.UsageBy
		days int
	}{{ledger.ByFeature, 0}, {ledger.ByFeature, ledger.MaxUsageDays + 1}, {ledger.ByDay, 7}, {"", 7}} {
		if _, err := f.UsageSeries(t.Context(), a, c.by, c.days); kindOf(err) != problem.Unprocessable {
			t.Errorf("%q of %d days: %v", c.by, c.days, err)
		}
	}
	if s, err := f.UsageSeries(t.Context(), a, ledger.ByAgent, 90); err != nil || len(s.Series) != 0 ||
		s.Total.Amount != 0 {
		t.Errorf("nothing used: %+v, %v", s, err)
	}
}
