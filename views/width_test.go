package views_test

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pop.store/credits/internal/browser"
	"pop.store/credits/static"
	"pop.store/credits/views/internal/samples"
)

// longWord has no place to break.
var longWord = strings.Repeat("Donaudampfschiff", 4)[:60]

// names are what shops, agents and features are called on the sample pages.
var names = []string{
	"Maya's Studio", "Comment Replies", "Auto Selling", "DM Automation",
	"Deal Finder for the shop that has everything", "Deal Finder", "Brand Scout", "Clips",
	"Shop assistant 10", "Comment to DM", "Auto DM",
}

// sampleServer serves the sample pages, each changed by a function.
func sampleServer(t *testing.T, change func(page string) string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	for _, polled := range []string{"/credits/", "/tools/job", "/agents"} {
		mux.HandleFunc(polled, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	}
	for _, page := range samples.Pages() {
		mux.HandleFunc("/sample/"+page.Name, func(w http.ResponseWriter, r *http.Request) {
			var b bytes.Buffer
			if err := page.Component.Render(r.Context(), &b); err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(change(b.String())))
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// One word of sixty letters as the name of a shop, an agent or a feature makes no page wider than a phone.
func TestLongWordsWrap(t *testing.T) {
	t.Parallel()
	var replace []string
	for _, name := range names {
		replace = append(replace, html.EscapeString(name), longWord)
	}
	long := strings.NewReplacer(replace...)
	server := sampleServer(t, long.Replace)
	for _, width := range []int{320, 390} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			t.Parallel()
			p := browser.New(t, browser.Viewport(width, 844), browser.Base(server.URL), browser.ReducedMotion())
			seen := 0
			for _, page := range samples.Pages() {
				if page.Fragment {
					continue
				}
				p.Goto("/sample/" + page.Name)
				// What is closed must fit as well.
				browser.Eval[bool](p, "(document.querySelectorAll('details').forEach((d) => { d.open = true }), true)")
				p.NoSidewaysScroll(t)
				if browser.Eval[bool](p, fmt.Sprintf("document.body.innerText.includes(%q)", longWord)) {
					seen++
				}
			}
			if seen < 40 {
				t.Errorf("only %d pages show the word: the names on the sample pages have changed", seen)
			}
		})
	}
}

// linesOf is a script that gives the texts of the dates, times and ids on a page that are broken
// over two lines: it measures where their first and last letters stand.
const linesOf = `(() => {
	const thing = /\b\d{1,2}\s(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*(?:\s20\d\d)?\b|\b\d{1,2}:\d\d\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;
	const broken = [], walk = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
	for (let node = walk.nextNode(); node; node = walk.nextNode()) {
		for (const found of node.data.matchAll(thing)) {
			const range = document.createRange();
			range.setStart(node, found.index);
			range.setEnd(node, found.index + found[0].length);
			const tops = new Set([...range.getClientRects()].filter((r) => r.width > 1).map((r) => Math.round(r.top)));
			if (tops.size > 1) broken.push(found[0]);
		}
	}
	return broken;
})()`

// No line breaks within a time, a date or an id, however narrow the page is.
func TestTimesAndIDsStayOnOneLine(t *testing.T) {
	t.Parallel()
	server := sampleServer(t, func(page string) string { return page })
	p := browser.New(t, browser.Viewport(320, 844), browser.Base(server.URL), browser.ReducedMotion())
	for _, page := range samples.Pages() {
		if page.Fragment {
			continue
		}
		p.Goto("/sample/" + page.Name)
		for _, width := range []int{320, 347, 390} {
			browser.Eval[bool](p, fmt.Sprintf("(document.body.style.maxWidth = '%dpx', true)", width))
			if broken := browser.Eval[[]string](p, linesOf); len(broken) > 0 {
				t.Errorf("%s, %d px: broken are %q", page.Name, width, broken)
			}
		}
	}
}

// What an address leads to stands below the sticky header, with and without the script.
func TestWhatIsScrolledToIsNotUnderTheHeader(t *testing.T) {
	t.Parallel()
	server := sampleServer(t, func(page string) string { return page })
	for _, size := range [][2]int{{320, 700}, {390, 844}, {1440, 900}, {390, 600}} {
		for _, script := range []bool{true, false} {
			options := []browser.Option{
				browser.Viewport(size[0], size[1]), browser.Base(server.URL),
				browser.ReducedMotion(),
			}
			if !script {
				options = append(options, browser.NoScript())
			}
			p := browser.New(t, options...)
			p.Goto("/sample/credits-long#usage")
			const gap = `document.querySelector("#usage").getBoundingClientRect().top - Math.max(0, document.querySelector("#header").getBoundingClientRect().bottom)`
			p.WaitTrue("scrollY > 0")
			if got := browser.Eval[float64](p, gap); got < 0 || got > 90 {
				t.Errorf("%v, script %t: it stands %.0f px below the header", size, script, got)
			}
		}
	}
}
