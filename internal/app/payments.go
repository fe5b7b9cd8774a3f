package app

import (
	"context"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/stripepay"
)

// newProvider is Stripe where it is set up, else the sandbox in the demo, else nil: then buying is
// not set up.
func (a *App) newProvider(ctx context.Context) (billing.Provider, error) {
	var provider billing.Provider
	switch stripe := a.Config.Stripe; {
	case stripe.SecretKey != "":
		provider = stripepay.New(stripepay.Options{
			Key:            stripe.SecretKey,
			Tax:            stripe.Tax,
			PromotionCodes: stripe.PromotionCodes,
			WebhookSecrets: stripe.WebhookSecrets,
		})
	case a.Config.Demo:
		secret, err := sandbox.EnsureSecret(ctx, a.Pool, a.Clock)
		if err != nil {
			return nil, err
		}
		a.Sandbox = sandbox.New(a.Pool, sandbox.Options{
			Clock:      a.Clock,
			BaseURL:    a.BaseURL.String(),
			DeliverURL: a.Local.String() + "/webhooks/stripe",
			Secret:     secret,
			Log:        a.Log,
		})
		provider = a.Sandbox
	}
	if a.Provider != nil {
		provider = a.Provider(a.Sandbox)
	}
	return provider, nil
}

func (a *App) newBilling(provider billing.Provider) *billing.Service {
	return billing.New(a.Pool, billing.Options{
		Ledger:   a.Ledger,
		Prices:   a.Prices,
		Provider: provider,
		Taxed:    a.Config.Stripe.SecretKey != "" && a.Config.Stripe.Tax,
		BaseURL:  a.BaseURL.String(),
		Clock:    a.Clock,
		Log:      a.Log,
	})
}
