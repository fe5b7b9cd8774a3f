package views_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pop.store/credits/internal/browser"
	"pop.store/credits/static"
	"pop.store/credits/views"
	"pop.store/credits/views/internal/samples"
)

// serveReceipt starts a server for the receipt.
func serveReceipt(t *testing.T, m views.ReceiptModel) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	mux.HandleFunc("GET /credits/badge", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /receipt", func(w http.ResponseWriter, r *http.Request) { send(w, r, views.ReceiptPage(m)) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// On paper there is the receipt alone, black on white whatever the screen is like, on one sheet.
func TestAReceiptIsPrinted(t *testing.T) {
	t.Parallel()
	for _, theme := range []string{"", "dark"} {
		m := samples.ReceiptModel()
		m.Incomplete = true
		m.Refunded, m.RefundedAt, m.Owed = m.Total, samples.Now, m.Tokens/2
		p := browser.New(t, browser.Base(serveReceipt(t, m)), browser.Dark(), browser.Viewport(794, 1123))
		p.Goto("/receipt")
		browser.Eval[string](p, "document.documentElement.dataset.theme = '"+theme+"'")
		const chrome = "header, footer, nav, #badge, #notice > *, [data-print], [data-testid=provider-receipt], [data-testid=receipt-incomplete], main > .no-print a"
		const shown = `[...document.querySelectorAll("` + chrome +
			`")].filter((e) => e.checkVisibility({visibilityProperty: true}))`
		p.WaitShown("[data-print]")
		if n := browser.Eval[int](p, shown+".length"); n < 8 {
			t.Errorf("on the screen %d parts of the chrome are shown", n)
		}
		p.Print(true, "dark")
		if left := browser.Eval[string](p, shown+".map((e) => e.outerHTML).join('\\n')"); left != "" {
			t.Errorf("on paper there is %s", left)
		}
		const colours = `[...document.querySelectorAll("[data-testid=receipt], [data-testid=receipt] *")].map((e) => getComputedStyle(e).color).join(";")`
		for colour := range strings.SplitSeq(browser.Eval[string](p, colours), ";") {
			// Black, the light theme's ink, and its soft voice.
			if colour != "rgb(0, 0, 0)" && colour != "rgb(29, 23, 32)" && colour != "rgb(106, 96, 110)" {
				t.Errorf("with the theme %q something is printed in %s", theme, colour)
			}
		}
		if got := browser.Eval[string](p, "getComputedStyle(document.body).backgroundColor"); got !=
			"rgb(255, 255, 255)" {
			t.Errorf("the paper is %s", got)
		}
		for _, want := range []string{m.Number, "VAT 20%", "Total paid", "Credits Ltd", "Tax id DE123456789"} {
			if said := p.Text("[data-testid=receipt]"); !strings.Contains(said, want) {
				t.Errorf("%q is not printed: %s", want, said)
			}
		}
		for name, size := range map[string][2]float64{"A4": {8.27, 11.69}, "Letter": {8.5, 11}} {
			if n := p.Sheets(size[0], size[1]); n != 1 {
				t.Errorf("%d sheets of %s", n, name)
			}
		}
	}
}

// The button prints; without scripts there is none.
func TestTheButtonPrints(t *testing.T) {
	t.Parallel()
	url := serveReceipt(t, samples.ReceiptModel())
	p := browser.New(t, browser.Base(url))
	p.Goto("/receipt")
	browser.Eval[bool](p, "window.printed = 0, window.print = () => { window.printed += 1 }, true")
	p.Click("[data-print]")
	p.WaitTrue("window.printed === 1")
	plain := browser.New(t, browser.Base(url), browser.NoScript())
	plain.Goto("/receipt")
	if plain.Shown("[data-print]") {
		t.Error("a button that does nothing")
	}
}
