package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/stripepay"
	"pop.store/credits/internal/testkit"
)

// Each pack says how long it lasts this creator. Without enough usage it says nothing.
func TestPacksSayHowLongTheyLast(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenAnchored("maya")
	v := s.SignIn("maya")
	v.Get("/credits/buy").WantOnPacks("pack-lasts", "pack_100: ", "pack_500: ", "pack_1000: ")
	s.ChargeDaily("maya", "10", 7)
	s.Clock.Advance(24 * time.Hour)
	v.Get("/credits/buy").WantOnPacks("pack-lasts",
		"pack_100: about 10 days at your pace", "pack_500: about 50 days at your pace",
		"pack_1000: about 3 months at your pace")
}

// Every pack shows the debt before payment, and the purchase page shows what was deducted.
func TestPacksSayWhatIsOwed(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	v.Get("/credits/buy").WantOnPacks("pack-owed", "pack_100: ", "pack_500: ", "pack_1000: ")
	path, id := v.BuyPack("pack_500")
	s.Charge("maya", `{"feature":"auto_selling","amount":"320"}`)
	s.Refund("maya", id, "", "a returned payment")
	page := v.Get(path)
	page.WantState("refunded")
	want := "Your $39.00 went back today, and the 500 tokens with it. It may take your bank a few days to show it. " +
		"120 of the tokens were used before that. 120 tokens are owed now, and will come off your next purchase."
	if got := handlerstest.Text(page.Element("purchase-text")); got != want {
		t.Errorf("the refunded purchase says\n %q, want\n %q", got, want)
	}

	page = v.Get("/credits/buy")
	page.WantOnPacks(
		"pack-owed",
		"pack_100: All of it pays part of the 120 owed from a returned payment: you get no tokens to spend, and 20 stay owed.",
		"pack_500: 500 − 120 owed from a returned payment = 380 tokens.",
		"pack_1000: 1,000 − 120 owed from a returned payment = 880 tokens.",
	)
	page.WantOnPacks("pack-good-for", "pack_100: ", "pack_500: 38 images, 5 PDFs or about 7,600 replies",
		"pack_1000: 88 images, 11 PDFs or about 17,600 replies")
	if got := v.Get("/credits/buy?need=33").Want(http.StatusOK).SuggestedPack(); got != "pack_500" {
		t.Errorf("33 short and 120 owed: %q is suggested", got)
	}
	next, _ := v.BuyPack("pack_500")
	want = "500 − 120 owed from a returned payment = 380 tokens. You now have 380."
	if got := handlerstest.Text(v.Get(next).Element("purchase-text")); got != want {
		t.Errorf("the next purchase says\n %q, want\n %q", got, want)
	}
	v.Get("/credits/buy").WantOnPacks("pack-owed", "pack_100: ", "pack_500: ", "pack_1000: ")
}

// The packs name the agents that they would resume, and those agents are resumed.
func TestPacksSayWhoGoesOn(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "0.01")
	s.Call("PUT", "/v1/accounts/maya/agents/scout",
		`{"name":"Deal Scout","feature":"brand_deal_scan","reserve":"150"}`).Want(http.StatusCreated)
	v := s.SignIn("maya")
	v.Get("/credits/buy").WantOnPacks("pack-resumes", "pack_100: ", "pack_500: ", "pack_1000: ")
	s.Post("/v1/accounts/maya/charges",
		`{"feature":"social_comment_reply","agent":"replies"}`).Want(http.StatusPaymentRequired)
	s.Post("/v1/accounts/maya/charges",
		`{"feature":"brand_deal_scan","agent":"scout"}`).Want(http.StatusPaymentRequired)
	s.Call("PUT", "/v1/accounts/maya/agents/off", `{"name":"Off","feature":"comment_to_dm"}`).Want(http.StatusCreated)
	s.Post("/v1/accounts/maya/agents/off/pause", `{}`).Want(http.StatusOK)
	v.Get("/credits/buy").WantOnPacks("pack-resumes", "pack_100: Deal Scout restarts, for new requests.",
		"pack_500: Comment Replies and Deal Scout restart, for new requests.",
		"pack_1000: Comment Replies and Deal Scout restart, for new requests.")
	v.BuyPack("pack_100")
	page := v.Get("/agents")
	page.WantAgentText("scout", "agent-state", "On")
	page.WantAgentText("replies", "agent-state", "Held back by a reserve")
	page.WantAgentText("off", "agent-state", "Paused by you")
	v.BuyPack("pack_500")
	v.Get("/agents").WantAgentText("replies", "agent-state", "On")
}

// With a need the smallest pack that covers it comes first. Each pack that covers it says so, and
// the advice respects it.
func TestPacksForANeed(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "42")
	v := s.SignIn("maya")
	page := v.Get("/credits/buy?need=133")
	page.WantOnPacks("pack-covers", "pack_500: covers the 133 you are short", "pack_100: ",
		"pack_1000: covers the 133 you are short")
	if got := page.SuggestedPack(); got != "pack_500" {
		t.Errorf("%q is suggested", got)
	}
	if got := handlerstest.Text(page.Element("advice")); got !=
		"If you buy, 500 tokens for $39.00 are enough until your next ones arrive." {
		t.Errorf("the advice is %q", got)
	}
	page = v.Get("/credits/buy?need=5000")
	page.WantOnPacks("pack-covers", "pack_1000: ", "pack_100: ", "pack_500: ")
	if got := handlerstest.Text(page.Element("buy-need")); got !=
		"You're 5,000 short. No pack alone covers that: the largest comes nearest." {
		t.Errorf("it says %q", got)
	}
	page.WantOnPacks("buy-pack", "pack_1000: Pay $69.00 : Large pack, 1,000 tokens",
		"pack_100: Pay $9.00 : Small pack, 100 tokens",
		"pack_500: Pay $39.00 : Medium pack, 500 tokens")
}

func TestTaxIsAnnounced(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	v.Get("/credits/buy").Want(http.StatusOK).WantElement("pack-tax", false)
	for _, taxed := range []bool{false, true} {
		s.App.Billing = billing.New(s.Pool, billing.Options{
			Ledger:   s.App.Ledger,
			Prices:   catalog.Builtin,
			Clock:    s.Clock.Now,
			Log:      s.App.Log,
			Provider: stripepay.New(stripepay.Options{Key: "sk_test_1", WebhookSecrets: []string{"whsec_1"}}),
			Taxed:    taxed,
		})
		s.Rebuild()
		v.Get("/credits/buy").Want(http.StatusOK).WantElement("pack-tax", taxed)
	}
}

// Every page that says that tokens are missing links to the packs and back.
func TestTheWayBack(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "0.01")
	v := s.SignIn("maya")
	button := func(a handlerstest.Response) string {
		return handlerstest.Attr(a.Want(http.StatusOK).Element("get-more-credits"), "href")
	}
	for from, want := range map[string]string{
		"/agents":                       "/credits/buy?next=%2Fagents",
		"/plans":                        "/credits/buy?next=%2Fplans",
		"/":                             "/credits/buy",
		"/credits":                      "/credits/buy",
		"/tools?tool=lip_sync&text=a+b": "/credits/buy?next=%2Ftools%3Ftool%3Dlip_sync%26text%3Da%2Bb",
	} {
		if got := button(v.Get(from)); got != want {
			t.Errorf("from %s to %q, want %q", from, got, want)
		}
	}
	for from, want := range map[string]string{
		s.URL + "/agents":            "/credits/buy?next=%2Fagents",
		"https://evil.example//evil": "/credits/buy",
		"://":                        "/credits/buy",
		"":                           "/credits/buy",
	} {
		if got := button(v.Do("GET", "/credits/badge?v=x", "", "HX-Request", "true", "HX-Current-URL",
			from)); got != want {
			t.Errorf("a poll of %q leads to %q, want %q", from, got, want)
		}
	}
	a := s.Post("/v1/accounts/maya/charges", `{"feature":"pdf_creation"}`).Want(http.StatusPaymentRequired)
	a.WantMembers(map[string]any{"buy_url": s.URL + "/credits/buy?need=74.99"})
	a = s.Post("/v1/accounts/maya/charges",
		`{"feature":"social_comment_reply","agent":"replies"}`).Want(http.StatusPaymentRequired)
	a.WantMembers(map[string]any{"buy_url": s.URL + "/credits/buy?need=0.04&next=%2Fagents"})
	to := v.Get("/agents").AgentText("replies", "agent-cure")
	if to != "See the packs" {
		t.Errorf("a paused agent offers %q", to)
	}
}

// A creator returns an unused pack: once, however often the button is pressed.
func TestReturningAPackByOneself(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Call("PUT", "/v1/accounts/maya", `{"time_zone":"Europe/Berlin"}`).Want(http.StatusOK)
	v := s.SignIn("maya")
	path, _ := v.BuyPack("pack_500")
	page := v.Get(path)
	want := "You have used nothing of it. Until Sunday 6 December, 15:02 you can return it: its tokens go back, and your $39.00 with them, to Visa 4242."
	if got := handlerstest.Text(page.Element("return-text")); got != want {
		t.Errorf("it says\n %q, want\n %q", got, want)
	}
	to, form := page.ReturnForm()
	if to != path+"/return" {
		t.Errorf("the form goes to %s", to)
	}
	s.Open("eve", "starter")
	s.SignIn("eve").Submit(to, form).Want(http.StatusNotFound)
	v.Submit(to, url.Values{"key": {""}}).Want(http.StatusBadRequest)
	v.Submit("/credits/purchases/x/return", form).Want(http.StatusNotFound)
	s.WantSpendable("maya", "700")

	testkit.Concurrently(5, func(int) {
		a := s.Send("POST", to, form.Encode(), "Cookie", "credits="+v.Cookie, "Sec-Fetch-Site", "same-origin",
			"Content-Type", "application/x-www-form-urlencoded")
		if a.Status != http.StatusSeeOther && a.Status != http.StatusConflict {
			t.Errorf("pressed at once: %d", a.Status)
		}
	})
	v.Submit(to, form).WantRedirect(path)
	page = v.Get(path).WantState("returned").WantElement("return", false)
	if got := handlerstest.Text(page.Element("purchase-text")); got !=
		"Your $39.00 went back today, and the 500 tokens with it. It may take your bank a few days to show it." {
		t.Errorf("it says %q", got)
	}
	s.WantSpendable("maya", "200")
	if n := s.Count(`select count(*) from purchase_refunds`); n != 1 {
		t.Errorf("%d refunds", n)
	}
	if n := s.Count(`select refunded_minor::int from sandbox_sessions`); n != 3900 {
		t.Errorf("%d went back", n)
	}
	if rows := handlerstest.Marked(v.Get("/credits/history").Want(http.StatusOK).HTML(),
		"history-row"); !strings.Contains(handlerstest.Text(rows[0]), "Returned by you") {
		t.Errorf("the history does not tell it: %s", handlerstest.Text(rows[0]))
	}
	list := s.Call("GET", "/v1/accounts/maya/transactions?kind=clawback", "").Want(http.StatusOK)
	if got := list.At("transactions", 0, "reason"); got != "returned by the creator" {
		t.Errorf("the API says %v", got)
	}
	again := v.Submit(to, url.Values{"key": {"another"}}).Want(http.StatusConflict)
	if got := handlerstest.Text(again.WantState("returned").Element("problem")); got !=
		"All of this purchase's money went back already." {
		t.Errorf("once more: %q", got)
	}
}

// A pack that cannot be returned has no return form, and an older form gets the reason.
func TestReturnsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	refused := func(what, path string, form url.Values, state, why string) {
		t.Helper()
		v.Get(path).Want(http.StatusOK).WantState(state).WantElement("return", false)
		a := v.Submit(path+"/return", form).Want(http.StatusConflict).WantState(state)
		if got := handlerstest.Text(a.Element("problem")); got != why {
			t.Errorf("%s: %q, want %q", what, got, why)
		}
	}
	path, _ := v.BuyPack("pack_100")
	_, form := v.Get(path).ReturnForm()
	s.Charge("maya", `{"feature":"auto_selling","amount":"200.05"}`)
	refused("used", path, form, "paid", "Some of these tokens were used, so this pack cannot be returned.")
	s.WantSpendable("maya", "99.95")

	path, _ = v.BuyPack("pack_100")
	_, form = v.Get(path).ReturnForm()
	s.Clock.Advance(14 * 24 * time.Hour)
	v = s.SignIn("maya")
	refused("late", path, form, "paid", "The time in which this pack could be returned is over.")

	back := v.Submit(v.Order("pack_100")+"/pay",
		url.Values{"card": {"0259"}}).Want(http.StatusSeeOther).Header.Get("Location")
	refused("disputed", strings.TrimPrefix(back, s.URL), form, "disputed",
		"This payment is in dispute: the bank decides where the money goes.")
	open := strings.TrimPrefix(v.Submit(v.Order("pack_100")+"/cancel", nil).Header.Get("Location"), s.URL)
	refused("not paid", strings.TrimSuffix(open, "?cancelled=1"), form, "unpaid",
		"This purchase was not paid, so there is nothing to give back.")
}

// A return that could not be completed is completed by a job, and its page says so.
func TestAReturnThatBrokeOff(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	path, _ := v.BuyPack("pack_500")
	to, form := v.Get(path).ReturnForm()
	working := s.App.Billing
	stopped := engine.New(s.Pool, engine.Options{
		Clock:  s.Clock.Now,
		Prices: catalog.Builtin,
		Log:    s.App.Log,
	})
	stopped.Close()
	s.App.Billing = billing.New(s.Pool, billing.Options{
		Ledger:   stopped,
		Prices:   catalog.Builtin,
		Clock:    s.Clock.Now,
		Log:      s.App.Log,
		Provider: s.Provider,
	})
	s.Rebuild()
	v.Submit(to, form).WantRedirect(path)
	s.App.Billing = working
	s.Rebuild()
	page := v.Get(path).WantState("returning").WantElement("return", false)
	if got := handlerstest.Text(page.Element("purchase-text")); got !=
		"Your $39.00 will go back, and its 500 tokens wait until then. There is nothing more to do." {
		t.Errorf("it says %q", got)
	}
	s.Clock.Advance(2 * time.Minute)
	if _, err := s.App.Billing.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.Get(path).WantState("returned")
	s.WantSpendable("maya", "200")
}

// A purchase's later state is shown in words, and not as if it had just been paid.
func TestPurchasesWhoseMoneyWentBack(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	path, id := v.BuyPack("pack_500")
	s.Refund("maya", id, `"amount":{"minor":975,"currency":"USD"},`, "a <b>video</b> failed")
	page := v.Get(path).WantState("partly")
	if got := handlerstest.Text(page.Element("purchase-text")); got !=
		"$9.75 of it went back today, and 125 tokens with it. You now have 575." {
		t.Errorf("it says %q", got)
	}
	if !strings.Contains(handlerstest.Text(page.Element("purchase")), "Reasona <b>video</b> failed") {
		t.Errorf("the reason is not told: %s", handlerstest.Text(page.Element("purchase")))
	}
	rows := handlerstest.Marked(v.Get("/credits/history").Want(http.StatusOK).HTML(), "history-row")
	if len(rows) == 0 || !strings.Contains(handlerstest.Text(rows[0]), "Payment refunded") ||
		!strings.Contains(handlerstest.Text(rows[0]), "a <b>video</b> failed") {
		t.Errorf("the history does not tell why: %q", handlerstest.Text(rows[0]))
	}

	back := v.Submit(v.Order("pack_100")+"/pay",
		url.Values{"card": {"0259"}}).Want(http.StatusSeeOther).Header.Get("Location")
	disputed := strings.TrimPrefix(back, s.URL)
	page = v.Get(disputed).WantState("disputed")
	if got := handlerstest.Text(page.Element("purchase-text")); got !=
		"Your bank is looking into this payment. Its 100 unused tokens wait until that is decided." {
		t.Errorf("it says %q", got)
	}
	icons := handlerstest.Elements(page.Element("purchase"), func(n *html.Node) bool {
		return strings.Contains(handlerstest.Attr(n, "class"), "text-ok")
	})
	if len(icons) != 0 {
		t.Error("it looks like a success")
	}
}

// The page of a purchase and its badge polls show no low notice, which would suggest a further purchase. Other
// pages show it.
func TestQuietAfterPaying(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Call("PUT", "/v1/accounts/maya", `{"low_threshold":"190"}`).Want(http.StatusOK)
	s.Charge("maya", `{"feature":"auto_selling","amount":"150"}`)
	v := s.SignIn("maya")
	v.Get("/credits").WantElement("notice", true)
	path, _ := v.BuyPack("pack_100")
	v.Get(path).WantState("paid").WantElement("notice", false)
	v.Get("/credits/badge", "HX-Request", "true", "HX-Current-URL", s.URL+path).Want(http.StatusOK).WantNotice("")
	v.Get("/credits/badge", "HX-Request", "true", "HX-Current-URL", s.URL+"/agents").WantNotice("low")
	v.Get("/credits").WantElement("notice", true)
}
