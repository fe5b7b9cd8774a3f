package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

const metered = "auto_selling"

// agentHold makes an agent's hold of an amount.
func (b *books) agentHold(id uuid.UUID, agent, amount string, life time.Duration) int64 {
	b.t.Helper()
	h, err := b.Hold(b.t.Context(), id, uuid.NewString(), ledger.Hold{
		Feature:   metered,
		Agent:     agent,
		Amount:    parsed(amount),
		ExpiresIn: life,
	})
	b.check(err)
	return h.Seq
}

// spend makes an agent's charge for the metered feature.
func (b *books) spend(id uuid.UUID, agent, amount string) (ledger.Receipt, error) {
	b.t.Helper()
	return b.Charge(b.t.Context(), id, uuid.NewString(), ledger.Charge{
		Feature: metered,
		Agent:   agent,
		Amount:  parsed(amount),
	})
}

// refusal is the problem of a request that must be refused.
func (b *books) refusal(_ ledger.Receipt, err error) *problem.Error {
	b.t.Helper()
	if err == nil {
		b.t.Fatal("the request was not refused")
	}
	return problem.Of(err)
}

func (b *books) wantDetails(p *problem.Error, want map[string]string) {
	b.t.Helper()
	for name, text := range want {
		got := ""
		switch v := p.Details[name].(type) {
		case tokens.Amount:
			got = v.String()
		case string:
			got = v
		}
		if got != text {
			b.t.Errorf("%s is %q, want %q", name, got, text)
		}
	}
}

// wantReason wants an agent to be paused for a reason, with its cure and what is missing.
func (b *books) wantReason(id uuid.UUID, agent string, reason ledger.Reason, cure ledger.Cure, missing string) {
	b.t.Helper()
	list, _, err := b.Agents(b.t.Context(), id)
	b.check(err)
	for _, a := range list {
		if a.ID == agent && (a.Reason != reason || a.Reason.Cure() != cure || a.Missing.String() != missing) {
			b.t.Errorf("%s: %q cured by %q, %s missing; want %q, %q, %s", agent, a.Reason, a.Reason.Cure(),
				a.Missing, reason, cure, missing)
		}
	}
}

func (b *books) turn(id uuid.UUID, agent string, on bool) {
	b.t.Helper()
	b.check(b.SwitchAgent(b.t.Context(), id, ledger.SwitchAgent{ID: agent, On: on}))
}

// Whatever gives a budget room lets its agent go on at once: a release, a time-out, a capture of
// less, a refund, a higher budget or none, and also a request that it covers.
func TestRoomInABudgetLetsAnAgentGoOn(t *testing.T) {
	t.Parallel()
	over := func(t *testing.T) (*books, uuid.UUID, int64) {
		b := newBooks(t)
		id := b.open("star")
		b.put(id, "seller", "50", "")
		hold := b.agentHold(id, "seller", "50", time.Hour)
		if p := b.refusal(b.spend(id, "seller", "1")); p.Code != "over_budget" ||
			p.Details["cure"] != "raise_budget" {
			t.Errorf("over the budget: %+v", p)
		}
		b.wantAgents(id, "seller paused_over_budget 1")
		b.wantReason(id, "seller", ledger.ReasonBudget, ledger.CureBudget, "0")
		if a := b.account(id); a.OverBudget != 1 || a.Paused != 0 {
			t.Errorf("%d are over their budgets and %d wait for tokens", a.OverBudget, a.Paused)
		}
		b.events(id)
		return b, id, hold
	}
	ways := map[string]func(b *books, id uuid.UUID, hold int64){
		"release": func(b *books, id uuid.UUID, hold int64) {
			_, err := b.tryRelease(id, hold)
			b.check(err)
		},
		"time-out": func(b *books, id uuid.UUID, _ int64) {
			b.clock.Advance(time.Hour)
			if a := b.account(id); a.OverBudget != 0 {
				b.t.Errorf("a look says that %d are over their budgets", a.OverBudget)
			}
			b.check(b.Settle(b.t.Context(), id))
		},
		"capture of less": func(b *books, id uuid.UUID, hold int64) { b.capture(id, hold, "49.999999") },
		"refund": func(b *books, id uuid.UUID, hold int64) {
			b.capture(id, hold, "50")
			b.wantAgents(id, "seller paused_over_budget 1")
			b.refund(id, b.account(id).Seq, "0.000001")
		},
		"higher budget": func(b *books, id uuid.UUID, _ int64) { b.put(id, "seller", "50.000001", "") },
		"no budget":     func(b *books, id uuid.UUID, _ int64) { b.put(id, "seller", "0", "") },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, id, hold := over(t)
			way(b, id, hold)
			b.wantAgents(id, "seller on 0")
			if a := b.account(id); a.OverBudget != 0 {
				t.Errorf("%d are over their budgets", a.OverBudget)
			}
			if told := b.events(id); !strings.HasSuffix(told, "agent.resumed seller") {
				t.Errorf("told of %q", told)
			}
		})
	}
	t.Run("a request that fits", func(t *testing.T) {
		t.Parallel()
		b := newBooks(t)
		id := b.open("star")
		b.put(id, "seller", "50", "")
		_ = b.refusal(b.spend(id, "seller", "51"))
		b.wantAgents(id, "seller paused_over_budget 1")
		_, err := b.spend(id, "seller", "10")
		b.check(err)
		b.wantAgents(id, "seller on 0")
		b.wantEvents(id, "grant.created, agent.paused seller, agent.resumed seller")
	})
}

// A budget that is spent in one month has room again only with the next one, also where a hold
// times out shortly before and nobody looked until afterwards.
func TestAHoldThatTimesOutBeforeTheMonthEnds(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("star")
	b.clock.Set(time.Date(2026, 3, 30, 12, 0, 0, 0, time.UTC))
	b.put(id, "seller", "50", "")
	_, err := b.spend(id, "seller", "45")
	b.check(err)
	b.clock.Set(time.Date(2026, 3, 31, 23, 0, 0, 0, time.UTC)) // the day before has moved to the rollup
	b.agentHold(id, "seller", "5", 30*time.Minute)
	_ = b.refusal(b.spend(id, "seller", "1"))
	b.put(id, "seller", "44", "")
	b.events(id)
	b.clock.Set(time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC))
	b.check(b.Settle(t.Context(), id))
	list, err := b.Outbox(t.Context(), 10)
	b.check(err)
	april := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	if last := list[len(list)-1]; last.Kind != ledger.EventAgentResumed || !last.At.Equal(april) {
		t.Errorf("%s at %v, want it to go on at %v", last.Kind, last.At, april)
	}
}

// One request that was far too large is no state of the agent: any tokens that arrive let it go on,
// and so does its creator.
func TestOneRequestThatWasTooLarge(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("star")
	tooLarge := func() {
		t.Helper()
		b.wantDetails(b.refusal(b.spend(id, "seller", "5000")), map[string]string{
			"spendable": "1000",
			"required":  "5000",
			"shortfall": "4000",
			"held":      "0",
			"reserved":  "0",
			"agent":     "seller",
			"state":     "paused_out_of_tokens",
			"cure":      "add_tokens",
		})
		b.wantReason(id, "seller", ledger.ReasonSize, ledger.CureTurnOn, "0")
	}
	tooLarge()
	b.turn(id, "seller", true)
	b.wantAgents(id, "seller on 0")
	tooLarge()
	b.turn(id, "seller", false)
	b.turn(id, "seller", true)
	b.wantAgents(id, "seller on 0")
	tooLarge()
	b.clock.Set(b.account(id).NextReset)
	b.wantAgents(id, "seller on 0")
	tooLarge()
	b.grant(id, ledger.LotPromo, "0.000001", time.Time{})
	b.wantAgents(id, "seller on 0")

	// A refund has to bring what was missing, or some twenty tokens, so that nothing flaps.
	small := b.openWith("30")
	charge := b.charge(small, metered, "18")
	_ = b.refusal(b.spend(small, "seller", "40"))
	b.wantReason(small, "seller", ledger.ReasonTokens, ledger.CureTokens, "8")
	b.refund(small, charge.Seq, "7.999999")
	b.wantAgents(small, "seller paused_out_of_tokens 1")
	b.refund(small, charge.Seq, "0.000001")
	b.wantAgents(small, "seller on 0")
}

// A caller can ask for a plain refusal: then neither what is there nor a budget pauses the agent,
// and nothing is counted as turned away.
func TestARefusalThatLeavesTheAgentOn(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	ctx := t.Context()
	id := b.openWith("10")
	b.put(id, "seller", "8", "")
	big, twelve := parsed("9"), parsed("7.5")
	_, err := b.Hold(ctx, id, "h", ledger.Hold{
		Feature:     metered,
		Agent:       "seller",
		Amount:      big,
		KeepAgentOn: true,
	})
	wantRefusal(t, "a hold over the budget", err, problem.Conflict, "over_budget")
	b.put(id, "", "", "3")
	_, err = b.Charge(ctx, id, "c", ledger.Charge{
		Feature:     metered,
		Agent:       "seller",
		Amount:      twelve,
		KeepAgentOn: true,
	})
	wantRefusal(t, "a charge", err, problem.Insufficient, "insufficient_tokens")
	b.wantDetails(problem.Of(err), map[string]string{
		"state":     "on",
		"spendable": "7",
		"reserved":  "3",
		"shortfall": "0.5",
		"cure":      "lower_reserve",
	})
	if strings.Contains(problem.Of(err).Message, "paused") {
		t.Errorf("it says %q", problem.Of(err).Message)
	}
	b.wantAgents(id, "seller on 0")
	if a := b.account(id); a.Paused != 0 || a.OverBudget != 0 {
		t.Errorf("paused: %d and %d", a.Paused, a.OverBudget)
	}
	// The same request without that is another one, which its key must not pass for.
	r, err := b.Charge(ctx, id, "k", ledger.Charge{
		Feature:     metered,
		Agent:       "seller",
		Amount:      parsed("1"),
		KeepAgentOn: true,
	})
	b.check(err)
	if again, err := b.Charge(ctx, id, "k", ledger.Charge{
		Feature:     metered,
		Agent:       "seller",
		Amount:      parsed("1"),
		KeepAgentOn: true,
	}); err != nil || again.Seq != r.Seq {
		t.Errorf("again: %v", err)
	}
	_, err = b.Charge(ctx, id, "k", ledger.Charge{
		Feature: metered,
		Agent:   "seller",
		Amount:  parsed("1"),
	})
	wantRefusal(t, "another request", err, problem.Unprocessable, "idempotency_key_reused")
	// One that is paused is refused like any other.
	b.turn(id, "seller", false)
	_, err = b.Charge(ctx, id, "p", ledger.Charge{
		Feature:     metered,
		Agent:       "seller",
		Amount:      parsed("1"),
		KeepAgentOn: true,
	})
	wantRefusal(t, "a paused agent", err, problem.Conflict, "agent_paused")
	b.wantAgents(id, "seller paused_by_creator 1")
}

// Turning on does the same from every state: what cannot work waits for what it lacks, and goes on by itself.
func TestTurningOnIsTheSameFromEveryState(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.openWith("1")
	_, err := b.spend(id, "seller", "1")
	b.check(err)
	_ = b.refusal(b.spend(id, "seller", "1"))
	for _, first := range []bool{true, false} {
		b.turn(id, "seller", first)
		b.turn(id, "seller", true)
		if got := b.agents(id); !strings.HasPrefix(got, "seller paused_out_of_tokens") {
			t.Errorf("with nothing there it is %q", got)
		}
	}
	b.buy(id, "p")
	b.wantAgents(id, "seller on 0")
	b.put(id, "seller", "1", "")
	_ = b.refusal(b.spend(id, "seller", "1"))
	for _, first := range []bool{true, false} {
		b.turn(id, "seller", first)
		b.turn(id, "seller", true)
		if got := b.agents(id); !strings.HasPrefix(got, "seller paused_over_budget") {
			t.Errorf("without a budget left it is %q", got)
		}
	}
	b.put(id, "seller", "2", "")
	b.wantAgents(id, "seller on 0")
}

// What is set aside is not gone: the refusal names it, and how much really has to come.
func TestARefusalTellsWhatIsSetAside(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.openWith("150")
	b.put(id, "seller", "", "150")
	p := b.refusal(b.Charge(t.Context(), id, "image", ledger.Charge{Feature: "image_generation"}))
	b.wantDetails(p, map[string]string{
		"spendable": "0",
		"required":  "10",
		"shortfall": "10",
		"held":      "0",
		"reserved":  "150",
		"cure":      "lower_reserve",
	})
	if want := "This needs 10 tokens and you have 0 to spend: 150 more are reserved for agents. It didn't run, and no tokens were used."; p.Message != want {
		t.Errorf("it says %q, want %q", p.Message, want)
	}
	b.agentHold(id, "seller", "145", time.Hour)
	p = b.refusal(b.Charge(t.Context(), id, "image 2", ledger.Charge{Feature: "image_generation"}))
	b.wantDetails(p, map[string]string{
		"spendable": "0",
		"shortfall": "155",
		"held":      "145",
		"reserved":  "5",
		"cure":      "add_tokens",
	})
	if want := "5 more are reserved for agents and 145 are held by jobs under way."; !strings.Contains(p.Message,
		want) {
		t.Errorf("it says %q", p.Message)
	}
	q, err := b.Quote(t.Context(), id, ledger.Charge{Feature: "image_generation"})
	b.check(err)
	if q.Reserved.String() != "5" || q.Held.String() != "145" || q.Shortfall.String() != "155" || q.Affordable {
		t.Errorf("a quote says %+v", q)
	}
}

// Why an agent waits for tokens, and what would help. A reserve of others is the reason where they
// would do, and where no pack would lift what there is over it.
func TestWhyAnAgentWaits(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	for _, c := range []struct {
		there, own, held, asks string
		reason                 ledger.Reason
		cure                   ledger.Cure
		missing                string
	}{
		{"199", "500", "0", "0.05", ledger.ReasonReserve, ledger.CureReserve, "301.05"},
		{"0.04", "0", "0", "0.05", ledger.ReasonTokens, ledger.CureTokens, "0.01"},
		// the large pack lifts it over the reserve
		{"0.04", "100", "0", "0.05", ledger.ReasonTokens, ledger.CureTokens, "100.01"},
		{"0.04", "1000", "0", "0.05", ledger.ReasonReserve, ledger.CureReserve, "1000.01"}, // no pack does
		// the job may give them back
		{"280.04", "0", "280", "0.05", ledger.ReasonHeld, ledger.CureTokens, "0.01"},
		{"280.04", "280", "280", "0.05", ledger.ReasonTokens, ledger.CureTokens, "280.01"}, // but not to this agent
		{"30", "0", "0", "5000", ledger.ReasonSize, ledger.CureTurnOn, "0"},                // enough for others
		{"3", "0", "0", "5", ledger.ReasonTokens, ledger.CureTokens, "2"},                  // what it was refused
		{"3", "0", "0", "5000", ledger.ReasonTokens, ledger.CureTokens, "17"},              // not waited for
		{"30", "12", "0", "5000", ledger.ReasonReserve, ledger.CureReserve, "2"},           // 20 would do
		{"500.04", "0", "500", "5000", ledger.ReasonHeld, ledger.CureTokens, "19.96"},      // the same of a job
		{"30", "0", "10", "21", ledger.ReasonSize, ledger.CureTurnOn, "0"},                 // 20 are there
		{"2000.04", "1500", "500", "600", ledger.ReasonReserve, ledger.CureReserve, "19.96"},
		// the large pack is just enough
		{"0.04", "999.94", "0", "0.05", ledger.ReasonTokens, ledger.CureTokens, "999.95"},
		{"0.04", "999.990001", "0", "0.05", ledger.ReasonReserve, ledger.CureReserve, "1000.000001"},
	} {
		id := b.openWith(c.there)
		if c.held != "0" {
			b.setAside(id, c.held, 0)
		}
		b.put(id, "", "", c.own)
		feature := replies
		b.check(b.PutAgent(t.Context(), id, ledger.PutAgent{ID: "replies", Feature: &feature}))
		if p := b.refusal(b.Charge(t.Context(), id, "ask", ledger.Charge{
			Feature: replies,
			Agent:   "replies",
			Amount:  parsed(c.asks),
		})); p.Code != "insufficient_tokens" {
			t.Fatalf("%+v: %v", c, p)
		}
		b.wantReason(id, "replies", c.reason, c.cure, c.missing)
		if t.Failed() {
			t.Fatalf("in %+v", c)
		}
	}
}

// A job under way changes no level, whichever way it goes: what it holds may come back. What it takes does.
func TestAJobUnderWayChangesNoLevel(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter") // 200: low under 40
	b.events(id)
	for range 5 {
		hold := b.setAside(id, "170", 0)
		if a := b.account(id); a.Level != ledger.LevelOK {
			t.Errorf("with %v held the level is %v", a.Held, a.Level)
		}
		balances, err := b.Balances(t.Context(), []uuid.UUID{id})
		if err != nil || balances[id].Level != ledger.LevelOK {
			t.Errorf("the balance says %v, %v", balances[id].Level, err)
		}
		_, err = b.tryRelease(id, hold)
		b.check(err)
	}
	b.setAside(id, "200", time.Minute)
	b.clock.Advance(time.Hour)
	b.check(b.Settle(t.Context(), id))
	b.wantEvents(id, "hold.expired sales")
	hold := b.setAside(id, "197", 0)
	b.wantEvents(id, "")
	b.capture(id, hold, "160.000001")
	b.wantEvents(id, "balance.low")
	b.charge(id, metered, "35")
	b.wantEvents(id, "balance.empty")
}
