// Package stripepay takes payments with Stripe Checkout and reads Stripe's events. No other package knows
// Stripe's API.
package stripepay

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"

	"pop.store/credits/internal/payment"
)

type Options struct {
	Key            string   // secret or restricted, of the test or the live mode
	Tax            bool     // Stripe calculates tax and adds it
	PromotionCodes bool     // buyers may enter codes
	WebhookSecrets []string // secrets that may sign events; empty ones are ignored
	APIURL         string   // for tests; empty: Stripe's own
}

// Provider takes payments with Stripe. It is safe for concurrent use.
type Provider struct {
	o      Options
	client *stripe.Client
}

// Limits of one call.
const (
	callTime = 10 * time.Second
	retries  = 1 // by the library; callers retry, too
)

// New returns a provider for a key that Live accepts.
func New(o Options) *Provider {
	config := &stripe.BackendConfig{
		HTTPClient:        &http.Client{Timeout: callTime},
		LeveledLogger:     silent{},
		MaxNetworkRetries: stripe.Int64(retries),
		EnableTelemetry:   stripe.Bool(false),
	}
	if o.APIURL != "" {
		config.URL = stripe.String(o.APIURL)
	}
	return &Provider{o: o, client: stripe.NewClient(o.Key, stripe.WithBackends(stripe.NewBackendsWithConfig(config)))}
}

// silent drops the library's log, which could contain buyers' names. Callers log the errors.
type silent struct{}

func (silent) Debugf(string, ...any) {}
func (silent) Infof(string, ...any)  {}
func (silent) Warnf(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

// ErrKey refuses a text that is not a secret key of Stripe.
var ErrKey = errors.New("is no secret key of Stripe's (sk_test_..., sk_live_..., rk_test_... or rk_live_...)")

// Live reports whether a key moves real money. ErrKey if it is not a secret or restricted key.
func Live(key string) (bool, error) {
	for _, kind := range []string{"sk_", "rk_"} {
		rest, ok := strings.CutPrefix(key, kind)
		if !ok {
			continue
		}
		if mode, secret, _ := strings.Cut(rest, "_"); secret != "" && (mode == "live" || mode == "test") {
			return mode == "live", nil
		}
	}
	return false, ErrKey
}

// LiveName is the name of the provider in live mode.
const LiveName = "stripe"

// Name is LiveName, or "stripe_test" in test mode.
func (p *Provider) Name() string {
	if p.Live() {
		return LiveName
	}
	return "stripe_test"
}

// Live reports whether real money moves.
func (p *Provider) Live() bool {
	live, err := Live(p.o.Key)
	return live && err == nil
}

// Origin is the origin of the payment pages.
func (*Provider) Origin() string { return "https://checkout.stripe.com" }

// missing maps the parameter that names a deleted object to its error.
var missing = map[string]error{"customer": payment.ErrNoCustomer, "payment_method": payment.ErrNoMethod}

// failure classifies Stripe's errors: not found, refused for good, or outcome unknown.
func failure(err error) error {
	var e *stripe.Error
	if !errors.As(err, &e) {
		return err
	}
	// The error's text is left out, since it may contain the buyer's input.
	what := fmt.Sprintf("stripe answered %d %s %s (request %s)", e.HTTPStatusCode, e.Type, e.Code, e.RequestID)
	switch {
	case e.Code == stripe.ErrorCodePaymentMethodUnexpectedState:
		return fmt.Errorf("%w: %s", payment.ErrNoMethod, what)
	case e.HTTPStatusCode == http.StatusNotFound || e.Code == stripe.ErrorCodeResourceMissing:
		return fmt.Errorf("%w: %s", cmp.Or(missing[e.Param], payment.ErrNone), what)
	case e.Type == stripe.ErrorTypeIdempotency, e.HTTPStatusCode == http.StatusConflict, e.HTTPStatusCode ==
		http.StatusTooManyRequests,
		e.HTTPStatusCode == http.StatusUnauthorized, e.HTTPStatusCode == http.StatusForbidden, e.HTTPStatusCode >=
			http.StatusInternalServerError:
		return errors.New(what)
	}
	return fmt.Errorf("%w: %s", payment.ErrRefused, what)
}
