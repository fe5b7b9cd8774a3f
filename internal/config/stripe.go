package config

import "strings"

// Stripe has the settings of Stripe. Without a key packs cannot be bought.
type Stripe struct {
	SecretKey string // CREDITS_STRIPE_SECRET_KEY: secret or restricted, of the test or the live mode
	// CREDITS_STRIPE_WEBHOOK_SECRET: what its events are signed with; several while one is replaced
	WebhookSecrets []string
	Tax            bool // CREDITS_STRIPE_TAX=1: Stripe works out the tax and adds it
	PromotionCodes bool // CREDITS_STRIPE_PROMOTION_CODES=1: buyers may enter one
}

const (
	stripeKey    = "CREDITS_STRIPE_SECRET_KEY"
	stripeSecret = "CREDITS_STRIPE_WEBHOOK_SECRET"
)

// stripe reads the settings of Stripe. No error repeats a secret.
func stripe(getenv func(string) string, demo bool) (Stripe, error) {
	s := Stripe{SecretKey: getenv(stripeKey)}
	var err error
	if s.Tax, err = flag("CREDITS_STRIPE_TAX", getenv("CREDITS_STRIPE_TAX")); err != nil {
		return Stripe{}, err
	}
	if s.PromotionCodes, err = flag("CREDITS_STRIPE_PROMOTION_CODES",
		getenv("CREDITS_STRIPE_PROMOTION_CODES")); err != nil {
		return Stripe{}, err
	}
	for secret := range strings.SplitSeq(getenv(stripeSecret), ",") {
		if secret = strings.TrimSpace(secret); secret != "" {
			s.WebhookSecrets = append(s.WebhookSecrets, secret)
		}
		if secret != "" && (!strings.HasPrefix(secret, "whsec_") || len(secret) == len("whsec_")) {
			return Stripe{}, &Error{stripeSecret, "has something that is no signing secret of Stripe's (whsec_...)"}
		}
	}
	return s, s.check(demo)
}

func (s *Stripe) check(demo bool) error {
	live := hasPrefix(s.SecretKey, "sk_live_", "rk_live_")
	switch {
	case s.SecretKey == "" && len(s.WebhookSecrets) > 0:
		return &Error{stripeKey, "is needed with " + stripeSecret}
	case s.SecretKey == "":
		return nil
	case !live && !hasPrefix(s.SecretKey, "sk_test_", "rk_test_"):
		return &Error{stripeKey, "is no secret key of Stripe's (sk_test_..., sk_live_..., rk_test_... or rk_live_...)"}
	case live && demo:
		return &Error{stripeKey, "is a live key, and anybody can sign in to the demo: " +
			"use a test key, or do not set CREDITS_DEMO"}
	case len(s.WebhookSecrets) == 0:
		return &Error{stripeSecret, "is needed with " + stripeKey +
			": without it nobody could tell Stripe's events from anybody's"}
	}
	return nil
}

// hasPrefix reports whether s has one of the prefixes and more after it.
func hasPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(s, p); ok && rest != "" {
			return true
		}
	}
	return false
}
