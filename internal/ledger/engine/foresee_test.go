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

// foresee tells which agents purchases of some sizes would let go on, each alone.
func (b *books) foresee(id uuid.UUID, sizes ...string) [][]string {
	b.t.Helper()
	grants := make([]ledger.Grant, len(sizes))
	for i, size := range sizes {
		grants[i] = ledger.Grant{Kind: ledger.LotPurchase, Amount: tokens.MustParse(size)}
	}
	lists, err := b.WouldResume(b.t.Context(), id, grants)
	if err != nil {
		b.t.Fatal(err)
	}
	told := make([][]string, len(lists))
	for i := range lists {
		told[i] = ids(lists[i], func(ledger.Agent) bool { return true })
	}
	return told
}

func ids(list []ledger.Agent, some func(ledger.Agent) bool) []string {
	names := []string{}
	for i := range list {
		if some(list[i]) {
			names = append(names, list[i].ID)
		}
	}
	return names
}

func (b *books) waiting(id uuid.UUID, state ledger.AgentState) []string {
	b.t.Helper()
	list, _, err := b.Agents(b.t.Context(), id)
	b.check(err)
	return ids(list, func(a ledger.Agent) bool { return a.State == state })
}

func (b *books) wantForeseen(id uuid.UUID, size string, want ...string) {
	b.t.Helper()
	if got := b.foresee(id, size)[0]; !slices.Equal(got, append([]string{}, want...)) {
		b.t.Errorf("%s tokens let %q go on, want %q", size, got, want)
	}
}

// Only those who wait for tokens, and only with as many as they need: what is reserved and what is
// owed is not theirs.
func TestWhoWouldGoOn(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.broke()
	b.wantForeseen(id, "100")
	b.wantWork(id, "replies", "0.05", "insufficient_tokens")
	b.wantWork(id, "scout", "0.05", "insufficient_tokens")
	b.put(id, "budgeted", "1", "")
	b.wantWork(id, "budgeted", "2", "over_budget")
	b.put(id, "off", "", "")
	b.check(b.SwitchAgent(t.Context(), id, ledger.SwitchAgent{ID: "off"}))
	before := b.account(id)
	b.wantForeseen(id, "0.04")
	b.wantForeseen(id, "0.05", "replies", "scout")
	b.put(id, "scout", "", "50")
	b.wantForeseen(id, "50", "scout")
	b.wantForeseen(id, "50.05", "replies", "scout")
	b.put(id, "", "", "40")
	b.wantForeseen(id, "50", "scout")
	b.wantForeseen(id, "90.05", "replies", "scout")
	if after := b.account(id); after.Seq != before.Seq || after.Spendable != before.Spendable || after.Paused != 2 {
		t.Errorf("looking changed %+v to %+v", before, after)
	}
	if _, err := b.WouldResume(t.Context(), uuid.New(), nil); problem.Of(err).Code != "account_not_found" {
		t.Errorf("no account: %v", err)
	}
}

func TestWhatIsOwedLetsNobodyGoOn(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.broke()
	b.buy(id, "p")
	b.charge(id, "auto_selling", "100")
	b.revoke(id, "p", "100")
	b.wantWork(id, "replies", "0.05", "insufficient_tokens")
	b.wantForeseen(id, "100")
	b.wantForeseen(id, "100.04")
	b.wantForeseen(id, "100.05", "replies")
}

// A reset that is due lets agents go on by itself: that is no merit of a purchase.
func TestWhatHasFallenDueIsNoMeritOfAPurchase(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.broke()
	b.wantWork(id, "replies", "0.05", "insufficient_tokens")
	b.clock.Set(b.account(id).NextReset.Add(time.Minute))
	b.wantForeseen(id, "100")
}

// What is foretold is what happens, whatever state an account is in.
func TestWhatIsForeseenHappens(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	random := rand.New(rand.NewPCG(7, 11))
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	resumed, stayed := 0, 0
	for round := range 60 {
		id := b.broke()
		b.buy(id, "first")
		b.charge(id, "auto_selling", pick("100", "99.96", "70", "100"))
		for i := range 3 {
			agent := fmt.Sprint("agent-", i)
			b.put(id, agent, pick("", "", "3", "500"), pick("", "0.5", "20", "60"))
			b.work(id, agent, pick("0.05", "30", "31", "400"))
		}
		b.put(id, "", "", pick("", "15"))
		if round%2 == 0 {
			b.revoke(id, "first", pick("1", "50", "100"))
		}
		size := pick("0.05", "1", "30", "60", "100", "500")
		foreseen := b.foresee(id, "1000", size)[1]
		waited := b.waiting(id, ledger.AgentOutOfToken)
		_, err := b.Grant(t.Context(), id, "", ledger.Grant{
			Kind:   ledger.LotPurchase,
			Amount: tokens.MustParse(size),
			Source: "second",
		})
		b.check(err)
		still := b.waiting(id, ledger.AgentOutOfToken)
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
