package views_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
	"pop.store/credits/views/internal/samples"
)

// The table says every day's exact amounts, newest first, and the legend what they add up to:
// nobody depends on the picture.
func TestTheTableSaysWhatTheChartShows(t *testing.T) {
	t.Parallel()
	for _, days := range []int{7, 30} {
		m := samples.Usage(days)
		root := render(t, views.UsageCard(m))
		rows := all(root, testID("usage-row"))
		if len(rows) != days {
			t.Fatalf("%d rows for %d days", len(rows), days)
		}
		for n, row := range rows {
			var total tokens.Amount
			cells := all(row, tag("td"))
			for i, s := range m.Series {
				amount := s.Days[days-1-n]
				total += amount
				if got := text(cells[i+1]); got != views.Number(amount) {
					t.Errorf("row %d, %s: %s, want %s", n, s.Name, got, views.Number(amount))
				}
			}
			if got := text(cells[0]); got != views.Number(total) {
				t.Errorf("row %d: %s in all, want %s", n, got, views.Number(total))
			}
		}
		for i, line := range all(root, testID("usage-series")) {
			if got := text(one(t, line, tag("td"))); got != views.Number(m.Series[i].Total) ||
				!strings.HasPrefix(text(line), m.Series[i].Name) {
				t.Errorf("legend %d: %q", i, text(line))
			}
		}
		if heads := words(one(t, one(t, root, testID("usage-table")), tag("thead"))); !strings.HasPrefix(heads,
			"Day All "+m.Series[0].Name) {
			t.Errorf("heads %q", heads)
		}
	}
}

// What is drawn stays in the plot, in the colours of the series, and is as high as the amounts are.
func TestTheChartIsDrawnToScale(t *testing.T) {
	t.Parallel()
	m := samples.Usage(30)
	root := render(t, views.UsageCard(m))
	heights := map[string]float64{}
	for _, r := range all(one(t, root, testID("usage-chart")), tag("rect")) {
		x, y, width, height := share(t, r, "x"), share(t, r, "y"), share(t, r, "width"), share(t, r, "height")
		if x < 0 || y < 0 || x+width > 100 || y+height > 100.01 || height <= 0 {
			t.Errorf("a bar from %v, %v of %v by %v", x, y, width, height)
		}
		heights[attr(r, "class")] += height
	}
	// All bars of 0.8 a day and more are drawn a gap smaller, so twice as much is drawn about twice as high.
	if ratio := heights["fill-series-a"] / heights["fill-series-b"]; len(heights) != 4 || ratio < 1.4 || ratio > 1.8 {
		t.Errorf("%v: 157.6 and 100 tokens are drawn %.2f to 1", heights, ratio)
	}
	var stops int
	for _, b := range all(root, testID("usage-bar")) {
		if attr(b, "tabindex") == "0" {
			stops++
		}
		if !strings.Contains(attr(b, "aria-label"), " tokens. ") {
			t.Errorf("a bar is read as %q", attr(b, "aria-label"))
		}
	}
	if stops != 1 {
		t.Errorf("%d bars are stops on the way through the page", stops)
	}
}

func share(t *testing.T, n *html.Node, name string) float64 {
	t.Helper()
	number, ok := strings.CutSuffix(attr(n, name), "%")
	f, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil {
		t.Fatalf("%s=%q", name, attr(n, name))
	}
	return f
}

// The other ways to look are links that keep what they are not about.
func TestTheChartsLinks(t *testing.T) {
	t.Parallel()
	m := samples.Usage(90)
	m.By = views.UsageByAgent
	var got []string
	for _, a := range all(render(t, views.UsageCard(m)), tag("a")) {
		got = append(got, fmt.Sprint(text(a), " ", attr(a, "href"), " ", attr(a, "aria-current")))
	}
	want := "By feature /credits?by=feature&days=90#usage |By agent /credits?by=agent&days=90#usage page|" +
		"7 days /credits?by=agent&days=7#usage |30 days /credits?by=agent&days=30#usage |90 days /credits?by=agent&days=90#usage page"
	if strings.Join(got, "|") != want {
		t.Errorf("%q", got)
	}
	live := one(t, render(t, views.CreditsPage(views.CreditsModel{Layout: views.Layout{
		SignedIn: true,
		Now:      samples.Now,
	}, Usage: m})), func(n *html.Node) bool {
		return attr(n, "id") == "live"
	})
	if attr(live, "hx-get") != "/credits?by=agent&days=90" {
		t.Errorf("the page fetches %q again", attr(live, "hx-get"))
	}
}

func TestNothingUsedYet(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]views.UsageModel{
		"Nothing used yet": {
			Days:  30,
			By:    views.UsageByFeature,
			Never: true,
		},
		"Nothing used in 30 days": {Days: 30, By: views.UsageByFeature},
	} {
		root := render(t, views.UsageCard(m))
		if got := text(one(t, root, testID("usage-empty"))); !strings.HasPrefix(got, want) ||
			len(all(root, testID("usage-chart"))) != 0 {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// The guide answers all that the article answers, with the creator's own numbers.
func TestTheGuide(t *testing.T) {
	t.Parallel()
	said := map[string]string{}
	var pages int
	for _, page := range samples.Pages() {
		if !strings.HasPrefix(page.Name, "guide") {
			continue
		}
		pages++
		root := render(t, page.Component)
		if n := len(all(root, testID("question"))); n != 6 {
			t.Errorf("%s: %d questions", page.Name, n)
		}
		if n := len(all(root, testID("price-row"))); n != 12 {
			t.Errorf("%s: %d prices", page.Name, n)
		}
		said[page.Name] = words(one(t, root, tag("main")))
	}
	for name, parts := range map[string][]string{
		"guide": {
			"18 tokens, and 30 in use", "200 tokens with Starter", "Thu 3 Dec 200 tokens at 09:00",
			"PDF 75 57 short", "AI image 10 1", "Comment Replies about 0.05 about 360",
			"Auto Selling by activity",
			"One five-second video takes 30: with your 18 it won't run until you have 12 more",
			"Packs start at 100 tokens for $9.00 and never expire.",
			"Your 18 tokens are good for 1 image or about 360 comment replies, or a mix.",
			"The next 200 arrive on Thursday.",
		},
		"guide-empty": {
			"less than the cheapest AI tool takes", "Packs are not on sale here yet.",
			"One lip sync takes 5: with your 0 it won't run until you have 5 more",
		},
		"guide-rich": {
			"PDF 75 164", "Otherwise it won't run, and no tokens are used.",
			"Packs start at 100 tokens for $9.00: use within 365 days.",
		},
	} {
		for _, part := range parts {
			if !strings.Contains(said[name], part) {
				t.Errorf("%s does not say %q: %s", name, part, said[name])
			}
		}
	}
	if pages != 3 {
		t.Errorf("%d guides", pages)
	}
}

// words are the words of an element, those of different elements apart.
func words(n *html.Node) string {
	var parts []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			parts = append(parts, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(parts, " ")
}
