package catalog_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// The numbers of the help article.
func TestBuiltinReproducesTheArticle(t *testing.T) {
	t.Parallel()
	c := catalog.Builtin()
	for plan, allowance := range map[string]string{
		"starter": "200",
		"pro":     "400",
		"star":    "1000",
	} {
		if p, ok := c.Plan(plan); !ok || p.Allowance.String() != allowance {
			t.Errorf("plan %s grants %s, want %s", plan, p.Allowance, allowance)
		}
	}
	prices := map[string]string{
		"image_generation":       "10",
		"video_5s":               "30",
		"video_10s":              "50",
		"motion_reference_video": "55",
		"lip_sync":               "5",
		"pdf_creation":           "75",
		"photoshoot":             "10",
		"voice_dubbing":          "5",
		"social_comment_reply":   "0.05",
		"comment_to_dm":          "0.05",
		"brand_deal_scan":        "0.1",
	}
	for id, price := range prices {
		if p, err := c.Price(id, nil, nil); err != nil || p.Amount.String() != price {
			t.Errorf("%s costs %s (%v), want %s", id, p.Amount, err, price)
		}
	}
	if c.Version != catalog.DefaultVersion {
		t.Errorf("the version is %s: DefaultVersion has to say so", c.Version)
	}
	if c.LowPercent != 20 || c.RefundGraceDays != 30 || c.Upgrade != catalog.UpgradeDifference ||
		len(c.Packs) != 3 || !c.Packs[1].Popular {
		t.Errorf("%+v", c)
	}
	if len(c.Features) != len(prices)+1 {
		t.Errorf("%d features, want those of the article and auto_selling", len(c.Features))
	}
}

func TestPlanTable(t *testing.T) {
	t.Parallel()
	c := catalog.Builtin()
	want := []struct {
		name   string
		counts []int64
	}{
		{"AI Generated PDFs", []int64{2, 5, 13}},
		{"AI Photoshoots", []int64{20, 40, 100}},
		{"Social Comment Replies", []int64{4000, 8000, 20000}},
		{"Comment to DM Automation", []int64{4000, 8000, 20000}},
		{"AI Generated Videos", []int64{10, 20, 50}},
		{"AI Voice Dubbing", []int64{40, 80, 200}},
		{"Brand Deal Scans", []int64{2000, 4000, 10000}},
	}
	if len(c.Table) != len(want) {
		t.Fatalf("%d rows, want %d", len(c.Table), len(want))
	}
	for i, row := range c.Table {
		if row.Name != want[i].name || !slices.Equal(c.Counts(row), want[i].counts) {
			t.Errorf("row %d: %s %v, want %v", i, row.Name, c.Counts(row), want[i])
		}
	}
}

// The article contradicts itself only about videos.
func TestBuiltinWarnsAboutVideos(t *testing.T) {
	t.Parallel()
	_, warnings, err := catalog.Parse("c.yaml", catalog.DefaultFile)
	if err != nil || len(warnings) != 1 ||
		warnings[0].Reason != `warning: "AI Generated Videos" counts at 20 tokens, but video_5s costs 30` {
		t.Errorf("%v, %v", warnings, err)
	}
}

// A change of a copy leaves the built-in catalog alone.
func TestBuiltinIsACopy(t *testing.T) {
	t.Parallel()
	c := catalog.Builtin()
	c.Plans[0].Allowance, c.Features[0].Price, c.Packs[0].Tokens, c.Table[0].Rate = 1, 1, 1, 1
	other := catalog.Builtin()
	if other.Plans[0].Allowance == 1 || other.Features[0].Price == 1 || other.Packs[0].Tokens == 1 ||
		other.Table[0].Rate == 1 {
		t.Errorf("%+v", other)
	}
}

func TestToolMinimumIsTheCheapestFixedPrice(t *testing.T) {
	t.Parallel()
	c := catalog.Builtin()
	cheapest := tokens.Max
	for _, f := range c.Features {
		if f.Pricing == catalog.Fixed {
			cheapest = min(cheapest, f.Price)
		}
	}
	if c.ToolMinimum != cheapest {
		t.Errorf("ToolMinimum is %s, cheapest fixed price is %s", c.ToolMinimum, cheapest)
	}
}

func TestPriceRefusals(t *testing.T) {
	t.Parallel()
	c := catalog.Builtin()
	quantity := func(n int64) *int64 { return &n }
	amount := func(s string) *tokens.Amount { a := tokens.MustParse(s); return &a }
	for name, call := range map[string]struct {
		feature  string
		quantity *int64
		amount   *tokens.Amount
		field    string
	}{
		"unknown feature":        {"teleport", nil, nil, "feature"},
		"zero quantity":          {"lip_sync", quantity(0), nil, "quantity"},
		"negative quantity":      {"lip_sync", quantity(-3), nil, "quantity"},
		"huge quantity":          {"lip_sync", quantity(1 << 62), nil, "quantity"},
		"amount for a tool":      {"lip_sync", nil, amount("1"), "amount"},
		"metered without amount": {"auto_selling", nil, nil, "amount"},
		"zero amount":            {"auto_selling", nil, amount("0"), "amount"},
		"negative amount":        {"social_comment_reply", nil, amount("-1"), "amount"},
	} {
		_, err := c.Price(call.feature, call.quantity, call.amount)
		var p *problem.Error
		if !errors.As(err, &p) || p.Kind != problem.Unprocessable || p.Field != call.field {
			t.Errorf("%s: %v, want a 422 about %s", name, err, call.field)
		}
	}
}

func TestAgentsMaySendWhatTheyUsed(t *testing.T) {
	t.Parallel()
	used := tokens.MustParse("0.123456")
	p, err := catalog.Builtin().Price("auto_selling", nil, &used)
	if err != nil || p.Amount != used || p.Unit != 0 {
		t.Errorf("got %+v, %v", p, err)
	}
}

// The documented example is a catalog without warnings.
func TestTheDocumentedExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/catalog.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "## Example\n\n```yaml\n")
	example, _, found := strings.Cut(after, "```\n")
	if !found {
		t.Fatal("docs/catalog.md has no example")
	}
	c, warnings, err := catalog.Parse("example.yaml", []byte(example))
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	if c.Upgrade != catalog.UpgradeProrated || c.LowPercent != 25 || len(c.Versions()) != 3 || len(c.Table) != 3 ||
		c.Packs[1].ExpiresDays != 365 {
		t.Errorf("%+v", c)
	}
}
