// Package stripepay takes money with Stripe Checkout, and reads what Stripe tells: the one package
// that knows Stripe's API.
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

// Options are what a Provider needs.
type Options struct {
	Key            string   // secret or restricted, of the test or the live mode
	Tax            bool     // Stripe works out the tax and adds it
	PromotionCodes bool     // buyers may enter one
	WebhookSecrets []string // what events may be signed with; empty ones count as none
	APIURL         string   // for tests; empty: Stripe's own
}

// Provider is Stripe. It is safe for concurrent use.
type Provider struct {
	o      Options
	client *stripe.Client
}

// Limits of one call.
const (
	callTime = 10 * time.Second
	retries  = 1 // by the library; whoever asked will ask again
)

// New makes a provider; see Live for the key.
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

// silent leaves logging to those who get the errors: the library's own lines could carry what a
// buyer is called.
type silent struct{}

func (silent) Debugf(string, ...any) {}
func (silent) Infof(string, ...any)  {}
func (silent) Warnf(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

// ErrKey is a key that cannot be a secret one of Stripe's.
var ErrKey = errors.New("is no secret key of Stripe's (sk_test_..., sk_live_..., rk_test_... or rk_live_...)")

// Live says whether a key moves real money. ErrKey when it is no secret or restricted key.
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

// LiveName is the name of the provider that moves real money.
const LiveName = "stripe"

// Name tells purchases of Stripe's two modes apart.
func (p *Provider) Name() string {
	if p.Live() {
		return LiveName
	}
	return "stripe_test"
}

// Live says whether real money moves.
func (p *Provider) Live() bool {
	live, err := Live(p.o.Key)
	return live && err == nil
}

// Origin is where the payment pages are.
func (*Provider) Origin() string { return "https://checkout.stripe.com" }

// missing are the things that Stripe knows no more, by the parameter that names them.
var missing = map[string]error{"customer": payment.ErrNoCustomer, "payment_method": payment.ErrNoMethod}

// failure sorts Stripe's errors: what is not there, what is refused for good, and the rest, whose
// outcome is not known.
func failure(err error) error {
	var e *stripe.Error
	if !errors.As(err, &e) {
		return err
	}
	// Not the error itself: its text may carry what the buyer has entered.
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
