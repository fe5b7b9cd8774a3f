package ledger

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// monthly is what a plan gives over the months, written from the specification alone: a list of
// boundaries, found by counting days and looking at clocks, and a list of grants. It knows no lots
// and no entries.
type monthly struct {
	prices     *catalog.Catalog
	boundaries []time.Time
	plan, next string
	paid       bool
	entered    int // the newest period whose allowance came; -1: none
	level      tokens.Amount
	left       tokens.Amount // of this period's tokens
	now        time.Time
	grants     []monthlyGrant
}

type monthlyGrant struct {
	at, ends time.Time
	amount   tokens.Amount
	plan     string
}

// allowance is what a plan gives by the newest prices that are in effect at an instant.
func (m *monthly) allowance(plan string, at time.Time) tokens.Amount {
	var amount tokens.Amount
	for _, version := range m.prices.Versions() {
		for _, p := range version.Plans {
			if p.ID == plan && !at.Before(version.From) {
				amount = p.Allowance
			}
		}
	}
	return amount
}

// pass lets time go by: at each boundary what is left ends, and if the plan is paid for, the next
// period begins.
func (m *monthly) pass(to time.Time) {
	for k, at := range m.boundaries {
		if at.After(m.now) && !at.After(to) {
			m.left = 0
			if m.paid {
				m.enter(k, at)
			}
		}
	}
	m.now = to
}

func (m *monthly) enter(k int, at time.Time) {
	if m.next != "" {
		m.plan, m.next = m.next, ""
	}
	m.entered, m.level = k, 0
	m.give(at, false)
}

func (m *monthly) give(at time.Time, upgrade bool) {
	up := m.allowance(m.plan, at)
	more := up - m.level
	if more <= 0 {
		return
	}
	m.level = up
	starts, ends := m.boundaries[m.entered], m.boundaries[m.entered+1]
	if upgrade && m.prices.Upgrade == catalog.UpgradeProrated {
		share := new(big.Int).Mul(big.NewInt(int64(more)), big.NewInt(int64(ends.Sub(at))))
		more = tokens.Amount(share.Quo(share, big.NewInt(int64(ends.Sub(starts)))).Int64())
	}
	if more > 0 {
		m.grants = append(m.grants, monthlyGrant{at, ends, more, m.plan})
		m.left += more
	}
}

// set is what the host platform says of the plan. An empty plan leaves it as it is; what is not
// changed changes nothing.
func (m *monthly) set(plan string, paid bool) {
	before, was := m.allowance(m.plan, m.now), [...]any{m.plan, m.next, m.paid}
	switch {
	case plan == "" || plan == m.plan:
	case m.allowance(plan, m.now) < before:
		m.next = plan
	default:
		m.plan, m.next = plan, ""
	}
	if m.paid = paid; !paid || was == [...]any{m.plan, m.next, m.paid} {
		return
	}
	current := 0
	for !m.boundaries[current+1].After(m.now) {
		current++
	}
	if current > m.entered {
		m.enter(current, m.now)
	} else {
		m.give(m.now, m.level > 0 || before == 0)
	}
}

// monthlyBoundaries are the first boundaries of an anchor, by trial.
func monthlyBoundaries(anchor time.Time, zone *time.Location, n int) []time.Time {
	list := []time.Time{anchor}
	for k := 1; k < n; k++ {
		list = append(list, instantByTrial(wantWall(anchor, zone, k), zone))
	}
	return list
}

// instantByTrial is the first instant at which clocks show a local time. Where they skip it, it is
// as long after the moment when they are moved as the local time is after what they showed then.
func instantByTrial(local time.Time, zone *time.Location) time.Time {
	if all := instantsOf(local, zone); len(all) > 0 {
		return slices.MinFunc(all, time.Time.Compare)
	}
	at := local.Add(-40 * time.Hour)
	for step := time.Hour; step > 0; step /= 60 { // hours, minutes, seconds
		for wall(at.Add(step), zone).Before(local) {
			at = at.Add(step)
		}
		if step == time.Second {
			break
		}
	}
	moved := at.Add(time.Second)
	return moved.Add(local.Sub(wall(at, zone).Add(time.Second)))
}

// drawPrices makes a catalog whose allowances change on some days, up and down.
func drawPrices(t *rapid.T, from time.Time) *catalog.Catalog {
	text := "version: drawn\nupgrade_rule: " + rapid.SampledFrom([]string{"difference", "prorated"}).Draw(t, "rule") +
		"\nfeatures:\n  - {id: auto_selling, name: a, one: b, many: c, pricing: metered}\nplans:\n"
	for i, plan := range []string{"free", "starter", "pro", "star"} {
		text += fmt.Sprintf("  - {id: %s, name: %s, allowance: %d", plan, plan, []int{0, 200, 400, 1000}[i])
		if rapid.Bool().Draw(t, "changes") {
			at := from.AddDate(0, 0, rapid.IntRange(0, 700).Draw(t, "change after")).Format(time.RFC3339)
			text += fmt.Sprintf(", changes: [{from: %s, allowance: %d}]", at,
				rapid.SampledFrom([]int{0, 150, 333, 500, 1200}).Draw(t, "changed"))
		}
		text += "}\n"
	}
	prices, _, err := catalog.Parse("drawn", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return prices
}

// Two years of one account: upgrades, downgrades, unpaid months, spending, prices that change, and
// a server that may sleep through three boundaries. Whatever comes, and whenever it is looked at,
// the grants are those of the specification: each once, at its instant, of its amount.
func TestTwoYearsOfAnAccount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone := drawZone(t)
		anchor := drawAnchor(t, zone)
		opened := anchor.Add(time.Duration(rapid.Int64Range(0, 90*24*3600).Draw(t, "opened")) * time.Second)
		prices := drawPrices(t, anchor)
		plans := []string{"free", "starter", "pro", "star"}
		want := &monthly{
			prices:     prices,
			boundaries: monthlyBoundaries(anchor, zone, 34),
			entered:    -1,
			now:        opened,
		}
		s := &State{
			complete: true,
			AccountRow: AccountRow{
				AccountID: uuid.UUID{1},
				Period:    -1,
				Zone:      time.UTC,
			},
		}
		apply := func(op Operation) {
			t.Helper()
			if _, err := s.Apply(op, want.now, prices.At(want.now)); err != nil {
				t.Fatal(err)
			}
		}
		set := func(plan string, status PlanStatus) {
			apply(&SetPlan{
				Plan:   plan,
				Status: status,
				Anchor: anchor,
				Zone:   zone.String(),
			})
			want.set(plan, status == PlanActive)
		}
		want.plan = rapid.SampledFrom(plans).Draw(t, "first plan")
		set(want.plan, rapid.SampledFrom([]PlanStatus{PlanActive, PlanActive, PlanPastDue}).Draw(t, "first status"))
		for want.now.Before(want.boundaries[28]) {
			want.pass(drawLater(t, want))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				apply(Settle{})
			case 1:
				if want.left > 0 {
					spent := tokens.Amount(rapid.Int64Range(1, int64(want.left)).Draw(t, "spent"))
					apply(&Charge{Feature: "auto_selling", Amount: &spent})
					want.left -= spent
				}
			default:
				set(rapid.SampledFrom(append(plans, "")).Draw(t, "plan"),
					rapid.SampledFrom([]PlanStatus{PlanActive, PlanActive, PlanPastDue}).Draw(t, "status"))
			}
			apply(Settle{})
			if got := s.spendable(want.now); got != want.left || s.Balance != want.left {
				t.Fatalf("at %v: %v spendable, want %v", want.now.In(zone), got, want.left)
			}
		}
		checkMonths(t, s, want)
	})
}

// drawLater moves on a little, or to just before, just at or just after one of the next three boundaries.
func drawLater(t *rapid.T, m *monthly) time.Time {
	if rapid.IntRange(0, 2).Draw(t, "little") == 0 {
		return m.now.Add(time.Duration(rapid.Int64Range(0, 12*24*3600*1e6).Draw(t, "microseconds")) *
			time.Microsecond)
	}
	next := slices.IndexFunc(m.boundaries, func(at time.Time) bool { return at.After(m.now) })
	at := m.boundaries[min(next+rapid.IntRange(0, 2).Draw(t, "boundaries"), len(m.boundaries)-1)]
	return Later(m.now, at.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "off by"))*time.Microsecond))
}

// endOf is when the period ends that holds an instant.
func (m *monthly) endOf(at time.Time) time.Time {
	return m.boundaries[slices.IndexFunc(m.boundaries, func(b time.Time) bool { return b.After(at) })]
}

func checkMonths(t *rapid.T, s *State, want *monthly) {
	var grants []monthlyGrant
	last := &Entry{}
	for _, e := range s.entries {
		if e.At.Before(last.At) || (e.At.Equal(last.At) && e.Kind == KindExpiry && last.Kind == KindGrant) {
			t.Fatalf("entry %d (%s) at %v comes after entry %d (%s) at %v", e.Seq, e.Kind, e.At, last.Seq,
				last.Kind, last.At)
		}
		last = e
		if e.Kind == KindGrant {
			grants = append(grants, monthlyGrant{e.At, want.endOf(e.At), e.Amount, e.Reference})
			if e.CatalogVersion != want.prices.At(e.At).Version {
				t.Fatalf("entry %d at prices %s", e.Seq, e.CatalogVersion)
			}
		}
		if e.Kind == KindExpiry {
			if came := s.entries[e.Parts[0].Lot-1].At; !e.At.Equal(want.endOf(came)) {
				t.Fatalf("what came at %v expired at %v, want %v", came, e.At, want.endOf(came))
			}
		}
	}
	if !slices.Equal(grants, want.grants) {
		t.Fatalf("granted %v\nwant %v", grants, want.grants)
	}
	seen := map[string]bool{}
	for _, ref := range s.refs {
		if seen[ref.Reference] {
			t.Fatalf("%s is used twice", ref.Reference)
		}
		seen[ref.Reference] = true
	}
	if len(seen) != len(grants) {
		t.Fatalf("%d references for %d grants", len(seen), len(grants))
	}
}

// Clocks that are moved: whatever the zone, a time that is skipped comes as much later, and one
// that is shown twice is the first.
func TestABoundaryWhenClocksAreMoved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone, anchor string
		k            int
		want         string
	}{
		{"Europe/Berlin", "2026-01-29T02:30:00+01:00", 2, "2026-03-29T03:30:00+02:00"},
		{"Europe/Berlin", "2026-01-29T02:30:00+01:00", 3, "2026-04-29T02:30:00+02:00"},
		{"Europe/Berlin", "2026-01-25T02:30:00+01:00", 9, "2026-10-25T02:30:00+02:00"},
		{"America/New_York", "2026-01-08T02:30:00-05:00", 2, "2026-03-08T03:30:00-04:00"},
		{"America/New_York", "2026-01-08T02:30:00-05:00", 3, "2026-04-08T02:30:00-04:00"},
		{"America/New_York", "2026-01-01T01:30:00-05:00", 10, "2026-11-01T01:30:00-04:00"},
		{"Pacific/Apia", "2011-10-30T10:00:00-10:00", 2, "2011-12-31T10:00:00+14:00"}, // there was no 30 December
		{"Pacific/Apia", "2011-10-30T10:00:00-10:00", 3, "2012-01-30T10:00:00+14:00"},
		{"Europe/London", "2027-12-31T00:00:00Z", 2, "2028-02-29T00:00:00Z"},
		{"Europe/London", "2027-12-31T00:00:00Z", 14, "2029-02-28T00:00:00Z"},
	} {
		zone, err := LoadZone(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		anchor, _ := time.Parse(time.RFC3339, c.anchor)
		want, err := time.Parse(time.RFC3339, c.want)
		if got := Boundary(anchor.UTC(), zone, c.k); err != nil || !got.Equal(want) {
			t.Errorf("%s %s, %d months on: %v, want %v (%v)", c.zone, c.anchor, c.k, got.In(zone), want, err)
		}
	}
}

func TestTheShareOfAPeriodIsExact(t *testing.T) {
	t.Parallel()
	month := 31 * 24 * time.Hour
	for _, c := range []struct {
		amount      tokens.Amount
		left, whole time.Duration
		want        tokens.Amount
	}{
		{600 * tokens.One, month, month, 600 * tokens.One},
		{600 * tokens.One, month / 2, month, 300 * tokens.One},
		{600 * tokens.One, 2 * month, month, 600 * tokens.One},
		{600 * tokens.One, 0, month, 0},
		{600 * tokens.One, -1, month, 0},
		{1, month - 1, month, 0},
		{tokens.One, month / 3, month, 333_333},
		{tokens.Max, month - 1, month, tokens.Max - tokens.Max/tokens.Amount(month) - 1},
	} {
		if got := prorated(c.amount, c.left, c.whole); got != c.want {
			t.Errorf("%v x %v / %v: %v, want %v", c.amount, c.left, c.whole, got, c.want)
		}
	}
}

// A server whose clock is behind the one that opened an account gives it the first period's
// allowance, and no other.
func TestNoPeriodBeforeTheFirst(t *testing.T) {
	t.Parallel()
	now, prices := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC), catalog.Builtin()
	s := &State{
		complete: true,
		AccountRow: AccountRow{
			AccountID: uuid.UUID{1},
			Period:    -1,
			Zone:      time.UTC,
		},
	}
	for _, step := range []struct {
		p  SetPlan
		at time.Time
	}{
		{SetPlan{Plan: "starter", Status: PlanPastDue}, now},
		{SetPlan{Status: PlanActive}, now.Add(-time.Second)},
		{SetPlan{Plan: "starter"}, now.Add(time.Second)},
	} {
		if _, err := s.Apply(&step.p, step.at, prices); err != nil {
			t.Fatal(err)
		}
	}
	if s.Balance != 200*tokens.One || s.Period != 0 || !s.lots[0].ExpiresAt.Equal(now.AddDate(0, 0, 28)) {
		t.Errorf("%v in period %d until %v", s.Balance, s.Period, s.lots[0].ExpiresAt)
	}
}

// A plan that is not in the catalog gives nothing while it is missing, and what came before stays;
// any other plan is there at once.
func TestAPlanThatLeftTheCatalog(t *testing.T) {
	t.Parallel()
	now, all, without := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC), catalog.Builtin(), catalog.Builtin()
	without.Plans = slices.DeleteFunc(without.Plans, func(p catalog.Plan) bool { return p.ID == "star" })
	s := &State{
		complete: true,
		AccountRow: AccountRow{
			AccountID: uuid.UUID{1},
			Period:    -1,
			Zone:      time.UTC,
		},
	}
	step := func(op Operation, at time.Time, prices *catalog.Catalog, want tokens.Amount) {
		t.Helper()
		if _, err := s.Apply(op, at, prices); err != nil || s.spendable(at) != want*tokens.One {
			t.Errorf("at %v: %v, want %d (%v)", at, s.spendable(at), int64(want), err)
		}
	}
	step(&SetPlan{Plan: "star"}, now, all, 1000)
	step(Settle{}, now.Add(time.Hour), without, 1000)
	step(Settle{}, now.AddDate(0, 0, 40), without, 0)
	step(&SetPlan{Plan: "star"}, now.AddDate(0, 0, 41), all, 0) // it is back, and the account's plan has not changed
	step(&SetPlan{Status: PlanPastDue}, now.AddDate(0, 0, 42), all, 0)
	// paid for anew, and nothing was granted in this period
	step(&SetPlan{Status: PlanActive}, now.AddDate(0, 0, 42), all, 1000)
	step(Settle{}, now.AddDate(0, 0, 70), without, 0)
	step(&SetPlan{Plan: "pro"}, now.AddDate(0, 0, 71), without, 400)
	step(Settle{}, now.AddDate(0, 0, 100), without, 400)
}
