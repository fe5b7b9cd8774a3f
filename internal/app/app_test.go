package app_test

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/app"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/config"
	"pop.store/credits/internal/demo"
)

func TestMain(m *testing.M) { testdb.Main(m) }

func newApp(t *testing.T, c config.Config) *app.App {
	t.Helper()
	a, err := app.New(t.Context(), app.Options{
		Pool:   testdb.New(t),
		Config: c,
		Prices: catalog.Builtin,
		Clock:  clock.System,
		Log:    slog.New(slog.DiscardHandler),
		Local:  &url.URL{Scheme: "http", Host: "127.0.0.1:1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// An app is not ready before its database is prepared, and in the demo that includes the history.
func TestReadyOnlyAfterPrepare(t *testing.T) {
	t.Parallel()
	a := newApp(t, config.Config{Demo: true})
	if err := a.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "not seeded") {
		t.Errorf("ready before Prepare: %v", err)
	}
	if err := a.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := a.Directory.Find(t.Context(), demo.Account); err != nil {
		t.Error("the demo has no creator:", err)
	}
}

// The configuration decides which payment provider there is.
func TestPaymentProvider(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config    config.Config
		available bool
		sandbox   bool
		origin    string
	}{
		"none":    {},
		"sandbox": {config: config.Config{Demo: true}, available: true, sandbox: true},
		"stripe": {
			config: config.Config{
				Stripe: config.Stripe{SecretKey: "sk_test_1", WebhookSecrets: []string{"whsec_1"}},
			},
			available: true,
			origin:    "https://checkout.stripe.com",
		},
	} {
		a := newApp(t, c.config)
		if a.Billing.Available() != c.available || (a.Sandbox != nil) != c.sandbox ||
			a.Billing.PaymentOrigin() != c.origin {
			t.Errorf("%s: available %t, sandbox %v, origin %q", name, a.Billing.Available(), a.Sandbox,
				a.Billing.PaymentOrigin())
		}
	}
}
