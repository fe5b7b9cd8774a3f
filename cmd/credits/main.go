// Command credits is the token wallet: server, migrations, keys.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/config"
	"pop.store/credits/internal/problem"
)

// Exit codes: what went wrong, for scripts.
const (
	exitOK     = 0
	exitFailed = 1 // the command could not do its work
	exitUsage  = 2 // the command line or the configuration is wrong
)

const usage = `Credits is the token wallet of a creator platform.

Usage:
  credits serve [--addr HOST:PORT]         serve the pages and the API
  credits migrate                          bring the database schema up to date
  credits key create --scopes LIST [--name NAME]
                                           make an API key; its last line is the key alone
  credits key list                         list the API keys
  credits key revoke ID                    end an API key at once
  credits verify [--json]                  prove the books; says where they contradict themselves
  credits catalog check FILE               check a file of plans and prices; prints its warnings and the plan table
  credits catalog default                  print the built-in catalog, to begin one's own with
  credits bench NAME                       measure the app against what its parts cost alone
  credits help                             print this

With no DATABASE_URL an embedded Postgres keeps its data under ./var (CREDITS_DATA_DIR).
CREDITS_DEMO=1 turns the demo on. docs/configuration.md lists all variables.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr}
	code := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// program is one run of the binary, with what it would otherwise take from the process.
type program struct {
	getenv         func(string) string
	stdout, stderr io.Writer
	config         config.Config
	log            *slog.Logger
	prices         *catalog.Source // set by serve
	hangups        chan os.Signal  // SIGHUP, while serving with a catalog file
}

// errUsage is a command line that makes no sense.
var errUsage = errors.New("see `credits help`")

// run carries out a command and gives the exit code. Every failure is one line on standard error; that of a catalog is one for each thing
// that is wrong with it.
func (p *program) run(ctx context.Context, args []string) int {
	err := p.dispatch(ctx, args)
	if err == nil {
		return exitOK
	}
	var prices *catalog.Error
	if errors.As(err, &prices) {
		fmt.Fprintln(p.stderr, prices)
		return exitFailed
	}
	fmt.Fprintln(p.stderr, "credits: "+oneLine(err))
	var bad *config.Error
	if errors.As(err, &bad) || errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

func (p *program) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which command? %w", errUsage)
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		fmt.Fprint(p.stdout, usage)
		return nil
	}
	var err error
	if p.config, err = config.Load(p.getenv); err != nil {
		return err
	}
	if err = p.checkDatabaseURLs(); err != nil {
		return err
	}
	p.log = slog.New(slog.NewTextHandler(p.stderr, nil))
	switch args[0] {
	case "serve":
		return p.serve(ctx, args[1:])
	case "migrate":
		return p.migrate(ctx, args[1:])
	case "key":
		return p.key(ctx, args[1:])
	case "verify":
		return p.verify(ctx, args[1:])
	case "catalog":
		return p.catalog(args[1:])
	case "bench":
		return p.bench(ctx, args[1:])
	}
	return fmt.Errorf("there is no command %q: %w", args[0], errUsage)
}

// oneLine is an error for a person: a problem's safe message with its cause, and never more than a line.
func oneLine(err error) string {
	text := err.Error()
	var known *problem.Error
	if errors.As(err, &known) {
		text = known.Message
		if known.Cause != nil {
			text += " (" + known.Cause.Error() + ")"
		}
	}
	return strings.Join(strings.Fields(text), " ")
}
