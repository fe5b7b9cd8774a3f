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

const repliesFeature = "social_comment_reply"

// chargeAgent sends an agent's charge and returns the code of its refusal, empty for none.
func (f *fixture) chargeAgent(id uuid.UUID, agent, amount string) string {
	f.T.Helper()
	a := tokens.MustParse(amount)
	_, err := f.Charge(f.T.Context(), id, uuid.NewString(), ledger.Charge{
		Feature: repliesFeature,
		Agent:   agent,
		Amount:  &a,
	})
	if err == nil {
		return ""
	}
	return problem.Of(err).Code
}

func (f *fixture) wantAgentCharge(id uuid.UUID, agent, amount, code string) {
	f.T.Helper()
	if got := f.chargeAgent(id, agent, amount); got != code {
		f.T.Errorf("%s spending %s: %q, want %q", agent, amount, got, code)
	}
}

// agentsText lists the agents with their states and paused requests: "replies paused_out_of_tokens 3".
func (f *fixture) agentsText(id uuid.UUID) string {
	f.T.Helper()
	list, _, err := f.Agents(f.T.Context(), id)
	if err != nil {
		f.T.Fatal(err)
	}
	var texts []string
	for _, a := range list {
		texts = append(texts, fmt.Sprintf("%s %s %d", a.ID, a.State, a.TurnedAway))
	}
	return strings.Join(texts, ", ")
}

func (f *fixture) wantAgents(id uuid.UUID, want string) {
	f.T.Helper()
	if got := f.agentsText(id); got != want {
		f.T.Errorf("the agents are %q, want %q", got, want)
	}
	account := f.account(id)
	if waiting := strings.Count(want, "out_of_tokens"); account.Paused != waiting {
		f.T.Errorf("the account says that %d agents wait, want %d", account.Paused, waiting)
	}
}

// takeEvents takes the events out of the outbox and lists them: "agent.paused replies", "balance.low".
func (f *fixture) takeEvents(id uuid.UUID) string {
	f.T.Helper()
	list, err := f.Outbox(f.T.Context(), 1_000)
	if err != nil {
		f.T.Fatal(err)
	}
	var texts []string
	list = slices.DeleteFunc(list, func(e ledger.AccountEvent) bool { return e.AccountID != id })
	for _, e := range list {
		var data struct{ Agent string }
		if err := json.Unmarshal(e.Data, &data); err != nil {
			f.T.Fatal(err)
		}
		texts = append(texts, strings.TrimSpace(e.Kind+" "+data.Agent))
	}
	if err := f.Relayed(f.T.Context(), list); err != nil {
		f.T.Fatal(err)
	}
	return strings.Join(texts, ", ")
}

func (f *fixture) wantEvents(id uuid.UUID, want string) {
	f.T.Helper()
	if got := f.takeEvents(id); got != want {
		f.T.Errorf("events are %q, want %q", got, want)
	}
}

// A charge that cannot be paid pauses its agent. Later requests are refused and counted and write no entry. A purchase
// resumes the agent.
func TestAnAgentPausesAndGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("1")
	f.wantEvents(id, "grant.created, balance.empty, grant.created")
	f.wantAgentCharge(id, "replies", "0.5", "")
	f.wantAgentCharge(id, "replies", "0.75", "insufficient_tokens")
	seq := f.account(id).Seq
	for range 3 {
		f.wantAgentCharge(id, "replies", "0.05", "agent_paused")
	}
	f.wantAgentCharge(id, "scout", "0.25", "") // other agents can spend
	f.wantAgents(id, "replies paused_out_of_tokens 4, scout on 0")
	if a := f.account(id); a.Seq != seq+1 {
		t.Errorf("turning away wrote %d entries", a.Seq-seq-1)
	}
	f.wantEvents(id, "agent.paused replies")
	f.buy(id, "p1")
	f.wantAgents(id, "replies on 0, scout on 0")
	f.wantEvents(id, "purchase.completed, agent.resumed replies, balance.restored")
	f.wantAgentCharge(id, "replies", "0.75", "")
}

// A refund resumes an agent only if it pays for twenty of its requests.
func TestASmallRefundDoesNotFlap(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("1")
	small, large := f.MustCharge(id, "auto_selling", "0.2"), f.MustCharge(id, "auto_selling", "0.8")
	f.wantAgentCharge(id, "replies", "0.05", "insufficient_tokens")
	f.refund(id, small.Seq, "0.2")
	f.wantAgents(id, "replies paused_out_of_tokens 1")
	f.refund(id, large.Seq, "0.79")
	f.wantAgents(id, "replies paused_out_of_tokens 1") // 0.99 tokens are 19 replies
	f.refund(id, large.Seq, "0.01")
	f.wantAgents(id, "replies on 0")
}

func TestAnAgentTheCreatorPausedStaysPaused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("1")
	ctx := t.Context()
	f.wantAgentCharge(id, "replies", "0.05", "")
	f.NoError(f.SwitchAgent(ctx, id, ledger.SwitchAgent{ID: "replies"}))
	f.wantAgentCharge(id, "replies", "0.05", "agent_paused")
	f.buy(id, "p1")
	f.wantAgents(id, "replies paused_by_creator 1")
	f.NoError(f.SwitchAgent(ctx, id, ledger.SwitchAgent{ID: "replies", On: true}))
	f.wantAgentCharge(id, "replies", "0.05", "")
	if err := f.SwitchAgent(ctx, id, ledger.SwitchAgent{ID: "unknown", On: true}); problem.Of(err).Code !=
		"agent_not_found" {
		t.Errorf("an unknown agent: %v", err)
	}
}

// A budget counts per calendar month of the billing zone. Charges before it was set count, holds count, refunds are
// subtracted; each month it starts again.
func TestABudgetOfAMonth(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star") // on 31 January, 9:30
	f.wantAgentCharge(id, "replies", "30", "")
	f.MustPutAgent(id, "replies", "50", "")
	ten := tokens.MustParse("10")
	hold, err := f.Hold(t.Context(), id, "h", ledger.Hold{
		Feature: repliesFeature,
		Agent:   "replies",
		Amount:  &ten,
	})
	f.NoError(err)
	f.wantAgentCharge(id, "replies", "10.000001", "over_budget")
	f.wantAgents(id, "replies paused_over_budget 1")
	f.wantAgentCharge(id, "replies", "10", "") // this fits
	f.wantAgents(id, "replies on 0")
	f.wantAgentCharge(id, "replies", "0.05", "over_budget")
	f.wantAgents(id, "replies paused_over_budget 1")
	if _, err := f.tryRelease(id, hold.Seq); err != nil {
		t.Fatal(err)
	}
	f.wantAgentCharge(id, "replies", "10", "")
	f.Clock.Set(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	f.wantAgents(id, "replies on 0")
	f.wantAgentCharge(id, "replies", "50", "")
	f.wantAgentCharge(id, "replies", "0.05", "over_budget")
	f.MustPutAgent(id, "replies", "51", "")
	f.wantAgentCharge(id, "replies", "1", "")
	f.MustPutAgent(id, "replies", "0", "")
	f.wantAgentCharge(id, "replies", "20", "")
}

// A reserve can be spent by its agent only, and the creator's own by the creator only.
func TestReserves(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("10")
	f.MustPutAgent(id, "replies", "", "3")
	f.MustPutAgent(id, "", "", "2")
	f.wantAgentCharge(id, "scout", "5.000001", "insufficient_tokens")
	f.wantAgents(id, "replies on 0, scout paused_out_of_tokens 1")
	f.wantAgentCharge(id, "replies", "8", "")
	f.wantAgentCharge(id, "replies", "0.05", "insufficient_tokens")
	f.MustPutAgent(id, "replies", "", "0")
	f.MustPutAgent(id, "", "", "0")
	f.wantAgents(id, "replies on 0, scout on 0") // the reserves of others are free
	if q, err := f.Quote(t.Context(), id, ledger.Charge{Feature: repliesFeature, Agent: "scout"}); err != nil ||
		q.Spendable != 2*tokens.One {
		t.Errorf("a quote says %v of %v", err, q.Spendable)
	}
	f.MustPutAgent(id, "replies", "", "1.5")
	if q, err := f.Quote(t.Context(), id, ledger.Charge{Feature: repliesFeature, Agent: "scout"}); err != nil ||
		q.Spendable != tokens.One/2 {
		t.Errorf("a quote beside a reserve says %v of %v", err, q.Spendable)
	}
}

// 64 callers without tokens: the agent pauses once and resumes once, and its refused requests are counted exactly.
func TestManyCallersAtZeroPauseOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	servers := []*engine.Engine{f.Engine, f.NewServer(), f.NewServer()}
	id := f.MustOpenWith("1")
	f.takeEvents(id)
	var working sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for i := range 64 {
		working.Go(func() {
			a := tokens.MustParse("0.1")
			for range 5 {
				_, err := servers[i%3].Charge(context.Background(), id, uuid.NewString(), ledger.Charge{
					Feature: repliesFeature,
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
	f.wantAgents(id, fmt.Sprintf("replies paused_out_of_tokens %d", 64*5-10))
	f.buy(id, "p1")
	f.wantEvents(id, "agent.paused replies, purchase.completed, agent.resumed replies, balance.restored")
}

// There is one event for a low balance, and another only after the balance was 25 % above the threshold.
func TestLevelsDoNotFlap(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star") // 1,000: low under 200
	f.takeEvents(id)
	charge := f.MustCharge(id, "auto_selling", "801")
	f.wantEvents(id, "balance.low")
	f.refund(id, charge.Seq, "40")
	f.MustCharge(id, "auto_selling", "40")
	f.wantEvents(id, "")
	f.refund(id, charge.Seq, "51")
	f.wantEvents(id, "balance.restored")
	f.MustCharge(id, "auto_selling", "246")
	f.wantEvents(id, "balance.empty")
	if a := f.account(id); a.Level != ledger.LevelEmpty {
		t.Errorf("the level is %v", a.Level)
	}
	three := 3 * tokens.One
	f.NoError(f.SetThreshold(t.Context(), id, ledger.SetThreshold{Amount: &three}))
	f.wantEvents(id, "")
}

func TestAThousandAgents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	var working sync.WaitGroup
	for i := range ledger.MaxAgents {
		working.Go(func() { f.wantAgentCharge(id, fmt.Sprintf("agent-%d", i), "0.05", "") })
	}
	working.Wait()
	f.wantAgentCharge(id, "one-more", "0.05", "too_many_agents")
	f.wantAgentCharge(id, "agent-7", "0.05", "")
	if a := f.account(id); a.Agents != ledger.MaxAgents {
		t.Errorf("%d agents", a.Agents)
	}
}

// A request of a paused agent at the very instant of a reset succeeds, without a sweep before it.
func TestAnAgentGoesOnAtTheReset(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	f.wantAgentCharge(id, "replies", "200", "")
	f.Engine = f.NewServer() // it reads the agent while it is on, and caches it
	f.wantAgentCharge(id, "replies", "0.05", "insufficient_tokens")
	f.Clock.Set(f.account(id).NextReset)
	f.wantAgentCharge(id, "replies", "0.05", "")
	f.wantAgents(id, "replies on 0")
}
