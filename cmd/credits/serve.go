package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/db"
	"pop.store/credits/handlers"
	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/config"
	"pop.store/credits/internal/demo"
	"pop.store/credits/internal/jobs"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/mail"
	"pop.store/credits/internal/relay"
	"pop.store/credits/internal/results"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/seal"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/stripepay"
	"pop.store/credits/internal/topup"
	"pop.store/credits/internal/webhook"
)

// drainTime is how long requests under way may take to end once the port is closed.
const drainTime = 10 * time.Second

// serve runs the app until it is told to stop.
func (p *program) serve(ctx context.Context, args []string) error {
	relaxCollector(p.getenv)
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	addr := flags.String("addr", p.config.Addr, "HOST:PORT to listen on")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return fmt.Errorf("serve [--addr HOST:PORT]: %w", errUsage)
	}
	if err := config.CheckAddr("--addr", *addr); err != nil {
		return err
	}
	if err := p.openCatalog(); err != nil {
		return err
	}
	// Listen first: a port in use is told at once, before a database is started.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return listenError(*addr, err)
	}
	defer listener.Close()
	d, err := p.openForServing(ctx)
	if stopped(ctx, err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := p.refuseDemo(ctx, d); err != nil {
		return errors.Join(err, d.close())
	}
	p.warnAboutDatabase(ctx, d)
	s := p.assemble(d, listener.Addr())
	if err := errors.Join(s.run(ctx, listener, d), d.close()); err != nil {
		return err
	}
	s.sayStopped(ctx)
	return nil
}

// stopped tells whether a start failed only because it was told to stop, which is no failure.
func stopped(ctx context.Context, err error) bool { return err != nil && ctx.Err() != nil }

func listenError(addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: stop what listens there, or choose another address with --addr", addr)
	}
	return fmt.Errorf("cannot listen on %s: %w", addr, err)
}

// refuseDemo keeps play money out of a database with real payments: in the demo anybody could sign
// in and buy tokens for nothing.
func (p *program) refuseDemo(ctx context.Context, d *database) error {
	if !p.config.Demo {
		return nil
	}
	took, err := billing.TookRealMoney(ctx, d.pool)
	if err != nil || !took {
		return err
	}
	return &config.Error{
		Name:   "CREDITS_DEMO",
		Reason: "must not be 1 on this database, which has real payments: in the demo tokens cost nothing",
	}
}

func (p *program) warnAboutDatabase(ctx context.Context, d *database) {
	weak, err := db.Durability(ctx, d.pool)
	if err != nil {
		p.log.Warn("durability settings could not be read", "error", err)
	}
	if len(weak) > 0 {
		p.log.Warn("DANGER: Postgres may lose acknowledged charges in a crash", "settings", strings.Join(weak, ", "))
	}
	advice, err := db.PoolerAdvice(ctx, d.pool)
	if err != nil {
		p.log.Warn("the role's settings could not be read", "error", err)
	}
	if advice != "" {
		p.log.Warn("The database is behind a connection pooler, which passes on no settings: set them on the role",
			"statements", advice)
	}
}

// site is an assembled app: its parts, and what runs beside the requests.
type site struct {
	*program
	app   *handlers.App
	agent *demo.Agents // nil outside the demo
	jobs  *jobs.Runner
	seed  func(context.Context) error
	ready atomic.Bool
	began time.Time // when it began to serve
}

// assemble wires the parts. Nothing runs yet but the ledger's lanes.
func (p *program) assemble(d *database, addr net.Addr) *site {
	base, local := p.config.BaseURL, localURL(addr)
	if base == nil {
		base = local
	}
	books := engine.New(d.pool, engine.Options{
		Clock:  clock.System,
		Prices: p.prices.InForce,
		Log:    p.log,
	})
	s := &site{program: p}
	s.app = &handlers.App{
		Accounts:       accounts.New(d.pool, books, p.prices.InForce),
		Ledger:         books,
		Prices:         p.prices.InForce,
		Clock:          clock.System,
		Log:            p.log,
		BaseURL:        base,
		Sessions:       session.New(d.pool, session.Options{Clock: clock.System, Secure: base.Scheme == "https"}),
		Keys:           apikey.New(d.pool, apikey.Options{Clock: clock.System}),
		Results:        results.New(d.pool, books),
		TrustedProxies: p.config.TrustedProxies,
		Seller:         p.config.Seller,
	}
	s.app.Mail = mail.New(d.pool, mail.Options{
		Accounts: s.app.Accounts,
		Ledger:   books,
		Prices:   p.prices.InForce,
		BaseURL:  base,
		From:     p.config.MailFrom,
		Server:   p.config.SMTP,
		Folder:   p.mailFolder(),
		Clock:    clock.System,
		Log:      p.log,
		Seller:   p.config.Seller,
		Receipt: func(ctx context.Context, account, purchase uuid.UUID) (billing.Receipt, error) {
			return s.app.Billing.Receipt(ctx, account, purchase)
		},
	})
	s.app.Webhooks = webhook.New(d.pool, webhook.Options{
		Clock:        clock.System,
		Log:          p.log,
		AllowPrivate: p.config.WebhookPrivate,
		Keys:         p.sealKeys(),
	})
	s.jobs = jobs.New(d.pool, jobs.Options{
		Ledger:   books,
		Sessions: s.app.Sessions,
		Mail:     s.app.Mail,
		Webhooks: s.app.Webhooks,
		Sinks:    []relay.Sink{s.app.Mail.Sink, s.app.Webhooks.Take},
		Log:      p.log,
		Payments: func(ctx context.Context) (bool, error) { return s.app.Billing.Reconcile(ctx) },
		TopUps: func(ctx context.Context, after uuid.UUID) (uuid.UUID, bool, error) {
			return s.app.TopUp.Step(ctx, after)
		},
	})
	s.app.Ready = func(ctx context.Context) error {
		if !s.ready.Load() {
			return errors.New("not seeded yet")
		}
		return errors.Join(d.pool.Ping(ctx), books.Ready(ctx))
	}
	s.seed = func(ctx context.Context) error { return s.setUpPayments(ctx, d, local) }
	return s
}

// sealKeys are what stored secrets are encrypted with; the configuration has looked at them.
func (p *program) sealKeys() *seal.Keys {
	keys, err := seal.New(p.config.EncryptionKeys...)
	if err != nil {
		panic(err)
	}
	return keys
}

// reseal stores the secrets of webhook endpoints with the key of now. One that cannot be read keeps
// nobody from being served: requests to its endpoint wait until it can be, or until it is given a
// new one.
func (s *site) reseal(ctx context.Context) {
	count, err := s.app.Webhooks.Reseal(ctx)
	if err != nil {
		s.log.Error("not all webhook secrets could be encrypted anew: check CREDITS_ENCRYPTION_KEY", "error", err)
	}
	if count > 0 {
		s.log.Info("webhook secrets were encrypted anew", "count", count)
	}
}

// mailFolder is where e-mails are written to while there is no mail server.
func (p *program) mailFolder() string {
	folder := filepath.Join(p.config.DataDir, "mail")
	if whole, err := filepath.Abs(folder); err == nil {
		return whole
	}
	return folder
}

// localURL is how this process reaches itself: a wildcard address is reached over loopback.
func localURL(addr net.Addr) *url.URL {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return &url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}
}

// setUpPayments connects the payment provider: Stripe where it is set up, else the sandbox in the
// demo, else none. The demo's creator comes with it.
func (s *site) setUpPayments(ctx context.Context, d *database, local *url.URL) error {
	o := billing.Options{
		Ledger:  s.app.Ledger,
		Prices:  s.prices.InForce,
		BaseURL: s.app.BaseURL.String(),
		Clock:   clock.System,
		Log:     s.log,
	}
	switch stripe := s.config.Stripe; {
	case stripe.SecretKey != "":
		o.Provider = stripepay.New(stripepay.Options{
			Key:            stripe.SecretKey,
			Tax:            stripe.Tax,
			PromotionCodes: stripe.PromotionCodes,
		})
		o.Taxed = stripe.Tax
		o.WebhookSecrets = stripe.WebhookSecrets
	case s.config.Demo:
		secret, err := sandbox.EnsureSecret(ctx, d.pool, clock.System)
		if err != nil {
			return err
		}
		s.app.Sandbox = sandbox.New(d.pool, sandbox.Options{
			Clock:      clock.System,
			BaseURL:    s.app.BaseURL.String(),
			DeliverURL: local.String() + "/webhooks/stripe",
			Secret:     secret,
			Log:        s.log,
		})
		o.Provider, o.WebhookSecrets = s.app.Sandbox, []string{secret}
	}
	s.app.Billing = billing.New(d.pool, o)
	s.app.TopUp = topup.New(d.pool, topup.Options{
		Ledger:  s.app.Ledger,
		Billing: s.app.Billing,
		Prices:  s.prices.InForce,
		Clock:   clock.System,
		Log:     s.log,
		Tell: func(ctx context.Context, account uuid.UUID, stopped topup.Stopped) error {
			return s.app.Mail.TopUpStopped(ctx, account, string(stopped.Why), stopped.At)
		},
	})
	if !s.config.Demo {
		return nil
	}
	s.app.DemoAccount, s.app.Jobs = demo.Account, demo.NewJobs(s.app.Ledger, clock.System, s.log)
	if err := demo.Seed(ctx, d.pool, clock.System()); err != nil {
		return fmt.Errorf("seed the demo: %w", err)
	}
	s.agent = &demo.Agents{
		Sessions: s.app.Sessions,
		Accounts: s.app.Accounts,
		Keys:     s.app.Keys,
		API:      local.String(),
		Clock:    clock.System,
		Log:      s.log,
	}
	return nil
}

// run serves until the context ends or the database does, then lets what is under way finish:
// requests first, then the lanes they wait for, then the database.
func (s *site) run(ctx context.Context, listener net.Listener, d *database) error {
	defer s.app.Ledger.Close()
	if err := s.seed(ctx); stopped(ctx, err) {
		return nil
	} else if err != nil {
		return err
	}
	s.reseal(ctx)
	s.ready.Store(true)
	s.announce(d)
	s.sayStarted(listener.Addr(), d)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	server := handlers.NewServer(s.app.Handler(), s.log)
	failed := make(chan error, 2)
	go func() { failed <- server.Serve(handlers.Listen(listener)) }()
	working.Go(func() {
		if err := s.keepRunning(background, d); err != nil {
			failed <- err
		}
	})
	s.startBackground(background, &working)
	if s.agent != nil {
		working.Go(func() { s.agent.Run(ctx) }) // a client of the server: it stops before the server does
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	if err := s.leave(ctx, failed); err != nil {
		return err
	}
	return drain(server)
}

func (s *site) startBackground(ctx context.Context, working *sync.WaitGroup) {
	working.Go(func() { s.jobs.Run(ctx) })
	working.Go(func() { s.reloadOnHangup(ctx) })
	if s.app.Sandbox != nil {
		working.Go(func() { s.app.Sandbox.Run(ctx) })
	}
	if s.agent != nil {
		working.Go(func() { s.app.Jobs.Run(ctx) })
	}
}

// announce ends the start with where to go.
func (s *site) announce(d *database) {
	if d.server != nil {
		fmt.Fprintf(s.stdout, "Embedded Postgres: its data are in %s\n", d.server.DataDir())
	}
	if s.config.SMTP == nil {
		fmt.Fprintf(s.stdout, "No mail server is set up (CREDITS_SMTP_URL): e-mails are written to %s\n",
			s.mailFolder())
	}
	fmt.Fprintf(s.stdout, "Credits is at %s\n", s.app.BaseURL)
	if s.config.Demo {
		fmt.Fprintf(s.stdout, "Sign in as %s with one click: %s/login\n", demo.ShopName, s.app.BaseURL)
	}
}
