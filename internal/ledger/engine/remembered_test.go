package engine_test

import (
	"testing"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// A creator's changes are decided from the database, not from a lane's cache: another server may have changed the
// account since, and a request that changes nothing writes nothing that would reveal the stale cache.
func TestWhatTheCreatorChangesIsReadAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.NewServer()
	ctx := t.Context()
	id := f.MustOpenWith("100")
	remembers := func() { // the first server's lane caches the current account
		t.Helper()
		f.wantAgentCharge(id, "replies", "0.05", "")
		f.wantAgentCharge(id, "replies", "0.05", "")
	}

	remembers()
	f.NoError(other.SwitchAgent(ctx, id, ledger.SwitchAgent{ID: "replies"}))
	f.switchAgent(id, "replies", true) // it is on in the first server's cache
	f.wantAgents(id, "replies on 0")

	f.switchAgent(id, "replies", false)
	f.switchAgent(id, "replies", true)
	remembers()
	f.switchAgent(id, "replies", false)
	f.wantAgentCharge(id, "replies", "0.05", "agent_paused")
	f.NoError(other.SwitchAgent(ctx, id, ledger.SwitchAgent{ID: "replies", On: true}))
	f.switchAgent(id, "replies", false) // it is off in the first server's cache
	f.wantAgents(id, "replies paused_by_creator 0")
	f.switchAgent(id, "replies", true)

	// Another server registers an agent that this one has not cached.
	remembers()
	feature := repliesFeature
	f.NoError(other.PutAgent(ctx, id, ledger.PutAgent{ID: "scout", Feature: &feature}))
	f.switchAgent(id, "scout", false)
	f.wantAgents(id, "replies on 0, scout paused_by_creator 0")
	f.switchAgent(id, "scout", true)

	ten, twenty := 10*tokens.One, 20*tokens.One
	f.NoError(f.SetThreshold(ctx, id, ledger.SetThreshold{Amount: &ten}))
	remembers()
	f.NoError(other.SetThreshold(ctx, id, ledger.SetThreshold{Amount: &twenty}))
	// so it is in the first server's cache
	f.NoError(f.SetThreshold(ctx, id, ledger.SetThreshold{Amount: &ten}))
	if a := f.account(id); a.Threshold != ten {
		t.Errorf("the threshold is %v", a.Threshold)
	}
	f.NoError(f.SetThreshold(ctx, id, ledger.SetThreshold{}))
	remembers()
	f.NoError(other.SetThreshold(ctx, id, ledger.SetThreshold{Amount: &twenty}))
	f.NoError(f.SetThreshold(ctx, id, ledger.SetThreshold{}))
	if a := f.account(id); a.Threshold != 40*tokens.One {
		t.Errorf("the threshold is %v, want the catalog's", a.Threshold)
	}
}

// A lane with several conflicts bypasses its cache for a while, and reads no more of an account than a request needs:
// switching an agent needs all of it.
func TestSwitchingAnAgentNeedsTheWholeAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.NewServer()
	id := f.MustOpenWith("100")
	f.wantAgentCharge(id, "replies", "0.05", "")
	for range 5 {
		if _, err := other.Charge(t.Context(), id, uuid.NewString(), chargeOf("1")); err != nil {
			t.Fatal(err)
		}
		f.wantAgentCharge(id, "replies", "0.05", "")
	}
	f.switchAgent(id, "replies", false)
	f.wantAgents(id, "replies paused_by_creator 0")
	f.switchAgent(id, "replies", true)
	f.wantAgents(id, "replies on 0")
}

// Setting the same threshold again changes nothing.
func TestTheSameThresholdWritesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	ten := 10 * tokens.One
	version := func() (v int64) {
		f.NoError(f.Pool.QueryRow(t.Context(), "select version from ledger_accounts where account = $1", id).Scan(&v))
		return v
	}
	f.NoError(f.SetThreshold(t.Context(), id, ledger.SetThreshold{Amount: &ten}))
	before := version()
	f.NoError(f.SetThreshold(t.Context(), id, ledger.SetThreshold{Amount: &ten}))
	if after := version(); after != before {
		t.Errorf("the row's version is %d, it was %d", after, before)
	}
}
