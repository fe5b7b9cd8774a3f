package catalog_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/tokens"
)

// day is midnight of a day in January 2027.
func day(n int) time.Time { return time.Date(2027, 1, n, 0, 0, 0, 0, time.UTC) }

// changing is small with changes: of a feature on the 1st, 5th and 9th, of a plan on the 5th, of a
// pack on the 7th.
func changing(t testing.TB) string {
	text := edit(t, small, "    price: 10\n", `    price: 10
    changes:
      - from: 2027-01-09T00:00:00Z
        price: 10
      - from: 2027-01-01T00:00:00Z
        price: "12"
      - from: 2027-01-05T01:00:00+01:00
        price: 0.5
`)
	text = edit(t, text, "    price: 9.50\n",
		"    changes: [{from: 2027-01-05T00:00:00Z, allowance: 2000, price: 95}]\n    price: 9.50\n")
	return edit(t, text, "    tokens: 50\n",
		"    changes: [{from: 2027-01-07T00:00:00Z, tokens: 600, price: 40.25}]\n    tokens: 50\n")
}

func TestPricesTakeEffectAtTheirTime(t *testing.T) {
	t.Parallel()
	c, _ := mustParse(t, changing(t))
	for _, want := range []struct {
		at                  time.Time
		image, basic, few   string
		basicMinor, fewUSD  int64
		images              []int64 // in the order of the plans
		from, next, minimum string
	}{
		{day(1).Add(-time.Microsecond), "10", "100", "50", 950, 500, []int64{10, 100}, "", "01", "10"},
		{day(1), "12", "100", "50", 950, 500, []int64{8, 83}, "01", "05", "12"},
		{day(5).Add(-time.Microsecond), "12", "100", "50", 950, 500, []int64{8, 83}, "01", "05", "12"},
		{day(5), "0.5", "2000", "50", 9500, 500, []int64{2000, 4000}, "05", "07", "0.5"},
		{
			day(7).In(time.FixedZone("", -3600)), "0.5", "2000", "600", 9500, 4025,
			[]int64{2000, 4000},
			"07", "09",
			"0.5",
		},
		{day(9), "10", "2000", "600", 9500, 4025, []int64{100, 200}, "09", "", "10"},
		{day(31), "10", "2000", "600", 9500, 4025, []int64{100, 200}, "09", "", "10"},
	} {
		v := c.At(want.at)
		image, _ := v.Feature("image")
		basic, _ := v.Plan("basic")
		few, _ := v.Pack("few")
		if image.Price.String() != want.image || basic.Allowance.String() != want.basic ||
			few.Tokens.String() != want.few ||
			basic.Price.Minor != want.basicMinor || few.Price.Minor != want.fewUSD ||
			!slices.Equal(v.Counts(v.Table[0]), want.images) ||
			dayOf(v.From) != want.from || dayOf(v.NextChange()) != want.next ||
			v.ToolMinimum.String() != want.minimum {
			t.Errorf("at %s: %+v, want %+v", want.at, v, want)
		}
		for _, sibling := range c.Versions() {
			if sibling.At(want.at) != v {
				t.Errorf("at %s: the versions do not agree", want.at)
			}
		}
		if !inOrder(v) {
			t.Errorf("at %s: not in order: %+v", want.at, v)
		}
	}
}

func dayOf(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format("02")
}

func inOrder(c *catalog.Catalog) bool {
	return slices.IsSortedFunc(c.Plans, func(a, b catalog.Plan) int { return int(a.Allowance - b.Allowance) }) &&
		slices.IsSortedFunc(c.Packs, func(a, b catalog.Pack) int { return int(a.Tokens - b.Tokens) })
}

// Entries store the version: each set of prices has its own, whatever `version` says, and names do not
// change it.
func TestVersionsNameTheirPrices(t *testing.T) {
	t.Parallel()
	c, _ := mustParse(t, changing(t))
	names := map[string]bool{}
	for _, v := range c.Versions() {
		names[v.Version] = true
	}
	if len(c.Versions()) != 5 || len(names) != 5 {
		t.Errorf("%d versions with the names %v", len(c.Versions()), names)
	}
	plain, _ := mustParse(t, small)
	if c.Version != plain.Version {
		t.Errorf("%s became %s, though only the future is different", plain.Version, c.Version)
	}
	for _, e := range [][2]string{
		{"price: 10\n", "price: 10.5\n"},
		{"allowance: 100\n", "allowance: 101\n"},
		{"price: 5.00", "price: 5.01"},
		{"tokens: 50\n", "tokens: 51\n"},
		{"expires_days: 90", "expires_days: 91"},
		{"pricing: fixed", "pricing: default"},
		{"version: v1", "version: v1\nrefund_grace_days: 31"},
		{"version: v1", "version: v1\nupgrade_rule: prorated"},
		{"version: v1", "version: v1\nthresholds: {low_percent: 21}"},
		{"version: v1", "version: v2"},
	} {
		if other, _ := mustParse(t, edit(t, small, e[0], e[1])); other.Version == plain.Version {
			t.Errorf("%q does not change the version", e[1])
		}
	}
	for _, e := range [][2]string{
		{"name: Basic", "name: Base"},
		{"price: 10\n", "price: '10.0'\n"},
		{"url: /plans", "url: /other"},
	} {
		if other, _ := mustParse(t, edit(t, small, e[0], e[1])); other.Version != plain.Version {
			t.Errorf("%q changes the version", e[1])
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, to string
		want     []string
	}{
		"another rate": {
			"    name: Images\n", "    name: Images\n    rate: 9\n",
			[]string{`:42: warning: "Images" counts at 9 tokens, but image costs 10`},
		},
		"the same rate": {"    name: Images\n", "    name: Images\n    rate: 10.0\n", nil},
		"rate of a metered": {
			"  - feature: image\n    name: Images\n",
			"  - {feature: sale, name: Sales, rate: 2}\n", nil,
		},
		"free": {
			"price: 10\n", "price: 0\n",
			[]string{
				":16: warning: feature image is free", `:42: warning: "Images" counts nothing: image is free`,
				`:9: warning: plan big gives no more of anything in the plan table than basic`,
			},
		},
		"out of reach": {
			"price: 10\n", "price: 1001\n",
			[]string{
				":16: warning: feature image costs 1001 tokens: more than any plan gives",
				":29: warning: pack few does not pay for the cheapest tool, which costs 1001 tokens",
				":34: warning: pack many does not pay for the cheapest tool, which costs 1001 tokens",
				":9: warning: plan big gives no more of anything in the plan table than basic",
			},
		},
		"no use": {
			"allowance: 1000\n", "allowance: 109\n",
			[]string{":9: warning: plan big gives no more of anything in the plan table than basic"},
		},
		"as much": {
			"allowance: 1000\n", "allowance: 100\n",
			[]string{":9: warning: plan big gives as much as basic"},
		},
		"dear plan": {
			"price: 90\n", "price: 95.01\n",
			[]string{":9: warning: plan big is dearer per token than the smaller basic"},
		},
		"beside a free plan": {"price: 9.50\n", "price: 0\n", nil},
		"no price": {
			"    price: 90\n    currency: USD\n", "",
			[]string{":9: warning: plan big has no price, others have"},
		},
		"no url": {
			"    url: /plans\n", "",
			[]string{":3: warning: plan basic has no url, others have"},
		},
		"dear pack": {
			`price: "45"`, "price: 50.01",
			[]string{":34: warning: pack many is dearer per token than the smaller few"},
		},
		"pack of no use": {
			"tokens: 50\n", "tokens: 9.99\n",
			[]string{":29: warning: pack few does not pay for the cheapest tool, which costs 10 tokens"},
		},
		"packs alike": {
			"tokens: 500\n", "tokens: 50\n",
			[]string{
				":34: warning: pack many holds as many tokens as few",
				":34: warning: pack many is dearer per token than the smaller few",
			},
		},
		"two currencies": {
			`price: "45"` + "\n    currency: USD", "price: 45\n    currency: EUR",
			[]string{":34: warning: pack many is in EUR, the first pack in USD"},
		},
		"a change of nothing": {
			"    price: 10\n",
			"    price: 10\n    changes:\n      - {from: 2027-01-01T00:00:00Z, price: 10.0}\n",
			[]string{":23: warning: the change changes nothing: the values are those from before"},
		},
		"a change that is odd": {
			"    tokens: 50\n",
			"    tokens: 50\n    changes: [{from: 2027-01-01T00:00:00Z, price: 4}]\n",
			[]string{":35: warning: pack many is dearer per token than the smaller few, from 2027-01-01T00:00:00Z on"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, got := mustParse(t, edit(t, small, c.from, c.to))
			for i, w := range c.want {
				c.want[i] = "c.yaml" + w
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// FuzzParse: any file is refused with line numbers, or satisfies what the rest of the app relies on.
func FuzzParse(f *testing.F) {
	f.Add(string(catalog.DefaultFile))
	f.Add(small)
	f.Add(changing(f))
	f.Add("version: &a [*a, *a]\n")
	f.Add("? {a: b}\n: !!float 1\n<<: ~\n")
	f.Add("version: v\nplans: [{id: p, name: P, allowance: 1000000000}]\n" +
		"features: [{id: f, name: F, one: f, many: f, pricing: default, price: 1000000000}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, warnings, err := catalog.Parse("c.yaml", []byte(text))
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" || strings.Count(err.Error(), "\n") > 100 {
				t.Fatalf("an error of no use: %q", err)
			}
			return
		}
		for _, w := range warnings {
			if w.Line < 1 || strings.ContainsAny(w.String(), "\n\r") {
				t.Fatalf("a warning of no use: %q", w)
			}
		}
		for i, v := range c.Versions() {
			if (i == 0) != v.From.IsZero() ||
				(i > 0 && (v.At(v.From) != v || v.At(v.From.Add(-1)) != c.Versions()[i-1])) {
				t.Fatalf("version %d does not begin at %s", i, v.From)
			}
			sound(t, v)
		}
	})
}

// sound checks one version for what the rest of the app relies on.
func sound(t *testing.T, c *catalog.Catalog) {
	t.Helper()
	ids := map[string]bool{}
	id := func(kind, id string) {
		if id == "" || len(id) > 64 || ids[kind+id] {
			t.Fatalf("%s id %q", kind, id)
		}
		ids[kind+id] = true
	}
	amount := func(a, least tokens.Amount) {
		if a < least || a > tokens.Max/100 {
			t.Fatalf("an amount of %s", a)
		}
	}
	for _, p := range c.Plans {
		id("plan", p.ID)
		amount(p.Allowance, 0)
		if p.Name == "" || p.Price.Minor < 0 || (p.Price.Minor > 0 && p.Price.Currency == "") ||
			c.LowThreshold(p.ID) > p.Allowance || c.LowThreshold(p.ID) < 0 ||
			(p.URL != "" && !strings.HasPrefix(p.URL, "https://") && !strings.HasPrefix(p.URL, "/")) ||
			strings.HasPrefix(p.URL, "//") {
			t.Fatalf("%+v", p)
		}
	}
	for _, f := range c.Features {
		id("feature", f.ID)
		amount(f.Price, 0)
		if f.Name == "" || f.One == "" || f.Many == "" || (f.Pricing == catalog.Metered && f.Price != 0) {
			t.Fatalf("%+v", f)
		}
	}
	popular := 0
	for _, p := range c.Packs {
		id("pack", p.ID)
		amount(p.Tokens, 1)
		if p.Popular {
			popular++
		}
		if p.Name == "" || p.Price.Minor <= 0 || len(p.Price.Currency) != 3 || p.ExpiresDays < 0 {
			t.Fatalf("%+v", p)
		}
	}
	for _, r := range c.Table {
		if _, ok := c.Feature(r.Feature); !ok || r.Rate < 0 || r.Name == "" || len(c.Counts(r)) != len(c.Plans) {
			t.Fatalf("%+v", r)
		}
	}
	if len(c.Plans) == 0 || len(c.Features) == 0 || popular > 1 || c.ToolMinimum <= 0 || c.RefundGraceDays < 1 ||
		c.LowPercent < 0 ||
		!inOrder(c) || len(c.Version) > 64+9 || !strings.Contains(c.Version, "+") {
		t.Fatalf("%+v", c)
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	c, _ := mustParse(t, changing(t))
	now := clock.NewManual(day(1).Add(-time.Microsecond))
	s := catalog.NewSource(c, now.Now)
	price := func() string { p, _ := s.InForce().Feature("image"); return p.Price.String() }
	if price() != "10" {
		t.Errorf("before its time: %s", price())
	}
	now.Set(day(1))
	if price() != "12" {
		t.Errorf("at its time: %s", price())
	}
	now.Set(day(8))
	if price() != "0.5" {
		t.Errorf("after the next: %s", price())
	}
	s.Replace(catalog.Builtin())
	if s.InForce().Version != catalog.DefaultVersion {
		t.Errorf("after Replace: %s", s.InForce().Version)
	}
	if w, err := s.Reload(); w != nil || err != nil || s.InForce().Version != catalog.DefaultVersion {
		t.Errorf("nothing to reload: %v, %v", w, err)
	}
}
