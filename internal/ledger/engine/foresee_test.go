package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// wouldResume lists, for each of some purchase amounts, the agents that it would resume.
func (f *fixture) wouldResume(id uuid.UUID, sizes ...string) [][]string {
	f.T.Helper()
	grants := make([]ledger.Grant, len(sizes))
	for i, size := range sizes {
		grants[i] = ledger.Grant{Kind: ledger.LotPurchase, Amount: tokens.MustParse(size)}
	}
	lists, err := f.WouldResume(f.T.Context(), id, grants)
	if err != nil {
		f.T.Fatal(err)
	}
	resumed := make([][]string, len(lists))
	for i := range lists {
		resumed[i] = agentIDs(lists[i], func(ledger.Agent) bool { return true })
	}
	return resumed
}

func agentIDs(list []ledger.Agent, some func(ledger.Agent) bool) []string {
	names := []string{}
	for i := range list {
		if some(list[i]) {
			names = append(names, list[i].ID)
		}
	}
	return names
}

func (f *fixture) agentsIn(id uuid.UUID, state ledger.AgentState) []string {
	f.T.Helper()
	list, _, err := f.Agents(f.T.Context(), id)
	f.NoError(err)
	return agentIDs(list, func(a ledger.Agent) bool { return a.State == state })
}

func (f *fixture) wantWouldResume(id uuid.UUID, size string, want ...string) {
	f.T.Helper()
	if got := f.wouldResume(id, size)[0]; !slices.Equal(got, append([]string{}, want...)) {
		f.T.Errorf("%s tokens resume %q, want %q", size, got, want)
	}
}

// A purchase resumes agents that wait for tokens, if enough is left after reserves and debts.
func TestWhoWouldGoOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	f.wantWouldResume(id, "100")
	f.wantAgentCharge(id, "replies", "0.05", "insufficient_tokens")
	f.wantAgentCharge(id, "scout", "0.05", "insufficient_tokens")
	f.MustPutAgent(id, "budgeted", "1", "")
	f.wantAgentCharge(id, "budgeted", "2", "over_budget")
	f.MustPutAgent(id, "off", "", "")
	f.NoError(f.SwitchAgent(t.Context(), id, ledger.SwitchAgent{ID: "off"}))
	before := f.account(id)
	f.wantWouldResume(id, "0.04")
	f.wantWouldResume(id, "0.05", "replies", "scout")
	f.MustPutAgent(id, "scout", "", "50")
	f.wantWouldResume(id, "50", "scout")
	f.wantWouldResume(id, "50.05", "replies", "scout")
	f.MustPutAgent(id, "", "", "40")
	f.wantWouldResume(id, "50", "scout")
	f.wantWouldResume(id, "90.05", "replies", "scout")
	if after := f.account(id); after.Seq != before.Seq || after.Spendable != before.Spendable || after.Paused != 2 {
		t.Errorf("looking changed %+v to %+v", before, after)
	}
	if _, err := f.WouldResume(t.Context(), uuid.New(), nil); problem.Of(err).Code != "account_not_found" {
		t.Errorf("no account: %v", err)
	}
}

func TestWhatIsOwedLetsNobodyGoOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	f.buy(id, "p")
	f.MustCharge(id, "auto_selling", "100")
	f.revoke(id, "p", "100")
	f.wantAgentCharge(id, "replies", "0.05", "insufficient_tokens")
	f.wantWouldResume(id, "100")
	f.wantWouldResume(id, "100.04")
	f.wantWouldResume(id, "100.05", "replies")
}

// An agent that a due reset resumes is not counted for a purchase.
func TestWouldResumeIgnoresWhatHasFallenDue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	f.wantAgentCharge(id, "replies", "0.05", "insufficient_tokens")
	f.Clock.Set(f.account(id).NextReset.Add(time.Minute))
	f.wantWouldResume(id, "100")
}

// The forecast agrees with what a purchase does, in every state of an account.
func TestWhatIsForeseenHappens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	random := rand.New(rand.NewPCG(7, 11))
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	resumed, stayed := 0, 0
	for round := range 60 {
		id := f.openSpent()
		f.buy(id, "first")
		f.MustCharge(id, "auto_selling", pick("100", "99.96", "70", "100"))
		for i := range 3 {
			agent := fmt.Sprint("agent-", i)
			f.MustPutAgent(id, agent, pick("", "", "3", "500"), pick("", "0.5", "20", "60"))
			f.chargeAgent(id, agent, pick("0.05", "30", "31", "400"))
		}
		f.MustPutAgent(id, "", "", pick("", "15"))
		if round%2 == 0 {
			f.revoke(id, "first", pick("1", "50", "100"))
		}
		size := pick("0.05", "1", "30", "60", "100", "500")
		foreseen := f.wouldResume(id, "1000", size)[1]
		waited := f.agentsIn(id, ledger.AgentOutOfToken)
		_, err := f.Grant(t.Context(), id, "", ledger.Grant{
			Kind:   ledger.LotPurchase,
			Amount: tokens.MustParse(size),
			Source: "second",
		})
		f.NoError(err)
		still := f.agentsIn(id, ledger.AgentOutOfToken)
		happened := slices.DeleteFunc(waited, func(agent string) bool { return slices.Contains(still, agent) })
		if !slices.Equal(foreseen, happened) {
			t.Errorf("round %d, %s tokens: foreseen %q, happened %q", round, size, foreseen, happened)
		}
		resumed, stayed = resumed+len(happened), stayed+len(still)
	}
	if resumed < 20 || stayed < 20 {
		t.Errorf("%d went on and %d stayed: that says little", resumed, stayed)
	}
}
