package browser

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/chromedp/chromedp"
)

// WaitText waits until a visible element that matches contains the text. White space counts as one
// space.
func (p *Page) WaitText(selector, text string) {
	p.t.Helper()
	p.waitFor(fmt.Sprintf("wait for %q in %s", text, selector), selector, "hasText", selector, text)
}

// WaitShown waits until an element that matches is visible.
func (p *Page) WaitShown(selector string) {
	p.t.Helper()
	p.waitFor("wait for "+selector, selector, "anyShown", selector)
}

// WaitGone waits until no element that matches is visible.
func (p *Page) WaitGone(selector string) {
	p.t.Helper()
	p.waitFor("wait until "+selector+" is gone", selector, "!anyShown", selector)
}

// waitFor waits until a function of page.js is true. On failure it lists the elements that match
// the selector.
func (p *Page) waitFor(what, selector, function string, args ...any) {
	p.t.Helper()
	p.until(what, func(ctx context.Context) (string, error) {
		if ok, err := ask[bool](ctx, function, args...); ok || err != nil {
			return "", err
		}
		return ask[string](ctx, "here", selector)
	})
}

// WaitTrue waits until an expression is true in the page.
func (p *Page) WaitTrue(expression string) {
	p.t.Helper()
	p.until("wait for "+expression, func(ctx context.Context) (string, error) {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if ok || err != nil {
			return "", err
		}
		return "it is false", nil
	})
}

// WaitURL waits until the page is at an address and has loaded. An address that begins with "/" is
// compared with path and query, others with the whole URL. A "*" at its end matches any rest, and
// query parameters that it does not name are ignored.
func (p *Page) WaitURL(want string) {
	p.t.Helper()
	p.until("wait for the page "+want, func(ctx context.Context) (string, error) {
		location, err := chromedp.Run(ctx, chromedp.Location())
		if err != nil {
			return "", err
		}
		if !matchURL(want, location) {
			return "the page is at " + location, nil
		}
		if loaded, err := ask[bool](ctx, "ready"); !loaded || err != nil {
			return location + " is still loading", err
		}
		return "", nil
	})
}

func matchURL(want, location string) bool {
	have := location
	if u, err := url.Parse(location); err == nil && strings.HasPrefix(want, "/") {
		have = u.RequestURI()
	}
	have, _, _ = strings.Cut(have, "#")
	if start, ok := strings.CutSuffix(want, "*"); ok {
		return strings.HasPrefix(have, start)
	}
	if !strings.Contains(want, "?") {
		have, _, _ = strings.Cut(have, "?")
	}
	return have == want
}

// URL is the address of the page.
func (p *Page) URL() string {
	p.t.Helper()
	return Eval[string](p, "location.href")
}

// Text waits for an element and returns its visible text, with single spaces.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	return p.property(selector, "words")
}

// Value waits for a field and returns its value.
func (p *Page) Value(selector string) string {
	p.t.Helper()
	return p.property(selector, "((e) => e.value ?? '')")
}

// Attr waits for an element and returns one of its attributes, empty if it has none such.
func (p *Page) Attr(selector, name string) string {
	p.t.Helper()
	return p.property(selector, fmt.Sprintf("((e) => e.getAttribute(%q) ?? '')", name))
}

// property waits for an element and returns the result of a JavaScript function of it.
func (p *Page) property(selector, function string) (value string) {
	p.t.Helper()
	p.until("look at "+selector, func(ctx context.Context) (string, error) {
		found, err := ask[*string](ctx,
			fmt.Sprintf("((s) => { const e = pick(s); return e ? (%s)(e) : null })", function), selector)
		if err != nil {
			return "", err
		}
		if found == nil {
			return ask[string](ctx, "here", selector)
		}
		value = *found
		return "", nil
	})
	return value
}

// Texts returns the text of every element that matches now.
func (p *Page) Texts(selector string) (all []string) {
	p.t.Helper()
	p.until("look at "+selector, func(ctx context.Context) (state string, err error) {
		all, err = ask[[]string](ctx, "texts", selector)
		return "", err
	})
	return all
}

// Count is how many elements match now.
func (p *Page) Count(selector string) int {
	p.t.Helper()
	return len(p.Texts(selector))
}

// Shown reports whether an element that matches is visible now.
func (p *Page) Shown(selector string) (shown bool) {
	p.t.Helper()
	p.until("look at "+selector, func(ctx context.Context) (state string, err error) {
		shown, err = ask[bool](ctx, "anyShown", selector)
		return "", err
	})
	return shown
}
