package handlers_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/stripepay"
)

// onPack is what a part of each pack says, in the order of the packs on the page: "pack_100: about
// 10 days at your pace".
func (a answer) onPack(part string) []string {
	a.t.Helper()
	var said []string
	for _, pack := range marked(a.want(http.StatusOK).page(), "pack") {
		words := ""
		if found := marked(pack, part); len(found) == 1 {
			words = text(found[0])
		}
		said = append(said, attr(pack, "data-pack")+": "+words)
	}
	return said
}

func (a answer) wantOnPacks(part string, want ...string) {
	a.t.Helper()
	if got := a.onPack(part); !slices.Equal(got, want) {
		a.t.Errorf("%s: %s says\n %q, want\n %q", a.to, part, got, want)
	}
}

// suggested is the pack that has the accent.
func (a answer) suggested() string {
	a.t.Helper()
	for _, pack := range marked(a.page(), "pack") {
		if strings.Contains(attr(pack, "class"), "border-accent") {
			return attr(pack, "data-pack")
		}
	}
	return ""
}

// refund gives a part of a purchase's money back, as support does.
func (s *site) refund(account, purchase, amount, reason string) {
	s.t.Helper()
	s.post("/v1/accounts/"+account+"/purchases/"+purchase+"/refund",
		`{`+amount+`"reason":"`+reason+`"}`).want(http.StatusCreated)
}

// bought buys a pack and gives the path of its page.
func (v *visitor) bought(pack string) (path, id string) {
	v.s.t.Helper()
	path = v.pay(v.order(pack))
	v.get(path).want(http.StatusOK).wantState("paid")
	return path, strings.TrimPrefix(path, "/credits/purchases/")
}

// Each pack says for how long it lasts this creator; without a pace it says nothing of it.
func TestPacksSayHowLongTheyLast(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openAnchored("maya")
	v := s.signIn("maya")
	v.get("/credits/buy").wantOnPacks("pack-lasts", "pack_100: ", "pack_500: ", "pack_1000: ")
	s.daily("maya", "10", 7)
	s.clock.Advance(24 * time.Hour)
	v.get("/credits/buy").wantOnPacks("pack-lasts",
		"pack_100: about 10 days at your pace", "pack_500: about 50 days at your pace",
		"pack_1000: about 3 months at your pace")
}

// What is owed is shown on every pack before anybody pays, and what came off on the page of the purchase.
func TestPacksSayWhatIsOwed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	v.get("/credits/buy").wantOnPacks("pack-owed", "pack_100: ", "pack_500: ", "pack_1000: ")
	path, id := v.bought("pack_500")
	s.charge("maya", `{"feature":"auto_selling","amount":"320"}`)
	s.refund("maya", id, "", "a returned payment")
	page := v.get(path)
	page.wantState("refunded")
	want := "Your $39.00 went back today, and the 500 tokens with it. It may take your bank a few days to show it. " +
		"120 of the tokens were used before that. 120 tokens are owed now, and will come off your next purchase."
	if got := text(page.only("purchase-text")); got != want {
		t.Errorf("the refunded purchase says\n %q, want\n %q", got, want)
	}

	page = v.get("/credits/buy")
	page.wantOnPacks("pack-owed",
		"pack_100: All of it pays part of the 120 owed from a returned payment: you get no tokens to spend, and 20 stay owed.",
		"pack_500: 500 − 120 owed from a returned payment = 380 tokens.",
		"pack_1000: 1,000 − 120 owed from a returned payment = 880 tokens.")
	page.wantOnPacks("pack-good-for", "pack_100: ", "pack_500: 38 images, 5 PDFs or about 7,600 replies",
		"pack_1000: 88 images, 11 PDFs or about 17,600 replies")
	if got := v.get("/credits/buy?need=33").want(http.StatusOK).suggested(); got != "pack_500" {
		t.Errorf("33 short and 120 owed: %q is suggested", got)
	}
	next, _ := v.bought("pack_500")
	want = "500 − 120 owed from a returned payment = 380 tokens. You now have 380."
	if got := text(v.get(next).only("purchase-text")); got != want {
		t.Errorf("the next purchase says\n %q, want\n %q", got, want)
	}
	v.get("/credits/buy").wantOnPacks("pack-owed", "pack_100: ", "pack_500: ", "pack_1000: ")
}

// The packs say who goes on with them, and that is who does.
func TestPacksSayWhoGoesOn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "0.01")
	s.call("PUT", "/v1/accounts/maya/agents/scout",
		`{"name":"Deal Scout","feature":"brand_deal_scan","reserve":"150"}`).want(http.StatusCreated)
	v := s.signIn("maya")
	v.get("/credits/buy").wantOnPacks("pack-resumes", "pack_100: ", "pack_500: ", "pack_1000: ")
	s.post("/v1/accounts/maya/charges",
		`{"feature":"social_comment_reply","agent":"replies"}`).want(http.StatusPaymentRequired)
	s.post("/v1/accounts/maya/charges",
		`{"feature":"brand_deal_scan","agent":"scout"}`).want(http.StatusPaymentRequired)
	s.call("PUT", "/v1/accounts/maya/agents/off", `{"name":"Off","feature":"comment_to_dm"}`).want(http.StatusCreated)
	s.post("/v1/accounts/maya/agents/off/pause", `{}`).want(http.StatusOK)
	v.get("/credits/buy").wantOnPacks("pack-resumes", "pack_100: Deal Scout restarts, for new requests.",
		"pack_500: Comment Replies and Deal Scout restart, for new requests.",
		"pack_1000: Comment Replies and Deal Scout restart, for new requests.")
	v.bought("pack_100")
	page := v.get("/agents")
	page.wantSaid("scout", "agent-state", "On")
	page.wantSaid("replies", "agent-state", "Held back by a reserve")
	page.wantSaid("off", "agent-state", "Paused by you")
	v.bought("pack_500")
	v.get("/agents").wantSaid("replies", "agent-state", "On")
}

// With a need the smallest pack that covers it comes first, and each that covers it says so; advice
// knows of it.
func TestPacksForANeed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "42")
	v := s.signIn("maya")
	page := v.get("/credits/buy?need=133")
	page.wantOnPacks("pack-covers", "pack_500: covers the 133 you are short", "pack_100: ",
		"pack_1000: covers the 133 you are short")
	if got := page.suggested(); got != "pack_500" {
		t.Errorf("%q is suggested", got)
	}
	if got := text(page.only("advice")); got !=
		"If you buy, 500 tokens for $39.00 are enough until your next ones arrive." {
		t.Errorf("the advice is %q", got)
	}
	page = v.get("/credits/buy?need=5000")
	page.wantOnPacks("pack-covers", "pack_1000: ", "pack_100: ", "pack_500: ")
	if got := text(page.only("buy-need")); got !=
		"You're 5,000 short. No pack alone covers that: the largest comes nearest." {
		t.Errorf("it says %q", got)
	}
	page.wantOnPacks("buy-pack", "pack_1000: Pay $69.00 : Large pack, 1,000 tokens",
		"pack_100: Pay $9.00 : Small pack, 100 tokens",
		"pack_500: Pay $39.00 : Medium pack, 500 tokens")
}

func TestTaxIsAnnounced(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	v.get("/credits/buy").want(http.StatusOK).has("pack-tax", false)
	for _, taxed := range []bool{false, true} {
		s.app.Billing = billing.New(s.pool, billing.Options{
			Ledger:         s.app.Ledger,
			Prices:         catalog.Builtin,
			Clock:          s.clock.Now,
			Log:            s.app.Log,
			Provider:       stripepay.New(stripepay.Options{Key: "sk_test_1"}),
			WebhookSecrets: []string{"whsec_1"},
			Taxed:          taxed,
		})
		s.rebuild()
		v.get("/credits/buy").want(http.StatusOK).has("pack-tax", taxed)
	}
}

// Wherever one is told that tokens are missing, the way to the packs leads back there.
func TestTheWayBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "0.01")
	v := s.signIn("maya")
	button := func(a answer) string { return attr(a.want(http.StatusOK).only("get-more-credits"), "href") }
	for from, want := range map[string]string{
		"/agents":                       "/credits/buy?next=%2Fagents",
		"/plans":                        "/credits/buy?next=%2Fplans",
		"/":                             "/credits/buy",
		"/credits":                      "/credits/buy",
		"/tools?tool=lip_sync&text=a+b": "/credits/buy?next=%2Ftools%3Ftool%3Dlip_sync%26text%3Da%2Bb",
	} {
		if got := button(v.get(from)); got != want {
			t.Errorf("from %s to %q, want %q", from, got, want)
		}
	}
	for from, want := range map[string]string{
		s.url + "/agents":            "/credits/buy?next=%2Fagents",
		"https://evil.example//evil": "/credits/buy",
		"://":                        "/credits/buy",
		"":                           "/credits/buy",
	} {
		if got := button(v.do("GET", "/credits/badge?v=x", "", "HX-Request", "true", "HX-Current-URL",
			from)); got != want {
			t.Errorf("a poll of %q leads to %q, want %q", from, got, want)
		}
	}
	a := s.post("/v1/accounts/maya/charges", `{"feature":"pdf_creation"}`).want(http.StatusPaymentRequired)
	a.wantMembers(map[string]any{"buy_url": s.url + "/credits/buy?need=74.99"})
	a = s.post("/v1/accounts/maya/charges",
		`{"feature":"social_comment_reply","agent":"replies"}`).want(http.StatusPaymentRequired)
	a.wantMembers(map[string]any{"buy_url": s.url + "/credits/buy?need=0.04&next=%2Fagents"})
	to := v.get("/agents").said("replies", "agent-cure")
	if to != "See the packs" {
		t.Errorf("a paused agent offers %q", to)
	}
}

// returnForm is what the page of a purchase posts to give it back.
func (a answer) returnForm() (path string, form url.Values) {
	a.t.Helper()
	form = url.Values{}
	for n := range a.only("return").Descendants() {
		if n.Data == "form" {
			path = attr(n, "action")
		}
		if n.Data == "input" {
			form.Set(attr(n, "name"), attr(n, "value"))
		}
	}
	return path, form
}

// A creator gives an untouched pack back: once, however often the button is pressed.
func TestReturningAPackByOneself(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.call("PUT", "/v1/accounts/maya", `{"time_zone":"Europe/Berlin"}`).want(http.StatusOK)
	v := s.signIn("maya")
	path, _ := v.bought("pack_500")
	page := v.get(path)
	want := "You have used nothing of it. Until Sunday 6 December, 15:02 you can return it: its tokens go back, and your $39.00 with them, to Visa 4242."
	if got := text(page.only("return-text")); got != want {
		t.Errorf("it says\n %q, want\n %q", got, want)
	}
	to, form := page.returnForm()
	if to != path+"/return" {
		t.Errorf("the form goes to %s", to)
	}
	s.open("eve", "starter")
	s.signIn("eve").submit(to, form).want(http.StatusNotFound)
	v.submit(to, url.Values{"key": {""}}).want(http.StatusBadRequest)
	v.submit("/credits/purchases/x/return", form).want(http.StatusNotFound)
	s.wantSpendable("maya", "700")

	together(5, func(int) {
		a := s.send("POST", to, form.Encode(), "Cookie", "credits="+v.cookie, "Sec-Fetch-Site", "same-origin",
			"Content-Type", "application/x-www-form-urlencoded")
		if a.status != http.StatusSeeOther && a.status != http.StatusConflict {
			t.Errorf("pressed at once: %d", a.status)
		}
	})
	v.submit(to, form).leads(path)
	page = v.get(path).wantState("returned").has("return", false)
	if got := text(page.only("purchase-text")); got !=
		"Your $39.00 went back today, and the 500 tokens with it. It may take your bank a few days to show it." {
		t.Errorf("it says %q", got)
	}
	s.wantSpendable("maya", "200")
	if n := s.count(`select count(*) from purchase_refunds`); n != 1 {
		t.Errorf("%d refunds", n)
	}
	if n := s.count(`select refunded_minor::int from sandbox_sessions`); n != 3900 {
		t.Errorf("%d went back", n)
	}
	if rows := marked(v.get("/credits/history").want(http.StatusOK).page(),
		"history-row"); !strings.Contains(text(rows[0]), "Returned by you") {
		t.Errorf("the history does not tell it: %s", text(rows[0]))
	}
	list := s.call("GET", "/v1/accounts/maya/transactions?kind=clawback", "").want(http.StatusOK)
	if got := list.at("transactions", 0, "reason"); got != "returned by the creator" {
		t.Errorf("the API says %v", got)
	}
	again := v.submit(to, url.Values{"key": {"another"}}).want(http.StatusConflict)
	if got := text(again.wantState("returned").only("problem")); got !=
		"All of this purchase's money went back already." {
		t.Errorf("once more: %q", got)
	}
}

// What cannot be returned offers no return, and a form from before is told why.
func TestReturnsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	refused := func(what, path string, form url.Values, state, why string) {
		t.Helper()
		v.get(path).want(http.StatusOK).wantState(state).has("return", false)
		a := v.submit(path+"/return", form).want(http.StatusConflict).wantState(state)
		if got := text(a.only("problem")); got != why {
			t.Errorf("%s: %q, want %q", what, got, why)
		}
	}
	path, _ := v.bought("pack_100")
	_, form := v.get(path).returnForm()
	s.charge("maya", `{"feature":"auto_selling","amount":"200.05"}`)
	refused("used", path, form, "paid", "Some of these tokens were used, so this pack cannot be returned.")
	s.wantSpendable("maya", "99.95")

	path, _ = v.bought("pack_100")
	_, form = v.get(path).returnForm()
	s.clock.Advance(14 * 24 * time.Hour)
	v = s.signIn("maya")
	refused("late", path, form, "paid", "The time in which this pack could be returned is over.")

	back := v.submit(v.order("pack_100")+"/pay",
		url.Values{"card": {"0259"}}).want(http.StatusSeeOther).header.Get("Location")
	refused("disputed", strings.TrimPrefix(back, s.url), form, "disputed",
		"This payment is in dispute: the bank decides where the money goes.")
	open := strings.TrimPrefix(v.submit(v.order("pack_100")+"/cancel", nil).header.Get("Location"), s.url)
	refused("not paid", strings.TrimSuffix(open, "?cancelled=1"), form, "unpaid",
		"This purchase was not paid, so there is nothing to give back.")
}

// A return that could not be finished goes on by itself, which its page says.
func TestAReturnThatBrokeOff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	path, _ := v.bought("pack_500")
	to, form := v.get(path).returnForm()
	working := s.app.Billing
	stopped := ledger.New(s.pool, ledger.Options{
		Clock:  s.clock.Now,
		Prices: catalog.Builtin,
		Log:    s.app.Log,
	})
	stopped.Close()
	s.app.Billing = billing.New(s.pool, billing.Options{
		Ledger:         stopped,
		Prices:         catalog.Builtin,
		Clock:          s.clock.Now,
		Log:            s.app.Log,
		Provider:       s.provider,
		WebhookSecrets: []string{eventSecret},
	})
	s.rebuild()
	v.submit(to, form).leads(path)
	s.app.Billing = working
	s.rebuild()
	page := v.get(path).wantState("returning").has("return", false)
	if got := text(page.only("purchase-text")); got !=
		"Your $39.00 will go back, and its 500 tokens wait until then. There is nothing more to do." {
		t.Errorf("it says %q", got)
	}
	s.clock.Advance(2 * time.Minute)
	if _, err := s.app.Billing.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.get(path).wantState("returned")
	s.wantSpendable("maya", "200")
}

// What became of a purchase is told in words, and never as if it had just been paid.
func TestPurchasesWhoseMoneyWentBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	path, id := v.bought("pack_500")
	s.refund("maya", id, `"amount":{"minor":975,"currency":"USD"},`, "a <b>video</b> failed")
	page := v.get(path).wantState("partly")
	if got := text(page.only("purchase-text")); got !=
		"$9.75 of it went back today, and 125 tokens with it. You now have 575." {
		t.Errorf("it says %q", got)
	}
	if !strings.Contains(text(page.only("purchase")), "Reasona <b>video</b> failed") {
		t.Errorf("the reason is not told: %s", text(page.only("purchase")))
	}
	rows := marked(v.get("/credits/history").want(http.StatusOK).page(), "history-row")
	if len(rows) == 0 || !strings.Contains(text(rows[0]), "Payment refunded") ||
		!strings.Contains(text(rows[0]), "a <b>video</b> failed") {
		t.Errorf("the history does not tell why: %q", text(rows[0]))
	}

	back := v.submit(v.order("pack_100")+"/pay",
		url.Values{"card": {"0259"}}).want(http.StatusSeeOther).header.Get("Location")
	disputed := strings.TrimPrefix(back, s.url)
	page = v.get(disputed).wantState("disputed")
	if got := text(page.only("purchase-text")); got !=
		"Your bank is looking into this payment. Its 100 unused tokens wait until that is decided." {
		t.Errorf("it says %q", got)
	}
	icons := all(page.only("purchase"), func(n *html.Node) bool {
		return strings.Contains(attr(n, "class"), "text-ok")
	})
	if len(icons) != 0 {
		t.Error("it looks like a success")
	}
}
