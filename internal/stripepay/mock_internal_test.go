package stripepay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
)

// mock starts stripe-mock, which rejects unknown parameters and answers sample objects.
func mock(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), mockBinary(t), "-http-addr", "127.0.0.1:0", "-https-addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if at, ok := strings.CutPrefix(lines.Text(), "Listening for HTTP at address: "); ok {
			return "http://" + at
		}
	}
	t.Fatal("stripe-mock does not say where it listens")
	return ""
}

func mockBinary(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("stripe-mock"); err == nil {
		return path
	}
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOBIN", "GOPATH").Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := strings.Split(string(out), "\n")
	for _, path := range []string{
		filepath.Join(dirs[0], "stripe-mock"),
		filepath.Join(dirs[1], "bin", "stripe-mock"),
	} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatal("stripe-mock is missing: ./.ci/setup stripe")
	return ""
}

// Every request has only parameters that Stripe knows.
func TestEveryRequestIsAsStripeWantsIt(t *testing.T) {
	t.Parallel()
	url := mock(t)
	order := payment.Order{
		Reference:   "11111111-1111-4111-8111-111111111111",
		Price:       money.Amount{Minor: 900, Currency: "USD"},
		Description: "100 tokens",
		SuccessURL:  "https://credits.test/a",
		CancelURL:   "https://credits.test/b",
	}
	charge := payment.Charge{
		Reference:   order.Reference,
		Price:       order.Price,
		Most:        1 << 40,
		Description: order.Description,
		Customer:    "cus_1",
		Method:      "pm_1",
	}
	for i := range 16 {
		o := order
		if i&1 != 0 {
			o.Customer = "cus_1"
		}
		o.KeepMethod = i&2 != 0
		p := New(Options{
			Key:            "sk_test_1",
			APIURL:         url,
			Tax:            i&4 != 0,
			PromotionCodes: i&8 != 0,
		})
		if c, err := p.Open(t.Context(), o); err != nil || c.ID == "" {
			t.Errorf("open %04b: %+v, %v", i, c, err)
		}
	}
	p := New(Options{Key: "sk_test_1", APIURL: url})
	if c, err := p.Checkout(t.Context(), "cs_test_1"); err != nil || c.ID != "cs_test_1" {
		t.Errorf("checkout: %+v, %v", c, err)
	}
	if c, err := p.Close(t.Context(), "cs_test_1"); err != nil || c.ID == "" {
		t.Errorf("close: %+v, %v", c, err)
	}
	if c, err := p.CheckoutOf(t.Context(), "pi_1"); err != nil || c.ID == "" {
		t.Errorf("checkout of a payment: %+v, %v", c, err)
	}
	if list, err := p.disputes(t.Context(), "pi_1"); err != nil || len(list) == 0 {
		t.Errorf("disputes: %+v, %v", list, err)
	}
	for _, tax := range []bool{false, true} {
		p := New(Options{
			Key:    "sk_test_1",
			APIURL: url,
			Tax:    tax,
		})
		if c, err := p.Charge(t.Context(), charge); err != nil || !strings.HasPrefix(c.ID, "pi_") {
			t.Errorf("charge, tax %t: %+v, %v", tax, c, err)
		}
	}
	// The mock's own payment is not ours.
	if c, err := p.Checkout(t.Context(), "pi_1"); !errors.Is(err, payment.ErrNone) {
		t.Errorf("checkout of a charge: %+v, %v", c, err)
	}
	if _, err := p.client.V1TaxCalculations.Retrieve(t.Context(), "taxcalc_1", nil); err != nil {
		t.Error("tax:", err)
	}
	if err := p.Forget(t.Context(), "pm_1"); err != nil {
		t.Error("forget:", err)
	}
	if err := p.Refund(t.Context(), payment.Refund{
		Key:     "k",
		Payment: "pi_1",
		Amount:  money.Amount{Minor: 1, Currency: "USD"},
	}); err != nil {
		t.Error("refund:", err)
	}
	now := time.Now()
	for _, after := range []string{"", "evt_1"} {
		if list, _, err := p.Events(t.Context(), now.Add(-time.Hour), now, after); err != nil || len(list) == 0 {
			t.Errorf("events: %+v, %v", list, err)
		}
	}
	// The mock does check parameters.
	params := p.checkoutParams(order, 900)
	params.AddExtra("colour", "red")
	if _, err := p.client.V1CheckoutSessions.Create(t.Context(), params); err == nil {
		t.Error("a parameter that Stripe does not know went through")
	}
}

// How Stripe's refusals are classified.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		want   error // nil: outcome unknown
	}{
		{
			404, `{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such session"}}`,
			payment.ErrNone,
		},
		{400, `{"error":{"type":"invalid_request_error","code":"resource_missing"}}`, payment.ErrNone},
		{400, `{"error":{"type":"invalid_request_error","code":"charge_already_refunded","message":"of maya@shop.example"}}`, payment.ErrRefused},
		{402, `{"error":{"type":"card_error"}}`, payment.ErrRefused},
		{400, `{"error":{"type":"idempotency_error"}}`, nil},
		{401, `{"error":{"type":"invalid_request_error"}}`, nil},
		{409, `{"error":{"type":"idempotency_error"}}`, nil},
		{429, `{"error":{"type":"rate_limit"}}`, nil},
		{500, `{"error":{"type":"api_error"}}`, nil},
		{502, `<html>`, nil},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}))
		p := New(Options{Key: "sk_test_1", APIURL: server.URL})
		err := p.Refund(t.Context(), payment.Refund{
			Key:     "k",
			Payment: "pi_1",
			Amount:  money.Amount{Minor: 1, Currency: "USD"},
		})
		server.Close()
		known := errors.Is(err, payment.ErrNone) || errors.Is(err, payment.ErrRefused)
		if err == nil || (c.want != nil && !errors.Is(err, c.want)) || (c.want == nil && known) {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
		if strings.Contains(fmt.Sprint(err), "maya") {
			t.Errorf("the error repeats what a buyer has entered: %v", err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(Options{Key: "sk_test_1", APIURL: "http://127.0.0.1:1"}).Refund(gone,
		payment.Refund{Amount: money.Amount{Currency: "USD"}}); err == nil || errors.Is(err, payment.ErrRefused) {
		t.Error("no server:", err)
	}
}

func TestTaxFailures(t *testing.T) {
	t.Parallel()
	for code, refused := range map[stripe.ErrorCode]bool{
		stripe.ErrorCodeCustomerTaxLocationInvalid: true,
		"stripe_tax_inactive":                      false,
	} {
		err := &stripe.Error{
			Type:           stripe.ErrorTypeInvalidRequest,
			HTTPStatusCode: 400,
			Code:           code,
		}
		if got := taxFailure(err); errors.Is(got, payment.ErrRefused) != refused {
			t.Errorf("%s: %v", code, got)
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"sk_test_1": "stripe_test",
		"rk_test_1": "stripe_test",
		"sk_live_1": "stripe",
		"rk_live_1": "stripe",
	} {
		p := New(Options{Key: key})
		if p.Name() != want || p.Live() != (want == "stripe") {
			t.Errorf("%s: %s, live %t", key, p.Name(), p.Live())
		}
	}
	for _, key := range []string{"", "sk_", "sk_test_", "pk_test_1", "whsec_1", "sk_prod_1"} {
		if _, err := Live(key); !errors.Is(err, ErrKey) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestDisputeStates(t *testing.T) {
	t.Parallel()
	for status, want := range map[stripe.DisputeStatus]payment.DisputeState{
		"needs_response":         payment.DisputeOpen,
		"under_review":           payment.DisputeOpen,
		"warning_needs_response": payment.DisputeOpen,
		"warning_under_review":   payment.DisputeOpen,
		"of_the_future":          payment.DisputeOpen,
		"won":                    payment.DisputeWon,
		"prevented":              payment.DisputeWon,
		"warning_closed":         payment.DisputeWon,
		"lost":                   payment.DisputeLost,
	} {
		if got := disputeState(status); got != want {
			t.Errorf("%s is %s, want %s", status, got, want)
		}
	}
}
