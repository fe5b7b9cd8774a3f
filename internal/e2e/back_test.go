package e2e_test

import (
	"fmt"
	"net/http"
	"testing"

	"pop.store/credits/internal/browser"
)

// charge charges an account many times at once.
func (s *site) charge(account string, times int) {
	s.t.Helper()
	var charges []map[string]any
	for i := range times {
		charges = append(charges, map[string]any{
			"account":         account,
			"idempotency_key": fmt.Sprint("work-", i),
			"feature":         "social_comment_reply",
		})
	}
	s.want(http.StatusOK, http.MethodPost, "/v1/charges", map[string]any{"charges": charges})
}

const rows = `document.querySelectorAll("[data-testid=history-row]").length`

// Going back to a list that was continued restores its length and position, from the browser's
// cache of pages and without it.
func TestTheWayBackKeepsThePlace(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("ines", "Ines' Inks", browser.Viewport(390, 844))
	s.charge("ines", 160)
	for _, cached := range []bool{true, false} {
		p.Goto("/credits/history")
		for n := 100; n <= 150; n += 50 {
			p.Click(testid("load-more"))
			p.WaitTrue(fmt.Sprint(rows, " === ", n))
		}
		browser.Eval[bool](p, "(scrollTo(0, 4000), window.same = true)")
		if !cached {
			browser.Eval[bool](p, `(addEventListener("unload", () => {}), true)`) // which excludes the page from the browser's cache
		}
		browser.Eval[bool](p, `(document.querySelector("footer a[href='/settings']").click(), true)`)
		p.WaitURL("/settings")
		p.Back()
		p.WaitURL("/credits/history")
		p.WaitTrue(rows + " === 150")
		p.WaitTrue("Math.abs(scrollY - 4000) < 50 && !document.documentElement.hasAttribute('data-checking')")
		if kept := browser.Eval[bool](p, "window.same === true"); kept != cached {
			t.Errorf("the page was kept by the browser: %v, want %v", kept, cached)
		}
	}
}

// After signing out, the back button shows nothing of the account.
func TestTheWayBackAfterSigningOutShowsNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("olaf", "Olaf's Oils")
	p.Goto("/credits")
	p.WaitText(testid("balance"), "200")
	p.AllowConsole("status 401")
	browser.Eval[bool](p, watchCover)
	p.Click(testid("sign-out"))
	p.WaitURL("/login?out=1")
	p.Back()
	p.WaitURL("/login?next=%2Fcredits")
	p.WaitGone(testid("balance"))
	if seen := browser.Eval[string](p, `sessionStorage.cover ?? ""`); seen != "" && seen != "covered " {
		t.Errorf("the page that came back was %s", seen)
	}
}

// watchCover records, for the next page, when a page from the browser's cache is covered and when
// it is shown again.
const watchCover = `(new MutationObserver(() => {
	const covered = document.documentElement.hasAttribute("data-checking");
	sessionStorage.cover = (sessionStorage.cover ?? "") + (covered ? "covered " : "shown ");
}).observe(document.documentElement, { attributeFilter: ["data-checking"] }), true)`

// A page from the browser's cache shows the current balance, and its forms get new keys.
func TestAPageThatComesBackIsTrue(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("pia", "Pia's Prints")
	p.Goto("/credits/buy")
	key := `[...document.querySelectorAll("input[name=key]")].map((e) => e.value).join()`
	before := browser.Eval[string](p, "(window.same = true, "+key+")")
	browser.Eval[bool](p, `(document.querySelector("footer a[href='/settings']").click(), true)`)
	p.WaitURL("/settings")
	s.spend("pia", "12.5")
	p.Back()
	p.WaitURL("/credits/buy")
	p.WaitText(testid("badge-amount"), "187.5")
	p.WaitTrue(fmt.Sprintf("window.same && %s.length > 30 && %s !== %q", key, key, before))
}

// When the session ends, the page keeps what was typed and says so.
func TestASessionThatEndsLeavesThePageAsItIs(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("quin", "Quin's Quilts")
	p.AllowConsole("status 401")
	p.Goto("/tools?tool=pdf_creation")
	p.Type("input[name=text]", "a pattern for beginners")
	if _, err := s.db.Pool.Exec(t.Context(), "delete from sessions"); err != nil {
		t.Fatal(err)
	}
	p.WaitShown(testid("signed-out"))
	if text := browser.Eval[string](p, `document.querySelector("input[name=text]").value`); text !=
		"a pattern for beginners" {
		t.Errorf("what was typed is %q", text)
	}
	p.ClickText(testid("signed-out")+" a", "Sign in again")
	p.WaitURL("/login?next=%2Ftools%3Ftool%3Dpdf_creation")
}
