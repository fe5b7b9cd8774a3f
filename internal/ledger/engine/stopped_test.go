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

const meteredFeature = "auto_selling"

// agentHold holds an amount for an agent.
func (f *fixture) agentHold(id uuid.UUID, agent, amount string, life time.Duration) int64 {
	f.T.Helper()
	h, err := f.Hold(f.T.Context(), id, uuid.NewString(), ledger.Hold{
		Feature:   meteredFeature,
		Agent:     agent,
		Amount:    amountOf(amount),
		ExpiresIn: life,
	})
	f.NoError(err)
	return h.Seq
}

// spend charges an agent for the metered feature.
func (f *fixture) spend(id uuid.UUID, agent, amount string) (ledger.Receipt, error) {
	f.T.Helper()
	return f.Charge(f.T.Context(), id, uuid.NewString(), ledger.Charge{
		Feature: meteredFeature,
		Agent:   agent,
		Amount:  amountOf(amount),
	})
}

// refusal is the problem of a request that must be refused.
func (f *fixture) refusal(_ ledger.Receipt, err error) *problem.Error {
	f.T.Helper()
	if err == nil {
		f.T.Fatal("the request was not refused")
	}
	return problem.Of(err)
}

func (f *fixture) wantDetails(p *problem.Error, want map[string]string) {
	f.T.Helper()
	for name, text := range want {
		got := ""
		switch v := p.Details[name].(type) {
		case tokens.Amount:
			got = v.String()
		case string:
			got = v
		}
		if got != text {
			f.T.Errorf("%s is %q, want %q", name, got, text)
		}
	}
}

// wantReason checks why an agent is paused, the cure and what is missing.
func (f *fixture) wantReason(id uuid.UUID, agent string, reason ledger.Reason, cure ledger.Cure, missing string) {
	f.T.Helper()
	list, _, err := f.Agents(f.T.Context(), id)
	f.NoError(err)
	for _, a := range list {
		if a.ID == agent && (a.Reason != reason || a.Reason.Cure() != cure || a.Missing.String() != missing) {
			f.T.Errorf("%s: %q cured by %q, %s missing; want %q, %q, %s", agent, a.Reason, a.Reason.Cure(),
				a.Missing, reason, cure, missing)
		}
	}
}

func (f *fixture) switchAgent(id uuid.UUID, agent string, on bool) {
	f.T.Helper()
	f.NoError(f.SwitchAgent(f.T.Context(), id, ledger.SwitchAgent{ID: agent, On: on}))
}

// Everything that makes room in a budget resumes its agent at once: a release, a timed-out hold, a smaller capture, a
// refund, a higher budget or none, and a request that fits.
func TestRoomInABudgetLetsAnAgentGoOn(t *testing.T) {
	t.Parallel()
	over := func(t *testing.T) (*fixture, uuid.UUID, int64) {
		f := newFixture(t)
		id := f.MustOpen("star")
		f.MustPutAgent(id, "seller", "50", "")
		hold := f.agentHold(id, "seller", "50", time.Hour)
		if p := f.refusal(f.spend(id, "seller", "1")); p.Code != "over_budget" ||
			p.Details["cure"] != "raise_budget" {
			t.Errorf("over the budget: %+v", p)
		}
		f.wantAgents(id, "seller paused_over_budget 1")
		f.wantReason(id, "seller", ledger.ReasonBudget, ledger.CureBudget, "0")
		if a := f.account(id); a.OverBudget != 1 || a.Paused != 0 {
			t.Errorf("%d are over their budgets and %d wait for tokens", a.OverBudget, a.Paused)
		}
		f.takeEvents(id)
		return f, id, hold
	}
	ways := map[string]func(f *fixture, id uuid.UUID, hold int64){
		"release": func(f *fixture, id uuid.UUID, hold int64) {
			_, err := f.tryRelease(id, hold)
			f.NoError(err)
		},
		"time-out": func(f *fixture, id uuid.UUID, _ int64) {
			f.Clock.Advance(time.Hour)
			if a := f.account(id); a.OverBudget != 0 {
				f.T.Errorf("a read says that %d are over their budgets", a.OverBudget)
			}
			f.NoError(f.Settle(f.T.Context(), id))
		},
		"capture of less": func(f *fixture, id uuid.UUID, hold int64) { f.capture(id, hold, "49.999999") },
		"refund": func(f *fixture, id uuid.UUID, hold int64) {
			f.capture(id, hold, "50")
			f.wantAgents(id, "seller paused_over_budget 1")
			f.refund(id, f.account(id).Seq, "0.000001")
		},
		"higher budget": func(f *fixture, id uuid.UUID, _ int64) { f.MustPutAgent(id, "seller", "50.000001", "") },
		"no budget":     func(f *fixture, id uuid.UUID, _ int64) { f.MustPutAgent(id, "seller", "0", "") },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, id, hold := over(t)
			way(f, id, hold)
			f.wantAgents(id, "seller on 0")
			if a := f.account(id); a.OverBudget != 0 {
				t.Errorf("%d are over their budgets", a.OverBudget)
			}
			if events := f.takeEvents(id); !strings.HasSuffix(events, "agent.resumed seller") {
				t.Errorf("events are %q", events)
			}
		})
	}
	t.Run("a request that fits", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t)
		id := f.MustOpen("star")
		f.MustPutAgent(id, "seller", "50", "")
		_ = f.refusal(f.spend(id, "seller", "51"))
		f.wantAgents(id, "seller paused_over_budget 1")
		_, err := f.spend(id, "seller", "10")
		f.NoError(err)
		f.wantAgents(id, "seller on 0")
		f.wantEvents(id, "grant.created, agent.paused seller, agent.resumed seller")
	})
}

// A budget spent in one month has room again only in the next, also if a hold times out shortly before and is settled
// afterwards.
func TestAHoldThatTimesOutBeforeTheMonthEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	f.Clock.Set(time.Date(2026, 3, 30, 12, 0, 0, 0, time.UTC))
	f.MustPutAgent(id, "seller", "50", "")
	_, err := f.spend(id, "seller", "45")
	f.NoError(err)
	f.Clock.Set(time.Date(2026, 3, 31, 23, 0, 0, 0, time.UTC)) // the day before was rolled up
	f.agentHold(id, "seller", "5", 30*time.Minute)
	_ = f.refusal(f.spend(id, "seller", "1"))
	f.MustPutAgent(id, "seller", "44", "")
	f.takeEvents(id)
	f.Clock.Set(time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC))
	f.NoError(f.Settle(t.Context(), id))
	list, err := f.Outbox(t.Context(), 10)
	f.NoError(err)
	april := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	if last := list[len(list)-1]; last.Kind != ledger.EventAgentResumed || !last.At.Equal(april) {
		t.Errorf("%s at %v, want it to resume at %v", last.Kind, last.At, april)
	}
}

// One request that was far too large does not block the agent: any tokens that arrive resume it, and so does its
// creator.
func TestOneRequestThatWasTooLarge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	tooLarge := func() {
		t.Helper()
		f.wantDetails(f.refusal(f.spend(id, "seller", "5000")), map[string]string{
			"spendable": "1000",
			"required":  "5000",
			"shortfall": "4000",
			"held":      "0",
			"reserved":  "0",
			"agent":     "seller",
			"state":     "paused_out_of_tokens",
			"cure":      "add_tokens",
		})
		f.wantReason(id, "seller", ledger.ReasonSize, ledger.CureTurnOn, "0")
	}
	tooLarge()
	f.switchAgent(id, "seller", true)
	f.wantAgents(id, "seller on 0")
	tooLarge()
	f.switchAgent(id, "seller", false)
	f.switchAgent(id, "seller", true)
	f.wantAgents(id, "seller on 0")
	tooLarge()
	f.Clock.Set(f.account(id).NextReset)
	f.wantAgents(id, "seller on 0")
	tooLarge()
	f.MustGrant(id, ledger.LotPromo, "0.000001", time.Time{})
	f.wantAgents(id, "seller on 0")

	// A refund has to bring what was missing, or twenty tokens, so that the state does not flap.
	small := f.MustOpenWith("30")
	charge := f.MustCharge(small, meteredFeature, "18")
	_ = f.refusal(f.spend(small, "seller", "40"))
	f.wantReason(small, "seller", ledger.ReasonTokens, ledger.CureTokens, "8")
	f.refund(small, charge.Seq, "7.999999")
	f.wantAgents(small, "seller paused_out_of_tokens 1")
	f.refund(small, charge.Seq, "0.000001")
	f.wantAgents(small, "seller on 0")
}

// A caller can keep the agent on: then neither missing tokens nor a budget pause it, and nothing is counted.
func TestARefusalThatLeavesTheAgentOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	id := f.MustOpenWith("10")
	f.MustPutAgent(id, "seller", "8", "")
	big, twelve := amountOf("9"), amountOf("7.5")
	_, err := f.Hold(ctx, id, "h", ledger.Hold{
		Feature:     meteredFeature,
		Agent:       "seller",
		Amount:      big,
		KeepAgentOn: true,
	})
	wantRefusal(t, "a hold over the budget", err, problem.Conflict, "over_budget")
	f.MustPutAgent(id, "", "", "3")
	_, err = f.Charge(ctx, id, "c", ledger.Charge{
		Feature:     meteredFeature,
		Agent:       "seller",
		Amount:      twelve,
		KeepAgentOn: true,
	})
	wantRefusal(t, "a charge", err, problem.Insufficient, "insufficient_tokens")
	f.wantDetails(problem.Of(err), map[string]string{
		"state":     "on",
		"spendable": "7",
		"reserved":  "3",
		"shortfall": "0.5",
		"cure":      "lower_reserve",
	})
	if strings.Contains(problem.Of(err).Message, "paused") {
		t.Errorf("it says %q", problem.Of(err).Message)
	}
	f.wantAgents(id, "seller on 0")
	if a := f.account(id); a.Paused != 0 || a.OverBudget != 0 {
		t.Errorf("paused: %d and %d", a.Paused, a.OverBudget)
	}
	// Without KeepAgentOn it is another request, so the key is reused.
	r, err := f.Charge(ctx, id, "k", ledger.Charge{
		Feature:     meteredFeature,
		Agent:       "seller",
		Amount:      amountOf("1"),
		KeepAgentOn: true,
	})
	f.NoError(err)
	if again, err := f.Charge(ctx, id, "k", ledger.Charge{
		Feature:     meteredFeature,
		Agent:       "seller",
		Amount:      amountOf("1"),
		KeepAgentOn: true,
	}); err != nil || again.Seq != r.Seq {
		t.Errorf("again: %v", err)
	}
	_, err = f.Charge(ctx, id, "k", ledger.Charge{
		Feature: meteredFeature,
		Agent:   "seller",
		Amount:  amountOf("1"),
	})
	wantRefusal(t, "another request", err, problem.Unprocessable, "idempotency_key_reused")
	// A paused agent is refused like any other.
	f.switchAgent(id, "seller", false)
	_, err = f.Charge(ctx, id, "p", ledger.Charge{
		Feature:     meteredFeature,
		Agent:       "seller",
		Amount:      amountOf("1"),
		KeepAgentOn: true,
	})
	wantRefusal(t, "a paused agent", err, problem.Conflict, "agent_paused")
	f.wantAgents(id, "seller paused_by_creator 1")
}

// Switching on does the same from every state: an agent that cannot work waits for what it lacks, and resumes by
// itself.
func TestTurningOnIsTheSameFromEveryState(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("1")
	_, err := f.spend(id, "seller", "1")
	f.NoError(err)
	_ = f.refusal(f.spend(id, "seller", "1"))
	for _, first := range []bool{true, false} {
		f.switchAgent(id, "seller", first)
		f.switchAgent(id, "seller", true)
		if got := f.agentsText(id); !strings.HasPrefix(got, "seller paused_out_of_tokens") {
			t.Errorf("with nothing there it is %q", got)
		}
	}
	f.buy(id, "p")
	f.wantAgents(id, "seller on 0")
	f.MustPutAgent(id, "seller", "1", "")
	_ = f.refusal(f.spend(id, "seller", "1"))
	for _, first := range []bool{true, false} {
		f.switchAgent(id, "seller", first)
		f.switchAgent(id, "seller", true)
		if got := f.agentsText(id); !strings.HasPrefix(got, "seller paused_over_budget") {
			t.Errorf("without a budget left it is %q", got)
		}
	}
	f.MustPutAgent(id, "seller", "2", "")
	f.wantAgents(id, "seller on 0")
}

// Reserved tokens still exist: the refusal names them and the real shortfall.
func TestARefusalTellsWhatIsSetAside(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("150")
	f.MustPutAgent(id, "seller", "", "150")
	p := f.refusal(f.Charge(t.Context(), id, "image", ledger.Charge{Feature: "image_generation"}))
	f.wantDetails(p, map[string]string{
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
	f.agentHold(id, "seller", "145", time.Hour)
	p = f.refusal(f.Charge(t.Context(), id, "image 2", ledger.Charge{Feature: "image_generation"}))
	f.wantDetails(p, map[string]string{
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
	q, err := f.Quote(t.Context(), id, ledger.Charge{Feature: "image_generation"})
	f.NoError(err)
	if q.Reserved.String() != "5" || q.Held.String() != "145" || q.Shortfall.String() != "155" || q.Affordable {
		t.Errorf("a quote says %+v", q)
	}
}

// Why an agent waits for tokens, and what would help. A reserve of others is the reason if its tokens would suffice, or
// if no pack would lift the balance above it.
func TestWhyAnAgentWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, c := range []struct {
		there, own, held, asks string
		reason                 ledger.Reason
		cure                   ledger.Cure
		missing                string
	}{
		{"199", "500", "0", "0.05", ledger.ReasonReserve, ledger.CureReserve, "301.05"},
		{"0.04", "0", "0", "0.05", ledger.ReasonTokens, ledger.CureTokens, "0.01"},
		// the large pack lifts it above the reserve
		{"0.04", "100", "0", "0.05", ledger.ReasonTokens, ledger.CureTokens, "100.01"},
		{"0.04", "1000", "0", "0.05", ledger.ReasonReserve, ledger.CureReserve, "1000.01"}, // no pack suffices
		// the hold may release them
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
		id := f.MustOpenWith(c.there)
		if c.held != "0" {
			f.holdForSales(id, c.held, 0)
		}
		f.MustPutAgent(id, "", "", c.own)
		feature := repliesFeature
		f.NoError(f.PutAgent(t.Context(), id, ledger.PutAgent{ID: "replies", Feature: &feature}))
		if p := f.refusal(f.Charge(t.Context(), id, "ask", ledger.Charge{
			Feature: repliesFeature,
			Agent:   "replies",
			Amount:  amountOf(c.asks),
		})); p.Code != "insufficient_tokens" {
			t.Fatalf("%+v: %v", c, p)
		}
		f.wantReason(id, "replies", c.reason, c.cure, c.missing)
		if t.Failed() {
			t.Fatalf("in %+v", c)
		}
	}
}

// An open hold changes no level, because its tokens may come back. A capture does.
func TestAJobUnderWayChangesNoLevel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter") // 200: low under 40
	f.takeEvents(id)
	for range 5 {
		hold := f.holdForSales(id, "170", 0)
		if a := f.account(id); a.Level != ledger.LevelOK {
			t.Errorf("with %v held the level is %v", a.Held, a.Level)
		}
		balances, err := f.Balances(t.Context(), []uuid.UUID{id})
		if err != nil || balances[id].Level != ledger.LevelOK {
			t.Errorf("the balance says %v, %v", balances[id].Level, err)
		}
		_, err = f.tryRelease(id, hold)
		f.NoError(err)
	}
	f.holdForSales(id, "200", time.Minute)
	f.Clock.Advance(time.Hour)
	f.NoError(f.Settle(t.Context(), id))
	f.wantEvents(id, "hold.expired sales")
	hold := f.holdForSales(id, "197", 0)
	f.wantEvents(id, "")
	f.capture(id, hold, "160.000001")
	f.wantEvents(id, "balance.low")
	f.MustCharge(id, meteredFeature, "35")
	f.wantEvents(id, "balance.empty")
}
