package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/sandbox"
)

// forms are the packs on the page, each with what its button posts.
func (v *visitor) forms() map[string]url.Values {
	v.s.t.Helper()
	found := map[string]url.Values{}
	for _, pack := range marked(v.get("/credits/buy").want(http.StatusOK).page(), "pack") {
		form := url.Values{}
		for n := range pack.Descendants() {
			if n.Data == "form" && (attr(n, "action") != "/credits/buy" || attr(n, "method") != "post") {
				v.s.t.Errorf("a pack's form goes to %s %s", attr(n, "method"), attr(n, "action"))
			}
			if n.Data == "input" {
				form.Set(attr(n, "name"), attr(n, "value"))
			}
		}
		found[attr(pack, "data-pack")] = form
	}
	return found
}

// order presses a pack's button and gives the path of the payment page.
func (v *visitor) order(pack string) string {
	v.s.t.Helper()
	return v.checkout(v.submit("/credits/buy", v.forms()[pack]))
}

func (v *visitor) checkout(a answer) string {
	v.s.t.Helper()
	a.want(http.StatusSeeOther)
	path, ours := strings.CutPrefix(a.header.Get("Location"), v.s.url)
	if !ours || !strings.HasPrefix(path, "/sandbox/checkout/cs_test_") {
		v.s.t.Fatalf("the button leads to %q", a.header.Get("Location"))
	}
	return path
}

// pay presses the payment page's button and gives the path of the page that one comes back to.
func (v *visitor) pay(checkout string) string {
	v.s.t.Helper()
	a := v.submit(checkout+"/pay", nil).want(http.StatusSeeOther)
	path, ours := strings.CutPrefix(a.header.Get("Location"), v.s.url)
	if !ours || !strings.HasPrefix(path, "/credits/purchases/") {
		v.s.t.Fatalf("paying leads to %q", a.header.Get("Location"))
	}
	return path
}

func (s *site) buyAndPay(account, pack string) {
	s.t.Helper()
	v := s.signIn(account)
	v.get(v.pay(v.order(pack))).want(http.StatusOK)
}

func (a answer) wantState(want string) answer {
	a.t.Helper()
	if got := attr(a.only("purchase"), "data-state"); got != want {
		a.t.Errorf("%s: the purchase is %q, want %q", a.to, got, want)
	}
	return a
}

// The whole way: order, payment page, payment, the provider's event to our own webhook, tokens,
// return page, history.
func TestBuying(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, options{deliver: true})
	s.openWith("maya", "3")
	v := s.signIn("maya")
	v.get("/credits").has("get-more-credits", true)
	checkout := v.order("pack_500")
	page := v.get(checkout).want(http.StatusOK).has("sandbox-pay", true).has("sandbox-decline", true)
	if !strings.Contains(string(page.body), "$39.00") || !strings.Contains(string(page.body), "500 tokens") {
		t.Errorf("the payment page does not say what is bought: %.2000s", page.body)
	}
	back := v.pay(checkout)
	if status := <-s.webhooks; status != http.StatusOK {
		t.Errorf("the event was answered %d", status)
	}
	// The webhook has done it, before anybody came back.
	if n := s.count("select count(*) from purchases where status = 'completed' and paid_minor = 3900 and card = 'Visa 4242'"); n != 1 {
		t.Errorf("%d purchases are completed", n)
	}
	s.wantSpendable("maya", "503")
	v.get(back).want(http.StatusOK).wantState("paid")
	status := v.get(back + "/status").want(http.StatusOK).wantState("paid")
	if status.header.Get("HX-Trigger") != "credits-changed" {
		t.Errorf("HX-Trigger is %q", status.header.Get("HX-Trigger"))
	}
	v.get(checkout).want(http.StatusOK).has("sandbox-pay", false).has("sandbox-done", true)
	v.get("/credits").want(http.StatusOK).has("get-more-credits", false)
	rows := marked(v.get("/credits/history").want(http.StatusOK).page(), "history-row")
	if len(rows) == 0 || !strings.Contains(text(rows[0]), "+500") {
		t.Errorf("the history has %d rows", len(rows))
	}
}

// Before it is paid nothing is shown as bought. While the provider cannot tell how a payment
// stands, the page goes on asking.
func TestReturningUnpaid(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	checkout := v.order("pack_100")
	a := v.submit(checkout+"/cancel", nil).want(http.StatusSeeOther)
	back := strings.TrimPrefix(a.header.Get("Location"), s.url)
	turned := v.get(back).want(http.StatusOK).wantState("cancelled").has("purchase-pay", true).has("order-cancel",
		true)
	if got := text(turned.only("purchase-text")); got !=
		"Nothing was bought. The order stays open until you cancel it or a day has passed." {
		t.Errorf("it says %q", got)
	}
	path, query, _ := strings.Cut(back, "?")
	if query != "cancelled=1" {
		t.Errorf("cancelling leads to %s", back)
	}
	for _, step := range []struct {
		after time.Duration
		every string
	}{{0, "every 1000ms"}, {5 * time.Second, "every 2000ms"}, {20 * time.Second, "every 5000ms"}} {
		s.clock.Set(start.Add(step.after))
		got := attr(confirming(v, path).wantState("processing").only("purchase"), "hx-trigger")
		if !strings.HasPrefix(got, step.every) {
			t.Errorf("after %v it asks %q, want %q", step.after, got, step.every)
		}
	}
	s.clock.Set(start.Add(2*time.Minute + time.Second))
	slow := confirming(v, path+"/status").wantState("slow")
	if attr(slow.only("purchase"), "hx-trigger") != "" || slow.header.Get("HX-Trigger") != "" {
		t.Error("a slow purchase goes on asking, or moves the badge")
	}
	s.wantSpendable("maya", "200")
	// An order that nobody has paid after that is called so, and can be paid.
	s.clock.Set(start.Add(10*time.Minute + time.Second))
	unpaid := confirming(v, path).wantState("unpaid")
	if href := attr(unpaid.only("purchase-pay"), "href"); !strings.Contains(href, "/sandbox/checkout/") {
		t.Errorf("it can be paid at %q", href)
	}
	// Once the money is known to be on its way, an address cannot say that checkout was left.
	if _, err := s.db.Pool.Exec(t.Context(), "update purchases set status = 'processing'"); err != nil {
		t.Fatal(err)
	}
	s.clock.Set(start)
	v.get(back).want(http.StatusOK).wantState("processing")
}

// confirming is a page for which the provider cannot be asked how the payment stands.
func confirming(v *visitor, path string) answer {
	v.s.t.Helper()
	working := v.s.app.Billing
	defer func() {
		v.s.app.Billing = working
		v.s.rebuild()
	}()
	broken, err := pgxpool.New(v.s.t.Context(), "postgres://nobody@127.0.0.1:1/none")
	if err != nil {
		v.s.t.Fatal(err)
	}
	defer broken.Close()
	v.s.app.Billing = billing.New(v.s.pool, billing.Options{
		Ledger:         v.s.app.Ledger,
		Prices:         catalog.Builtin,
		Clock:          v.s.clock.Now,
		Log:            v.s.app.Log,
		WebhookSecrets: []string{eventSecret},
		Provider:       sandbox.New(broken, sandbox.Options{Clock: v.s.clock.Now, Log: v.s.app.Log}),
	})
	v.s.rebuild()
	return v.get(path).want(http.StatusOK)
}

func TestADeclinedCard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	checkout := v.order("pack_100")
	v.submit(checkout+"/decline", nil).leads(checkout)
	v.get(checkout).want(http.StatusOK).has("problem", true).has("sandbox-pay", true)
	if n := s.count("select count(*) from purchases where status = 'pending'"); n != 1 {
		t.Errorf("%d purchases are pending", n)
	}
	s.wantSpendable("maya", "200")
	v.get(v.pay(checkout)).want(http.StatusOK).wantState("paid")
	// Whoever pays or declines again changes nothing.
	before := s.contents()
	v.pay(checkout)
	v.submit(checkout+"/decline", nil).leads(checkout)
	s.unchanged(before)
	s.wantSpendable("maya", "300")
}

func TestAnExpiredCheckout(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	checkout := v.order("pack_100")
	s.clock.Advance(24 * time.Hour)
	v.submit(checkout+"/pay", nil).leads(checkout)
	v.get(checkout).want(http.StatusOK).has("sandbox-pay", false).has("sandbox-done", true)
	s.wantSpendable("maya", "200")
}

// A double click, and many: one form is one purchase.
func TestOneFormIsOnePurchase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	form := v.forms()["pack_100"]
	first := v.checkout(v.submit("/credits/buy", form))
	if again := v.checkout(v.submit("/credits/buy", form)); again != first {
		t.Errorf("the second click leads to %s, the first to %s", again, first)
	}
	other := v.forms()["pack_100"]
	paths := make([]string, 20)
	together(len(paths), func(i int) {
		paths[i] = v.s.send("POST", "/credits/buy", other.Encode(), "Cookie", "credits="+v.cookie,
			"Sec-Fetch-Site", "same-origin",
			"Content-Type", "application/x-www-form-urlencoded").want(http.StatusSeeOther).header.Get("Location")
	})
	for _, path := range paths {
		if path != paths[0] || strings.HasSuffix(path, first) {
			t.Errorf("clicks at once lead to %s and %s", path, paths[0])
		}
	}
	if n := s.count("select count(*) from purchases"); n != 2 {
		t.Errorf("%d purchases, want 2", n)
	}
	// The key of one pack's form is not good for another pack.
	form.Set("pack", "pack_1000")
	v.submit("/credits/buy", form).want(http.StatusUnprocessableEntity).has("problem", true)
	if n := s.count("select count(*) from purchases"); n != 2 {
		t.Errorf("%d purchases, want 2", n)
	}
}

func TestBuyingRefusesJunk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	before := s.contents()
	for _, pack := range []string{"", "pack_0", "<script>alert(1)</script>", "\x00", "\xff", "' or 1=1 --"} {
		a := v.submit("/credits/buy", url.Values{
			"pack": {pack},
			"key":  {"k"},
		}).want(http.StatusUnprocessableEntity).has("problem", true)
		if strings.Contains(string(a.body), "<script>") {
			t.Error("the pack is on the page as it came")
		}
	}
	for _, key := range []string{"", "\x00", "é", strings.Repeat("k", 201)} {
		v.submit("/credits/buy", url.Values{"pack": {"pack_100"}, "key": {key}}).want(http.StatusBadRequest)
	}
	v.submit("/credits/buy", url.Values{
		"pack": {"pack_100"},
		"key":  {"k"},
		"more": {strings.Repeat("x", 70_000)},
	}).want(http.StatusRequestEntityTooLarge)
	s.unchanged(before)
}

// The provider is away when the button is pressed: 503, and the same form goes on where it stopped.
func TestAProviderThatIsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	form := v.forms()["pack_100"]
	owner, err := pgx.Connect(t.Context(), s.db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	exec := func(sql string) {
		t.Helper()
		if _, err := owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("alter table sandbox_sessions rename to away")
	a := v.submit("/credits/buy", form).want(http.StatusServiceUnavailable)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wantSilent(t, a)
	exec("alter table away rename to sandbox_sessions")
	v.get(v.pay(v.checkout(v.submit("/credits/buy", form)))).wantState("paid")
	if n := s.count("select count(*) from purchases"); n != 1 {
		t.Errorf("%d purchases, want 1", n)
	}
	s.wantSpendable("maya", "300")
}

func TestASandboxCheckoutThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := s.contents()
	v := &visitor{s: s}
	for _, id := range []string{
		"cs_test_x", "x", "cs_test_%27%20or%201=1", "..",
		"cs_test_" + strings.Repeat("x", 5000),
	} {
		v.get("/sandbox/checkout/" + id).want(http.StatusNotFound)
		for _, action := range []string{"/pay", "/decline", "/cancel"} {
			v.submit("/sandbox/checkout/"+id+action, nil).want(http.StatusNotFound)
		}
	}
	for _, id := range []string{"%00", "%ff"} {
		v.get("/sandbox/checkout/" + id).want(http.StatusBadRequest)
		v.submit("/sandbox/checkout/"+id+"/pay", nil).want(http.StatusBadRequest)
	}
	s.unchanged(before)
}
