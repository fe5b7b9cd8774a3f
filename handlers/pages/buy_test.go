package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/testkit"
)

// The whole flow: order, payment page, payment, the provider's event to our webhook, tokens, return
// page, history.
func TestBuying(t *testing.T) {
	t.Parallel()
	s := handlerstest.NewWith(t, handlerstest.Options{Deliver: true})
	s.OpenWith("maya", "3")
	v := s.SignIn("maya")
	v.Get("/credits").WantElement("get-more-credits", true)
	checkout := v.Order("pack_500")
	page := v.Get(checkout).Want(http.StatusOK).WantElement("sandbox-pay", true).WantElement("sandbox-decline", true)
	if !strings.Contains(string(page.Body), "$39.00") || !strings.Contains(string(page.Body), "500 tokens") {
		t.Errorf("the payment page does not say what is bought: %.2000s", page.Body)
	}
	back := v.Pay(checkout)
	if status := <-s.WebhookStatuses; status != http.StatusOK {
		t.Errorf("the event was answered %d", status)
	}
	// The webhook has completed it before the buyer returns.
	if n := s.Count("select count(*) from purchases where status = 'completed' and paid_minor = 3900 and card = 'Visa 4242'"); n != 1 {
		t.Errorf("%d purchases are completed", n)
	}
	s.WantSpendable("maya", "503")
	v.Get(back).Want(http.StatusOK).WantState("paid")
	status := v.Get(back + "/status").Want(http.StatusOK).WantState("paid")
	if status.Header.Get("HX-Trigger") != "credits-changed" {
		t.Errorf("HX-Trigger is %q", status.Header.Get("HX-Trigger"))
	}
	v.Get(checkout).Want(http.StatusOK).WantElement("sandbox-pay", false).WantElement("sandbox-done", true)
	v.Get("/credits").Want(http.StatusOK).WantElement("get-more-credits", false)
	rows := handlerstest.Marked(v.Get("/credits/history").Want(http.StatusOK).HTML(), "history-row")
	if len(rows) == 0 || !strings.Contains(handlerstest.Text(rows[0]), "+500") {
		t.Errorf("the history has %d rows", len(rows))
	}
}

// An unpaid order is not shown as bought. While the provider does not know the payment's state, the
// page keeps polling.
func TestReturningUnpaid(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	checkout := v.Order("pack_100")
	a := v.Submit(checkout+"/cancel", nil).Want(http.StatusSeeOther)
	back := strings.TrimPrefix(a.Header.Get("Location"), s.URL)
	turned := v.Get(back).
		Want(http.StatusOK).
		WantState("cancelled").
		WantElement("purchase-pay", true).
		WantElement("order-cancel",
			true)
	if got := handlerstest.Text(turned.Element("purchase-text")); got !=
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
		s.Clock.Set(handlerstest.Start.Add(step.after))
		got := handlerstest.Attr(unconfirmed(v, path).WantState("processing").Element("purchase"), "hx-trigger")
		if !strings.HasPrefix(got, step.every) {
			t.Errorf("after %v it asks %q, want %q", step.after, got, step.every)
		}
	}
	s.Clock.Set(handlerstest.Start.Add(2*time.Minute + time.Second))
	slow := unconfirmed(v, path+"/status").WantState("slow")
	if handlerstest.Attr(slow.Element("purchase"), "hx-trigger") != "" || slow.Header.Get("HX-Trigger") != "" {
		t.Error("a slow purchase goes on asking, or moves the badge")
	}
	s.WantSpendable("maya", "200")
	// After that the order is shown as unpaid, and can be paid.
	s.Clock.Set(handlerstest.Start.Add(10*time.Minute + time.Second))
	unpaid := unconfirmed(v, path).WantState("unpaid")
	if href := handlerstest.Attr(unpaid.Element("purchase-pay"), "href"); !strings.Contains(
		href,
		"/sandbox/checkout/",
	) {
		t.Errorf("it can be paid at %q", href)
	}
	// Once the payment is in progress, the URL cannot say that checkout was left.
	if _, err := s.DB.Pool.Exec(t.Context(), "update purchases set status = 'processing'"); err != nil {
		t.Fatal(err)
	}
	s.Clock.Set(handlerstest.Start)
	v.Get(back).Want(http.StatusOK).WantState("processing")
}

// unconfirmed is a page that is requested while the provider cannot be reached.
func unconfirmed(v *handlerstest.Browser, path string) handlerstest.Response {
	v.Site.T.Helper()
	working := v.Site.App.Billing
	defer func() {
		v.Site.App.Billing = working
		v.Site.Rebuild()
	}()
	broken, err := pgxpool.New(v.Site.T.Context(), "postgres://nobody@127.0.0.1:1/none")
	if err != nil {
		v.Site.T.Fatal(err)
	}
	defer broken.Close()
	v.Site.App.Billing = billing.New(v.Site.Pool, billing.Options{
		Ledger:   v.Site.App.Ledger,
		Prices:   catalog.Builtin,
		Clock:    v.Site.Clock.Now,
		Log:      v.Site.App.Log,
		Provider: sandbox.New(broken, sandbox.Options{Clock: v.Site.Clock.Now, Log: v.Site.App.Log}),
	})
	v.Site.Rebuild()
	return v.Get(path).Want(http.StatusOK)
}

func TestADeclinedCard(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	checkout := v.Order("pack_100")
	v.Submit(checkout+"/decline", nil).WantRedirect(checkout)
	v.Get(checkout).Want(http.StatusOK).WantElement("problem", true).WantElement("sandbox-pay", true)
	if n := s.Count("select count(*) from purchases where status = 'pending'"); n != 1 {
		t.Errorf("%d purchases are pending", n)
	}
	s.WantSpendable("maya", "200")
	v.Get(v.Pay(checkout)).Want(http.StatusOK).WantState("paid")
	// Paying or declining again changes nothing.
	before := s.Contents()
	v.Pay(checkout)
	v.Submit(checkout+"/decline", nil).WantRedirect(checkout)
	s.WantUnchanged(before)
	s.WantSpendable("maya", "300")
}

func TestAnExpiredCheckout(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	checkout := v.Order("pack_100")
	s.Clock.Advance(24 * time.Hour)
	v.Submit(checkout+"/pay", nil).WantRedirect(checkout)
	v.Get(checkout).Want(http.StatusOK).WantElement("sandbox-pay", false).WantElement("sandbox-done", true)
	s.WantSpendable("maya", "200")
}

// A form that is sent twice or many times is one purchase.
func TestOneFormIsOnePurchase(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	form := v.Forms()["pack_100"]
	first := v.Checkout(v.Submit("/credits/buy", form))
	if again := v.Checkout(v.Submit("/credits/buy", form)); again != first {
		t.Errorf("the second click leads to %s, the first to %s", again, first)
	}
	other := v.Forms()["pack_100"]
	paths := make([]string, 20)
	testkit.Concurrently(len(paths), func(i int) {
		paths[i] = v.Site.Send("POST", "/credits/buy", other.Encode(), "Cookie", "credits="+v.Cookie,
			"Sec-Fetch-Site", "same-origin",
			"Content-Type", "application/x-www-form-urlencoded").Want(http.StatusSeeOther).Header.Get("Location")
	})
	for _, path := range paths {
		if path != paths[0] || strings.HasSuffix(path, first) {
			t.Errorf("clicks at once lead to %s and %s", path, paths[0])
		}
	}
	if n := s.Count("select count(*) from purchases"); n != 2 {
		t.Errorf("%d purchases, want 2", n)
	}
	// The key of one pack's form is refused for another pack.
	form.Set("pack", "pack_1000")
	v.Submit("/credits/buy", form).Want(http.StatusUnprocessableEntity).WantElement("problem", true)
	if n := s.Count("select count(*) from purchases"); n != 2 {
		t.Errorf("%d purchases, want 2", n)
	}
}

func TestBuyingRefusesJunk(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	before := s.Contents()
	for _, pack := range []string{"", "pack_0", "<script>alert(1)</script>", "\x00", "\xff", "' or 1=1 --"} {
		a := v.Submit("/credits/buy", url.Values{
			"pack": {pack},
			"key":  {"k"},
		}).Want(http.StatusUnprocessableEntity).WantElement("problem", true)
		if strings.Contains(string(a.Body), "<script>") {
			t.Error("the pack is on the page as it came")
		}
	}
	for _, key := range []string{"", "\x00", "é", strings.Repeat("k", 201)} {
		v.Submit("/credits/buy", url.Values{"pack": {"pack_100"}, "key": {key}}).Want(http.StatusBadRequest)
	}
	v.Submit("/credits/buy", url.Values{
		"pack": {"pack_100"},
		"key":  {"k"},
		"more": {strings.Repeat("x", 70_000)},
	}).Want(http.StatusRequestEntityTooLarge)
	s.WantUnchanged(before)
}

// The provider is down when the button is pressed: 503, and the same form then continues.
func TestAProviderThatIsAway(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	form := v.Forms()["pack_100"]
	owner, err := pgx.Connect(t.Context(), s.DB.OwnerURL)
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
	a := v.Submit("/credits/buy", form).Want(http.StatusServiceUnavailable)
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	handlerstest.WantSilent(t, a)
	exec("alter table away rename to sandbox_sessions")
	v.Get(v.Pay(v.Checkout(v.Submit("/credits/buy", form)))).WantState("paid")
	if n := s.Count("select count(*) from purchases"); n != 1 {
		t.Errorf("%d purchases, want 1", n)
	}
	s.WantSpendable("maya", "300")
}

func TestASandboxCheckoutThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	before := s.Contents()
	v := &handlerstest.Browser{Site: s}
	for _, id := range []string{
		"cs_test_x", "x", "cs_test_%27%20or%201=1", "..",
		"cs_test_" + strings.Repeat("x", 5000),
	} {
		v.Get("/sandbox/checkout/" + id).Want(http.StatusNotFound)
		for _, action := range []string{"/pay", "/decline", "/cancel"} {
			v.Submit("/sandbox/checkout/"+id+action, nil).Want(http.StatusNotFound)
		}
	}
	for _, id := range []string{"%00", "%ff"} {
		v.Get("/sandbox/checkout/" + id).Want(http.StatusBadRequest)
		v.Submit("/sandbox/checkout/"+id+"/pay", nil).Want(http.StatusBadRequest)
	}
	s.WantUnchanged(before)
}
