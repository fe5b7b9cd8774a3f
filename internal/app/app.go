// Package app builds all parts of Credits over one database, each from the parts that it uses. The
// server, the benchmarks and the tests use the same New, so that they run the same wiring.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/config"
	"pop.store/credits/internal/demo"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/jobs"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/mail"
	"pop.store/credits/internal/notice"
	"pop.store/credits/internal/relay"
	"pop.store/credits/internal/results"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/seal"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/topup"
	"pop.store/credits/internal/webhook"
)

// Options are what New needs.
type Options struct {
	Pool   *pgxpool.Pool           // a migrated database
	Config config.Config           // as read from the environment
	Prices func() *catalog.Catalog // the catalog in force
	Clock  clock.Clock
	Log    *slog.Logger
	// Local is how this process reaches its own server: the sandbox sends events there, and the demo
	// agents use the API there. It is also the base URL where Config has none.
	Local *url.URL
	// Provider replaces the payment provider that Config selects, for tests. It gets the sandbox,
	// which is nil outside the demo.
	Provider func(*sandbox.Provider) billing.Provider
}

// App is the parts. Nothing runs before Run, except for the ledger's lanes, which Close ends.
type App struct {
	Options
	BaseURL    *url.URL // how browsers reach the app
	MailFolder string   // where e-mails are written while there is no mail server

	Ledger    *engine.Engine
	Directory *directory.Directory
	Agents    *agents.Agents
	Notices   *notice.Notices
	Sessions  *session.Store
	Keys      *apikey.Keys
	Results   *results.Results
	Sandbox   *sandbox.Provider // the demo's payment provider; nil where it is not used
	Billing   *billing.Service
	Mail      *mail.Mailer
	TopUp     *topup.Service
	Webhooks  *webhook.Service
	Jobs      *jobs.Runner

	DemoJobs   *demo.Jobs   // nil outside the demo
	DemoAgents *demo.Agents // nil outside the demo

	prepared atomic.Bool
}

// New builds the parts in the order in which they depend on each other. In the demo it reads the
// sandbox's signing secret from the database, and makes one at the first start.
func New(ctx context.Context, o Options) (*App, error) {
	a := &App{
		Options: o,
		BaseURL: o.Config.BaseURL,
	}
	if a.BaseURL == nil {
		a.BaseURL = o.Local
	}
	sealKeys, err := seal.New(o.Config.EncryptionKeys...)
	if err != nil {
		return nil, err
	}
	provider, err := a.newProvider(ctx)
	if err != nil {
		return nil, err
	}
	if err := engine.CheckSchema(ctx, o.Pool); err != nil {
		return nil, err
	}
	a.Ledger = engine.New(o.Pool, engine.Options{
		Clock:  o.Clock,
		Prices: o.Prices,
		Log:    o.Log,
	})
	a.Directory = directory.New(o.Pool, a.Ledger, o.Prices)
	a.Agents = agents.New(a.Ledger, o.Prices)
	a.Notices = notice.New(o.Pool, a.Ledger, o.Prices)
	a.Sessions = session.New(o.Pool, session.Options{Clock: o.Clock, Secure: a.BaseURL.Scheme == "https"})
	a.Keys = apikey.New(o.Pool, apikey.Options{Clock: o.Clock})
	a.Results = results.New(o.Pool, a.Ledger)
	a.Billing = a.newBilling(provider)
	a.Mail = a.newMail()
	a.TopUp = a.newTopUp()
	a.Webhooks = webhook.New(o.Pool, webhook.Options{
		Clock:        o.Clock,
		Log:          o.Log,
		AllowPrivate: o.Config.WebhookPrivate,
		Keys:         sealKeys,
	})
	a.Jobs = a.newJobs()
	if o.Config.Demo {
		a.addDemo()
	}
	return a, nil
}

func (a *App) newMail() *mail.Mailer {
	a.MailFolder = filepath.Join(a.Config.DataDir, "mail")
	if absolute, err := filepath.Abs(a.MailFolder); err == nil {
		a.MailFolder = absolute
	}
	return mail.New(a.Pool, mail.Options{
		Notices: a.Notices,
		Agents:  a.Agents,
		Ledger:  a.Ledger,
		Prices:  a.Prices,
		BaseURL: a.BaseURL,
		From:    a.Config.MailFrom,
		Server:  a.Config.SMTP,
		Folder:  a.MailFolder,
		Receipt: a.Billing.Receipt,
		Seller:  a.Config.Seller,
		Clock:   a.Clock,
		Log:     a.Log,
	})
}

func (a *App) newTopUp() *topup.Service {
	return topup.New(a.Pool, topup.Options{
		Ledger:  a.Ledger,
		Billing: a.Billing,
		Prices:  a.Prices,
		Clock:   a.Clock,
		Log:     a.Log,
		Tell: func(ctx context.Context, account uuid.UUID, stopped topup.Stopped) error {
			return a.Mail.TopUpStopped(ctx, account, string(stopped.Why), stopped.At)
		},
	})
}

func (a *App) newJobs() *jobs.Runner {
	return jobs.New(a.Pool, jobs.Options{
		Ledger:   a.Ledger,
		Sessions: a.Sessions,
		Mail:     a.Mail,
		Webhooks: a.Webhooks,
		Sinks:    []relay.Sink{a.Mail.Sink, a.Webhooks.Take},
		Payments: a.Billing.Reconcile,
		TopUps:   a.TopUp.Step,
		Log:      a.Log,
	})
}

func (a *App) addDemo() {
	a.DemoJobs = demo.NewJobs(a.Ledger, a.Clock, a.Log)
	a.DemoAgents = &demo.Agents{
		Sessions:  a.Sessions,
		Directory: a.Directory,
		Keys:      a.Keys,
		API:       a.Local.String(),
		Clock:     a.Clock,
		Log:       a.Log,
	}
}

// DemoAccount is the external id of the account that one click signs in to; empty outside the demo.
func (a *App) DemoAccount() string {
	if !a.Config.Demo {
		return ""
	}
	return demo.Account
}

// Prepare writes what the database must have before requests are answered: the demo's history, and
// webhook secrets encrypted with the current key. Until it has succeeded, Ready fails.
func (a *App) Prepare(ctx context.Context) error {
	if a.Config.Demo {
		if err := demo.Seed(ctx, a.Pool, a.Clock()); err != nil {
			return fmt.Errorf("seed the demo: %w", err)
		}
	}
	a.resealWebhookSecrets(ctx)
	a.prepared.Store(true)
	return nil
}

// resealWebhookSecrets only logs errors: requests to an endpoint whose secret cannot be decrypted
// wait, and all others are sent.
func (a *App) resealWebhookSecrets(ctx context.Context) {
	count, err := a.Webhooks.Reseal(ctx)
	if err != nil {
		a.Log.Error("not all webhook secrets could be encrypted anew: check CREDITS_ENCRYPTION_KEY", "error", err)
	}
	if count > 0 {
		a.Log.Info("webhook secrets were encrypted anew", "count", count)
	}
}

// Ready says why the app cannot answer requests, nil when it can.
func (a *App) Ready(ctx context.Context) error {
	if !a.prepared.Load() {
		return errors.New("not seeded yet")
	}
	return errors.Join(a.Pool.Ping(ctx), a.Ledger.Ready(ctx))
}

// Run works the jobs, delivers the sandbox's events and runs the demo's sample jobs, until ctx ends.
func (a *App) Run(ctx context.Context) {
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() { a.Jobs.Run(ctx) })
	if a.Sandbox != nil {
		working.Go(func() { a.Sandbox.Run(ctx) })
	}
	if a.DemoJobs != nil {
		working.Go(func() { a.DemoJobs.Run(ctx) })
	}
}

// Close ends the ledger's lanes, after the requests that they have taken.
func (a *App) Close() { a.Ledger.Close() }
