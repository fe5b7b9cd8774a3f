package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

//go:embed page.js
var pageJS string

// command makes an action of a protocol command and ignores its result.
func command[P, R any](cmd cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, cmd, params)
		return err
	})
}

// ask calls a function of page.js. A result of type chromedp.Void is ignored.
func ask[T any](ctx context.Context, function string, args ...any) (T, error) {
	list := make([]string, len(args))
	for i, arg := range args {
		text, err := json.Marshal(arg)
		if err != nil {
			return *new(T), err
		}
		list[i] = string(text)
	}
	source := fmt.Sprintf("(() => {%s\nreturn %s(%s)})()", pageJS, function, strings.Join(list, ","))
	return chromedp.Run(ctx, chromedp.Evaluate[T](source, chromedp.EvalAwaitPromise))
}

// Eval evaluates an expression in the page and decodes its value. It awaits a promise. An exception
// fails the test.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	ctx, cancel := p.bounded()
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.fail("evaluate %s: %v", expression, err)
	}
	return value
}

// do runs actions that must not fail.
func (p *Page) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := p.bounded()
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.fail("%s: %v", what, err)
	}
}

func (p *Page) bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.ctx, p.timeout)
}

// until calls try until it returns an empty state. An error counts as a state, because a page that
// is being replaced answers nothing.
func (p *Page) until(what string, try func(context.Context) (state string, err error)) {
	p.t.Helper()
	ctx, cancel := p.bounded()
	defer cancel()
	last := "the page did not answer"
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		state, err := try(ctx)
		switch {
		case err == nil && state == "":
			return
		case err == nil:
			last = state
		case ctx.Err() == nil:
			last = err.Error()
			var thrown *chromedp.ExceptionError
			if errors.As(err, &thrown) {
				p.fail("%s: %v", what, err) // such as a syntax error in a selector: a retry does not help
			}
		}
		select {
		case <-ctx.Done():
			p.fail("%s: gave up after %s: %s", what, p.timeout, last)
		case <-time.After(pause):
		}
	}
}

// fail ends the test and describes the page.
func (p *Page) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("browser: %s\n%s", fmt.Sprintf(format, args...), p.describe())
}

// describe is the page's state for a failure: address, problems, a screenshot.
func (p *Page) describe() string {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	var b strings.Builder
	if url, err := chromedp.Run(ctx, chromedp.Location()); err == nil {
		fmt.Fprintf(&b, "at %s, status %d", url, p.watch.documentStatus())
	}
	for _, problem := range p.watch.problems() {
		fmt.Fprintf(&b, "\nalso: %s", problem)
	}
	if path, err := p.snapshot(ctx); err != nil {
		fmt.Fprintf(&b, "\nno screenshot: %v", err)
	} else {
		p.pictured = true
		fmt.Fprintf(&b, "\nscreenshot: %s", path)
	}
	return b.String()
}

// dismissDialog closes an alert or other dialog, which would block the page for ever.
func (p *Page) dismissDialog() {
	_, _ = chromedp.Call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})
}
