package views_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a-h/templ"

	"pop.store/credits/internal/browser"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/static"
	"pop.store/credits/views"
	"pop.store/credits/views/internal/samples"
)

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'"

func TestMain(m *testing.M) {
	code := m.Run()
	browser.Close()
	os.Exit(code)
}

// site is as much of the app as the script needs: the Credits page and the badge over one balance.
type site struct {
	*httptest.Server
	mu     sync.Mutex
	chrome views.Layout
	// down makes the badge answer 503.
	down bool
	// paidAfter is how many polls of a purchase are answered with "processing".
	paidAfter int
	// asked and bought count the badge's polls and the purchases.
	asked, bought int
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{chrome: views.Layout{
		ShopName:    "Maya's Studio",
		SignedIn:    true,
		Now:         samples.Now,
		DisplayZone: samples.Zone,
	}}
	s.set(views.LevelOK, "142")
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	mux.HandleFunc("GET /credits", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		send(w, r, views.CreditsPage(views.CreditsModel{
			Layout:    s.chrome,
			Spendable: s.chrome.Badge.Spendable,
			Usage:     samples.Usage(30),
		}))
	})
	mux.HandleFunc("GET /credits/badge", s.badge)
	mux.HandleFunc("POST /credits/notice/dismiss", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.chrome.Notice = nil
		send(w, r, views.BadgeFragment(s.chrome))
	})
	mux.HandleFunc("GET /credits/history", s.history)
	mux.HandleFunc("GET /credits/purchases/{id}", func(w http.ResponseWriter, r *http.Request) {
		send(w, r, views.PurchasePage(s.purchase()))
	})
	mux.HandleFunc("GET /credits/purchases/{id}/status", func(w http.ResponseWriter, r *http.Request) {
		m := s.purchase()
		if m.State == views.PurchasePaid {
			w.Header().Set("HX-Trigger", "credits-changed")
		}
		send(w, r, views.PurchaseStatus(m))
	})
	mux.HandleFunc("GET /credits/buy", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		send(w, r, views.BuyPage(views.BuyModel{
			Layout:    s.chrome,
			Available: true,
			Packs: []views.PackModel{{
				ID:     "small",
				Name:   "Small",
				Tokens: 100 * tokens.One,
				Key:    "k",
			}},
		}))
	})
	mux.HandleFunc("POST /credits/buy", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.bought++
		s.mu.Unlock()
		time.Sleep(400 * time.Millisecond)
		http.Redirect(w, r, "/credits", http.StatusSeeOther)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func send(w http.ResponseWriter, r *http.Request, c templ.Component) {
	var b bytes.Buffer
	ctx, parts := r.Context(), views.ShownParts(r.Header.Get("Credits-Shown"))
	if r.Header.Get("Credits-Shown") != "" {
		ctx = views.WithParts(ctx, parts)
	}
	if err := c.Render(ctx, &b); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if r.Header.Get("Credits-Shown") != "" {
		b.Reset()
		b.Write(parts.Changed())
	}
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func (s *site) set(level views.Level, spendable string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	amount := tokens.MustParse(spendable)
	s.chrome.Badge = &views.BadgeModel{
		Level:     level,
		Spendable: amount,
		Every:     100 * time.Millisecond,
	}
	s.chrome.Notice = nil
	if level != views.LevelOK {
		s.chrome.Notice = &views.NoticeModel{Level: level, Spendable: amount}
	}
}

// setWaiting makes agents wait for tokens, or go on.
func (s *site) setWaiting(spendable string, names ...string) {
	s.set(views.LevelOK, spendable)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chrome.Badge.PausedAgents = len(names)
	for _, name := range names {
		s.chrome.Badge.Stopped = append(s.chrome.Badge.Stopped,
			views.StoppedModel{Name: name, Back: name + " is back on."})
	}
}

func (s *site) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *site) count() (asked, bought int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, s.bought
}

func (s *site) badge(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	switch {
	case s.down:
		http.Error(w, "<b>down</b>", http.StatusServiceUnavailable)
	case r.URL.Query().Get("v") == s.chrome.Version():
		w.WriteHeader(http.StatusNoContent)
	default:
		send(w, r, views.BadgeFragment(s.chrome))
	}
}

// history has three pages of two rows.
func (s *site) history(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var n int
	_, _ = fmt.Sscan(r.URL.Query().Get("cursor"), &n)
	m := views.HistoryModel{Layout: s.chrome, Continued: n > 0}
	if r.URL.Query().Get("from") == "wrong" {
		m.Problems = map[string]string{"from": "That day doesn't exist."}
		m.Filter.From = "wrong"
	}
	for i := range 2 {
		m.Rows = append(m.Rows, views.HistoryRow{
			Kind:    views.EntryCharge,
			At:      samples.Now,
			Feature: fmt.Sprintf("Work %d", 2*n+i),
			Amount:  -1,
		})
	}
	if n < 2 {
		m.NextURL = fmt.Sprintf("/credits/history?cursor=%d", n+1)
	}
	send(w, r, views.HistoryPage(m))
}

// purchase is confirming at first, at another pace each time, and paid after that.
func (s *site) purchase() views.PurchaseModel {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := samples.PurchaseModel(views.PurchaseProcessing)
	m.Layout, m.Every = s.chrome, time.Duration(200+s.paidAfter)*time.Millisecond
	if s.paidAfter--; s.paidAfter < 0 {
		m.State, m.Every = views.PurchasePaid, 0
	}
	return m
}

func open(t *testing.T, s *site, path string) *browser.Page {
	t.Helper()
	p := browser.New(t, browser.Base(s.URL), browser.Viewport(390, 844))
	p.Goto(path)
	return p
}

func TestTheBadgeMovesWithoutAReload(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := open(t, s, "/credits")
	browser.Eval[bool](p, "window.same = true")
	p.WaitText("#badge", "142 tokens")

	s.set(views.LevelLow, "18")
	p.WaitText("#badge", "18 tokens · Low")
	p.WaitText("[data-testid=notice]", "18 tokens left.")
	p.WaitTrue("document.querySelector('#announce').textContent === 'Your balance is low: 18 tokens left.'")
	p.WaitText("[data-testid=balance]", "18")

	// The same level again is no news.
	browser.Eval[string](p, "document.querySelector('#announce').textContent = 'nothing'")
	s.set(views.LevelLow, "17")
	p.WaitText("#badge", "17 tokens")
	p.WaitText("[data-testid=balance]", "17")
	if got := browser.Eval[string](p, "document.querySelector('#announce').textContent"); got != "nothing" {
		t.Errorf("announced %q", got)
	}

	p.Click("[data-testid=notice-dismiss]")
	p.WaitGone("[data-testid=notice]")
	p.WaitTrue("document.activeElement.id === 'main'")

	s.set(views.LevelEmpty, "0")
	p.WaitText("[data-testid=notice]", "You're out of tokens.")
	s.set(views.LevelOK, "500")
	p.WaitGone("[data-testid=notice]")
	p.WaitTrue("document.querySelector('#announce').textContent === 'Your balance is restored: 500 tokens.'")
	if !browser.Eval[bool](p, "window.same === true") || p.Count("#badge") != 1 || p.Count("#live") != 1 {
		t.Error("the page was loaded again, or parts of it are there twice")
	}
}

func TestUnreachableKeepsTheLastValue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := open(t, s, "/credits")
	p.AllowConsole("503")
	s.setDown(true)
	p.WaitText("#badge", "142 tokens")
	p.WaitText("#badge", "as of ")
	if label := p.Attr("#badge", "aria-label"); !strings.HasPrefix(label, "Balance: 142 tokens, as of ") ||
		strings.Count(label, "as of") != 1 {
		t.Errorf("label %q", label)
	}
	p.Axe(t)

	// It asks less often: at 100 ms there would be twenty polls.
	before, _ := s.count()
	time.Sleep(2 * time.Second)
	if after, _ := s.count(); after-before > 6 {
		t.Errorf("%d polls in two seconds", after-before)
	}

	s.setDown(false)
	browser.Eval[bool](p, "window.dispatchEvent(new Event('online'))")
	p.WaitTrue("document.querySelector('[data-stale-text]').hidden")
	if label := p.Attr("#badge", "aria-label"); label != "Balance: 142 tokens" {
		t.Errorf("label %q", label)
	}
}

func TestAHiddenTabDoesNotPoll(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := open(t, s, "/credits")
	browser.Eval[bool](p, "Object.defineProperty(document, 'hidden', { value: true, configurable: true }) === document")
	time.Sleep(300 * time.Millisecond)
	before, _ := s.count()
	s.set(views.LevelOK, "7")
	time.Sleep(time.Second)
	if after, _ := s.count(); after != before {
		t.Errorf("%d polls in a hidden tab", after-before)
	}
	browser.Eval[bool](p, "delete document.hidden && document.dispatchEvent(new Event('visibilitychange'))")
	p.WaitText("#badge", "7 tokens")
}

// Agents that stop and go on are said aloud, by their names; one that only stopped waiting, since
// its creator turned it off, is not said to be back on.
func TestAgentsAreAnnounced(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := open(t, s, "/credits")
	s.setWaiting("90", "Scout", `A "quoted" one`)
	p.WaitText("#announce", `Scout and A "quoted" one are paused: out of tokens.`)
	s.setWaiting("89", "Scout")
	p.WaitText("#badge", "1 paused")
	if said := p.Text("#announce"); strings.Contains(said, "back on") {
		t.Errorf("it says %q", said)
	}
	s.setWaiting("189")
	p.WaitText("#announce", "Scout is back on.")
	p.Axe(t)
}

func TestAPurchaseIsConfirmedWithoutAReload(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.chrome.Badge.Every, s.paidAfter = time.Hour, 4
	p := open(t, s, "/credits/purchases/pur_1")
	p.WaitText("h1", "Confirming your payment.")
	s.set(views.LevelOK, "518")
	p.WaitText("h1", "500 tokens added.")
	p.WaitText("[data-testid=purchase-text]",
		"You now have 518. Comment Replies is back on, for new comments. The 38 from the pause weren't answered.")
	// The badge polls once an hour here: it was told by the purchase.
	p.WaitText("#badge", "518 tokens")
	if p.Attr("#purchase-status", "hx-get") != "" || p.Count("#purchase-status") != 1 {
		t.Error("it still polls, or is there twice")
	}
}

func TestLoadMorePutsOlderRowsBelow(t *testing.T) {
	t.Parallel()
	p := open(t, newSite(t), "/credits/history")
	for want := 4; want <= 6; want += 2 {
		p.Click("[data-testid=load-more]")
		p.WaitTrue(fmt.Sprintf("document.querySelectorAll('[data-testid=history-row]').length === %d", want))
	}
	p.WaitText("#history-more", "That's everything.")
	p.WaitGone("[data-testid=load-more]")
	if rows := p.Texts("[data-testid=history-row] b"); strings.Join(rows, ",") !=
		"Work 0,Work 1,Work 2,Work 3,Work 4,Work 5" {
		t.Errorf("rows %q", rows)
	}
	if p.Count("main") != 1 || p.URL() == "" {
		t.Error("more than rows were taken over")
	}
}

func TestAButtonIsPressedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := open(t, s, "/credits/buy")
	p.Click("[data-testid=buy-pack]")
	browser.Eval[bool](p, "(document.querySelector('[data-testid=buy-pack]')?.click(), true)")
	p.WaitURL("/credits")
	if _, bought := s.count(); bought != 1 {
		t.Errorf("bought %d times", bought)
	}
	p.Back()
	p.WaitURL("/credits/buy")
	p.WaitTrue("!document.querySelector('[data-testid=buy-pack]').disabled")
}

func TestFocusIsOnWhatMustBeMended(t *testing.T) {
	t.Parallel()
	p := open(t, newSite(t), "/credits/history?from=wrong")
	p.WaitTrue("document.activeElement.name === 'from'")
	p.WaitText("#p-from", "That day doesn't exist.")
}

// A bar says what it stands for under the mouse and in focus; arrows go from bar to bar.
func TestABarSaysWhatItStandsFor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.chrome.Badge.Every = time.Hour
	p := open(t, s, "/credits")
	const tip = "[data-testid=usage-bar]:nth-child(%d) [data-testid=usage-tip]"
	if p.Shown(fmt.Sprintf(tip, 20)) {
		t.Error("a bar speaks unasked")
	}
	p.Hover("[data-testid=usage-bar]:nth-child(20)")
	p.WaitShown(fmt.Sprintf(tip, 20))
	p.WaitText(fmt.Sprintf(tip, 20), "Tue 17 Nov")

	browser.Eval[bool](p, `(document.querySelector("[data-testid=usage-bar][tabindex=\"0\"]").focus(), true)`)
	p.Press("ArrowLeft")
	p.WaitTrue("document.activeElement.getAttribute('aria-label').replace(/\u00a0/g, ' ').startsWith('Thu 26 Nov: ')")
	p.Press("Home")
	p.WaitTrue("document.activeElement.getAttribute('aria-label').replace(/\u00a0/g, ' ').startsWith('Thu 29 Oct: ')")
	p.Press("ArrowLeft")
	p.Press("ArrowRight")
	p.WaitTrue("document.activeElement.getAttribute('aria-label').replace(/\u00a0/g, ' ').startsWith('Fri 30 Oct: ')")
	if p.Shown(fmt.Sprintf(tip, 2)) {
		t.Error("two bars speak at once: the mouse is still over one")
	}
	if n := p.Count("[data-testid=usage-bar][tabindex='0']"); n != 1 {
		t.Errorf("%d stops on the way through the page", n)
	}
	p.Hover("h1")
	p.WaitShown(fmt.Sprintf(tip, 2))
	p.Axe(t)
	p.NoSidewaysScroll(t)
	p.Press("Escape")
	p.WaitTrue("document.activeElement === document.body")
}

// A new balance fetches the page's parts again: what somebody has opened stays open.
func TestTheTableStaysOpen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := open(t, s, "/credits")
	p.Click("#usage-details summary")
	p.WaitShown("[data-testid=usage-table]")
	s.set(views.LevelOK, "141")
	p.WaitText("[data-testid=balance]", "141")
	if !p.Shown("[data-testid=usage-table]") {
		t.Error("the table was closed by a poll")
	}
}

// Every page in every state: nothing for axe to find, nothing in the console, no sideways scrolling
// at 320 px.
func TestEveryPageInABrowser(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("/static/", static.Handler())
	for _, polled := range []string{"/credits/", "/tools/job", "/agents"} {
		mux.HandleFunc(polled, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	}
	for _, page := range samples.Pages() {
		mux.HandleFunc("/sample/"+page.Name, func(w http.ResponseWriter, r *http.Request) {
			send(w, r, page.Component)
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for name, options := range map[string][]browser.Option{
		"phone":     {browser.Viewport(320, 700)},
		"dark desk": {browser.Viewport(1440, 900), browser.Dark()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := browser.New(t, append(options, browser.Base(server.URL), browser.ReducedMotion())...)
			for _, page := range samples.Pages() {
				if !page.Fragment {
					p.Goto("/sample/" + page.Name)
					p.NoSidewaysScroll(t)
					p.Axe(t)
				}
			}
		})
	}
}
