package handlerstest

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"pop.store/credits/internal/ledger"
)

func (v *Browser) SwitchTo(plan string) Response {
	v.Site.T.Helper()
	return v.Submit("/plans", url.Values{"plan": {plan}})
}

// Plan is the text of the card of a plan.
func (a Response) Plan(id string) string {
	a.T.Helper()
	for _, card := range Marked(a.HTML(), "plan") {
		if Attr(card, "data-plan") == id {
			return Text(card)
		}
	}
	a.T.Errorf("%s: no plan %s", a.Request, id)
	return ""
}

func IsCell(n *html.Node) bool { return n.Data == "td" || n.Data == "th" }

// UsageRows are the rows of the chart's table, newest first.
func (a Response) UsageRows() []string {
	a.T.Helper()
	var rows []string
	for _, row := range Marked(a.HTML(), "usage-row") {
		var cells []string
		for _, cell := range Elements(row, IsCell) {
			cells = append(cells, Text(cell))
		}
		rows = append(rows, strings.Join(cells, " "))
	}
	return rows
}

// SeriesColours are the colours of the chart's series by name. The head of the table has the names
// in the same order.
func (a Response) SeriesColours() map[string]string {
	a.T.Helper()
	found := map[string]string{}
	names := Elements(a.Element("usage-table"), func(n *html.Node) bool {
		return n.Data == "th" && Attr(n, "scope") == "col"
	})
	for i, line := range Marked(a.HTML(), "usage-series") {
		for _, dot := range Elements(line, func(n *html.Node) bool {
			return strings.Contains(Attr(n, "class"), "bg-series-")
		}) {
			_, colour, _ := strings.Cut(Attr(dot, "class"), "bg-series-")
			found[Text(names[i+2])] = colour
		}
	}
	return found
}

// Title is the title of the page.
func (a Response) Title() string {
	a.T.Helper()
	return Text(FirstTag(a.Want(http.StatusOK), "title"))
}

// PrimaryButtons are the labels of the primary buttons that a page shows.
func (a Response) PrimaryButtons() (labels []string) {
	a.T.Helper()
	for _, n := range Elements(a.HTML(), func(n *html.Node) bool { return n.Data == "a" || n.Data == "button" }) {
		if strings.Contains(" "+Attr(n, "class")+" ", " bg-accent ") {
			labels = append(labels, Text(n))
		}
	}
	return labels
}

// Headline is the page's only h1.
func (a Response) Headline() string {
	a.T.Helper()
	found := Elements(a.HTML(), func(n *html.Node) bool { return n.Data == "h1" })
	if len(found) != 1 {
		a.T.Fatalf("%s: %d headlines", a.Request, len(found))
	}
	return Text(found[0])
}

// HostileTexts are texts that break a page which does not escape them.
var HostileTexts = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg/onload=alert(1)>`,
	`</title><script>alert(1)</script>`, `</textarea><script>alert(1)</script>`,
	`javascript:alert(1)`, `{{7*7}}${7*7}<%=7*7%>`, `<!--<script>`, `]]><script>`, `&lt;script&gt;alert(1)`,
	`" autofocus onfocus=alert(1) x="`,
	`<a href="javascript:alert(1)">x</a>`, `<style>*{display:none}</style>`,
	`<meta http-equiv=refresh content=0;url=//evil>`, "`-alert(1)-`", `=HYPERLINK("//evil")`,
}

// ChargeBehindTheAPI makes a charge of an agent whose name is its id, without the API's checks.
func (s *Site) ChargeBehindTheAPI(account, agent string) {
	s.T.Helper()
	id, err := s.App.Directory.Find(s.T.Context(), account)
	if err != nil {
		s.T.Fatal(err)
	}
	if _, err := s.App.Ledger.Charge(s.T.Context(), id, "behind the API",
		ledger.Charge{Feature: "lip_sync", Agent: agent}); err != nil {
		s.T.Fatal(err)
	}
	if err := s.App.Ledger.PutAgent(s.T.Context(), id, ledger.PutAgent{ID: agent, Name: &agent}); err != nil {
		s.T.Fatal(err)
	}
}

// WantOnlyText checks that a hostile text added no element to the page.
func WantOnlyText(t *testing.T, a Response, evil string) {
	t.Helper()
	if a.Status >= http.StatusInternalServerError {
		t.Errorf("%s: %d", a.Request, a.Status)
	}
	for _, n := range Elements(a.HTML(), func(*html.Node) bool { return true }) {
		ours := n.Data != "script" || strings.HasPrefix(Attr(n, "src"), "/static/")
		if !ours || n.Data == "img" || n.Data == "style" || n.Data == "iframe" ||
			n.Data == "meta" && Attr(n, "http-equiv") != "" {
			t.Errorf("%s: with %q there is a <%s>", a.Request, evil, n.Data)
		}
		for _, at := range n.Attr {
			if strings.HasPrefix(at.Key, "on") || at.Key == "autofocus" ||
				strings.HasPrefix(strings.ToLower(strings.TrimSpace(at.Val)), "javascript:") &&
					at.Key != "value" && at.Key != "data-agent" {
				t.Errorf("%s: with %q there is <%s %s=%q>", a.Request, evil, n.Data, at.Key, at.Val)
			}
		}
	}
}

var unsubscribeLink = regexp.MustCompile(`(?m)^List-Unsubscribe: <https?://[^/>]+(/unsubscribe/[A-Za-z0-9_-]+)>\r$`)

// UnsubscribePath is the link in the e-mail about a low balance.
func (s *Site) UnsubscribePath(account string) string {
	s.T.Helper()
	s.Call("PUT", "/v1/accounts/"+account,
		`{"plan":"starter","email":"maya@studio.example"}`).Want(http.StatusCreated)
	s.Charge(account, `{"feature":"auto_selling","amount":"165"}`)
	events, err := s.App.Ledger.Outbox(s.T.Context(), 100)
	if err != nil {
		s.T.Fatal(err)
	}
	if err := s.App.Mail.Sink(s.T.Context(), events); err != nil {
		s.T.Fatal(err)
	}
	s.Clock.Advance(2 * time.Minute)
	if found, err := s.App.Mail.Deliver(s.T.Context()); err != nil || !found {
		s.T.Fatal(found, err)
	}
	files, err := filepath.Glob(filepath.Join(s.App.Mail.Folder, "*"))
	if err != nil || len(files) != 1 {
		s.T.Fatalf("%d e-mails, %v", len(files), err)
	}
	letter, err := os.ReadFile(files[0])
	if err != nil {
		s.T.Fatal(err)
	}
	found := unsubscribeLink.FindSubmatch(letter)
	if found == nil {
		s.T.Fatalf("no link: %s", letter)
	}
	s.Log.AddSecret(string(found[1][len("/unsubscribe/"):]))
	return string(found[1])
}

// RunTool sends the form of a tool with an idempotency key.
func (v *Browser) RunTool(tool, words, key string, more ...string) Response {
	v.Site.T.Helper()
	form := url.Values{
		"tool": {tool},
		"text": {words},
		"key":  {key},
	}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return v.Submit("/tools", form)
}

// WantJob checks the state of the newest sample job, and whether its panel polls.
func (a Response) WantJob(state string) {
	a.T.Helper()
	job := a.Element("job")
	asks := Elements(a.HTML(), func(n *html.Node) bool { return Attr(n, "hx-get") == "/tools/job" })
	if Attr(job, "data-state") != state || (len(asks) == 1) != (state == "running") {
		a.T.Errorf("%s: the job is %s and asks %d times, want %s", a.Request, Attr(job, "data-state"), len(asks), state)
	}
}

func (s *Site) WantBalance(account, spendable, held string) {
	s.T.Helper()
	a := s.Call("GET", "/v1/accounts/"+account, "").Want(http.StatusOK)
	if a.At("balance", "spendable") != spendable || a.At("balance", "held") != held {
		s.T.Errorf("%s has %v and holds %v, want %s and %s", account, a.At("balance", "spendable"),
			a.At("balance", "held"), spendable, held)
	}
}
