package handlers_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/html"

	"pop.store/credits/internal/sandbox"
)

// topUpForm is what the form on the settings page posts, as it stands there.
func (v *visitor) topUpForm() url.Values {
	v.s.t.Helper()
	form := url.Values{}
	for n := range v.get("/settings").want(http.StatusOK).only("top-up-form").Descendants() {
		if n.Data == "input" {
			form.Set(attr(n, "name"), attr(n, "value"))
		}
		if n.Data == "option" && (hasAttribute(n, "selected") || form.Get("pack") == "") {
			form.Set("pack", attr(n, "value"))
		}
	}
	return form
}

// keepCard buys 100 tokens with a card that is kept.
func (v *visitor) keepCard(card sandbox.Card) {
	v.s.t.Helper()
	form := v.forms()["pack_100"]
	form.Set("keep", "1")
	form.Set("next", "/settings")
	back := v.submit(v.checkout(v.submit("/credits/buy", form))+"/pay",
		url.Values{"card": {string(card)}}).want(http.StatusSeeOther).header.Get("Location")
	v.get(strings.TrimPrefix(back, v.s.url)).want(http.StatusOK).wantState("paid")
}

func (s *site) topUp() {
	s.t.Helper()
	if _, _, err := s.app.TopUp.Step(s.t.Context(), uuid.Nil); err != nil {
		s.t.Fatal(err)
	}
}

func (a answer) wantTopUp(on string) answer {
	a.t.Helper()
	if got := attr(a.only("top-up"), "data-state"); got != on {
		a.t.Errorf("%s: auto top-up is %q, want %q", a.to, got, on)
	}
	return a
}

// From off to on: the settings are kept without a card, the way leads to the packs and back, and
// then a pack comes by itself.
func TestAutoTopUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	a := v.get("/settings").want(http.StatusOK).wantTopUp("Off").has("forget-card", false).has("top-up-off", false)
	if href := attr(a.only("keep-card"), "href"); href != "/credits/buy?keep=1&next=%2Fsettings" {
		t.Errorf("the way to a card leads to %q", href)
	}
	form := v.topUpForm()
	for name, want := range map[string]string{
		"threshold": "40",
		"pack":      "3900:USD:500:0:pack_500",
		"times":     "3",
		"limit":     "117.00",
	} {
		if form.Get(name) != want {
			t.Errorf("%s is suggested as %q, want %q", name, form.Get(name), want)
		}
	}
	// A comma may be a decimal one: what is not surely meant is not taken.
	for _, limit := range []string{"117,50", "39,00", "1.000,00", "1,1,7", "€117", "1e3", "-117", "1,150,"} {
		form.Set("limit", limit)
		v.submit("/settings/auto-top-up", form).want(http.StatusUnprocessableEntity)
	}
	form.Set("limit", "$1,150")
	v.submit("/settings/auto-top-up", form).leads("/settings?saved=1")
	a = v.get("/settings?saved=1").want(http.StatusOK).wantTopUp("On").has("done", true)
	if text(a.only("top-up-sentence")) != "Waiting for a card: nothing can be bought until one is kept." {
		t.Errorf("it says %q", text(a.only("top-up-sentence")))
	}
	for _, box := range marked(v.get("/credits/buy?keep=1&next=/settings").want(http.StatusOK).page(), "keep-card") {
		if !hasAttribute(box, "checked") {
			t.Error("keeping the card is not ticked")
		}
	}
	if boxes := marked(v.get("/credits/buy").want(http.StatusOK).page(), "keep-card"); len(boxes) != 0 {
		t.Error("who just wants to buy is asked to keep the card")
	}
	form = v.forms()["pack_100"]
	form.Set("pack", "gone")
	form.Set("offer", "1") // and unticked
	boxes := marked(v.submit("/credits/buy", form).want(http.StatusUnprocessableEntity).page(), "keep-card")
	if len(boxes) != 3 || hasAttribute(boxes[0], "checked") {
		t.Errorf("after a mistake there are %d boxes, or they are ticked again", len(boxes))
	}
	v.keepCard(sandbox.CardGood)
	v.get("/settings").wantTopUp("On").has("forget-card", true).has("keep-card", false)
	s.charge("maya", `{"feature":"auto_selling","amount":"290"}`)
	s.clock.Advance(time.Second)
	s.topUp()
	s.wantSpendable("maya", "510")
	a = v.get("/settings").want(http.StatusOK)
	if got := text(a.only("top-up")); !strings.Contains(got, "1 of 3 times, $39.00 of $1,150.00") {
		t.Errorf("the section says %q", got)
	}
	if got := text(a.only("top-up-last")); !strings.Contains(got, "500 tokens added") {
		t.Errorf("of the last attempt it says %q", got)
	}
	for n := range a.only("top-up-last").Descendants() {
		if n.Data == "a" {
			v.get(attr(n, "href")).want(http.StatusOK).wantState("paid")
		}
	}
	if rows := marked(v.get("/credits/history").want(http.StatusOK).page(),
		"history-row"); !strings.Contains(text(rows[0]), "Auto top-up") {
		t.Errorf("the history says %q", text(rows[0]))
	}
	if p := s.call("GET", "/v1/accounts/maya/purchases", "").want(http.StatusOK).list("purchases")[0]; p["auto"] !=
		true || p["failure"] != nil {
		t.Errorf("the API says %v", p)
	}
	v.submit("/settings/card/forget", nil).leads("/settings?saved=1")
	v.get("/settings").wantTopUp("On").has("keep-card", true)
	v.submit("/settings/auto-top-up/off", nil).leads("/settings?saved=1")
	v.get("/settings").wantTopUp("Off").has("top-up-off", false)
}

// A card that does not pay: off, and said on every page until somebody deals with it.
func TestAutoTopUpIsStopped(t *testing.T) {
	t.Parallel()
	for card, want := range map[sandbox.Card][3]string{
		sandbox.CardLater: {"Auto top-up is off: your card was declined today.", "Check auto top-up", "/settings"},
		sandbox.CardConfirm: {
			"Auto top-up is off: your bank wants you to confirm the payment yourself.",
			"Buy a pack", "/credits/buy?keep=1&next=%2Fsettings",
		},
	} {
		s := newSite(t)
		s.open("maya", "starter")
		v := s.signIn("maya")
		v.keepCard(card)
		v.submit("/settings/auto-top-up", v.topUpForm()).want(http.StatusSeeOther)
		s.charge("maya", `{"feature":"auto_selling","amount":"290"}`)
		s.clock.Advance(time.Second)
		v.get("/credits").has("top-up-notice", false)
		s.topUp()
		s.wantSpendable("maya", "10")
		for _, path := range []string{
			"/", "/credits", "/credits/history", "/credits/buy", "/plans", "/agents",
			"/tools", "/credits/how-tokens-work",
		} {
			a := v.get(path).want(http.StatusOK)
			if got := text(a.only("top-up-notice")); !strings.HasPrefix(got, want[0]) {
				t.Errorf("%s says %q", path, got)
			}
			link := a.only("top-up-notice-action")
			if text(link) != want[1] || attr(link, "href") != want[2] {
				t.Errorf("%s leads by %q to %q", path, text(link), attr(link, "href"))
			}
		}
		if badge := v.get("/credits/badge").want(http.StatusOK); strings.Contains(string(badge.body), "top-up") {
			t.Error("the badge's poll carries the notice")
		}
		a := v.get("/settings").want(http.StatusOK).wantTopUp("Off").has("top-up-notice", false)
		if got := text(a.only("top-up-stopped")); !strings.HasPrefix(got, want[0]) {
			t.Errorf("the settings say %q", got)
		}
		v.submit("/settings/auto-top-up/off", nil).want(http.StatusSeeOther)
		v.get("/credits").has("top-up-notice", false)
		v.get("/settings").wantTopUp("Off").has("top-up-stopped", false)
	}
}

// What cannot be set is typed back, with what is wrong at its field, and changes nothing.
func TestAutoTopUpRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	good := v.topUpForm()
	before := s.contents()
	for _, c := range []struct {
		field, typed, want string
	}{
		{"threshold", "", "Type a number of tokens, such as 20 or 42.5."},
		{"threshold", "lots", "Type a number of tokens, such as 20 or 42.5."},
		{"threshold", "0", "Must be above zero."},
		{"threshold", "-1", "Must not be below zero."},
		{"threshold", "500", "Must be less than the 500 tokens that the pack brings."},
		{"pack", "", "Choose one of the list."},
		{"pack", `"><script>alert(1)</script>`, "Choose one of the list."},
		{"pack", "3800:USD:500:0:pack_500", "This pack is 500 tokens for $39.00 now. Save again if that is fine."},
		{"pack", "3900:USD:400:0:pack_500", "This pack is 500 tokens for $39.00 now. Save again if that is fine."},
		{"pack", "3900:USD:500:90:pack_500", "This pack is 500 tokens for $39.00 now. Save again if that is fine."},
		{"times", "", "Choose a number from 1 to 30."},
		{"times", "31", "Choose a number from 1 to 30."},
		{"times", "1e3", "Choose a number from 1 to 30."},
		{"limit", "", "Type an amount of money, such as 100 or 117.50."},
		{"limit", "117,50", "Type an amount of money, such as 100 or 117.50."},
		{"limit", "10.001", "Type an amount of money, such as 100 or 117.50."},
		{"limit", "38.99", "Must be enough for one pack: at least $39.00."},
		{"limit", `"><script>alert(1)</script>`, "Type an amount of money, such as 100 or 117.50."},
	} {
		form := url.Values{}
		for name := range good {
			form.Set(name, good.Get(name))
		}
		form.Set(c.field, c.typed)
		a := v.submit("/settings/auto-top-up", form).want(http.StatusUnprocessableEntity).wantTopUp("Off")
		problems := marked(a.page(), "field-problem")
		if len(problems) != 1 || text(problems[0]) != c.want {
			t.Errorf("%s=%q: %d problems, %q", c.field, c.typed, len(problems), text(problems[0]))
		}
		if strings.Contains(string(a.body), "<script>alert") {
			t.Error("what was typed is on the page as it came")
		}
		for n := range a.only("top-up-form").Descendants() {
			if n.Data == "input" && attr(n, "name") == c.field &&
				(attr(n, "value") != c.typed || attr(n, "aria-invalid") != "true") {
				t.Errorf("%s=%q: the field holds %q", c.field, c.typed, attr(n, "value"))
			}
		}
	}
	good.Del("times")
	v.submit("/settings/auto-top-up", good).want(http.StatusBadRequest)
	s.unchanged(before)
}

// Without a provider there is nothing to set.
func TestAutoTopUpWithoutAProvider(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, options{noDemo: true})
	s.open("maya", "starter")
	v := s.signIn("maya")
	v.get("/settings").want(http.StatusOK).has("top-up-form", false)
	form := url.Values{
		"threshold": {"20"},
		"pack":      {"3900:USD:500:0:pack_500"},
		"times":     {"1"},
		"limit":     {"39"},
	}
	v.submit("/settings/auto-top-up", form).want(http.StatusConflict)
	v.submit("/settings/card/forget", nil).want(http.StatusConflict)
	s.topUp()
}

func hasAttribute(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}
