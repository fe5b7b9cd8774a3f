package browser

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// twoFrames is the duration of two frames at 60 Hz.
const twoFrames = 34 * time.Millisecond

// Goto opens an address, or a path under Base, waits until it has loaded, and returns the status.
func (p *Page) Goto(url string) (status int) {
	p.t.Helper()
	if strings.HasPrefix(url, "/") {
		url = strings.TrimSuffix(p.base, "/") + url
	}
	p.do("go to "+url, chromedp.Navigate(url))
	return p.watch.documentStatus()
}

// Reload loads the page again.
func (p *Page) Reload() {
	p.t.Helper()
	p.do("reload", chromedp.Reload())
}

// Back goes back by one page. It does not wait, because a page from the cache reports no load; use
// WaitURL.
func (p *Page) Back() {
	p.t.Helper()
	p.do("go back", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		history, err := chromedp.NavigationEntries()(ctx, target)
		if err != nil || history.CurrentIndex == 0 {
			return errors.Join(err, errors.New("there is no page before this one"))
		}
		_, err = cdp.Call(ctx, target, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{
			EntryID: history.Entries[history.CurrentIndex-1].ID,
		})
		return err
	}))
}

// Click clicks the first visible element that matches, once it has stopped moving, is enabled and
// is not covered. It does not wait for the effect; use WaitURL or WaitText.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.ClickText(selector, "")
}

// ClickText is Click on the first match whose text contains the given one: ClickText("button", "Buy").
func (p *Page) ClickText(selector, text string) {
	p.t.Helper()
	x, y := p.point(selector, text)
	p.do("click on "+selector, chromedp.MouseEvent(chromedp.MouseMoved, x, y), chromedp.MouseClickXY(x, y))
}

// Hover moves the mouse onto an element.
func (p *Page) Hover(selector string) {
	p.t.Helper()
	x, y := p.point(selector, "")
	p.do("hover over "+selector, chromedp.MouseEvent(chromedp.MouseMoved, x, y))
}

// target is a point in the window that belongs to an element, or the reason why there is none.
type target struct {
	X, Y      float64
	Name, Why string
}

// point finds where the mouse hits an element. It measures twice, because elements move.
func (p *Page) point(selector, text string) (x, y float64) {
	p.t.Helper()
	what := "point at " + selector
	if text != "" {
		what += fmt.Sprintf(" with text %q", text)
	}
	p.until(what, func(ctx context.Context) (string, error) {
		before, err := ask[target](ctx, "aim", selector, text)
		if err != nil || before.Why != "" {
			return before.Why, err
		}
		p.awaitFrames(ctx)
		now, err := ask[target](ctx, "aim", selector, text)
		if err == nil && now.Why == "" && now != before {
			now.Why = now.Name + " is moving"
		}
		x, y = now.X, now.Y
		return now.Why, err
	})
	return x, y
}

// awaitFrames waits until two frames of the page have been painted: the browser drops earlier mouse
// events. A background page paints none, and without scripts it is not known, so those wait a fixed
// time.
func (p *Page) awaitFrames(ctx context.Context) {
	if p.noScript {
		time.Sleep(twoFrames)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = ask[chromedp.Void](ctx, "frames")
}

// Type replaces the content of a field.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.Click(selector)
	p.until("select the text of "+selector, func(ctx context.Context) (string, error) {
		_, err := ask[chromedp.Void](ctx, "((s) => pick(s)?.select?.())", selector)
		return "", err
	})
	if text == "" {
		text = kb.Delete
	}
	p.do("type into "+selector, chromedp.KeyEvent(text))
}

// Choose selects an option of a select field by its label, with the keyboard: it focuses the field
// and types the label.
func (p *Page) Choose(selector, label string) {
	p.t.Helper()
	p.until("choose in "+selector, func(ctx context.Context) (string, error) {
		return ask[string](ctx, "((s) => { const e = pick(s); e?.focus(); return e ? '' : here(s) })", selector)
	})
	p.do("choose in "+selector, chromedp.KeyEvent(label))
	p.until(fmt.Sprintf("choose %q in %s", label, selector), func(ctx context.Context) (string, error) {
		chosen, err := ask[string](ctx, "((s) => squash(pick(s)?.selectedOptions?.[0]?.label))", selector)
		if chosen == label {
			return "", err
		}
		return fmt.Sprintf("%q is chosen", chosen), err
	})
}

// keys are the names of keys without a character, as in KeyboardEvent.key.
var keys = map[string]string{
	"Enter":      kb.Enter,
	"Tab":        kb.Tab,
	"Escape":     kb.Escape,
	"Backspace":  kb.Backspace,
	"Delete":     kb.Delete,
	"Space":      " ",
	"ArrowUp":    kb.ArrowUp,
	"ArrowDown":  kb.ArrowDown,
	"ArrowLeft":  kb.ArrowLeft,
	"ArrowRight": kb.ArrowRight,
	"Home":       kb.Home,
	"End":        kb.End,
	"PageUp":     kb.PageUp,
	"PageDown":   kb.PageDown,
}

// Press presses one key at the focus: a character, "Enter", "Tab", "Shift+Tab", "Escape", "Space",
// "ArrowDown", ...
func (p *Page) Press(key string) {
	p.t.Helper()
	modifier := chromedp.ModifierNone
	plain := key
	if rest, ok := strings.CutPrefix(key, "Shift+"); ok {
		modifier, plain = chromedp.ModifierShift, rest
	}
	code, ok := keys[plain]
	if !ok {
		code = plain
	}
	if len([]rune(code)) != 1 {
		p.t.Fatalf("browser: there is no key %q", key)
	}
	p.do("press "+key, chromedp.KeyEvent(code, chromedp.KeyModifiers(modifier)))
}
