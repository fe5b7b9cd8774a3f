package handlers

import "pop.store/credits/internal/app"

// New makes the handlers of an app.
func New(parts *app.App) *App {
	return &App{
		Directory:      parts.Directory,
		Agents:         parts.Agents,
		Notices:        parts.Notices,
		Ledger:         parts.Ledger,
		Billing:        parts.Billing,
		TopUp:          parts.TopUp,
		Mail:           parts.Mail,
		Results:        parts.Results,
		Sessions:       parts.Sessions,
		Webhooks:       parts.Webhooks,
		Keys:           parts.Keys,
		Prices:         parts.Prices,
		Clock:          parts.Clock,
		Log:            parts.Log,
		BaseURL:        parts.BaseURL,
		Seller:         parts.Config.Seller,
		Ready:          parts.Ready,
		TrustedProxies: parts.Config.TrustedProxies,
		Sandbox:        parts.Sandbox,
		Jobs:           parts.DemoJobs,
		DemoAccount:    parts.DemoAccount(),
	}
}
