package engine_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// concurrentCallers use three servers to charge, hold, capture, release and refund for the agents of one account.
type concurrentCallers struct {
	*fixture
	id         uuid.UUID
	servers    []*engine.Engine
	turnedAway map[string]*atomic.Int64 // refused requests of each agent
}

func (r *concurrentCallers) sendRequests(name string, requests int) {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	for i := range requests {
		agent := [...]string{"budgeted", "reserving", "plain"}[random.IntN(3)]
		amount := tokens.Amount(1 + random.IntN(int(tokens.One)))
		key, e := name+"-"+strconv.Itoa(i), r.servers[random.IntN(3)]
		if random.IntN(2) == 0 {
			r.chargeAndRefund(random, e, key, agent, amount)
		} else {
			r.holdAndEnd(random, e, key, agent, amount)
		}
	}
}

func (r *concurrentCallers) chargeAndRefund(
	random *rand.Rand,
	l *engine.Engine,
	key, agent string,
	amount tokens.Amount,
) {
	e, err := l.Charge(context.Background(), r.id, key, ledger.Charge{
		Feature: repliesFeature,
		Agent:   agent,
		Amount:  &amount,
	})
	if !r.countTurnedAway(agent, err) || random.IntN(5) > 0 {
		return
	}
	if _, err := l.Refund(context.Background(), r.id, key+"-back", ledger.Refund{Entry: e.Seq}); err != nil {
		r.T.Error(err)
	}
}

func (r *concurrentCallers) holdAndEnd(random *rand.Rand, e *engine.Engine, key, agent string, amount tokens.Amount) {
	h, err := e.Hold(context.Background(), r.id, key, ledger.Hold{
		Feature: repliesFeature,
		Agent:   agent,
		Amount:  &amount,
	})
	if !r.countTurnedAway(agent, err) {
		return
	}
	switch part := 1 + amount/2; random.IntN(3) {
	case 0:
		_, err = e.Capture(context.Background(), r.id, key+"-capture", ledger.Capture{Hold: h.Seq})
	case 1:
		_, err = e.Capture(context.Background(), r.id, key+"-capture", ledger.Capture{Hold: h.Seq, Amount: &part})
	default:
		_, err = e.Release(context.Background(), r.id, key+"-release", ledger.Release{Hold: h.Seq})
	}
	if err != nil {
		r.T.Error(err)
	}
}

// countTurnedAway counts a refusal. It returns whether there was none.
func (r *concurrentCallers) countTurnedAway(agent string, err error) bool {
	if err == nil {
		return true
	}
	switch problem.Of(err).Code {
	case "agent_paused", "over_budget", "insufficient_tokens":
		r.turnedAway[agent].Add(1)
	default:
		r.T.Error(err)
	}
	return false
}

// checkLimits checks what must hold at every instant: no budget is overspent, and the creator's reserve is untouched.
func (r *concurrentCallers) checkLimits(e *engine.Engine, own tokens.Amount) {
	list, _, err := e.Agents(context.Background(), r.id)
	if err != nil {
		r.T.Error(err)
		return
	}
	for _, a := range list {
		if a.Budget != nil && a.Spent+a.Held > *a.Budget {
			r.T.Errorf("%s spent %v and holds %v of its budget of %v", a.ID, a.Spent, a.Held, *a.Budget)
		}
	}
	if a, err := e.Account(context.Background(), r.id); err != nil || a.Spendable < own {
		r.T.Errorf("of the %v that the creator keeps %v are left (%v)", own, a.Spendable, err)
	}
}

// 64 callers with holds, budgets and reserves: no limit is exceeded at any instant, paused requests are counted
// exactly, and every state has its event. Tokens arrive in between, so that agents pause and resume many times.
func TestManyCallersKeepBudgetsAndReserves(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := &concurrentCallers{
		fixture:    f,
		id:         f.MustOpenWith("300"),
		servers:    []*engine.Engine{f.Engine, f.NewServer(), f.NewServer()},
		turnedAway: map[string]*atomic.Int64{},
	}
	for _, agent := range []string{"budgeted", "reserving", "plain"} {
		r.turnedAway[agent] = &atomic.Int64{}
	}
	f.MustPutAgent(r.id, "budgeted", "40", "")
	f.MustPutAgent(r.id, "reserving", "", "60")
	f.MustPutAgent(r.id, "", "", "30")
	var working, looking sync.WaitGroup
	stop := make(chan struct{})
	for i := range 64 {
		working.Go(func() { r.sendRequests("caller-"+strconv.Itoa(i), 30) })
	}
	working.Go(func() {
		for i := range 5 {
			ten := 10 * tokens.One
			if _, err := r.servers[i%3].Grant(context.Background(), r.id, "", ledger.Grant{
				Kind:   ledger.LotPurchase,
				Amount: ten,
				Source: strconv.Itoa(i),
			}); err != nil {
				t.Error(err)
			}
		}
	})
	for _, e := range r.servers {
		looking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					r.checkLimits(e, 30*tokens.One)
				}
			}
		})
	}
	working.Wait()
	close(stop)
	looking.Wait()
	f.CheckEvents(r.id)
	s := f.ReplayEvents(r.id)
	list, _, err := f.Agents(t.Context(), r.id)
	f.NoError(err)
	for _, a := range list {
		if got, want := s.TurnedAway[a.ID]+a.TurnedAway, r.turnedAway[a.ID].Load(); got != want || want == 0 {
			t.Errorf("%d requests of %s were turned away, counted %d", want, a.ID, got)
		}
	}
}
