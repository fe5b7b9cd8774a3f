package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"pop.store/credits/db"
	"pop.store/credits/handlers"
	"pop.store/credits/internal/app"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/config"
	"pop.store/credits/internal/demo"
	"pop.store/credits/internal/stripepay"
)

// drainTime is how long running requests may take after the port is closed.
const drainTime = 10 * time.Second

// serve runs the app until it is stopped.
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
	// Listen first, so that a port in use is an error before a database is started.
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
	s, err := p.assemble(ctx, d, listener.Addr())
	if stopped(ctx, err) {
		return d.close()
	}
	if err != nil {
		return errors.Join(err, d.close())
	}
	if err := errors.Join(s.run(ctx, listener, d), d.close()); err != nil {
		return err
	}
	s.logStopped(ctx)
	return nil
}

// stopped reports whether a step failed because a signal ended ctx, which is a normal stop.
func stopped(ctx context.Context, err error) bool { return err != nil && ctx.Err() != nil }

func listenError(addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: stop what listens there, or choose another address with --addr", addr)
	}
	return fmt.Errorf("cannot listen on %s: %w", addr, err)
}

// refuseDemo keeps the demo out of a database with real payments: anybody could sign in and get tokens for
// free.
func (p *program) refuseDemo(ctx context.Context, d *database) error {
	if !p.config.Demo {
		return nil
	}
	real, err := billing.HasPurchasesAt(ctx, d.pool, stripepay.LiveName)
	if err != nil || !real {
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

// server is the app behind a listener, with the program that started it.
type server struct {
	*program
	app     *app.App
	handler *handlers.App
	started time.Time // when it became ready; zero: not yet
}

// assemble builds the app. Only the ledger's lanes run afterwards.
func (p *program) assemble(ctx context.Context, d *database, addr net.Addr) (*server, error) {
	parts, err := app.New(ctx, app.Options{
		Pool:   d.pool,
		Config: p.config,
		Prices: p.prices.InForce,
		Clock:  clock.System,
		Log:    p.log,
		Local:  localURL(addr),
	})
	if err != nil {
		return nil, err
	}
	return &server{
		program: p,
		app:     parts,
		handler: handlers.New(parts),
	}, nil
}

// localURL is this process's own address; a wildcard address is replaced by loopback.
func localURL(addr net.Addr) *url.URL {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return &url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}
}

// run serves until ctx or the database ends. Then it ends the requests, the jobs, and the ledger's lanes,
// in this order. While the app is being prepared, /readyz answers 503.
func (s *server) run(ctx context.Context, listener net.Listener, d *database) error {
	defer s.app.Close()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	web := handlers.NewServer(s.handler.Handler(), s.log)
	failed := make(chan error, 2)
	go func() { failed <- web.Serve(handlers.Listen(listener)) }()
	if err := s.app.Prepare(ctx); stopped(ctx, err) {
		return drain(web)
	} else if err != nil {
		return errors.Join(err, web.Close())
	}
	s.announce(d)
	s.logStarted(listener.Addr(), d)
	working.Go(func() {
		if err := s.keepRunning(background, d); err != nil {
			failed <- err
		}
	})
	working.Go(func() { s.app.Run(background) })
	working.Go(func() { s.reloadOnHangup(background) })
	if s.app.DemoAgents != nil {
		working.Go(func() { s.app.DemoAgents.Run(ctx) }) // as clients of the server they stop before it
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	if err := s.waitForProxies(ctx, failed); err != nil {
		return err
	}
	return drain(web)
}

// announce prints the app's address at the end of a start.
func (s *server) announce(d *database) {
	if d.server != nil {
		fmt.Fprintf(s.stdout, "Embedded Postgres: its data are in %s\n", d.server.DataDir())
	}
	if s.config.SMTP == nil {
		fmt.Fprintf(s.stdout, "No mail server is set up (CREDITS_SMTP_URL): e-mails are written to %s\n",
			s.app.MailFolder)
	}
	fmt.Fprintf(s.stdout, "Credits is at %s\n", s.app.BaseURL)
	if s.config.Demo {
		fmt.Fprintf(s.stdout, "Sign in as %s with one click: %s/login\n", demo.ShopName, s.app.BaseURL)
	}
}
