package e2e_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pop.store/credits/internal/browser"
)

// countingProxy forwards connections to a server and counts all bytes in both directions, headers
// included.
type countingProxy struct {
	url   string
	bytes atomic.Int64
}

func newCountingProxy(t *testing.T, target string) *countingProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &countingProxy{url: "http://" + l.Addr().String()}
	var open sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		open.Wait()
	})
	open.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", strings.TrimPrefix(target, "http://"))
			if err != nil {
				_ = from.Close()
				continue
			}
			open.Go(func() { w.carry(to, from) })
			open.Go(func() { w.carry(from, to) })
		}
	})
	return w
}

// carry copies until one side closes, and closes the other.
func (w *countingProxy) carry(to, from net.Conn) {
	_, _ = io.Copy(to, io.TeeReader(from, w))
	_ = to.Close()
	_ = from.Close()
}

func (w *countingProxy) Write(p []byte) (int, error) {
	w.bytes.Add(int64(len(p)))
	return len(p), nil
}

// measured is how long an open page is measured; its traffic per hour is extrapolated.
const measured = time.Minute

// An open Credits page costs at most 1 MB an hour while nothing happens, and 10 MB while agents
// work, headers included.
func TestAnOpenCreditsPageCostsLittle(t *testing.T) {
	t.Parallel()
	s := start(t)
	quiet, busy := s.watched("quiet"), s.watched("busy")
	// The badge polls often within two minutes of a charge: move these accounts' last charges to five
	// minutes ago. The busy account's agents then start again.
	if _, err := s.db.Pool.Exec(t.Context(),
		`update ledger_accounts set last_at = last_at - interval '5 minutes'`); err != nil {
		t.Fatal(err)
	}
	quiet.open("quiet")
	s.want(http.StatusCreated, http.MethodPost, "/v1/accounts/busy/charges",
		map[string]any{"feature": "social_comment_reply", "agent": "replies"})
	busy.open("busy")
	done := time.After(measured)
	work := time.NewTicker(time.Second)
	defer work.Stop()
	charged := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-work.C:
			charged++
			s.want(http.StatusCreated, http.MethodPost, "/v1/accounts/busy/charges",
				map[string]any{"feature": "social_comment_reply", "agent": "replies"})
		}
	}
	perHour := func(p *watchedPage) float64 {
		return float64(p.proxy.bytes.Load()) / 1e6 * float64(time.Hour/measured)
	}
	t.Logf("an open Credits page costs %.2f MB an hour quiet, %.2f MB at work with %d charges a minute",
		perHour(quiet), perHour(busy), charged)
	if perHour(quiet) > 1 || perHour(busy) > 10 {
		t.Error("that is too much")
	}
	if quiet.proxy.bytes.Load() == 0 || charged < 30 {
		t.Errorf("nothing was measured: %d bytes, %d charges", quiet.proxy.bytes.Load(), charged)
	}
	// The page still updates.
	balance := s.want(http.StatusOK, http.MethodGet, "/v1/accounts/busy",
		nil)["balance"].(map[string]any)["spendable"].(string)
	busy.page.WaitText(testid("badge-amount"), balance)
	busy.page.WaitText(testid("balance"), balance)
	busy.page.WaitText(testid("usage-legend"), "Comment")
}

// watchedPage is a page behind a countingProxy.
type watchedPage struct {
	proxy *countingProxy
	page  *browser.Page
}

// watched opens an account with a month of usage by several features, and signs in behind a
// countingProxy.
func (s *site) watched(account string) *watchedPage {
	s.t.Helper()
	s.want(http.StatusCreated, http.MethodPut, "/v1/accounts/"+account, map[string]any{
		"plan":      "star",
		"name":      account,
		"time_zone": "Europe/Berlin",
	})
	for _, feature := range []string{
		"lip_sync", "image_generation", "social_comment_reply", "comment_to_dm",
		"brand_deal_scan",
	} {
		s.want(http.StatusCreated, http.MethodPost, "/v1/accounts/"+account+"/charges",
			map[string]any{"feature": feature})
	}
	if _, err := s.db.Pool.Exec(s.t.Context(), `insert into usage_days
		select a.account, a.today - d, f, '', 1000000 * d, d, d from ledger_accounts a, generate_series(1, 29) d,
			unnest('{lip_sync,image_generation,social_comment_reply,comment_to_dm,brand_deal_scan,
				voice_dubbing}'::text[]) f
		where not exists (select 1 from usage_days u where u.account = a.account)`); err != nil {
		s.t.Fatal(err)
	}
	w := newCountingProxy(s.t, s.url)
	link := s.want(http.StatusCreated, http.MethodPost, "/v1/accounts/"+account+"/login-links",
		map[string]any{})["url"].(string)
	p := browser.New(s.t, browser.Base(w.url))
	p.Goto(strings.TrimPrefix(link, s.url))
	p.WaitURL("/")
	return &watchedPage{w, p}
}

// open opens the Credits page, waits until it has loaded and its first poll was answered, and
// starts counting.
func (w *watchedPage) open(name string) {
	w.page.Goto("/credits")
	w.page.WaitText(testid("shop-name"), name)
	w.page.WaitTrue(`performance.getEntriesByType("resource").
		some((e) => e.name.includes("/credits/badge") && e.responseEnd > 0)`)
	w.proxy.bytes.Store(0)
}
