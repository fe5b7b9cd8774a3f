package engine_test

import (
	"fmt"
	"testing"
	"time"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// An agent that a charge took over its budget goes on with the month, also when nobody asks for
// anything: a sweep finds the account.
func TestAMonthBeginsForIdleAgents(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("star") // on 31 January
	b.put(id, "replies", "10", "")
	b.wantWork(id, "replies", "10", "")
	b.wantWork(id, "replies", "0.05", "over_budget")
	b.events(id)
	midnight := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	if due := b.account(id).NextDue; !due.Equal(midnight) {
		t.Errorf("the account is due at %v", due)
	}
	b.clock.Set(midnight.Add(time.Hour))
	if swept, err := b.SettleDue(t.Context(), engine.DuePlace{}, 10); err != nil || swept.Settled != 1 {
		t.Errorf("a sweep settled %+v, %v", swept, err)
	}
	list, err := b.Outbox(t.Context(), 10)
	if err != nil || len(list) != 1 || list[0].Kind != ledger.EventAgentResumed || !list[0].At.Equal(midnight) {
		t.Errorf("told of %+v, %v", list, err)
	}
	b.wantAgents(id, "replies on 0")
}

// An agent over its budget that asks for what the budget has room for, and the balance has not,
// lacks tokens like any other.
func TestAnAgentOverItsBudgetCanLackTokens(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.openWith("1")
	b.put(id, "replies", "10", "")
	b.wantWork(id, "replies", "11", "over_budget")
	b.wantWork(id, "replies", "12", "over_budget")
	b.wantWork(id, "replies", "2", "insufficient_tokens")
	b.wantWork(id, "replies", "0.5", "agent_paused")
	b.wantAgents(id, "replies paused_out_of_tokens 2")
	if h := b.hearAll(id); h.away["replies"] != 2 {
		t.Errorf("told of %d requests that were turned away in the first pause", h.away["replies"])
	}
	b.buy(id, "p1")
	b.wantAgents(id, "replies on 0")
}

// The creator can keep something for the own tools, however many agents there are.
func TestTheCreatorIsNoAgent(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("star")
	for i := range ledger.MaxAgents {
		b.put(id, fmt.Sprintf("agent-%d", i), "", "")
	}
	b.put(id, "", "", "10")
	one := tokens.One
	if err := b.PutAgent(t.Context(), id, ledger.PutAgent{ID: "one-more", Reserve: &one}); problem.Of(err).Code !=
		"too_many_agents" {
		t.Errorf("one more: %v", err)
	}
	if a := b.account(id); a.Reserved != 10*tokens.One || a.Agents != ledger.MaxAgents {
		t.Errorf("%v reserved, %d agents", a.Reserved, a.Agents)
	}
}

// A refund is small, also where its tokens come as a lot of their own because the one they came
// from has expired.
func TestARefundOfExpiredTokensIsSmall(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	charge := b.charge(id, "auto_selling", "200")
	b.clock.Set(b.account(id).NextReset)
	b.charge(id, "auto_selling", "200")
	b.wantWork(id, "replies", "0.05", "insufficient_tokens")
	b.refund(id, charge.Seq, "0.95")
	b.wantAgents(id, "replies paused_out_of_tokens 1")
	b.refund(id, charge.Seq, "0.05")
	b.wantAgents(id, "replies on 0")
}

// What made an agent pause would make it pause again: a small arrival has to cover it too. A
// purchase lets it go on in any case.
func TestASmallArrivalCoversWhatWasMissing(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.openWith("2")
	charge := b.charge(id, "auto_selling", "1")
	b.wantWork(id, "replies", "1.5", "insufficient_tokens")
	b.refund(id, charge.Seq, "0.3")
	b.wantAgents(id, "replies paused_out_of_tokens 1")
	b.refund(id, charge.Seq, "0.2")
	b.wantAgents(id, "replies on 0")
	b.wantWork(id, "replies", "150", "insufficient_tokens")
	b.buy(id, "p1")
	b.wantAgents(id, "replies on 0")
}

// A refund of an older month's work takes nothing off this month's, beyond nothing.
func TestABudgetIsNeverLargerThanItIs(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("star")
	b.put(id, "replies", "50", "")
	amount := tokens.MustParse("40")
	charge, err := b.Charge(t.Context(), id, "january", ledger.Charge{
		Feature: replies,
		Agent:   "replies",
		Amount:  &amount,
	})
	b.check(err)
	b.clock.Set(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	b.refund(id, charge.Seq, "40")
	b.wantWork(id, "replies", "50.000001", "over_budget")
	list, _, err := b.Agents(t.Context(), id)
	if err != nil || list[0].Spent != 0 {
		t.Errorf("it spent %v this month, %v", list[0].Spent, err)
	}
	b.wantWork(id, "replies", "50", "")
}

// Who only looks sees agents that a reset lets go on; nothing is written. What is told afterwards
// is of the instant of the reset, and knows nothing of an empty balance between the old allowance
// and the new one.
func TestAResetIsNoEmptyBalance(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	b.wantWork(id, "replies", "190", "")
	b.wantWork(id, "replies", "11", "insufficient_tokens")
	b.wantEvents(id, "grant.created, balance.low, agent.paused replies")
	reset := b.account(id).NextReset
	b.clock.Set(reset.Add(time.Hour))
	if a := b.account(id); a.Paused != 0 || a.Level != ledger.LevelOK {
		t.Errorf("%d agents are paused at the reset, the level is %v", a.Paused, a.Level)
	}
	b.wantEvents(id, "")
	b.check(b.Settle(t.Context(), id))
	list, err := b.Outbox(t.Context(), 10)
	b.check(err)
	for _, e := range list {
		if !e.At.Equal(reset) {
			t.Errorf("%s at %v, the reset was at %v", e.Kind, e.At, reset)
		}
	}
	b.wantEvents(id, "grant.created, agent.resumed replies, balance.restored")
}

// An agent that was registered before it worked takes its first feature, and the price of that says
// what its next piece of work takes.
func TestARegisteredAgentLearnsItsFeature(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.openWith("0.3")
	b.put(id, "replies", "", "")
	b.wantWork(id, "replies", "0.4", "insufficient_tokens")
	list, _, err := b.Agents(t.Context(), id)
	if err != nil || list[0].Feature != replies {
		t.Errorf("it works on %q, %v", list[0].Feature, err)
	}
	b.grant(id, ledger.LotPromo, "0.05", time.Time{})
	b.wantAgents(id, "replies on 0")
}

// A key that went through is answered again, whatever has become of its agent.
func TestAPausedAgentsChargeIsReplayed(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	other := b.server()
	id := b.openWith("1")
	amount := tokens.MustParse("0.5")
	c := ledger.Charge{
		Feature: replies,
		Agent:   "replies",
		Amount:  &amount,
	}
	first, err := b.Charge(t.Context(), id, "key", c)
	b.check(err)
	b.wantWork(id, "replies", "0.75", "insufficient_tokens")
	for _, l := range []*engine.Engine{b.Engine, other, b.Engine} {
		if r, err := l.Charge(t.Context(), id, "key", c); err != nil || !r.Replayed || r.Seq != first.Seq {
			t.Errorf("again: %+v, %v", r, err)
		}
	}
	b.wantAgents(id, "replies paused_out_of_tokens 1")
}

// Who leaves low has a quarter more than the threshold, to the millionth.
func TestLowIsLeftAtAQuarterAboveTheThreshold(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	threshold := tokens.MustParse("50.000002")
	b.check(b.SetThreshold(t.Context(), id, ledger.SetThreshold{Amount: &threshold}))
	charge := b.charge(id, "auto_selling", "150")
	b.refund(id, charge.Seq, "12.500002")
	if a := b.account(id); a.Level != ledger.LevelLow || a.Threshold != threshold {
		t.Errorf("at %v the level is %v", a.Spendable, a.Level)
	}
	b.refund(id, charge.Seq, "0.000001")
	if a := b.account(id); a.Level != ledger.LevelOK {
		t.Errorf("at %v the level is %v", a.Spendable, a.Level)
	}
}
