package views_test

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

	"pop.store/credits/views/internal/samples"
)

// sample is the sample page with this name.
func sample(t *testing.T, name string) *html.Node {
	t.Helper()
	for _, page := range samples.Pages() {
		if page.Name == name {
			return render(t, page.Component)
		}
	}
	t.Fatalf("there is no sample %q", name)
	return nil
}

// Pages of a closed account and of a cancelled plan say so, and offer nothing that is refused.
func TestStandingOfAnAccount(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"closed-credits": "This account is closed. It was closed on 25 November 2026. Its 150 tokens can't be spent any more, and no new ones come." +
			" Your history and receipts stay here.",
		"closed-settings":   "This account is closed. It was closed on 25 November 2026.",
		"cancelled-credits": "Your Starter plan was cancelled. No new tokens come each month. You can spend the 142 tokens that are left until they expire.",
		"cancelled-plans":   "Your Starter plan was cancelled.",
	} {
		root := sample(t, name)
		if got := text(one(t, root, testID("standing"))); !strings.HasPrefix(got, want) {
			t.Errorf("%s says %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"closed-credits", "closed-home", "closed-plans", "closed-buy", "closed-settings"} {
		root := sample(t, name)
		for _, link := range all(root, func(n *html.Node) bool { return attr(n, "href") != "" }) {
			if strings.HasPrefix(attr(link, "href"), "/credits/buy") {
				t.Errorf("%s leads to the packs: %s", name, text(link))
			}
		}
		if got := attr(one(t, root, testID("badge")), "data-state"); got != "closed" {
			t.Errorf("%s: the badge is %s", name, got)
		}
	}
	if got := text(one(t, sample(t, "closed-plans"), testID("plan-mine"))); got !=
		"This account is closed: no more plan tokens arrive." {
		t.Errorf("the plans say %q", got)
	}
	if got := text(one(t, sample(t, "cancelled-plans"), testID("plan-mine"))); got !=
		"You're on Starter and have 142 tokens. Your plan was cancelled, so no more plan tokens arrive." {
		t.Errorf("the plans say %q", got)
	}
}

// Tokens that support took out of an account stand in the history with the reason.
func TestTakenBackInTheHistory(t *testing.T) {
	t.Parallel()
	rows := all(sample(t, "closed-history"), testID("history-row"))
	for i, want := range []string{"Taken back: granted twice on Monday", "Taken back"} {
		if got := text(rows[i]); !strings.Contains(got, want) || strings.Count(got, "granted twice") > 1 {
			t.Errorf("row %d says %q, want %q", i, got, want)
		}
	}
}
