package e2e_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/browser"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/demo"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/session"
)

// demoAgents charge an account through the API, as the demo's agents do, but only when the test
// says so.
type demoAgents struct {
	s       *site
	account string
	turns   chan struct{}
}

func (s *site) demoAgents(account string) *demoAgents {
	c := &demoAgents{
		s:       s,
		account: account,
		turns:   make(chan struct{}),
	}
	quiet := slog.New(slog.DiscardHandler)
	books := engine.New(s.db.Pool, engine.Options{
		Clock:  clock.System,
		Prices: catalog.Builtin,
		Log:    quiet,
	})
	s.t.Cleanup(books.Close)
	agents := &demo.Agents{
		Sessions:  session.New(s.db.Pool, session.Options{Clock: clock.System}),
		Directory: directory.New(s.db.Pool, books, catalog.Builtin),
		Keys:      apikey.New(s.db.Pool, apikey.Options{Clock: clock.System}),
		API:       s.url,
		Clock:     clock.System,
		Log:       quiet,
		Creator:   account,
		Wait: func(ctx context.Context) {
			select {
			case c.turns <- struct{}{}:
			case <-ctx.Done():
			}
		},
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { agents.Run(ctx) })
	s.t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return c
}

// until charges one job after another until a condition holds. That takes one or two hundred jobs,
// however fast the machine is.
func (c *demoAgents) until(what string, is func() bool) {
	c.s.t.Helper()
	for range 5_000 {
		<-c.turns
		if is() {
			return
		}
	}
	c.s.t.Fatalf("they work and work, and it is never so: %s", what)
}

func (c *demoAgents) level(level string) func() bool {
	return func() bool {
		return c.s.want(http.StatusOK, http.MethodGet, "/v1/accounts/"+c.account, nil)["state"] == level
	}
}

// waiting counts the agents that wait for tokens.
func (c *demoAgents) waiting() (n int) {
	list, _ := c.s.want(http.StatusOK, http.MethodGet, "/v1/accounts/"+c.account+"/agents", nil)["agents"].([]any)
	for _, agent := range list {
		if agent.(map[string]any)["state"] == "paused_out_of_tokens" {
			n++
		}
	}
	return n
}

func markPage(p *browser.Page) { browser.Eval[bool](p, "window.notReloaded = true") }

func wantStayed(t *testing.T, p *browser.Page) {
	t.Helper()
	if !browser.Eval[bool](p, "window.notReloaded === true") {
		t.Error("the page was reloaded")
	}
}

// A creator watches without a reload: agents charge, tokens run low and out, the agents pause; a
// pack is bought, and they resume.
func TestAgentsPauseAndGoOn(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("rosa", "Rosa's Roses")
	s.want(http.StatusCreated, http.MethodPost, "/v1/accounts/rosa/charges",
		map[string]any{"feature": "photoshoot", "quantity": 15})
	p.Goto("/agents")
	markPage(p)
	c := s.demoAgents("rosa")
	c.until("low", c.level("low"))
	p.WaitText(testid("badge-state"), "Low")
	p.WaitText(testid("notice"), "tokens left")
	p.WaitText("#announce", "Your balance is low")
	c.until("empty", c.level("empty"))
	p.WaitText(testid("badge-state"), "Empty")
	c.until("all of them paused", func() bool { return c.waiting() == 4 })
	p.WaitTrue(`document.querySelector("#badge").dataset.paused === "4"`)
	p.WaitText("#announce", "4 agents are paused: out of tokens.")
	p.WaitTrue(`document.querySelectorAll('[data-testid=agent][data-state=paused_out_of_tokens]').length === 4`)
	p.WaitText(`[data-agent="comment-replies"]`, "Add tokens and it restarts by itself, for new")
	inspect(t, p)
	wantStayed(t, p)

	buyPack(t, p, "pack_500")
	p.WaitText(testid("purchase"), "500 tokens added.")
	p.WaitText(testid("purchase-text"), "4 agents are back on, for new requests.")
	p.WaitTrue(`document.querySelector("#badge").dataset.state === "ok" &&
		document.querySelector("#badge").dataset.paused === "0"`)
	inspect(t, p)
	p.Goto("/agents")
	c.until("at work again", func() bool { return s.amount("rosa") != "500" && c.waiting() == 0 })
	if n := p.Count(`[data-testid=agent][data-state=on]`); n != 4 {
		t.Errorf("%d agents are on", n)
	}
}

func (s *site) amount(account string) string {
	s.t.Helper()
	balance, _ := s.want(http.StatusOK, http.MethodGet, "/v1/accounts/"+account, nil)["balance"].(map[string]any)
	total, _ := balance["total"].(string)
	return total
}

// The reserve for the creator's own tools pauses an agent while tokens are left. The badge says so,
// and the status region announces when the agent is active again.
func TestAnAgentStopsBeforeWhatIsKept(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("olga", "Olga's Oils", browser.Viewport(390, 844))
	s.want(http.StatusCreated, http.MethodPut, "/v1/accounts/olga/agents/replies",
		map[string]any{"name": "Comment Replies", "feature": "social_comment_reply"})
	p.Goto("/agents")
	p.Type("#own-reserve", "a lot")
	p.Click(testid("own-save"))
	p.WaitText(testid("field-problem"), "Type a number of tokens")
	if p.Value("#own-reserve") != "a lot" {
		t.Error("what was typed is gone")
	}
	p.AllowConsole("422")
	p.Type("#own-reserve", "150")
	p.Click(testid("own-save"))
	p.WaitText(testid("done"), "Saved.")
	markPage(p)
	work := map[string]any{
		"feature":  "social_comment_reply",
		"agent":    "replies",
		"quantity": 600,
	}
	s.want(http.StatusCreated, http.MethodPost, "/v1/accounts/olga/charges", work)
	s.want(http.StatusPaymentRequired, http.MethodPost, "/v1/accounts/olga/charges", work)
	p.WaitText(testid("badge-state"), "1 paused")
	p.WaitText(`[data-agent="replies"]`, "1 request wasn't handled.")
	s.want(http.StatusCreated, http.MethodPost, "/v1/accounts/olga/grants", map[string]any{
		"amount": "100",
		"kind":   "promo",
		"reason": "a gift",
	})
	p.WaitText("#announce", "Comment Replies is back on, for new comments. Those from the pause weren't answered.")
	p.WaitText(`[data-agent="replies"] `+testid("agent-state"), "On")
	wantStayed(t, p)

	p.Click(`[data-agent="replies"] ` + testid("agent-switch"))
	p.WaitText(`[data-agent="replies"]`, "Stays off until you turn it on.")
	p.Click(`[data-agent="replies"] ` + testid("agent-switch"))
	p.WaitText(`[data-agent="replies"] `+testid("agent-state"), "On")
}

// A tool in the demo costs more than the balance: buy a pack, return with the form as typed, run a
// sample job that a reload keeps, and one that fails.
func TestUsingATool(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("tom", "Tom's Tiles", browser.Viewport(390, 844), browser.ReducedMotion())
	s.spend("tom", "158")
	p.Goto("/tools")
	p.Click(`[data-tool="pdf_creation"] ` + testid("tool-choose"))
	p.WaitText(testid("declined"), "You're 33 short.")
	p.Type("#tool-text", "Forty glazes")
	p.AllowConsole("402")
	p.Click(testid("tool-run"))
	p.WaitText(testid("declined"), "This PDF needs 75 tokens and you have 42. It didn't run, and no tokens were used. "+
		"You're 33 short; your text is saved.")
	inspect(t, p)
	p.Click(testid("tool-buy"))
	p.WaitText(testid("buy-need"), "You're 33 short.")
	p.Click(`[data-pack="pack_100"] ` + testid("buy-pack"))
	p.WaitURL("/sandbox/checkout/*")
	p.Click(testid("sandbox-pay"))
	p.WaitText(testid("purchase"), "100 tokens added.")
	p.Click(testid("purchase-back"))
	p.WaitURL("/tools?*")
	if p.Value("#tool-text") != "Forty glazes" || p.Count(testid("job")) != 0 {
		t.Errorf("%q, and %d jobs", p.Value("#tool-text"), p.Count(testid("job")))
	}
	p.Click(testid("tool-run"))
	p.WaitText(testid("job"), "PDF: working")
	p.Reload()
	p.WaitText(testid("job"), "PDF: working")
	p.WaitText(testid("job-text"), "75 tokens were charged.")
	p.WaitText(testid("badge-amount"), "67")
	inspect(t, p)

	p.Click(`[data-tool="lip_sync"] ` + testid("tool-choose"))
	p.WaitShown(testid("tool-run"))
	p.Type("#tool-text", "A song about glazes")
	p.Click(`input[name="fail"]`)
	p.Click(testid("tool-run"))
	p.WaitText(testid("badge-state"), "5 in use")
	p.WaitText(testid("job-text"), "Nothing was charged.")
	p.WaitText(testid("badge-amount"), "67")
	if s.amount("tom") != "67" {
		t.Errorf("there are %s tokens", s.amount("tom"))
	}
}
