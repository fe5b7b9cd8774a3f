// Package browser drives a real browser in tests: Chromium, through chromedp. One process serves a
// whole test binary; each test has a context of its own, without cookies or cache of others.
//
// A page watches itself. What a person would see in the console, such as an error, an uncaught
// exception, a violation of the content security policy or a failed request, fails the test at its
// end, whatever the test looks at. What belongs to the test is allowed by name:
// AllowConsole("status 422").
//
// Input is real: mouse and keys as the browser gets them from a person. Every wait ends after half
// a minute, only so that nothing hangs; the failure says what was there instead, and leaves a
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

// patience bounds every wait. It guards against hanging and is no measure of speed.
const patience = 30 * time.Second

// Page is one tab in a browser context of its own.
type Page struct {
	t        testing.TB
	ctx      context.Context
	base     string
	patience time.Duration
	watch    watch
	noScript bool
	pictured bool // a picture of the failure has been taken
}

// Option changes how a page is seen.
type Option func(*look)

type look struct {
	base          string
	width, height int
	scale         float64
	scheme        string
	motion        string
	zone          string
	noScript      bool
}

// Base is put before paths that Goto is given.
func Base(url string) Option { return func(l *look) { l.base = url } }

// Viewport is the size of the window's inside in CSS pixels; 1280 x 800 unless told.
func Viewport(width, height int) Option { return func(l *look) { l.width, l.height = width, height } }

// Scale is the number of device pixels per CSS pixel, for crisp screenshots.
func Scale(factor float64) Option { return func(l *look) { l.scale = factor } }

// Dark makes prefers-color-scheme dark; it is light unless told.
func Dark() Option { return func(l *look) { l.scheme = "dark" } }

// ReducedMotion makes prefers-reduced-motion reduce.
func ReducedMotion() Option { return func(l *look) { l.motion = "reduce" } }

// Timezone is an IANA zone; UTC unless told.
func Timezone(zone string) Option { return func(l *look) { l.zone = zone } }

// NoScript turns the page's own JavaScript off. Axe does not work then.
func NoScript() Option { return func(l *look) { l.noScript = true } }

// New opens an empty page, which is closed when the test ends. It starts the browser when none
// runs; a missing browser fails the test.
func New(t testing.TB, options ...Option) *Page {
	t.Helper()
	l := look{
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
		patience: patience,
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
	// The tab lives as long as the context of this first call, so this one is bounded from the outside.
	hang := time.AfterFunc(startLimit, cancel)
	defer hang.Stop()
	if err := chromedp.Do(ctx, l.apply()...); err != nil {
		t.Fatalf("browser: open a page: %v", err)
	}
	return p
}

func (l *look) apply() []chromedp.Action[chromedp.Void] {
	actions := []chromedp.Action[chromedp.Void]{
		chromedp.EmulateViewport(int64(l.width), int64(l.height), chromedp.EmulateScale(l.scale)),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: l.scheme},
			{Name: "prefers-reduced-motion", Value: l.motion},
		}}),
		command(page.AddScriptToEvaluateOnNewDocument,
			page.AddScriptToEvaluateOnNewDocumentParams{Source: reportEval}),
		// Pages of parallel tests are all in front, as far as each can tell.
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

// Resize changes the viewport of a page that is open.
func (p *Page) Resize(width, height int) {
	p.t.Helper()
	p.do("resize", chromedp.EmulateViewport(int64(width), int64(height)))
}

// AllowConsole accepts problems whose text contains one of the parts: a deliberate failure of this
// test. Texts are such as "console error: ...", "exception: ...", "CSP: ...", "dialog: ...",
// "request: status 500 GET http://..." and "request: net::ERR_... GET http://...".
func (p *Page) AllowConsole(parts ...string) { p.watch.allow(parts...) }

// finish fails the test for what the page saw, and leaves a picture of a failed test.
func (p *Page) finish() {
	p.t.Helper()
	p.flush()
	problems := p.watch.problems()
	for _, problem := range problems {
		p.t.Errorf("browser: %s", problem)
	}
	if p.t.Failed() && !p.pictured {
		p.t.Logf("browser: %s", p.evidence())
	}
}

// flush waits until what the page has reported up to now has arrived: events come in the order of
// the answers.
func (p *Page) flush() {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	_, _ = chromedp.Run(ctx, chromedp.Evaluate[int]("1")) // a page that no longer answers has reported all it ever will
}
