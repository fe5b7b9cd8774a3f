package catalog_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// small is a catalog that the tests edit.
const small = `version: v1
plans:
  - id: basic
    name: Basic
    allowance: 100
    price: 9.50
    currency: USD
    url: /plans
  - id: big
    name: Big
    allowance: 1000
    price: 90
    currency: USD
    url: https://host.example/plans?to=big
features:
  - id: image
    name: Image
    one: image
    many: images
    pricing: fixed
    price: 10
  - id: sale
    name: Sale
    one: sale
    many: sales
    pricing: metered
    agent: true
packs:
  - id: few
    name: Few
    tokens: 50
    price: 5.00
    currency: USD
  - id: many
    name: Many
    tokens: 500
    price: "45"
    currency: USD
    expires_days: 90
    popular: true
plan_table:
  - feature: image
    name: Images
`

// edit replaces a text that occurs once.
func edit(t testing.TB, text, from, to string) string {
	t.Helper()
	if strings.Count(text, from) != 1 {
		t.Fatalf("%q is in the text %d times", from, strings.Count(text, from))
	}
	return strings.Replace(text, from, to, 1)
}

func mustParse(t testing.TB, text string) (*catalog.Catalog, []string) {
	t.Helper()
	c, warnings, err := catalog.Parse("c.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c, lines(warnings)
}

func lines(findings []catalog.Finding) (list []string) {
	for _, f := range findings {
		list = append(list, f.String())
	}
	return list
}

func TestParse(t *testing.T) {
	t.Parallel()
	c, warnings := mustParse(t, small)
	if len(warnings) > 0 {
		t.Errorf("warnings: %q", warnings)
	}
	if !strings.HasPrefix(c.Version, "v1+") || c.LowPercent != 20 || c.RefundGraceDays != 30 ||
		c.Upgrade != catalog.UpgradeDifference ||
		c.ToolMinimum != 10*tokens.One || !c.From.IsZero() || !c.NextChange().IsZero() || len(c.Versions()) != 1 ||
		c.At(day(1)) != c {
		t.Errorf("%+v", c)
	}
	usd := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "USD"} }
	plans := []catalog.Plan{
		{
			ID:        "basic",
			Name:      "Basic",
			Allowance: 100 * tokens.One,
			Price:     usd(950),
			URL:       "/plans",
		},
		{
			ID:        "big",
			Name:      "Big",
			Allowance: 1000 * tokens.One,
			Price:     usd(9000),
			URL:       "https://host.example/plans?to=big",
		},
	}
	features := []catalog.Feature{
		{
			ID:      "image",
			Name:    "Image",
			One:     "image",
			Many:    "images",
			Pricing: catalog.Fixed,
			Price:   10 * tokens.One,
		},
		{
			ID:      "sale",
			Name:    "Sale",
			One:     "sale",
			Many:    "sales",
			Pricing: catalog.Metered,
			Agent:   true,
		},
	}
	packs := []catalog.Pack{
		{
			ID:     "few",
			Name:   "Few",
			Tokens: 50 * tokens.One,
			Price:  usd(500),
		},
		{
			ID:          "many",
			Name:        "Many",
			Tokens:      500 * tokens.One,
			Price:       usd(4500),
			ExpiresDays: 90,
			Popular:     true,
		},
	}
	table := []catalog.Row{{
		Feature: "image",
		Name:    "Images",
		Rate:    10 * tokens.One,
	}}
	if !slices.Equal(c.Plans, plans) || !slices.Equal(c.Features, features) || !slices.Equal(c.Packs, packs) ||
		!slices.Equal(c.Table, table) {
		t.Errorf("%+v", c)
	}
}

// Optional fields and settings.
func TestParseOptional(t *testing.T) {
	t.Parallel()
	c, _ := mustParse(t, small+"thresholds:\n  low_percent: 35\n"+
		"refund_grace_days: 7\nreturn_days: 0\nupgrade_rule: prorated\n")
	if c.LowPercent != 35 || c.RefundGraceDays != 7 || c.ReturnDays != 0 || c.Upgrade != catalog.UpgradeProrated {
		t.Errorf("%+v", c)
	}
	c, warnings := mustParse(t, "version: v1\nplans: [{id: p, name: P, allowance: 5}]\n"+
		"features: [{id: f, name: F, one: f, many: fs, pricing: metered}]\n")
	if c.ToolMinimum != tokens.Micro || c.ReturnDays != 14 || c.Packs != nil || c.Table != nil ||
		c.Plans[0].Price.Currency != "" {
		t.Errorf("%+v", c)
	}
	if want := []string{"c.yaml:1: warning: there are no packs: nobody can buy tokens"}; !slices.Equal(warnings,
		want) {
		t.Errorf("warnings: %q", warnings)
	}
	c, _ = mustParse(t, strings.ReplaceAll(edit(t, strings.ReplaceAll(small, "USD", "JPY"), "9.50", "950"), "5.00",
		"500"))
	if c.Packs[0].Price != (money.Amount{Minor: 500, Currency: "JPY"}) {
		t.Errorf("%+v", c.Packs[0])
	}
}

const knownInPlan = "id, name, allowance, price, currency, url, changes"

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const (
		number   = `must be a decimal number of tokens such as "0.05" or "42.5"`
		dateTime = "must be a date and time with a time zone, such as 2027-01-01T00:00:00Z"
		link     = "must begin with https:// or be a path such as /settings/plan"
	)
	changes := func(list string) string { return "    price: 10\n    changes: " + list + "\n" }
	for name, c := range map[string]struct {
		from, to string
		want     string
	}{
		"unknown field": {
			"    allowance: 100\n", "    allowanse: 100\n    allowance: 1\n",
			`:5: unknown field "allowanse" in a plan; it can have ` + knownInPlan,
		},
		"unknown top field": {
			"version: v1\n", "version: v1\ncolour: red\n",
			`:2: unknown field "colour" in the catalog; it can have version, plans, features, plan_table, packs, ` +
				`thresholds, refund_grace_days, return_days, upgrade_rule`,
		},
		"capital in a field": {
			"    allowance: 100\n", "    allowance: 100\n    URL: /x\n",
			`:6: unknown field "URL" in a plan; it can have ` + knownInPlan,
		},
		"merge key": {
			"    allowance: 100\n", "    allowance: 100\n    <<: {id: x}\n",
			`:6: unknown field "<<" in a plan; it can have ` + knownInPlan,
		},
		"list as a field": {
			"    allowance: 100\n", "    allowance: 100\n    [id]: x\n",
			`:6: unknown field "" in a plan; it can have ` + knownInPlan,
		},
		"field twice": {
			"    allowance: 100\n", "    allowance: 100\n    allowance: 200\n",
			":6: allowance is there twice: first at line 5",
		},
		"no version":            {"version: v1\n", "\n", ":2: version is missing"},
		"empty version":         {"version: v1\n", "version:\n", ":1: version is empty"},
		"a number as a version": {"version: v1\n", "version: 2\n", ":1: version must be text: put it in quotes"},
		"version with a plus": {
			"version: v1\n", "version: v1+2\n",
			`:1: version must be 1 to 64 of A-Za-z0-9_-.:, not "v1+2"`,
		},
		"empty plans": {
			small,
			"version: v1\nplans: []\nfeatures: [{id: f, name: F, one: f, many: fs, pricing: metered}]\n",
			":2: plans is an empty list",
		},
		"no features": {
			small, "version: v1\nplans: [{id: p, name: P, allowance: 5}]\n",
			":1: features is missing",
		},
		"plans are no list": {
			small,
			"version: v1\nplans: many\nfeatures: [{id: f, name: F, one: f, many: fs, pricing: metered}]\n",
			":2: plans must be a list",
		},
		"a plan is no mapping": {
			small,
			"version: v1\nplans: [starter]\nfeatures: [{id: f, name: F, one: f, many: fs, pricing: metered}]\n",
			":2: a plan must be fields with values",
		},
		"the file is a list": {small, "- version: v1\n", ":1: the catalog must be fields with values"},

		"duplicate plan":    {"id: big\n", "id: basic\n", `:9: duplicate plan id "basic": first at line 3`},
		"duplicate feature": {"id: sale\n", "id: image\n", `:22: duplicate feature id "image": first at line 16`},
		"duplicate pack":    {"id: many\n", "id: few\n", `:34: duplicate pack id "few": first at line 29`},
		"empty id":          {"id: big\n", "id: ''\n", ":9: id is empty"},
		"missing id":        {"  - id: big\n    name", "  - name", ":9: id is missing"},
		"id with a space": {
			"id: big\n", "id: very big\n",
			`:9: id must be 1 to 64 of A-Za-z0-9_-.:, not "very big"`,
		},
		"long id": {
			"id: big\n", "id: " + strings.Repeat("x", 65) + "\n",
			`:9: id must be 1 to 64 of A-Za-z0-9_-.:, not "` + strings.Repeat("x", 40) + `"`,
		},
		"empty name":     {"name: Big\n", "name: ' '\n", ":10: name is empty"},
		"name in spaces": {"name: Big\n", "name: ' Big'\n", ":10: name must not begin or end with a space"},
		"long name": {
			"name: Big\n", "name: " + strings.Repeat("ß", 81) + "\n",
			":10: name must have at most 80 characters",
		},
		"name of two lines": {
			"name: Big\n", "name: \"a\\nb\"\n",
			":10: name must be one line without control characters",
		},
		"name backwards": {
			"name: Big\n", "name: \"a\\u202Eb\"\n",
			":10: name must be one line without control characters",
		},
		"name is a number": {"name: Big\n", "name: 7\n", ":10: name must be text: put it in quotes"},
		"name is a list":   {"name: Big\n", "name: [Big]\n", ":10: name must be text: put it in quotes"},
		"name is null":     {"name: Big\n", "name: ~\n", ":10: name is empty"},

		"negative price": {"price: 10\n", "price: -10\n", ":21: price must not be negative"},
		"seven decimals": {
			"price: 10\n", "price: 0.0000001\n",
			`:21: price must have at most 6 decimals, not "0.0000001"`,
		},
		"exponent":          {"price: 10\n", "price: 1e3\n", ":21: price " + number + `, not "1e3"`},
		"not a number":      {"price: 10\n", "price: .NaN\n", ":21: price " + number + `, not ".NaN"`},
		"infinity":          {"price: 10\n", "price: .inf\n", ":21: price " + number + `, not ".inf"`},
		"hex":               {"price: 10\n", "price: 0x10\n", ":21: price " + number + `, not "0x10"`},
		"octal":             {"price: 10\n", "price: 010\n", ":21: price " + number + `, not "010"`},
		"underscore":        {"price: 10\n", "price: 1_000\n", ":21: price " + number + `, not "1_000"`},
		"comma":             {"price: 10\n", "price: 1,5\n", ":21: price " + number + `, not "1,5"`},
		"true as a price":   {"price: 10\n", "price: true\n", ":21: price " + number + `, not "true"`},
		"a list as a price": {"price: 10\n", "price: [10]\n", ":21: price " + number},
		"empty price":       {"price: 10\n", "price:\n", ":21: price is empty"},
		"too many tokens": {
			"allowance: 1000\n", "allowance: 1000000000.000001\n",
			":11: allowance must be at most 1000000000 tokens",
		},
		"far too many tokens": {
			"allowance: 1000\n", "allowance: 99999999999999999999\n",
			":11: allowance must be at most 1000000000 tokens",
		},
		"no price": {"    price: 10\n", "", ":16: price is missing"},
		"price of a metered one": {
			"    agent: true\n", "    agent: true\n    price: 1\n",
			":28: price has no place here: what is metered has no price",
		},
		"changes of a metered": {
			"    agent: true\n", "    changes: [{from: 2027-01-01T00:00:00Z, price: 1}]\n",
			":27: changes has no place here: what is metered has no price",
		},
		"unknown pricing": {
			"pricing: fixed\n", "pricing: free\n",
			`:20: pricing must be fixed, default or metered, not "free"`,
		},
		"yes as a flag": {"agent: true\n", "agent: yes\n", `:27: agent must be true or false, not "yes"`},
		"a flag in quotes": {
			"agent: true\n", "agent: 'true'\n",
			`:27: agent must be true or false, not "true"`,
		},
		"no currency": {
			"    price: 5.00\n    currency: USD\n", "    price: 5.00\n",
			":32: currency is missing: a price needs one, such as USD",
		},
		"no currency of a plan": {
			"    price: 90\n    currency: USD\n", "    price: 90\n",
			":12: currency is missing: a price needs one, such as USD",
		},
		"currency without price": {
			"    price: 90\n    currency: USD\n", "    currency: USD\n",
			":12: price is missing: there is a currency",
		},
		"small currency": {
			"    price: 90\n    currency: USD\n", "    price: 90\n    currency: usd\n",
			`:13: currency must be three capital letters such as USD, not "usd"`,
		},
		"a tenth of a cent": {"price: 9.50\n", "price: 9.505\n", ":6: price must have at most 2 decimals in USD"},
		"half a yen": {
			"    price: 9.50\n    currency: USD\n", "    price: 9.50\n    currency: JPY\n",
			":6: price must have at most 0 decimals in JPY",
		},
		"negative money": {"price: 9.50\n", "price: -9.50\n", ":6: price must not be negative"},
		"money as an exponent": {
			"price: 9.50\n", "price: 1e2\n",
			`:6: price must be a decimal number such as "9.00", not "1e2"`,
		},
		"money with a sign": {
			"price: 9.50\n", "price: $9.50\n",
			`:6: price must be a decimal number such as "9.00", not "$9.50"`,
		},
		"too much money": {"price: 9.50\n", "price: 1000000\n", ":6: price is too large"},
		"free pack":      {"price: 5.00\n", "price: 0\n", ":32: price must be more than zero"},
		"empty pack":     {"tokens: 50\n", "tokens: 0\n", ":31: tokens must be more than zero"},
		"negative pack":  {"tokens: 50\n", "tokens: -50\n", ":31: tokens must not be negative"},
		"two popular packs": {
			"tokens: 50\n", "tokens: 50\n    popular: true\n",
			":41: popular: only one pack can be, and the one at line 32 is",
		},
		"expires at once": {
			"expires_days: 90\n", "expires_days: 0\n",
			`:39: expires_days must be a whole number from 1 to 3650, not "0"`,
		},
		"half a day": {
			"expires_days: 90\n", "expires_days: 1.5\n",
			`:39: expires_days must be a whole number from 1 to 3650, not "1.5"`,
		},

		"http": {
			"url: /plans\n", "url: http://host.example\n",
			":8: url " + link + `, not "http://host.example"`,
		},
		"a script": {
			"url: /plans\n", "url: 'javascript:alert(1)'\n",
			":8: url " + link + `, not "javascript:alert(1)"`,
		},
		"another host": {
			"url: /plans\n", "url: //evil.example\n",
			":8: url " + link + `, not "//evil.example"`,
		},
		"another host, hidden": {
			"url: /plans\n", "url: '/\\evil.example'\n",
			":8: url " + link + `, not "/\\evil.example"`,
		},
		"relative": {"url: /plans\n", "url: plans\n", ":8: url " + link + `, not "plans"`},
		"no host":  {"url: /plans\n", "url: 'https:///plans'\n", ":8: url " + link + `, not "https:///plans"`},
		"with a password": {
			"url: /plans\n", "url: 'https://me:pass@host.example'\n",
			":8: url " + link + `, not "https://me:pass@host.example"`,
		},

		"row of an unknown feature": {
			"feature: image\n", "feature: video\n",
			`:42: feature "video" is not in this catalog`,
		},
		"row of a metered feature": {"feature: image\n", "feature: sale\n", ":42: rate is missing"},
		"rate of zero": {
			"    name: Images\n", "    name: Images\n    rate: 0\n",
			":44: rate must be more than zero",
		},
		"unknown rule": {
			"version: v1\n", "version: v1\nupgrade_rule: full\n",
			`:2: upgrade_rule must be difference or prorated, not "full"`,
		},
		"threshold above all": {
			"version: v1\n", "version: v1\nthresholds: {low_percent: 101}\n",
			`:2: low_percent must be a whole number from 0 to 100, not "101"`,
		},
		"unknown threshold": {
			"version: v1\n", "version: v1\nthresholds: {high: 1}\n",
			`:2: unknown field "high" in thresholds; it can have low_percent`,
		},
		"no grace": {
			"version: v1\n", "version: v1\nrefund_grace_days: 0\n",
			`:2: refund_grace_days must be a whole number from 1 to 3650, not "0"`,
		},
		"return for too long": {
			"version: v1\n", "version: v1\nreturn_days: 121\n",
			`:2: return_days must be a whole number from 0 to 120, not "121"`,
		},
		"return in words": {
			"version: v1\n", "version: v1\nreturn_days: two weeks\n",
			`:2: return_days must be a whole number from 0 to 120, not "two weeks"`,
		},
		"change without a zone": {
			"    price: 10\n", changes("[{from: 2027-01-01T00:00:00, price: 12}]"),
			":22: from " + dateTime + `, not "2027-01-01T00:00:00"`,
		},
		"change on a day": {
			"    price: 10\n", changes("[{from: 2027-01-01, price: 12}]"),
			":22: from " + dateTime + `, not "2027-01-01"`,
		},
		"change at a fraction": {
			"    price: 10\n", changes("[{from: 2027-01-01T00:00:00.5Z, price: 12}]"),
			":22: from must be a whole second",
		},
		"change long ago": {
			"    price: 10\n", changes("[{from: 0001-01-01T00:00:00Z, price: 12}]"),
			":22: from must be between the years 2000 and 2199",
		},
		"change without an instant": {"    price: 10\n", changes("[{price: 12}]"), ":22: from is missing"},
		"change of nothing": {
			"    price: 10\n", changes("[{from: 2027-01-01T00:00:00Z}]"),
			":22: the change changes nothing: it needs price",
		},
		"change of a name": {
			"    price: 10\n",
			changes("[{from: 2027-01-01T00:00:00Z, price: 1, name: X}]"),
			`:22: unknown field "name" in a change; it can have from, price`,
		},
		"change to less than zero": {
			"    price: 10\n", changes("[{from: 2027-01-01T00:00:00Z, price: -1}]"),
			":22: price must not be negative",
		},
		"no changes": {"    price: 10\n", changes("[]"), ":22: changes is an empty list"},
		"change of an absent price": {
			"    price: 90\n    currency: USD\n",
			"    changes:\n    - from: 2027-01-01T00:00:00Z\n      price: 95\n",
			":14: price cannot change: the plan has none to begin with",
		},
		"two changes at one instant": {
			"    price: 10\n",
			changes("\n    - {from: 2027-01-01T00:00:00Z, price: 12}" +
				"\n    - {from: 2027-01-01T01:00:00+01:00, price: 13}"),
			":24: two changes at the same instant: the other is at line 23",
		},

		"anchor": {"name: Big\n", "name: &a Big\n", ":10: anchors and aliases are not allowed"},
		"tag":    {"name: Big\n", "name: !!str 7\n", `:10: tags such as "!!str" are not allowed`},
		"second document": {
			"    name: Images\n", "    name: Images\n---\nversion: v2\n",
			":44: a second document: the file must have one",
		},
		"not YAML": {
			"name: Big\n", "name: Big\n  id: [\n",
			":11: is not YAML: did not find expected '-' indicator",
		},
		"an open quote":   {"name: Big\n", "name: 'Big\n", ":10: is not YAML: found unexpected end of stream"},
		"an open bracket": {"name: Big\n", "name: [Big\n", ":10: is not YAML: did not find expected ',' or ']'"},
		"a tab": {
			"    name: Big\n", "\tname: Big\n",
			":10: is not YAML: found a tab character that violates indentation",
		},
		"unknown anchor": {"name: Big\n", "name: *big\n", ":10: is not YAML: unknown anchor 'big' referenced"},
		"too deep": {
			"name: Big\n", "name: " + strings.Repeat("[", 50) + strings.Repeat("]", 50) + "\n",
			":10: is nested too deeply",
		},
		"control":        {"name: Big\n", "name: B\x00ig\n", ":10: must be UTF-8 text without control characters"},
		"not UTF-8":      {"name: Big\n", "name: B\xffig\n", ":10: must be UTF-8 text without control characters"},
		"empty":          {small, "", ":1: is empty"},
		"only a comment": {small, "# nothing\n", ":1: is empty"},
		"too large": {
			"name: Big\n", "name: Big\n#" + strings.Repeat(" ", catalog.MaxFileSize),
			": is larger than 1048576 bytes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantErrors(t, edit(t, small, c.from, c.to), "c.yaml"+c.want)
		})
	}
}

func wantErrors(t *testing.T, text string, want ...string) {
	t.Helper()
	c, warnings, err := catalog.Parse("c.yaml", []byte(text))
	var bad *catalog.Error
	if !errors.As(err, &bad) || c != nil || warnings != nil {
		t.Fatalf("got %v, %v, %v", c, warnings, err)
	}
	if got := lines(bad.Findings); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err.Error() != strings.Join(want, "\n") {
		t.Errorf("the error reads %q", err)
	}
}

// All errors of a file are reported, in the order of its lines.
func TestParseTellsAllErrors(t *testing.T) {
	t.Parallel()
	wantErrors(t, `upgrade_rule: none
packs:
  - id: p
    name: P
    tokens: -1
    price: 1
    colour: red
plans:
  - id: a
    name: &n A
    allowance: 1e3
  - id: a
    name: *n
`,
		`c.yaml:1: version is missing`,
		`c.yaml:1: features is missing`,
		`c.yaml:1: upgrade_rule must be difference or prorated, not "none"`,
		`c.yaml:5: tokens must not be negative`,
		`c.yaml:6: currency is missing: a price needs one, such as USD`,
		`c.yaml:7: unknown field "colour" in a pack; it can have id, name, tokens, price, currency, `+
			`expires_days, popular, changes`,
		`c.yaml:10: anchors and aliases are not allowed`,
		`c.yaml:11: allowance must be a decimal number of tokens such as "0.05" or "42.5", not "1e3"`,
		`c.yaml:12: allowance is missing`,
		`c.yaml:12: duplicate plan id "a": first at line 9`,
		`c.yaml:13: anchors and aliases are not allowed`,
	)
}

// The number of reported errors is limited.
func TestParseTellsAHundredErrors(t *testing.T) {
	t.Parallel()
	_, _, err := catalog.Parse("c.yaml", []byte(small+strings.Repeat("  - {}\n", 1000)))
	var bad *catalog.Error
	if !errors.As(err, &bad) || len(bad.Findings) != 101 ||
		!strings.HasSuffix(bad.Findings[100].Reason, "and more from here on") {
		t.Errorf("%v", err)
	}
}

func TestParseLimits(t *testing.T) {
	t.Parallel()
	row := func(s string) func(int) string {
		return func(n int) string {
			var b strings.Builder
			for i := range n {
				b.WriteString(strings.ReplaceAll(s, "#", fmt.Sprint(i)) + "\n")
			}
			return b.String()
		}
	}
	const change = "    - {from: 2027-01-01T#, price: 1}"
	manyChanges := func(n int) string {
		var b strings.Builder
		for i := range n {
			at := fmt.Sprintf("%02d:%02d:%02dZ", i/3600, i/60%60, i%60)
			b.WriteString(strings.ReplaceAll(change, "#", at) + "\n")
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		before string
		items  func(int) string
		most   int
		reason string
	}{
		"plans": {
			"plans:\n", row("  - {id: p#, name: P, allowance: 1, price: 1, currency: USD, url: /p}"), 48,
			"plans has 51 items: at most 50 are allowed",
		},
		"features": {
			"features:\n", row("  - {id: f#, name: F, one: f, many: f, pricing: metered}"), 498,
			"features has 501 items: at most 500 are allowed",
		},
		"packs": {
			"packs:\n", row("  - {id: x#, name: P, tokens: 9, price: 1, currency: USD}"), 98,
			"packs has 101 items: at most 100 are allowed",
		},
		"rows": {
			"plan_table:\n", row("  - {feature: image, name: P#}"), 99,
			"plan_table has 101 items: at most 100 are allowed",
		},
		"changes": {
			"    price: 10\n    changes:\n", manyChanges, 200,
			"changes has 201 items: at most 200 are allowed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := edit(t, small, "    price: 10\n",
				"    price: 10\n    changes:\n    - {from: 2026-01-01T00:00:00Z, price: 11}\n")
			if name == "changes" {
				text = edit(t, text, "    - {from: 2026-01-01T00:00:00Z, price: 11}\n", "")
			}
			mustParse(t, edit(t, text, c.before, c.before+c.items(c.most)))
			_, _, err := catalog.Parse("c.yaml", []byte(edit(t, text, c.before, c.before+c.items(c.most+1))))
			if err == nil || !strings.HasSuffix(err.Error(), ": "+c.reason) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Many items with a few changes each would make too many versions.
func TestParseLimitsVersions(t *testing.T) {
	t.Parallel()
	text := func(n int) string {
		var list strings.Builder
		for i := range n {
			fmt.Fprintf(&list, "  - {id: f%d, name: F, one: f, many: f, pricing: fixed, price: 1, changes: ["+
				"{from: 2027-01-01T00:00:00Z, price: 2}, {from: 2027-01-02T00:%02d:%02dZ, price: 3}]}\n",
				i, i/60, i%60)
		}
		return edit(t, small, "features:\n", "features:\n"+list.String())
	}
	if c, _ := mustParse(t, text(199)); len(c.Versions()) != 201 {
		t.Errorf("%d versions", len(c.Versions()))
	}
	wantErrors(t, text(200), "c.yaml:215: prices change at more than 200 instants in all")
}
