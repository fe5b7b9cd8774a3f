package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// run presses the button of a tool, in a form with this key.
func (v *visitor) run(tool, words, key string, more ...string) answer {
	v.s.t.Helper()
	form := url.Values{
		"tool": {tool},
		"text": {words},
		"key":  {key},
	}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return v.submit("/tools", form)
}

// wantJob checks the state of the newest sample job, and whether its panel asks again.
func (a answer) wantJob(state string) {
	a.t.Helper()
	job := a.only("job")
	asks := all(a.page(), func(n *html.Node) bool { return attr(n, "hx-get") == "/tools/job" })
	if attr(job, "data-state") != state || (len(asks) == 1) != (state == "running") {
		a.t.Errorf("%s: the job is %s and asks %d times, want %s", a.to, attr(job, "data-state"), len(asks), state)
	}
}

func (s *site) wantBalance(account, spendable, held string) {
	s.t.Helper()
	a := s.call("GET", "/v1/accounts/"+account, "").want(http.StatusOK)
	if a.at("balance", "spendable") != spendable || a.at("balance", "held") != held {
		s.t.Errorf("%s has %v and holds %v, want %s and %s", account, a.at("balance", "spendable"),
			a.at("balance", "held"), spendable, held)
	}
}

// A sample job holds, works, and captures; one that fails gives its tokens back. A reload shows the same job.
func TestASampleJob(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	v.get("/tools").want(http.StatusOK).has("job", false)
	v.run("image_generation", "A mug", "k1").leads("/tools#job")
	s.wantBalance("maya", "190", "10")
	v.get("/tools").want(http.StatusOK).wantJob("running")
	s.clock.Advance(4 * time.Second)
	if got := attr(v.get("/tools/job").only("job-progress"), "value"); got != "50" {
		t.Errorf("it is at %s", got)
	}
	s.clock.Advance(4 * time.Second)
	a := v.get("/tools/job").want(http.StatusOK)
	a.wantJob("done")
	if a.header.Get("HX-Trigger") != "credits-changed" {
		t.Error("the badge is not told")
	}
	s.wantBalance("maya", "190", "0")
	v.get("/tools").wantJob("done")

	v.run("pdf_creation", "a book", "k2", "fail", "1").leads("/tools#job")
	s.wantBalance("maya", "115", "75")
	s.clock.Advance(8 * time.Second)
	a = v.get("/tools/job")
	a.wantJob("failed")
	if got := text(a.only("job-text")); got != "Nothing was charged. The 75 tokens that were held are yours again." {
		t.Errorf("it says %q", got)
	}
	s.wantBalance("maya", "190", "0")
}

// However often and from however many tabs a job is started and looked at, it is one job and one charge.
func TestTwoTabsAreOneJob(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	var tabs sync.WaitGroup
	for _, key := range []string{"one", "one", "two", "three"} {
		tabs.Go(func() { (&visitor{s: s, cookie: v.cookie}).run("lip_sync", "a song", key) })
	}
	tabs.Wait()
	s.wantBalance("maya", "195", "5")
	s.clock.Advance(8 * time.Second)
	for range 4 {
		tabs.Go(func() { (&visitor{s: s, cookie: v.cookie}).get("/tools/job") })
	}
	tabs.Wait()
	v.get("/tools").wantJob("done")
	s.wantBalance("maya", "195", "0")
	if n := s.count("select count(*) from entries where feature = 'lip_sync' and kind in (3, 5)"); n != 2 {
		t.Errorf("%d entries of one job", n)
	}
}

// What lacks tokens says so, and leads to the smallest pack that covers it and back with everything
// kept, without running by itself.
func TestADeclinedTool(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "42")
	v := s.signIn("maya")
	a := v.run("pdf_creation", "Glazes & kilns, für alle", "k").want(http.StatusPaymentRequired)
	want := "This PDF needs 75 tokens and you have 42. It didn't run, and no tokens were used. You're 33 short; your text is saved.+ Get More Credits"
	if got := text(a.only("declined")); got != want {
		t.Errorf("it says %q", got)
	}
	s.wantBalance("maya", "42", "0")
	buy := v.get(attr(a.only("tool-buy"), "href")).want(http.StatusOK)
	if got := text(buy.only("buy-need")); !strings.HasPrefix(got, "You're 33 short.") {
		t.Errorf("the packs' page says %q", got)
	}
	for _, pack := range marked(buy.page(), "pack") {
		if suggested := strings.Contains(attr(pack, "class"), "border-accent"); suggested !=
			(attr(pack, "data-pack") == "pack_100") {
			t.Errorf("%s is suggested: %v", attr(pack, "data-pack"), suggested)
		}
	}
	fields := url.Values{}
	for _, n := range all(marked(buy.page(), "pack")[0], func(n *html.Node) bool { return n.Data == "input" }) {
		fields.Set(attr(n, "name"), attr(n, "value"))
	}
	checkout := v.submit("/credits/buy", fields).want(http.StatusSeeOther).header.Get("Location")
	back := v.pay(strings.TrimPrefix(checkout, s.url))
	paid := v.get(back).want(http.StatusOK).wantState("paid")
	tool := v.get(attr(paid.only("purchase-back"), "href")).want(http.StatusOK).has("declined", false).has("job",
		false)
	typed := all(tool.page(), func(n *html.Node) bool { return attr(n, "id") == "tool-text" })
	if len(typed) != 1 || attr(typed[0], "value") != "Glazes & kilns, für alle" ||
		len(marked(tool.page(), "tool-run")) != 1 {
		t.Error("the form is not as it was left")
	}
	s.wantBalance("maya", "142", "0")
}

func TestWhatAToolDoesNotTake(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	before := s.contents()
	for _, words := range []string{strings.Repeat("x", 101), strings.Repeat("ü", 90), "a\nb", `a\b`} {
		a := v.run("lip_sync", words, "k").want(http.StatusUnprocessableEntity)
		a.has("field-problem", true)
	}
	v.run("social_comment_reply", "x", "k").want(http.StatusNotFound)
	v.run("nothing", "x", "k").want(http.StatusNotFound)
	v.run("lip_sync", "x", "").want(http.StatusBadRequest)
	v.get("/tools?tool=nothing&text="+strings.Repeat("x", 500)).want(http.StatusOK).has("chosen", false)
	s.unchanged(before, "sessions")
}

// What agents may spend alone is not the tools'.
func TestToolsDoNotCountWhatIsKeptForAgents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.call("PUT", "/v1/accounts/maya/agents/dms",
		`{"feature":"comment_to_dm","reserve":"130"}`).want(http.StatusCreated)
	page := s.signIn("maya").get("/tools").want(http.StatusOK)
	if got := text(page.only("tools-lead")); !strings.HasPrefix(got,
		"You have 70 tokens for your tools. 130 more are kept for agents.") {
		t.Errorf("it says %q", got)
	}
	for _, tool := range marked(page.page(), "tool") {
		if attr(tool, "data-tool") == "pdf_creation" && text(marked(tool, "tool-after")[0]) != "5 short" {
			t.Errorf("a PDF: %s", text(tool))
		}
	}
}

// Outside the demo the page is a price list.
func TestToolsElsewhere(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, options{noDemo: true})
	s.open("maya", "starter")
	v := s.signIn("maya")
	v.get("/tools?tool=lip_sync").want(http.StatusOK).has("tool", true).has("tool-run", false).has("tool-choose",
		false).has("chosen", false)
	v.run("lip_sync", "", "k").want(http.StatusMethodNotAllowed)
	v.get("/tools/job").want(http.StatusNotFound)
	v.get("/storefront").want(http.StatusNotFound)
}

// The shop takes orders at zero tokens, and uses none.
func TestTheStorefrontAtZero(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.charge("maya", `{"feature":"auto_selling","amount":"200"}`)
	v := s.signIn("maya")
	v.get("/storefront").want(http.StatusOK).has("shop-open", true).has("product", true)
	before := s.contents()
	to := v.submit("/storefront", url.Values{"product": {"studio-mug"}}).want(http.StatusSeeOther).header.Get("Location")
	if got := text(v.get(to).want(http.StatusOK).only("done")); got !=
		"Sample order taken: Studio Mug, $24.00. No tokens were used, and no money moved." {
		t.Errorf("it says %q", got)
	}
	v.submit("/storefront", url.Values{"product": {"x"}}).want(http.StatusNotFound)
	s.unchanged(before, "sessions")
}
