package engine_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// An agent over its budget resumes when the month begins, even without requests: a sweep finds the account.
func TestAMonthBeginsForIdleAgents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star") // on 31 January
	f.MustPutAgent(id, "replies", "10", "")
	f.wantAgentCharge(id, "replies", "10", "")
	f.wantAgentCharge(id, "replies", "0.05", "over_budget")
	f.takeEvents(id)
	midnight := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	if due := f.account(id).NextDue; !due.Equal(midnight) {
		t.Errorf("the account is due at %v", due)
	}
	f.Clock.Set(midnight.Add(time.Hour))
	if swept, err := f.SettleDue(t.Context(), engine.DuePlace{}, 10); err != nil || swept.Settled != 1 {
		t.Errorf("a sweep settled %+v, %v", swept, err)
	}
	list, err := f.Outbox(t.Context(), 10)
	if err != nil || len(list) != 1 || list[0].Kind != ledger.EventAgentResumed || !list[0].At.Equal(midnight) {
		t.Errorf("events are %+v, %v", list, err)
	}
	f.wantAgents(id, "replies on 0")
}

// An agent over its budget whose request fits the budget, but not the balance, lacks tokens like any other.
func TestAnAgentOverItsBudgetCanLackTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("1")
	f.MustPutAgent(id, "replies", "10", "")
	f.wantAgentCharge(id, "replies", "11", "over_budget")
	f.wantAgentCharge(id, "replies", "12", "over_budget")
	f.wantAgentCharge(id, "replies", "2", "insufficient_tokens")
	f.wantAgentCharge(id, "replies", "0.5", "agent_paused")
	f.wantAgents(id, "replies paused_out_of_tokens 2")
	if s := f.ReplayEvents(id); s.TurnedAway["replies"] != 2 {
		t.Errorf("the events count %d requests in the first pause", s.TurnedAway["replies"])
	}
	f.buy(id, "p1")
	f.wantAgents(id, "replies on 0")
}

// The creator can reserve tokens for their own tools, independently of the number of agents.
func TestTheCreatorIsNoAgent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	for i := range ledger.MaxAgents {
		f.MustPutAgent(id, fmt.Sprintf("agent-%d", i), "", "")
	}
	f.MustPutAgent(id, "", "", "10")
	one := tokens.One
	if err := f.PutAgent(t.Context(), id, ledger.PutAgent{ID: "one-more", Reserve: &one}); problem.Of(err).Code !=
		"too_many_agents" {
		t.Errorf("one more: %v", err)
	}
	if a := f.account(id); a.Reserved != 10*tokens.One || a.Agents != ledger.MaxAgents {
		t.Errorf("%v reserved, %d agents", a.Reserved, a.Agents)
	}
}

// A small refund resumes no agent, also when its tokens become a lot of their own because their lot has expired.
func TestARefundOfExpiredTokensIsSmall(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	charge := f.MustCharge(id, "auto_selling", "200")
	f.Clock.Set(f.account(id).NextReset)
	f.MustCharge(id, "auto_selling", "200")
	f.wantAgentCharge(id, "replies", "0.05", "insufficient_tokens")
	f.refund(id, charge.Seq, "0.95")
	f.wantAgents(id, "replies paused_out_of_tokens 1")
	f.refund(id, charge.Seq, "0.05")
	f.wantAgents(id, "replies on 0")
}

// The request that made an agent pause would make it pause again, so a small grant has to cover it too. A purchase
// always resumes the agent.
func TestASmallArrivalCoversWhatWasMissing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("2")
	charge := f.MustCharge(id, "auto_selling", "1")
	f.wantAgentCharge(id, "replies", "1.5", "insufficient_tokens")
	f.refund(id, charge.Seq, "0.3")
	f.wantAgents(id, "replies paused_out_of_tokens 1")
	f.refund(id, charge.Seq, "0.2")
	f.wantAgents(id, "replies on 0")
	f.wantAgentCharge(id, "replies", "150", "insufficient_tokens")
	f.buy(id, "p1")
	f.wantAgents(id, "replies on 0")
}

// A refund of an older month's charge never makes this month's budget larger than it is.
func TestABudgetIsNeverLargerThanItIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	f.MustPutAgent(id, "replies", "50", "")
	amount := tokens.MustParse("40")
	charge, err := f.Charge(t.Context(), id, "january", ledger.Charge{
		Feature: repliesFeature,
		Agent:   "replies",
		Amount:  &amount,
	})
	f.NoError(err)
	f.Clock.Set(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	f.refund(id, charge.Seq, "40")
	f.wantAgentCharge(id, "replies", "50.000001", "over_budget")
	list, _, err := f.Agents(t.Context(), id)
	if err != nil || list[0].Spent != 0 {
		t.Errorf("it spent %v this month, %v", list[0].Spent, err)
	}
	f.wantAgentCharge(id, "replies", "50", "")
}

// A read shows agents that a due reset resumes, and writes nothing. The events come later, have the time of the reset,
// and do not mention the empty balance between the old allowance and the new one.
func TestAResetIsNoEmptyBalance(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	f.wantAgentCharge(id, "replies", "190", "")
	f.wantAgentCharge(id, "replies", "11", "insufficient_tokens")
	f.wantEvents(id, "grant.created, balance.low, agent.paused replies")
	reset := f.account(id).NextReset
	f.Clock.Set(reset.Add(time.Hour))
	if a := f.account(id); a.Paused != 0 || a.Level != ledger.LevelOK {
		t.Errorf("%d agents are paused at the reset, the level is %v", a.Paused, a.Level)
	}
	f.wantEvents(id, "")
	f.NoError(f.Settle(t.Context(), id))
	list, err := f.Outbox(t.Context(), 10)
	f.NoError(err)
	for _, e := range list {
		if !e.At.Equal(reset) {
			t.Errorf("%s at %v, the reset was at %v", e.Kind, e.At, reset)
		}
	}
	f.wantEvents(id, "grant.created, agent.resumed replies, balance.restored")
}

// An agent that was registered before it worked takes the feature of its first request, whose price then counts as that
// of its next.
func TestARegisteredAgentLearnsItsFeature(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("0.3")
	f.MustPutAgent(id, "replies", "", "")
	f.wantAgentCharge(id, "replies", "0.4", "insufficient_tokens")
	list, _, err := f.Agents(t.Context(), id)
	if err != nil || list[0].Feature != repliesFeature {
		t.Errorf("it works on %q, %v", list[0].Feature, err)
	}
	f.MustGrant(id, ledger.LotPromo, "0.05", time.Time{})
	f.wantAgents(id, "replies on 0")
}

// A key that succeeded is replayed, whatever the state of its agent.
func TestAPausedAgentsChargeIsReplayed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.NewServer()
	id := f.MustOpenWith("1")
	amount := tokens.MustParse("0.5")
	c := ledger.Charge{
		Feature: repliesFeature,
		Agent:   "replies",
		Amount:  &amount,
	}
	first, err := f.Charge(t.Context(), id, "key", c)
	f.NoError(err)
	f.wantAgentCharge(id, "replies", "0.75", "insufficient_tokens")
	for _, e := range []*engine.Engine{f.Engine, other, f.Engine} {
		if r, err := e.Charge(t.Context(), id, "key", c); err != nil || !r.Replayed || r.Seq != first.Seq {
			t.Errorf("again: %+v, %v", r, err)
		}
	}
	f.wantAgents(id, "replies paused_out_of_tokens 1")
}

// The level stops being low at 125 % of the threshold, to the millionth of a token.
func TestLowIsLeftAtAQuarterAboveTheThreshold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	threshold := tokens.MustParse("50.000002")
	f.NoError(f.SetThreshold(t.Context(), id, ledger.SetThreshold{Amount: &threshold}))
	charge := f.MustCharge(id, "auto_selling", "150")
	f.refund(id, charge.Seq, "12.500002")
	if a := f.account(id); a.Level != ledger.LevelLow || a.Threshold != threshold {
		t.Errorf("at %v the level is %v", a.Spendable, a.Level)
	}
	f.refund(id, charge.Seq, "0.000001")
	if a := f.account(id); a.Level != ledger.LevelOK {
		t.Errorf("at %v the level is %v", a.Spendable, a.Level)
	}
}

// A change that requires the agent to exist registers none.
func TestAChangeOfAnAgentThatMustExist(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id, reserve := f.MustOpen("starter"), 5*tokens.One
	change := ledger.PutAgent{
		ID:        "scout",
		Reserve:   &reserve,
		MustExist: true,
	}
	if err := f.PutAgent(t.Context(), id, change); !errors.Is(err, ledger.ErrNoAgent) {
		t.Errorf("an unknown agent: %v", err)
	}
	f.wantAgents(id, "")
	f.MustPutAgent(id, "scout", "", "")
	f.NoError(f.PutAgent(t.Context(), id, change))
	if list, _, err := f.Agents(t.Context(), id); err != nil || len(list) != 1 || list[0].Reserve != reserve {
		t.Errorf("a known agent: %+v, %v", list, err)
	}
}
