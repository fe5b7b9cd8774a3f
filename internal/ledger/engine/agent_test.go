package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

const replies = "social_comment_reply"

// work makes an agent's charge of an amount and gives the code of its refusal, empty for none.
func (b *books) work(id uuid.UUID, agent, amount string) string {
	b.t.Helper()
	a := tokens.MustParse(amount)
	_, err := b.Charge(b.t.Context(), id, uuid.NewString(), ledger.Charge{
		Feature: replies,
		Agent:   agent,
		Amount:  &a,
	})
	if err == nil {
		return ""
	}
	return problem.Of(err).Code
}

func (b *books) wantWork(id uuid.UUID, agent, amount, code string) {
	b.t.Helper()
	if got := b.work(id, agent, amount); got != code {
		b.t.Errorf("%s spending %s: %q, want %q", agent, amount, got, code)
	}
}

// agents tells how they stand: "replies paused_out_of_tokens 3".
func (b *books) agents(id uuid.UUID) string {
	b.t.Helper()
	list, _, err := b.Agents(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	var told []string
	for _, a := range list {
		told = append(told, fmt.Sprintf("%s %s %d", a.ID, a.State, a.TurnedAway))
	}
	return strings.Join(told, ", ")
}

func (b *books) wantAgents(id uuid.UUID, want string) {
	b.t.Helper()
	if got := b.agents(id); got != want {
		b.t.Errorf("the agents are %q, want %q", got, want)
	}
	account := b.account(id)
	if waiting := strings.Count(want, "out_of_tokens"); account.Paused != waiting {
		b.t.Errorf("the account says that %d agents wait, want %d", account.Paused, waiting)
	}
}

// events tells what happened since it was asked last: "agent.paused replies", "balance.low".
func (b *books) events(id uuid.UUID) string {
	b.t.Helper()
	list, err := b.Outbox(b.t.Context(), 1_000)
	if err != nil {
		b.t.Fatal(err)
	}
	var told []string
	list = slices.DeleteFunc(list, func(e ledger.Told) bool { return e.AccountID != id })
	for _, e := range list {
		var data struct{ Agent string }
		if err := json.Unmarshal(e.Data, &data); err != nil {
			b.t.Fatal(err)
		}
		told = append(told, strings.TrimSpace(e.Kind+" "+data.Agent))
	}
	if err := b.Relayed(b.t.Context(), list); err != nil {
		b.t.Fatal(err)
	}
	return strings.Join(told, ", ")
}

func (b *books) wantEvents(id uuid.UUID, want string) {
	b.t.Helper()
	if got := b.events(id); got != want {
		b.t.Errorf("told of %q, want %q", got, want)
	}
}

func (b *books) put(id uuid.UUID, agent string, budget, reserve string) {
	b.t.Helper()
	p := ledger.PutAgent{ID: agent}
	if budget != "" {
		a := tokens.MustParse(budget)
		p.Budget = &a
	}
	if reserve != "" {
		a := tokens.MustParse(reserve)
		p.Reserve = &a
	}
	b.check(b.PutAgent(b.t.Context(), id, p))
}

// What cannot be afforded pauses its agent; later requests are turned away and counted, and leave
// the books alone; what is bought lets it go on.
func TestAnAgentPausesAndGoesOn(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.openWith("1")
	b.wantEvents(id, "grant.created, balance.empty, grant.created")
	b.wantWork(id, "replies", "0.5", "")
	b.wantWork(id, "replies", "0.75", "insufficient_tokens")
	seq := b.account(id).Seq
	for range 3 {
		b.wantWork(id, "replies", "0.05", "agent_paused")
	}
	b.wantWork(id, "scout", "0.25", "") // others go on
	b.wantAgents(id, "replies paused_out_of_tokens 4, scout on 0")
	if a := b.account(id); a.Seq != seq+1 {
		t.Errorf("turning away wrote %d entries", a.Seq-seq-1)
	}
	b.wantEvents(id, "agent.paused replies")
	b.buy(id, "p1")
	b.wantAgents(id, "replies on 0, scout on 0")
	b.wantEvents(id, "purchase.completed, agent.resumed replies, balance.restored")
	b.wantWork(id, "replies", "0.75", "")
}

// A refund lets an agent go on only if it pays for twenty actions.
func TestASmallRefundDoesNotFlap(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.openWith("1")
	small, large := b.charge(id, "auto_selling", "0.2"), b.charge(id, "auto_selling", "0.8")
	b.wantWork(id, "replies", "0.05", "insufficient_tokens")
	b.refund(id, small.Seq, "0.2")
	b.wantAgents(id, "replies paused_out_of_tokens 1")
	b.refund(id, large.Seq, "0.79")
	b.wantAgents(id, "replies paused_out_of_tokens 1") // 0.99 tokens are 19 replies
	b.refund(id, large.Seq, "0.01")
	b.wantAgents(id, "replies on 0")
}

func TestAnAgentTheCreatorPausedStaysPaused(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.openWith("1")
	ctx := t.Context()
	b.wantWork(id, "replies", "0.05", "")
	b.check(b.SwitchAgent(ctx, id, ledger.SwitchAgent{ID: "replies"}))
	b.wantWork(id, "replies", "0.05", "agent_paused")
	b.buy(id, "p1")
	b.wantAgents(id, "replies paused_by_creator 1")
	b.check(b.SwitchAgent(ctx, id, ledger.SwitchAgent{ID: "replies", On: true}))
	b.wantWork(id, "replies", "0.05", "")
	if err := b.SwitchAgent(ctx, id, ledger.SwitchAgent{ID: "nobody", On: true}); problem.Of(err).Code !=
		"agent_not_found" {
		t.Errorf("an unknown agent: %v", err)
	}
}

// A budget is a calendar month's of the billing zone: what was spent before it was set counts,
// holds count, refunds are taken off; and with the month it begins again.
func TestABudgetOfAMonth(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("star") // on 31 January, 9:30
	b.wantWork(id, "replies", "30", "")
	b.put(id, "replies", "50", "")
	ten := tokens.MustParse("10")
	hold, err := b.Hold(t.Context(), id, "h", ledger.Hold{
		Feature: replies,
		Agent:   "replies",
		Amount:  &ten,
	})
	b.check(err)
	b.wantWork(id, "replies", "10.000001", "over_budget")
	b.wantAgents(id, "replies paused_over_budget 1")
	b.wantWork(id, "replies", "10", "") // for this there is room
	b.wantAgents(id, "replies on 0")
	b.wantWork(id, "replies", "0.05", "over_budget")
	b.wantAgents(id, "replies paused_over_budget 1")
	if _, err := b.tryRelease(id, hold.Seq); err != nil {
		t.Fatal(err)
	}
	b.wantWork(id, "replies", "10", "")
	b.clock.Set(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	b.wantAgents(id, "replies on 0")
	b.wantWork(id, "replies", "50", "")
	b.wantWork(id, "replies", "0.05", "over_budget")
	b.put(id, "replies", "51", "")
	b.wantWork(id, "replies", "1", "")
	b.put(id, "replies", "0", "")
	b.wantWork(id, "replies", "20", "")
}

// A reserve can be spent by its agent only, the creator's own by nobody but the creator.
func TestReserves(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.openWith("10")
	b.put(id, "replies", "", "3")
	b.put(id, "", "", "2")
	b.wantWork(id, "scout", "5.000001", "insufficient_tokens")
	b.wantAgents(id, "replies on 0, scout paused_out_of_tokens 1")
	b.wantWork(id, "replies", "8", "")
	b.wantWork(id, "replies", "0.05", "insufficient_tokens")
	b.put(id, "replies", "", "0")
	b.put(id, "", "", "0")
	b.wantAgents(id, "replies on 0, scout on 0") // what was kept for others is free
	if q, err := b.Quote(t.Context(), id, ledger.Charge{Feature: replies, Agent: "scout"}); err != nil ||
		q.Spendable != 2*tokens.One {
		t.Errorf("a quote says %v of %v", err, q.Spendable)
	}
	b.put(id, "replies", "", "1.5")
	if q, err := b.Quote(t.Context(), id, ledger.Charge{Feature: replies, Agent: "scout"}); err != nil ||
		q.Spendable != tokens.One/2 {
		t.Errorf("a quote beside a reserve says %v of %v", err, q.Spendable)
	}
}

// 64 callers at zero: the agent is paused once and goes on once, and what was turned away is counted exactly.
func TestManyCallersAtZeroPauseOnce(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	servers := []*engine.Engine{b.Engine, b.server(), b.server()}
	id := b.openWith("1")
	b.events(id)
	var working sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for i := range 64 {
		working.Go(func() {
			a := tokens.MustParse("0.1")
			for range 5 {
				_, err := servers[i%3].Charge(context.Background(), id, uuid.NewString(), ledger.Charge{
					Feature: replies,
					Agent:   "replies",
					Amount:  &a,
				})
				code := ""
				if err != nil {
					code = problem.Of(err).Code
				}
				mu.Lock()
				codes[code]++
				mu.Unlock()
			}
		})
	}
	working.Wait()
	if codes[""] != 10 || codes["insufficient_tokens"] != 1 || codes["agent_paused"] != 64*5-11 {
		t.Errorf("answered %v", codes)
	}
	b.wantAgents(id, fmt.Sprintf("replies paused_out_of_tokens %d", 64*5-10))
	b.buy(id, "p1")
	b.wantEvents(id, "agent.paused replies, purchase.completed, agent.resumed replies, balance.restored")
}

// Low is told once, and again only after the balance was a quarter above the threshold.
func TestLevelsDoNotFlap(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("star") // 1,000: low under 200
	b.events(id)
	charge := b.charge(id, "auto_selling", "801")
	b.wantEvents(id, "balance.low")
	b.refund(id, charge.Seq, "40")
	b.charge(id, "auto_selling", "40")
	b.wantEvents(id, "")
	b.refund(id, charge.Seq, "51")
	b.wantEvents(id, "balance.restored")
	b.charge(id, "auto_selling", "246")
	b.wantEvents(id, "balance.empty")
	if a := b.account(id); a.Level != ledger.LevelEmpty {
		t.Errorf("the level is %v", a.Level)
	}
	three := 3 * tokens.One
	b.check(b.SetThreshold(t.Context(), id, ledger.SetThreshold{Amount: &three}))
	b.wantEvents(id, "")
}

func TestAThousandAgents(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("star")
	var working sync.WaitGroup
	for i := range ledger.MaxAgents {
		working.Go(func() { b.wantWork(id, fmt.Sprintf("agent-%d", i), "0.05", "") })
	}
	working.Wait()
	b.wantWork(id, "one-more", "0.05", "too_many_agents")
	b.wantWork(id, "agent-7", "0.05", "")
	if a := b.account(id); a.Agents != ledger.MaxAgents {
		t.Errorf("%d agents", a.Agents)
	}
}

// A paused agent that asks at the very second of a reset is served: nobody had to settle before.
func TestAnAgentGoesOnAtTheReset(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	b.wantWork(id, "replies", "200", "")
	b.Engine = b.server() // it reads the agent as it was on, and remembers it
	b.wantWork(id, "replies", "0.05", "insufficient_tokens")
	b.clock.Set(b.account(id).NextReset)
	b.wantWork(id, "replies", "0.05", "")
	b.wantAgents(id, "replies on 0")
}
