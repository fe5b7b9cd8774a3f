package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/sandbox"
)

// Turning auto top-up on: the settings are saved without a card, the page leads to the packs and
// back, and then a pack is bought automatically.
func TestAutoTopUp(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	a := v.Get("/settings").
		Want(http.StatusOK).
		WantTopUp("Off").
		WantElement("forget-card", false).
		WantElement("top-up-off", false)
	if href := handlerstest.Attr(a.Element("keep-card"), "href"); href != "/credits/buy?keep=1&next=%2Fsettings" {
		t.Errorf("the way to a card leads to %q", href)
	}
	form := v.TopUpForm()
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
	// A comma may be a decimal comma: ambiguous numbers are refused.
	for _, limit := range []string{"117,50", "39,00", "1.000,00", "1,1,7", "€117", "1e3", "-117", "1,150,"} {
		form.Set("limit", limit)
		v.Submit("/settings/auto-top-up", form).Want(http.StatusUnprocessableEntity)
	}
	form.Set("limit", "$1,150")
	v.Submit("/settings/auto-top-up", form).WantRedirect("/settings?saved=1")
	a = v.Get("/settings?saved=1").Want(http.StatusOK).WantTopUp("On").WantElement("done", true)
	if handlerstest.Text(
		a.Element("top-up-sentence"),
	) != "Waiting for a card: nothing can be bought until one is kept." {
		t.Errorf("it says %q", handlerstest.Text(a.Element("top-up-sentence")))
	}
	for _, box := range handlerstest.Marked(v.Get("/credits/buy?keep=1&next=/settings").Want(http.StatusOK).HTML(),
		"keep-card") {
		if !handlerstest.HasAttribute(box, "checked") {
			t.Error("keeping the card is not ticked")
		}
	}
	if boxes := handlerstest.Marked(v.Get("/credits/buy").Want(http.StatusOK).HTML(), "keep-card"); len(boxes) != 0 {
		t.Error("who just wants to buy is asked to keep the card")
	}
	form = v.Forms()["pack_100"]
	form.Set("pack", "gone")
	form.Set("offer", "1") // and unticked
	boxes := handlerstest.Marked(
		v.Submit("/credits/buy", form).Want(http.StatusUnprocessableEntity).HTML(),
		"keep-card",
	)
	if len(boxes) != 3 || handlerstest.HasAttribute(boxes[0], "checked") {
		t.Errorf("after a mistake there are %d boxes, or they are ticked again", len(boxes))
	}
	v.SaveCard(sandbox.CardGood)
	v.Get("/settings").WantTopUp("On").WantElement("forget-card", true).WantElement("keep-card", false)
	s.Charge("maya", `{"feature":"auto_selling","amount":"290"}`)
	s.Clock.Advance(time.Second)
	s.RunTopUp()
	s.WantSpendable("maya", "510")
	a = v.Get("/settings").Want(http.StatusOK)
	if got := handlerstest.Text(a.Element("top-up")); !strings.Contains(got, "1 of 3 times, $39.00 of $1,150.00") {
		t.Errorf("the section says %q", got)
	}
	if got := handlerstest.Text(a.Element("top-up-last")); !strings.Contains(got, "500 tokens added") {
		t.Errorf("of the last attempt it says %q", got)
	}
	for n := range a.Element("top-up-last").Descendants() {
		if n.Data == "a" {
			v.Get(handlerstest.Attr(n, "href")).Want(http.StatusOK).WantState("paid")
		}
	}
	if rows := handlerstest.Marked(v.Get("/credits/history").Want(http.StatusOK).HTML(),
		"history-row"); !strings.Contains(handlerstest.Text(rows[0]), "Auto top-up") {
		t.Errorf("the history says %q", handlerstest.Text(rows[0]))
	}
	if p := s.Call("GET", "/v1/accounts/maya/purchases", "").Want(http.StatusOK).List("purchases")[0]; p["auto"] !=
		true || p["failure"] != nil {
		t.Errorf("the API says %v", p)
	}
	v.Submit("/settings/card/forget", nil).WantRedirect("/settings?saved=1")
	v.Get("/settings").WantTopUp("On").WantElement("keep-card", true)
	v.Submit("/settings/auto-top-up/off", nil).WantRedirect("/settings?saved=1")
	v.Get("/settings").WantTopUp("Off").WantElement("top-up-off", false)
}

// A declined card turns auto top-up off. Every page says so until the creator reacts.
func TestAutoTopUpIsStopped(t *testing.T) {
	t.Parallel()
	for card, want := range map[sandbox.Card][3]string{
		sandbox.CardLater: {"Auto top-up is off: your card was declined today.", "Check auto top-up", "/settings"},
		sandbox.CardConfirm: {
			"Auto top-up is off: your bank wants you to confirm the payment yourself.",
			"Buy a pack", "/credits/buy?keep=1&next=%2Fsettings",
		},
	} {
		s := handlerstest.New(t)
		s.Open("maya", "starter")
		v := s.SignIn("maya")
		v.SaveCard(card)
		v.Submit("/settings/auto-top-up", v.TopUpForm()).Want(http.StatusSeeOther)
		s.Charge("maya", `{"feature":"auto_selling","amount":"290"}`)
		s.Clock.Advance(time.Second)
		v.Get("/credits").WantElement("top-up-notice", false)
		s.RunTopUp()
		s.WantSpendable("maya", "10")
		for _, path := range []string{
			"/", "/credits", "/credits/history", "/credits/buy", "/plans", "/agents",
			"/tools", "/credits/how-tokens-work",
		} {
			a := v.Get(path).Want(http.StatusOK)
			if got := handlerstest.Text(a.Element("top-up-notice")); !strings.HasPrefix(got, want[0]) {
				t.Errorf("%s says %q", path, got)
			}
			link := a.Element("top-up-notice-action")
			if handlerstest.Text(link) != want[1] || handlerstest.Attr(link, "href") != want[2] {
				t.Errorf("%s leads by %q to %q", path, handlerstest.Text(link), handlerstest.Attr(link, "href"))
			}
		}
		if badge := v.Get("/credits/badge").Want(http.StatusOK); strings.Contains(string(badge.Body), "top-up") {
			t.Error("the badge's poll carries the notice")
		}
		a := v.Get("/settings").Want(http.StatusOK).WantTopUp("Off").WantElement("top-up-notice", false)
		if got := handlerstest.Text(a.Element("top-up-stopped")); !strings.HasPrefix(got, want[0]) {
			t.Errorf("the settings say %q", got)
		}
		v.Submit("/settings/auto-top-up/off", nil).Want(http.StatusSeeOther)
		v.Get("/credits").WantElement("top-up-notice", false)
		v.Get("/settings").WantTopUp("Off").WantElement("top-up-stopped", false)
	}
}

// Invalid settings come back as typed, with a message at the field, and change nothing.
func TestAutoTopUpRefuses(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	good := v.TopUpForm()
	before := s.Contents()
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
		a := v.Submit("/settings/auto-top-up", form).Want(http.StatusUnprocessableEntity).WantTopUp("Off")
		problems := handlerstest.Marked(a.HTML(), "field-problem")
		if len(problems) != 1 || handlerstest.Text(problems[0]) != c.want {
			t.Errorf("%s=%q: %d problems, %q", c.field, c.typed, len(problems), handlerstest.Text(problems[0]))
		}
		if strings.Contains(string(a.Body), "<script>alert") {
			t.Error("what was typed is on the page as it came")
		}
		for n := range a.Element("top-up-form").Descendants() {
			if n.Data == "input" && handlerstest.Attr(n, "name") == c.field &&
				(handlerstest.Attr(n, "value") != c.typed || handlerstest.Attr(n, "aria-invalid") != "true") {
				t.Errorf("%s=%q: the field holds %q", c.field, c.typed, handlerstest.Attr(n, "value"))
			}
		}
	}
	good.Del("times")
	v.Submit("/settings/auto-top-up", good).Want(http.StatusBadRequest)
	s.WantUnchanged(before)
}

// Without a provider there is nothing to set.
func TestAutoTopUpWithoutAProvider(t *testing.T) {
	t.Parallel()
	s := handlerstest.NewWith(t, handlerstest.Options{NoDemo: true})
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	v.Get("/settings").Want(http.StatusOK).WantElement("top-up-form", false)
	form := url.Values{
		"threshold": {"20"},
		"pack":      {"3900:USD:500:0:pack_500"},
		"times":     {"1"},
		"limit":     {"39"},
	}
	v.Submit("/settings/auto-top-up", form).Want(http.StatusConflict)
	v.Submit("/settings/card/forget", nil).Want(http.StatusConflict)
	s.RunTopUp()
}
