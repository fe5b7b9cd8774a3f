package config_test

import (
	"errors"
	"strings"
	"testing"

	"pop.store/credits/internal/config"
)

const (
	key    = "CREDITS_STRIPE_SECRET_KEY"
	secret = "CREDITS_STRIPE_WEBHOOK_SECRET"
)

func TestStripe(t *testing.T) {
	t.Parallel()
	for _, k := range []string{"sk_test_1", "rk_test_1", "sk_live_1", "rk_live_1"} {
		c, err := config.Load(env(map[string]string{
			key:                  k,
			secret:               "whsec_new, whsec_old,",
			"CREDITS_STRIPE_TAX": "1",
		}))
		if err != nil || c.Stripe.SecretKey != k ||
			strings.Join(c.Stripe.WebhookSecrets, " ") != "whsec_new whsec_old" || !c.Stripe.Tax ||
			c.Stripe.PromotionCodes {
			t.Errorf("%s: %+v, %v", k, c.Stripe, err)
		}
	}
	c, err := config.Load(env(map[string]string{
		key:                              "sk_test_1",
		secret:                           "whsec_1",
		"CREDITS_DEMO":                   "1",
		"CREDITS_STRIPE_PROMOTION_CODES": "1",
	}))
	if err != nil || !c.Stripe.PromotionCodes {
		t.Errorf("a test key in the demo: %+v, %v", c.Stripe, err)
	}
}

// A provider that could not be believed, or real money in a demo, is no way to start.
func TestStripeIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set   map[string]string
		names string
	}{
		"no webhook secret":     {map[string]string{key: "sk_test_hunter2"}, secret},
		"empty webhook secrets": {map[string]string{key: "sk_test_hunter2", secret: " , "}, secret},
		"an odd webhook secret": {map[string]string{key: "sk_test_hunter2", secret: "whsec_a,hunter2"}, secret},
		"a bare webhook secret": {map[string]string{key: "sk_test_hunter2", secret: "whsec_"}, secret},
		"no key":                {map[string]string{secret: "whsec_hunter2"}, key},
		"a publishable key":     {map[string]string{key: "pk_test_hunter2", secret: "whsec_a"}, key},
		"a bare key":            {map[string]string{key: "sk_live_", secret: "whsec_a"}, key},
		"live in the demo": {map[string]string{
			key:            "sk_live_hunter2",
			secret:         "whsec_a",
			"CREDITS_DEMO": "1",
		}, key},
		"restricted, live": {map[string]string{
			key:            "rk_live_hunter2",
			secret:         "whsec_a",
			"CREDITS_DEMO": "1",
		}, key},
		"tax":   {map[string]string{"CREDITS_STRIPE_TAX": "yes"}, "CREDITS_STRIPE_TAX"},
		"codes": {map[string]string{"CREDITS_STRIPE_PROMOTION_CODES": "yes"}, "CREDITS_STRIPE_PROMOTION_CODES"},
	} {
		_, err := config.Load(env(c.set))
		var bad *config.Error
		if !errors.As(err, &bad) || bad.Name != c.names || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
