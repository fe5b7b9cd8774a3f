package views

import (
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/tokens"
)

func stopOf(reason AgentReason) StopModel {
	fifty := 50 * tokens.One
	return StopModel{
		Reason:  reason,
		KeptFor: "your own tools",
		Budget:  &fifty,
		URL:     "/agents#there",
	}
}

// Why an agent is paused, what ends that, and the button for it: said once, in the same words on
// the card, on the badge, on the home page.
func TestWhyAnAgentIsPaused(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 14, 5, 0, 0, time.UTC)
	c := Layout{Now: now}
	for _, want := range []struct {
		reason                                AgentReason
		card, badge, title, text, button, url string
	}{
		{
			WhyTokens, "Paused since 13:05: out of tokens. Add tokens and it restarts by itself, for new requests.", "Scout is paused: out of tokens.",
			"Scout is waiting for tokens", "Add tokens and it restarts by itself, for new requests.",
			"See the packs", "/credits/buy",
		},
		{
			WhyHeld, "Paused since 13:05: jobs under way hold the tokens it needs. Add tokens and it restarts by itself, for new requests.",
			"Scout is paused: jobs under way hold the tokens it needs.",
			"Scout is paused: jobs under way hold the tokens it needs",
			"Add tokens and it restarts by itself, for new requests.", "See the packs", "/credits/buy",
		},
		{
			WhyReserve, "Paused since 13:05: the tokens left are kept for your own tools. Keep less for your own tools and it restarts by itself, for new requests.",
			"Scout is paused: the tokens left are kept for your own tools.",
			"Scout is paused: the tokens left are kept for your own tools",
			"Keep less for your own tools and it restarts by itself, for new requests.", "Lower the reserve",
			"/agents#there",
		},
		{
			WhySize, "Paused since 13:05: it asked for more tokens at once than you had. Turn on and it goes on, for new requests.",
			"Scout is paused: it asked for more tokens at once than you had.",
			"Scout is paused: it asked for more tokens at once than you had",
			"Turn on and it goes on, for new requests.", "Turn on", "/agents#there",
		},
		{
			WhyBudget, "Paused: its 50-token budget for this month is used. Raise the budget and it restarts by itself, for new requests.",
			"Scout is paused: its 50-token budget for this month is used.",
			"Scout is paused: its 50-token budget for this month is used",
			"Raise the budget and it restarts by itself, for new requests.", "Raise the budget", "/agents#there",
		},
	} {
		stop := stopOf(want.reason)
		card := AgentModel{
			Name:   "Scout",
			State:  AgentOutOfTokens,
			Since:  now.Add(-time.Hour),
			Stop:   stop,
			Budget: stop.Budget,
		}
		if want.reason == WhyBudget {
			card.State = AgentOverBudget
		}
		if got := Breakable(card.sentence(c)); got != want.card {
			t.Errorf("%s: the card says %q, want %q", want.reason, got, want.card)
		}
		b := &BadgeModel{
			Level:        LevelOK,
			Spendable:    199 * tokens.One,
			PausedAgents: 1,
			Stopped:      []StoppedModel{{Name: "Scout", Stop: stop}},
		}
		if got := b.PausedAnnouncement(); got != want.badge || b.state().Word != "1 paused" {
			t.Errorf("%s: the badge says %q and %q, want %q", want.reason, b.state().Word, got, want.badge)
		}
		next := nextStep(Layout{Now: now, Badge: b})
		if next.Title != want.title || next.Text != want.text || next.Button.Label != want.button ||
			string(next.Button.Href) != want.url {
			t.Errorf("%s: the next step is %+v", want.reason, next)
		}
	}
}

// Several agents that are paused for several reasons have no one cure.
func TestSeveralReasonsHaveNoOneCure(t *testing.T) {
	t.Parallel()
	b := &BadgeModel{
		Level:        LevelLow,
		Spendable:    6 * tokens.One,
		PausedAgents: 2,
		Stopped: []StoppedModel{
			{Name: "Scout", Stop: stopOf(WhyBudget)}, {Name: "Replies", Stop: stopOf(WhyTokens)},
		},
	}
	if got := b.PausedAnnouncement(); got != "Scout and Replies are paused." {
		t.Errorf("the badge says %q", got)
	}
	if next := nextStep(Layout{Badge: b}); next.Title != "Scout and Replies are paused" ||
		next.Button.Label != "See the agents" || next.Button.Href != "/agents" {
		t.Errorf("the next step is %+v", next)
	}
	b.Stopped[0].Stop = stopOf(WhyTokens)
	if got := b.PausedAnnouncement(); got != "Scout and Replies are paused: out of tokens." {
		t.Errorf("the badge says %q", got)
	}
	if next := nextStep(Layout{Badge: b}); next.Text !=
		"Add tokens and they restart by themselves, for new requests." {
		t.Errorf("the next step is %+v", next)
	}
	n := NoticeModel{
		Level:     LevelLow,
		Spendable: 6 * tokens.One,
		Forecast:  &Forecast{Who: "Scout"},
	}
	if got := n.Lead() + " " + n.Rest(Layout{Badge: b}); got !=
		"6 tokens left. Scout and Replies are paused: out of tokens." {
		t.Errorf("the notice says %q", got)
	}
	// More than two are counted, and such as could not be read.
	b.PausedAgents, b.Stopped = 3, make([]StoppedModel, 3)
	if got := b.PausedAnnouncement(); got != "3 agents are paused: out of tokens." {
		t.Errorf("three: %q", got)
	}
	if b.Stopped = nil; b.PausedAnnouncement() != "3 agents are paused." {
		t.Errorf("unread: %q", b.PausedAnnouncement())
	}
}

// Who waits at an empty balance is told as it is.
func TestWhoWaitsAtAnEmptyBalance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		left           tokens.Amount
		waiting, goOn  int
		says, nextStep string
	}{
		{0, 0, 0, "AI tools are waiting for more tokens.", "AI tools are waiting"},
		{0, 4, 0, "AI tools and agents are waiting for more tokens.", "AI tools and agents are waiting"},
		{
			3 * tokens.One, 0, 4, "AI tools are waiting for more tokens. Agents go on with what is left.",
			"AI tools are waiting",
		},
		{
			3 * tokens.One, 1, 3, "AI tools and 1 of 4 agents are waiting for more tokens. The others go on with what is left.",
			"AI tools are waiting",
		},
	} {
		n := &NoticeModel{
			Level:     LevelEmpty,
			Spendable: test.left,
			Waiting:   test.waiting,
			GoOn:      test.goOn,
		}
		if got := n.Rest(Layout{}); got != "Your shop is open as usual. "+test.says {
			t.Errorf("%d wait, %d go on: %q", test.waiting, test.goOn, got)
		}
		c := Layout{Badge: &BadgeModel{Level: LevelEmpty, Spendable: test.left}, Notice: n}
		if got := nextStep(c).Title; got != test.nextStep {
			t.Errorf("%d wait, %d go on: the next step is %q", test.waiting, test.goOn, got)
		}
	}
}

// What jobs hold is there: the notice counts it and says so.
func TestTheNoticeCountsWhatJobsHold(t *testing.T) {
	t.Parallel()
	n := NoticeModel{
		Level:     LevelLow,
		Spendable: 5 * tokens.One,
		Held:      30 * tokens.One,
		Forecast:  &Forecast{},
	}
	if got := n.Lead(); got != "35 tokens left, 30 of them in use." {
		t.Errorf("low: %q", got)
	}
	n.Level, n.Spendable, n.Held = LevelEmpty, 0, 3*tokens.One
	if got := n.Lead(); got != "3 tokens left, 3 of them in use, not enough for an AI tool." {
		t.Errorf("empty: %q", got)
	}
}

// A reserve that leaves the others nothing is warned of, and none other.
func TestReserveWarning(t *testing.T) {
	t.Parallel()
	one := tokens.One
	for _, test := range []struct {
		spendable, reserved, own tokens.Amount
		begins                   string
	}{
		{
			199 * one, 500 * one, 500 * one,
			"You keep 500 for your own tools and have 199 tokens: agents have nothing left to spend",
		},
		{199 * one, 300 * one, 100 * one, "300 are kept in all and you have 199 tokens: nobody else"},
		{200 * one, 200 * one, 200 * one, "You keep 200"},
		{201 * one, 200 * one, 200 * one, ""},
		{0, 0, 0, ""},
	} {
		got := AgentsModel{
			Spendable: test.spendable,
			Reserved:  test.reserved,
			Own:       test.own,
		}.reserveWarning()
		if !strings.HasPrefix(got, test.begins) || (got == "") != (test.begins == "") {
			t.Errorf("%v of %v kept: %q", test.reserved, test.spendable, got)
		}
	}
}

// A tool that lacks tokens names what is set aside.
func TestDeclinedToolsNameWhatIsSetAside(t *testing.T) {
	t.Parallel()
	m := ToolsModel{
		Kept: 150 * tokens.One,
		Held: 30 * tokens.One,
		Chosen: &ToolModel{
			One:   "image",
			Price: 10 * tokens.One,
			Short: 10 * tokens.One,
		},
	}
	want := "This image needs 10 tokens and you have 0 to spend: 150 more are kept for agents and 30 are in use. You're 10 short."
	if got := m.declined(); got != want || !m.keptWouldDo() {
		t.Errorf("got %q, want %q", got, want)
	}
	if m.Kept = 9 * tokens.One; m.keptWouldDo() {
		t.Error("9 would not do")
	}
}
