// Package browser drives a real browser in tests: Chromium, through chromedp. One process serves a
// whole test binary. Each test has its own context, without cookies or cache of others.
//
// A page fails its test for everything that a person would see in the console: an error, an
// uncaught exception, a violation of the content security policy or a failed request. A test allows
// expected problems by name: AllowConsole("status 422").
//
// Input is real: mouse and keyboard events as the browser gets them from a person. Every wait ends
// after half a minute, so that nothing hangs. The failure then describes the page and leaves a
// screenshot.
// screenshot.
package browser

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// timeout bounds every wait, so that no test hangs. It is no measure of speed.
const timeout = 30 * time.Second

// Page is one tab in a browser context of its own.
type Page struct {
	t        testing.TB
	ctx      context.Context
	base     string
	timeout  time.Duration
	watch    watch
	noScript bool
	pictured bool // a screenshot of the failure has been taken
}

// Option changes the settings of a page.
type Option func(*settings)

type settings struct {
	base          string
	width, height int
	scale         float64
	scheme        string
	motion        string
	zone          string
	noScript      bool
}

// Base is the prefix of paths given to Goto.
func Base(url string) Option { return func(l *settings) { l.base = url } }

// Viewport is the inner size of the window in CSS pixels, by default 1280 x 800.
func Viewport(width, height int) Option {
	return func(l *settings) { l.width, l.height = width, height }
}

// Scale is the number of device pixels per CSS pixel, for crisp screenshots.
func Scale(factor float64) Option { return func(l *settings) { l.scale = factor } }

// Dark sets prefers-color-scheme to dark; the default is light.
func Dark() Option { return func(l *settings) { l.scheme = "dark" } }

// ReducedMotion sets prefers-reduced-motion to reduce.
func ReducedMotion() Option { return func(l *settings) { l.motion = "reduce" } }

// Timezone is an IANA zone; the default is UTC.
func Timezone(zone string) Option { return func(l *settings) { l.zone = zone } }

// NoScript turns the page's own JavaScript off. Axe does not work then.
func NoScript() Option { return func(l *settings) { l.noScript = true } }

// New opens an empty page, which is closed when the test ends. It starts the browser if none runs.
// A missing browser fails the test.
func New(t testing.TB, options ...Option) *Page {
	t.Helper()
	l := settings{
		width:  1280,
		height: 800,
		scale:  1,
		scheme: "light",
		motion: "no-preference",
	}
	for _, option := range options {
		option(&l)
	}
	browser, err := shared()
	if err != nil {
		t.Fatalf("browser: %v", err)
	}
	p := &Page{
		t:        t,
		base:     l.base,
		timeout:  timeout,
		noScript: l.noScript,
	}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(),
		chromedp.WithListener(p.watch.event))
	p.ctx = ctx
	p.watch.dismiss = p.dismissDialog
	t.Cleanup(func() {
		p.finish()
		cancel()
	})
	// The tab lives as long as the context of this first call, so a timer bounds the call.
	startTimer := time.AfterFunc(startLimit, cancel)
	defer startTimer.Stop()
	if err := chromedp.Do(ctx, l.apply()...); err != nil {
		t.Fatalf("browser: open a page: %v", err)
	}
	return p
}

func (l *settings) apply() []chromedp.Action[chromedp.Void] {
	actions := []chromedp.Action[chromedp.Void]{
		chromedp.EmulateViewport(int64(l.width), int64(l.height), chromedp.EmulateScale(l.scale)),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: l.scheme},
			{Name: "prefers-reduced-motion", Value: l.motion},
		}}),
		command(page.AddScriptToEvaluateOnNewDocument,
			page.AddScriptToEvaluateOnNewDocumentParams{Source: reportEval}),
		// Pages of parallel tests all have the focus.
		command(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}),
	}
	if l.zone != "" {
		actions = append(actions, command(emulation.SetTimezoneOverride,
			emulation.SetTimezoneOverrideParams{TimezoneID: l.zone}))
	}
	if l.noScript {
		actions = append(actions, command(emulation.SetScriptExecutionDisabled,
			emulation.SetScriptExecutionDisabledParams{Value: true}))
	}
	return actions
}

// Resize changes the viewport of an open page.
func (p *Page) Resize(width, height int) {
	p.t.Helper()
	p.do("resize", chromedp.EmulateViewport(int64(width), int64(height)))
}

// AllowConsole accepts problems whose text contains one of the parts: expected failures. Texts are
// such as "console error: ...", "exception: ...", "CSP: ...", "dialog: ...", "request: status 500
// GET http://..." and "request: net::ERR_... GET http://...".
func (p *Page) AllowConsole(parts ...string) { p.watch.allow(parts...) }

// finish fails the test for the page's problems, and takes a screenshot of a failed test.
func (p *Page) finish() {
	p.t.Helper()
	p.flush()
	problems := p.watch.problems()
	for _, problem := range problems {
		p.t.Errorf("browser: %s", problem)
	}
	if p.t.Failed() && !p.pictured {
		p.t.Logf("browser: %s", p.describe())
	}
}

// flush waits until earlier events of the page have arrived: events and answers come in order.
func (p *Page) flush() {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	_, _ = chromedp.Run(ctx, chromedp.Evaluate[int]("1")) // a page that no longer answers sends no more events
}
