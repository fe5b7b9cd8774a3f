package engine_test

import (
	"testing"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// What a creator changes is decided on what the books say, and not on what a lane remembers:
// another server may have changed it since, and a request that changes nothing would write nothing
// that tells.
func TestWhatTheCreatorChangesIsReadAnew(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	other := b.server()
	ctx := t.Context()
	id := b.openWith("100")
	remembers := func() { // the first server's lane now knows the account as it stands
		t.Helper()
		b.wantWork(id, "replies", "0.05", "")
		b.wantWork(id, "replies", "0.05", "")
	}

	remembers()
	b.check(other.SwitchAgent(ctx, id, ledger.SwitchAgent{ID: "replies"}))
	b.turn(id, "replies", true) // it is on, as far as the first server remembers
	b.wantAgents(id, "replies on 0")

	b.turn(id, "replies", false)
	b.turn(id, "replies", true)
	remembers()
	b.turn(id, "replies", false)
	b.wantWork(id, "replies", "0.05", "agent_paused")
	b.check(other.SwitchAgent(ctx, id, ledger.SwitchAgent{ID: "replies", On: true}))
	b.turn(id, "replies", false) // it is off, as far as the first server remembers
	b.wantAgents(id, "replies paused_by_creator 0")
	b.turn(id, "replies", true)

	// Another server registers an agent; this one has never heard of it.
	remembers()
	feature := replies
	b.check(other.PutAgent(ctx, id, ledger.PutAgent{ID: "scout", Feature: &feature}))
	b.turn(id, "scout", false)
	b.wantAgents(id, "replies on 0, scout paused_by_creator 0")
	b.turn(id, "scout", true)

	ten, twenty := 10*tokens.One, 20*tokens.One
	b.check(b.SetThreshold(ctx, id, ledger.SetThreshold{Amount: &ten}))
	remembers()
	b.check(other.SetThreshold(ctx, id, ledger.SetThreshold{Amount: &twenty}))
	// it is so, as far as the first server remembers
	b.check(b.SetThreshold(ctx, id, ledger.SetThreshold{Amount: &ten}))
	if a := b.account(id); a.Threshold != ten {
		t.Errorf("the threshold is %v", a.Threshold)
	}
	b.check(b.SetThreshold(ctx, id, ledger.SetThreshold{}))
	remembers()
	b.check(other.SetThreshold(ctx, id, ledger.SetThreshold{Amount: &twenty}))
	b.check(b.SetThreshold(ctx, id, ledger.SetThreshold{}))
	if a := b.account(id); a.Threshold != 40*tokens.One {
		t.Errorf("the threshold is %v, want the catalog's", a.Threshold)
	}
}

// A lane that was wrong several times remembers nothing for a while, and reads no more of an
// account than a request needs: turning an agent off or on needs all of it.
func TestSwitchingAnAgentNeedsTheWholeAccount(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	other := b.server()
	id := b.openWith("100")
	b.wantWork(id, "replies", "0.05", "")
	for range 5 {
		if _, err := other.Charge(t.Context(), id, uuid.NewString(), spends("1")); err != nil {
			t.Fatal(err)
		}
		b.wantWork(id, "replies", "0.05", "")
	}
	b.turn(id, "replies", false)
	b.wantAgents(id, "replies paused_by_creator 0")
	b.turn(id, "replies", true)
	b.wantAgents(id, "replies on 0")
}

// A threshold that is chosen again changes nothing.
func TestTheSameThresholdWritesNothing(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	ten := 10 * tokens.One
	version := func() (v int64) {
		b.check(b.pool.QueryRow(t.Context(), "select version from ledger_accounts where account = $1", id).Scan(&v))
		return v
	}
	b.check(b.SetThreshold(t.Context(), id, ledger.SetThreshold{Amount: &ten}))
	before := version()
	b.check(b.SetThreshold(t.Context(), id, ledger.SetThreshold{Amount: &ten}))
	if after := version(); after != before {
		t.Errorf("the row's version is %d, it was %d", after, before)
	}
}
