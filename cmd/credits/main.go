// Command credits is the token wallet: the server, its migrations and the operator's commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/config"
	"pop.store/credits/internal/logs"
	"pop.store/credits/internal/problem"
)

// Exit codes for scripts.
const (
	exitOK     = 0
	exitFailed = 1 // the command could not do its work
	exitUsage  = 2 // the command line or the configuration is wrong
)

func main() {
	ctx, secondSignal, release := notifyStop()
	p := &program{
		getenv:       os.Getenv,
		environ:      os.Environ,
		stdout:       os.Stdout,
		stderr:       os.Stderr,
		secondSignal: secondSignal,
	}
	code := p.run(ctx, os.Args[1:])
	release()
	os.Exit(code)
}

// program is one run of the binary, with what it takes from the process.
type program struct {
	getenv         func(string) string
	environ        func() []string
	stdout, stderr io.Writer
	config         config.Config
	log            *slog.Logger
	prices         *catalog.Source // set by serve
	hangups        chan os.Signal  // SIGHUP, while serving
	secondSignal   <-chan struct{} // closed by the second signal to stop
}

// errUsage is an invalid command line.
var errUsage = errors.New("see `credits help`")

// run executes a command and returns the exit code. An error is one line on standard error; an invalid
// catalog has one line for each finding.
func (p *program) run(ctx context.Context, args []string) int {
	err := p.dispatch(ctx, args)
	if err == nil {
		return exitOK
	}
	var prices *catalog.Error
	var bad *config.Error
	switch {
	case p.config.LogFormat == logs.JSON && p.log != nil: // a reader of a JSON log expects nothing else
		p.log.Error("failed", "error", oneLine(err))
	case errors.As(err, &prices):
		fmt.Fprintln(p.stderr, prices)
	default:
		fmt.Fprintln(p.stderr, "credits: "+oneLine(err))
	}
	if errors.As(err, &bad) || errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

func (p *program) dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which command? %w", errUsage)
	}
	if words, asks := asksForHelp(args); asks {
		return printHelp(p.stdout, words)
	}
	if args[0] == "version" || args[0] == "--version" {
		return p.version(args[1:])
	}
	var err error
	if p.config, err = config.Load(p.getenv); err != nil {
		return err
	}
	if err = p.checkDatabaseURLs(); err != nil {
		return err
	}
	var flush func()
	p.log, flush = logs.New(p.stderr, logs.Options{Level: p.config.LogLevel, Format: p.config.LogFormat})
	defer flush()
	p.warnAboutUnknown()
	return p.command(ctx, args)
}

func (p *program) version(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("version takes no arguments: %w", errUsage)
	}
	printVersion(p.stdout)
	return nil
}

// warnAboutUnknown warns of variables that look like settings but are not. Otherwise a misspelt setting
// would silently have no effect.
func (p *program) warnAboutUnknown() {
	for _, u := range config.Unknowns(p.environ()) {
		text := "there is no setting " + u.Name
		if u.Meant != "" {
			text += ": did you mean " + u.Meant + "?"
		}
		p.log.Warn(text)
	}
}

func (p *program) command(ctx context.Context, args []string) error {
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

// oneLine formats an error for the operator: a problem's safe message with its cause, in one line.
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
