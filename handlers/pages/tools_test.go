package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"pop.store/credits/handlers/handlerstest"
)

// A sample job holds, works and captures. A failed one releases its tokens. A reload shows the same
// job.
func TestASampleJob(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	v.Get("/tools").Want(http.StatusOK).WantElement("job", false)
	v.RunTool("image_generation", "A mug", "k1").WantRedirect("/tools#job")
	s.WantBalance("maya", "190", "10")
	v.Get("/tools").Want(http.StatusOK).WantJob("running")
	s.Clock.Advance(4 * time.Second)
	if got := handlerstest.Attr(v.Get("/tools/job").Element("job-progress"), "value"); got != "50" {
		t.Errorf("it is at %s", got)
	}
	s.Clock.Advance(4 * time.Second)
	a := v.Get("/tools/job").Want(http.StatusOK)
	a.WantJob("done")
	if a.Header.Get("HX-Trigger") != "credits-changed" {
		t.Error("the badge is not told")
	}
	s.WantBalance("maya", "190", "0")
	v.Get("/tools").WantJob("done")

	v.RunTool("pdf_creation", "a book", "k2", "fail", "1").WantRedirect("/tools#job")
	s.WantBalance("maya", "115", "75")
	s.Clock.Advance(8 * time.Second)
	a = v.Get("/tools/job")
	a.WantJob("failed")
	if got := handlerstest.Text(a.Element("job-text")); got != "Nothing was charged. The 75 tokens that were held are yours again." {
		t.Errorf("it says %q", got)
	}
	s.WantBalance("maya", "190", "0")
}

// A job that is started and viewed from several tabs is one job and one charge.
func TestTwoTabsAreOneJob(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	var tabs sync.WaitGroup
	for _, key := range []string{"one", "one", "two", "three"} {
		tabs.Go(func() { (&handlerstest.Browser{Site: s, Cookie: v.Cookie}).RunTool("lip_sync", "a song", key) })
	}
	tabs.Wait()
	s.WantBalance("maya", "195", "5")
	s.Clock.Advance(8 * time.Second)
	for range 4 {
		tabs.Go(func() { (&handlerstest.Browser{Site: s, Cookie: v.Cookie}).Get("/tools/job") })
	}
	tabs.Wait()
	v.Get("/tools").WantJob("done")
	s.WantBalance("maya", "195", "0")
	if n := s.Count("select count(*) from entries where feature = 'lip_sync' and kind in (3, 5)"); n != 2 {
		t.Errorf("%d entries of one job", n)
	}
}

// A declined tool says so, and links to the smallest pack that covers it and back with the form as
// typed. It does not run by itself.
func TestADeclinedTool(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "42")
	v := s.SignIn("maya")
	a := v.RunTool("pdf_creation", "Glazes & kilns, für alle", "k").Want(http.StatusPaymentRequired)
	want := "This PDF needs 75 tokens and you have 42. It didn't run, and no tokens were used. You're 33 short; your text is saved.+ Get More Credits"
	if got := handlerstest.Text(a.Element("declined")); got != want {
		t.Errorf("it says %q", got)
	}
	s.WantBalance("maya", "42", "0")
	buy := v.Get(handlerstest.Attr(a.Element("tool-buy"), "href")).Want(http.StatusOK)
	if got := handlerstest.Text(buy.Element("buy-need")); !strings.HasPrefix(got, "You're 33 short.") {
		t.Errorf("the packs' page says %q", got)
	}
	for _, pack := range handlerstest.Marked(buy.HTML(), "pack") {
		if suggested := strings.Contains(handlerstest.Attr(pack, "class"), "border-accent"); suggested !=
			(handlerstest.Attr(pack, "data-pack") == "pack_100") {
			t.Errorf("%s is suggested: %v", handlerstest.Attr(pack, "data-pack"), suggested)
		}
	}
	fields := url.Values{}
	for _, n := range handlerstest.Elements(handlerstest.Marked(buy.HTML(), "pack")[0], func(n *html.Node) bool { return n.Data == "input" }) {
		fields.Set(handlerstest.Attr(n, "name"), handlerstest.Attr(n, "value"))
	}
	checkout := v.Submit("/credits/buy", fields).Want(http.StatusSeeOther).Header.Get("Location")
	back := v.Pay(strings.TrimPrefix(checkout, s.URL))
	paid := v.Get(back).Want(http.StatusOK).WantState("paid")
	tool := v.Get(handlerstest.Attr(paid.Element("purchase-back"), "href")).
		Want(http.StatusOK).
		WantElement("declined", false).
		WantElement("job",
			false)
	typed := handlerstest.Elements(
		tool.HTML(),
		func(n *html.Node) bool { return handlerstest.Attr(n, "id") == "tool-text" },
	)
	if len(typed) != 1 || handlerstest.Attr(typed[0], "value") != "Glazes & kilns, für alle" ||
		len(handlerstest.Marked(tool.HTML(), "tool-run")) != 1 {
		t.Error("the form is not as it was left")
	}
	s.WantBalance("maya", "142", "0")
}

func TestWhatAToolDoesNotTake(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	before := s.Contents()
	for _, words := range []string{strings.Repeat("x", 101), strings.Repeat("ü", 90), "a\nb", `a\b`} {
		a := v.RunTool("lip_sync", words, "k").Want(http.StatusUnprocessableEntity)
		a.WantElement("field-problem", true)
	}
	v.RunTool("social_comment_reply", "x", "k").Want(http.StatusNotFound)
	v.RunTool("nothing", "x", "k").Want(http.StatusNotFound)
	v.RunTool("lip_sync", "x", "").Want(http.StatusBadRequest)
	v.Get("/tools?tool=nothing&text="+strings.Repeat("x", 500)).Want(http.StatusOK).WantElement("chosen", false)
	s.WantUnchanged(before, "sessions")
}

// Tools cannot spend the agents' reserves.
func TestToolsDoNotCountWhatIsKeptForAgents(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Call("PUT", "/v1/accounts/maya/agents/dms",
		`{"feature":"comment_to_dm","reserve":"130"}`).Want(http.StatusCreated)
	page := s.SignIn("maya").Get("/tools").Want(http.StatusOK)
	if got := handlerstest.Text(page.Element("tools-lead")); !strings.HasPrefix(got,
		"You have 70 tokens for your tools. 130 more are kept for agents.") {
		t.Errorf("it says %q", got)
	}
	for _, tool := range handlerstest.Marked(page.HTML(), "tool") {
		if handlerstest.Attr(tool, "data-tool") == "pdf_creation" &&
			handlerstest.Text(handlerstest.Marked(tool, "tool-after")[0]) != "5 short" {
			t.Errorf("a PDF: %s", handlerstest.Text(tool))
		}
	}
}

// Outside the demo the page is a price list.
func TestToolsElsewhere(t *testing.T) {
	t.Parallel()
	s := handlerstest.NewWith(t, handlerstest.Options{NoDemo: true})
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	v.Get("/tools?tool=lip_sync").
		Want(http.StatusOK).
		WantElement("tool", true).
		WantElement("tool-run", false).
		WantElement("tool-choose",
			false).
		WantElement("chosen", false)
	v.RunTool("lip_sync", "", "k").Want(http.StatusMethodNotAllowed)
	v.Get("/tools/job").Want(http.StatusNotFound)
	v.Get("/storefront").Want(http.StatusNotFound)
}

// The shop accepts orders at zero tokens, and charges none.
func TestTheStorefrontAtZero(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Charge("maya", `{"feature":"auto_selling","amount":"200"}`)
	v := s.SignIn("maya")
	v.Get("/storefront").Want(http.StatusOK).WantElement("shop-open", true).WantElement("product", true)
	before := s.Contents()
	to := v.Submit("/storefront", url.Values{"product": {"studio-mug"}}).
		Want(http.StatusSeeOther).
		Header.Get(
		"Location",
	)
	if got := handlerstest.Text(v.Get(to).Want(http.StatusOK).Element("done")); got !=
		"Sample order taken: Studio Mug, $24.00. No tokens were used, and no money moved." {
		t.Errorf("it says %q", got)
	}
	v.Submit("/storefront", url.Values{"product": {"x"}}).Want(http.StatusNotFound)
	s.WantUnchanged(before, "sessions")
}
