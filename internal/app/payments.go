package app

import (
	"context"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/stripepay"
)

// payments are what the configuration says about taking money.
type payments struct {
	provider billing.Provider // nil: buying is not set up
	secrets  []string         // that sign its events
	taxed    bool
}

// newProvider is Stripe where it is set up, else the sandbox in the demo, else nothing.
func (a *App) newProvider(ctx context.Context) (payments, error) {
	var p payments
	switch stripe := a.Config.Stripe; {
	case stripe.SecretKey != "":
		p = payments{
			provider: stripepay.New(stripepay.Options{
				Key:            stripe.SecretKey,
				Tax:            stripe.Tax,
				PromotionCodes: stripe.PromotionCodes,
			}),
			secrets: stripe.WebhookSecrets,
			taxed:   stripe.Tax,
		}
	case a.Config.Demo:
		secret, err := sandbox.EnsureSecret(ctx, a.Pool, a.Clock)
		if err != nil {
			return payments{}, err
		}
		a.Sandbox = sandbox.New(a.Pool, sandbox.Options{
			Clock:      a.Clock,
			BaseURL:    a.BaseURL.String(),
			DeliverURL: a.Local.String() + "/webhooks/stripe",
			Secret:     secret,
			Log:        a.Log,
		})
		p = payments{provider: a.Sandbox, secrets: []string{secret}}
	}
	if a.Options.Provider != nil {
		p.provider = a.Options.Provider(a.Sandbox)
	}
	return p, nil
}

func (a *App) newBilling(p payments) *billing.Service {
	return billing.New(a.Pool, billing.Options{
		Ledger:         a.Ledger,
		Prices:         a.Prices,
		Provider:       p.provider,
		WebhookSecrets: p.secrets,
		Taxed:          p.taxed,
		BaseURL:        a.BaseURL.String(),
		Clock:          a.Clock,
		Log:            a.Log,
	})
}
