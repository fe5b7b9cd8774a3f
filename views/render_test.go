package views_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"golang.org/x/net/html"

	"pop.store/credits/views"
	"pop.store/credits/views/internal/samples"
)

func render(t *testing.T, c templ.Component) *html.Node {
	t.Helper()
	var b bytes.Buffer
	if err := c.Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// all gives the elements for which keep is true, in document order.
func all(root *html.Node, keep func(*html.Node) bool) []*html.Node {
	var out []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && keep(n) {
			out = append(out, n)
		}
	}
	return out
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func testID(id string) func(*html.Node) bool {
	return func(n *html.Node) bool { return attr(n, "data-testid") == id }
}

func tag(name string) func(*html.Node) bool {
	return func(n *html.Node) bool { return n.Data == name }
}

// text is the text of an element, with single spaces.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func one(t *testing.T, root *html.Node, keep func(*html.Node) bool) *html.Node {
	t.Helper()
	found := all(root, keep)
	if len(found) != 1 {
		t.Fatalf("found %d elements, want 1", len(found))
	}
	return found[0]
}

// What the content security policy forbids must not be on any page: it would be blocked, with an
// error in the console.
func TestNothingInline(t *testing.T) {
	t.Parallel()
	for _, page := range samples.Pages() {
		root := render(t, page.Component)
		for _, n := range all(root, func(*html.Node) bool { return true }) {
			for _, a := range n.Attr {
				key := strings.TrimPrefix(a.Key, "data-")
				inline := key == "style" || strings.HasPrefix(key, "on") || strings.HasPrefix(key, "hx-on") ||
					strings.HasPrefix(a.Val, "javascript:") ||
					strings.HasPrefix(a.Val, "js:") || (key == "hx-trigger" && strings.Contains(a.Val, "["))
				if inline {
					t.Errorf("%s: <%s %s=%q>", page.Name, n.Data, a.Key, a.Val)
				}
			}
			if n.Data == "style" || n.Data == "script" && attr(n, "src") == "" {
				t.Errorf("%s: inline <%s>", page.Name, n.Data)
			}
			for _, name := range []string{"src", "href", "action", "hx-get", "hx-post"} {
				// One thing leads away by design: the payment provider's own receipt.
				if v := attr(n, name); v != "" && attr(n, "data-testid") != "provider-receipt" &&
					!strings.HasPrefix(v, "/") && !strings.HasPrefix(v, "#") {
					t.Errorf("%s: <%s %s=%q> leaves the site", page.Name, n.Data, name, v)
				}
			}
		}
	}
}

func TestEveryPageIsWhole(t *testing.T) {
	t.Parallel()
	for _, page := range samples.Pages() {
		if page.Fragment {
			continue
		}
		root := render(t, page.Component)
		if n := len(all(root, tag("h1"))); n != 1 {
			t.Errorf("%s: %d <h1>", page.Name, n)
		}
		if n := len(all(root, tag("main"))); n != 1 {
			t.Errorf("%s: %d <main>", page.Name, n)
		}
		seen := map[string]bool{}
		for _, n := range all(root, func(n *html.Node) bool { return attr(n, "id") != "" }) {
			if seen[attr(n, "id")] {
				t.Errorf("%s: id %q twice", page.Name, attr(n, "id"))
			}
			seen[attr(n, "id")] = true
		}
		for _, form := range all(root, tag("form")) {
			if method := attr(form, "method"); method != "post" && method != "get" || attr(form, "action") == "" {
				t.Errorf("%s: form with method %q and action %q works only with a script", page.Name, method,
					attr(form, "action"))
			}
		}
		if len(all(root, func(n *html.Node) bool { return attr(n, "hx-swap-oob") != "" })) > 0 {
			t.Errorf("%s: hx-swap-oob on a whole page would be taken out of it when htmx fetches a part", page.Name)
		}
		signedIn := len(all(root, testID("sign-out"))) == 1
		if badges := len(all(root, testID("badge"))); signedIn && badges != 1 {
			t.Errorf("%s: %d badges", page.Name, badges)
		}
	}
}

func TestBadgeFragment(t *testing.T) {
	t.Parallel()
	var page samples.Page
	for _, p := range samples.Pages() {
		if p.Name == "badge-fragment" {
			page = p
		}
	}
	var raw bytes.Buffer
	if err := page.Component.Render(t.Context(), &raw); err != nil {
		t.Fatal(err)
	}
	// Text before the element would be put before the badge by each poll.
	if !strings.HasPrefix(raw.String(), "<a") {
		t.Errorf("the fragment begins with %.20q", raw.String())
	}
	root := render(t, page.Component)
	badge := one(t, root, testID("badge"))
	if got := text(badge); got != "18 tokens · Low" {
		t.Errorf("text %q", got)
	}
	for name, want := range map[string]string{
		"aria-label": "Balance: 18 tokens, low",
		"href":       "/credits",
		"hx-swap":    "outerMorph",
		"aria-live":  "",
		"data-level": "low",
		"hx-trigger": "every 5000ms, credits-changed from:body",
		"data-as-of": "14:05",
	} {
		if got := attr(badge, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if !strings.HasPrefix(attr(badge, "hx-get"), "/credits/badge?v=") {
		t.Errorf("hx-get = %q", attr(badge, "hx-get"))
	}
	outOfBand := one(t, root, func(n *html.Node) bool { return attr(n, "hx-swap-oob") == "innerMorph" })
	if attr(outOfBand, "id") != "notice" || len(all(outOfBand, testID("notice-dismiss"))) != 1 {
		t.Error("the notice does not come along")
	}
}

func TestEmptyNoticeStays(t *testing.T) {
	t.Parallel()
	c := views.Layout{
		SignedIn: true,
		Now:      samples.Now,
		Badge:    &views.BadgeModel{Level: views.LevelEmpty},
		Notice:   &views.NoticeModel{Level: views.LevelEmpty},
	}
	root := render(t, views.BadgeFragment(c))
	if len(all(root, testID("notice-dismiss"))) != 0 {
		t.Error("the empty notice can be put away")
	}
	if link := one(t, root, testID("get-more-credits")); text(link) != "+ Get More Credits" ||
		attr(link, "href") != "/credits/buy" {
		t.Errorf("%q leads to %q", text(link), attr(link, "href"))
	}
}

// The article's table: one row per feature, each with its three counts, in the article's order.
func TestPlanTable(t *testing.T) {
	t.Parallel()
	root := render(t, views.PlansPage(samples.PlansModel()))
	table := one(t, root, testID("plan-table"))
	if got := text(one(t, table, tag("caption"))); got != "Your tokens cover any one of these, or a mix." {
		t.Errorf("caption %q", got)
	}
	want := [][]string{
		{"AI Generated PDFs", "2", "5", "13"},
		{"AI Photoshoots", "20", "40", "100"},
		{"Social Comment Replies", "about 4,000", "about 8,000", "about 20,000"},
		{"Comment to DM Automation", "about 4,000", "about 8,000", "about 20,000"},
		{"AI Generated Videos", "10", "20", "50"},
		{"AI Voice Dubbing", "40", "80", "200"},
		{"Brand Deal Scans", "about 2,000", "about 4,000", "about 10,000"},
	}
	rows := all(table, testID("plan-row"))
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	for i, row := range rows {
		got := []string{text(one(t, row, tag("th")))}
		for _, cell := range all(row, tag("td")) {
			got = append(got, text(cell))
		}
		if !slices.Equal(got, want[i]) {
			t.Errorf("row %d: %q, want %q", i+1, got, want[i])
		}
	}
	if got := text(one(t, root, testID("plan-footnote"))); got != "At today's prices: 6 five-second videos." {
		t.Errorf("footnote %q", got)
	}
	if got := attr(one(t, root, func(n *html.Node) bool {
		return attr(n, "data-testid") == "plan" && hasAttr(n, "data-current")
	}), "data-plan"); got != "starter" {
		t.Errorf("current plan %q", got)
	}
}

func hasAttr(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func TestEachPackHasItsOwnForm(t *testing.T) {
	t.Parallel()
	for _, page := range samples.Pages() {
		if page.Name != "buy" {
			continue
		}
		root := render(t, page.Component)
		packs := all(root, testID("pack"))
		if len(packs) != 3 {
			t.Fatalf("%d packs", len(packs))
		}
		for _, pack := range packs {
			form := one(t, pack, tag("form"))
			values := map[string]string{}
			for _, input := range all(form, tag("input")) {
				values[attr(input, "name")] = attr(input, "value")
			}
			id := attr(pack, "data-pack")
			if attr(form, "action") != "/credits/buy" || values["pack"] != id || values["key"] != "key-"+id {
				t.Errorf("%s: posts %v to %q", id, values, attr(form, "action"))
			}
		}
	}
}
