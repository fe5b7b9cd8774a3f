package handlers_test

import (
	"strings"
	"testing"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/stripepay"
)

// Only the page whose form leads to the payment page may send its form there.
func TestThePaymentPagesOriginIsAllowed(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	const header, ours, theirs = "Content-Security-Policy", "form-action 'self';", "form-action 'self' https://checkout.stripe.com;"
	if got := v.Get("/credits/buy").Header.Get(header); !strings.Contains(got, ours) {
		t.Errorf("with the sandbox: %s", got)
	}
	stripe := billing.Options{
		Ledger:   s.App.Ledger,
		Prices:   catalog.Builtin,
		Clock:    s.Clock.Now,
		Log:      s.App.Log,
		Provider: stripepay.New(stripepay.Options{Key: "sk_test_1", WebhookSecrets: []string{"whsec_1"}}),
	}
	s.App.Billing = billing.New(s.Pool, stripe)
	s.Rebuild()
	if got := v.Get("/credits/buy").Header.Get(header); !strings.Contains(got, theirs) {
		t.Errorf("with Stripe: %s", got)
	}
	for _, path := range []string{"/credits", "/credits/buyer", "/login", "/plans"} {
		if got := v.Get(path).Header.Get(header); !strings.Contains(got, ours) {
			t.Errorf("%s: %s", path, got)
		}
	}
}
