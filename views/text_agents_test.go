package views

import (
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// The sentences of copy.md, and what they become where a number is one or nothing.
func TestAgentText(t *testing.T) {
	t.Parallel()
	c := Layout{Now: time.Date(2026, 11, 27, 14, 5, 0, 0, time.UTC)}
	monday := time.Date(2026, 11, 23, 21, 14, 0, 0, time.UTC)
	fifty := 50 * tokens.One
	for _, test := range []struct {
		model AgentModel
		want  string
	}{
		{
			AgentModel{
				State:      AgentOutOfTokens,
				Since:      monday,
				TurnedAway: 38,
			},
			"Paused since Monday, 21:14: out of tokens. 38 requests weren't handled. Add tokens and it restarts by itself, for new ones.",
		},
		{
			AgentModel{State: AgentOutOfTokens, Since: c.Now.Add(-time.Hour)},
			"Paused since 13:05: out of tokens. Add tokens and it restarts by itself, for new requests.",
		},
		{
			AgentModel{
				State:      AgentOutOfTokens,
				Since:      c.Now.AddDate(0, 0, -20),
				TurnedAway: 1_234,
			},
			"Paused since 7 November, 14:05: out of tokens. 1,234 requests weren't handled. Add tokens and it restarts by itself, for new ones.",
		},
		{AgentModel{State: AgentByCreator}, "Paused by you. Stays off until you turn it on."},
		{
			AgentModel{State: AgentByCreator, TurnedAway: 1},
			"Paused by you. Stays off until you turn it on. 1 request wasn't handled.",
		},
		{
			AgentModel{State: AgentOverBudget, Budget: &fifty},
			"Paused: its 50-token budget for this month is used. Raise the budget and it restarts by itself, for new requests.",
		},
		{AgentModel{State: AgentOn, Held: 30 * tokens.One}, "Working: 30 tokens in use right now."},
	} {
		if got := Breakable(test.model.sentence(c)); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", test.model.State, got, test.want)
		}
	}
}

func TestWhatBecameOfTokens(t *testing.T) {
	t.Parallel()
	m := AgentModel{
		Spent: 12 * tokens.One,
		Count: 240,
		One:   "DM",
		Many:  "DMs",
		Results: []ResultModel{
			{
				Count: 9,
				One:   "sale",
				Many:  "sales",
				Money: money.Amount{Minor: 21400, Currency: "USD"},
			}, {
				Count: 1,
				One:   "lead",
				Many:  "leads",
			},
		},
	}
	if got := strings.Join(m.chain(), " -> "); got != "12 tokens -> 240 DMs -> 9 sales, $214.00 and 1 lead" {
		t.Errorf("got %q", got)
	}
	if got := (AgentModel{Count: 3}).chain(); got != nil {
		t.Errorf("nothing spent is %q", got)
	}
	// A refund of last month's work can make more come back than was spent.
	if got := strings.Join((AgentModel{Spent: -1, Results: m.Results[1:]}).chain(), " -> "); got !=
		"0 tokens -> 1 lead" {
		t.Errorf("got %q", got)
	}
}

func TestResumedText(t *testing.T) {
	t.Parallel()
	for want, list := range map[string][]ResumedModel{
		"": nil,
		"Comment Replies is back on, for new comments. The 38 from the pause weren't answered.": {{
			Name:   "Comment Replies",
			For:    "comments",
			Missed: 38,
		}},
		"Comment Replies is back on, for new comments. The one from the pause wasn't answered.": {{
			Name:   "Comment Replies",
			For:    "comments",
			Missed: 1,
		}},
		"Scout is back on, for new requests. Those from the pause weren't answered.": {{Name: "Scout"}},
		"A and B are back on, for new requests. Those from the pause weren't answered.": {
			{Name: "A"},
			{Name: "B", Missed: 3},
		},
	} {
		if got := resumedText(list); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDeclinedText(t *testing.T) {
	t.Parallel()
	m := ToolsModel{
		Available: 42 * tokens.One,
		Text:      "Glazes",
		Declined:  true,
		Chosen: &ToolModel{
			One:   "PDF",
			Price: 75 * tokens.One,
			Short: 33 * tokens.One,
		},
	}
	if got := m.declined(); got != "This PDF needs 75 tokens and you have 42. It didn't run, and no tokens were used. You're 33 short; your text is saved." {
		t.Errorf("declined: %q", got)
	}
	m.Text = ""
	if got := m.declined(); got != "This PDF needs 75 tokens and you have 42. It didn't run, and no tokens were used. You're 33 short." {
		t.Errorf("without a text: %q", got)
	}
	m.Declined = false
	if got := m.declined(); got != "This PDF needs 75 tokens and you have 42. You're 33 short." {
		t.Errorf("before: %q", got)
	}
}

// Ids of agents may be anything, ids of elements may not, and two agents have two.
func TestAgentAnchors(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, id := range []string{"a", "A", "a b", `"><script>`, "ä", "video/1"} {
		anchor := AgentAnchor(id)
		if seen[anchor] || strings.Trim(anchor, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			t.Errorf("%q is at %q", id, anchor)
		}
		seen[anchor] = true
	}
}
