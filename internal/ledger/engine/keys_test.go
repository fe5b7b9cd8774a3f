package engine_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

const keyReused = "idempotency_key_reused"

func (f *fixture) wantCode(what string, err error, code string) {
	f.T.Helper()
	if got := problem.Of(err).Code; err == nil || got != code {
		f.T.Errorf("%s: got %v, want %s", what, err, code)
	}
}

func (f *fixture) claim(id uuid.UUID, key, request string) (known bool, err error) {
	return f.Claim(f.T.Context(), id, key, request)
}

func (f *fixture) smallCharge(id uuid.UUID, key string) error {
	amount := tokens.Micro
	_, err := f.Charge(f.T.Context(), id, key, ledger.Charge{Feature: "auto_selling", Amount: &amount})
	return err
}

// A key is bound once, by an entry or by a claim; also where the lane has cached the account before the first claim,
// and whether or not the request could be paid.
func TestAClaimedKeyIsNoEntrys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	f.NoError(f.smallCharge(id, "mine"))
	_, err := f.claim(id, "mine", "result")
	f.wantCode("a claim of a charge's key", err, keyReused)
	known, err := f.claim(id, "theirs", "result")
	if known || err != nil {
		t.Errorf("the first claim: %v, %v", known, err)
	}
	f.wantCode("a charge under a claimed key", f.smallCharge(id, "theirs"), keyReused)
	much := 10_000 * tokens.One
	_, err = f.Charge(t.Context(), id, "theirs", ledger.Charge{Feature: "auto_selling", Amount: &much})
	f.wantCode("a charge that cannot be afforded either", err, keyReused)
	known, err = f.claim(id, "theirs", "result")
	if !known || err != nil {
		t.Errorf("the same claim: %v, %v", known, err)
	}
	_, err = f.claim(id, "theirs", "purchase")
	f.wantCode("another claim", err, keyReused)
	f.NoError(f.smallCharge(id, "mine")) // a replay
	f.NoError(f.smallCharge(id, "next"))
	f.NoError(f.smallCharge(f.MustOpen("star"), "theirs")) // another account's space
	_, err = f.claim(uuid.New(), "theirs", "result")
	f.wantCode("a claim of an unknown account", err, "account_not_found")
	if n := f.count("select count(*) from entries where account = $1 and kind = 2", id); n != 2 {
		t.Errorf("%d charges, want 2", n)
	}
	if n := f.count("select declined from ledger_accounts where account = $1", id); n != 0 {
		t.Errorf("%d attempts were declined: a used key is no attempt", n)
	}
}

func (f *fixture) count(query string, args ...any) (n int) {
	f.T.Helper()
	f.NoError(f.Pool.QueryRow(context.WithoutCancel(f.T.Context()), query, args...).Scan(&n))
	return n
}

// A claim that is rolled back binds nothing, and one that is dropped frees its key.
func TestAClaimThatIsTakenBackBindsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	f.NoError(f.smallCharge(id, "first"))
	tx, err := f.Pool.Begin(t.Context())
	f.NoError(err)
	_, err = f.ClaimKey(t.Context(), tx, id, "k", []byte("result"))
	f.NoError(err)
	f.NoError(tx.Rollback(t.Context()))
	f.NoError(f.smallCharge(id, "k"))
	_, err = f.claim(id, "l", "result")
	f.NoError(err)
	f.wantCode("a claimed key", f.smallCharge(id, "l"), keyReused)
	tx, err = f.Pool.Begin(t.Context())
	f.NoError(err)
	f.NoError(f.DropClaim(t.Context(), tx, id, "l"))
	f.NoError(tx.Commit(t.Context()))
	f.NoError(f.smallCharge(id, "l"))
}

// Several servers cache the accounts, and callers use each key for a charge and a claim at the same time. One of the
// two gets the key, and all servers agree on which.
func TestOneKeySpaceOnSeveralServers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	servers := []*engine.Engine{f.Engine, f.NewServer(), f.NewServer()}
	ids := []uuid.UUID{f.MustOpen("star"), f.MustOpen("star"), f.MustOpen("star")}
	const callers, rounds = 12, 25
	var charged, claimed, neither atomic.Int32
	for round := range rounds {
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				server := f.through(servers[i%len(servers)])
				id, key := ids[i%2], fmt.Sprint("key-", round, "-", i%4/2)
				// an account without claims
				f.NoError(server.smallCharge(ids[2], fmt.Sprint("other-", round, "-", i)))
				var err error
				if i%4 == 1 || i%4 == 2 {
					_, err = server.claim(id, key, "result")
				} else {
					err = server.smallCharge(id, key)
				}
				if err != nil && problem.Of(err).Code != keyReused {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for _, id := range ids[:2] {
			for n := range 2 {
				key := fmt.Sprint("key-", round, "-", n)
				entries := f.count("select count(*) from entries where account = $1 and idempotency_key = $2", id,
					key)
				claims := f.count("select count(*) from claimed_keys where account = $1 and idempotency_key = $2",
					id, key)
				switch {
				case entries+claims > 1:
					t.Errorf("%s has %d entries and %d claims", key, entries, claims)
				case entries == 1:
					charged.Add(1)
				case claims == 1:
					claimed.Add(1)
				default:
					neither.Add(1)
				}
			}
		}
	}
	if charged.Load() == 0 || claimed.Load() == 0 || neither.Load() > 0 {
		t.Errorf("%d keys have a charge, %d a claim, %d neither", charged.Load(), claimed.Load(), neither.Load())
	}
	if n := f.count("select count(*) from ledger_accounts where claims and account = $1", ids[2]); n != 0 {
		t.Error("the account without claims is said to have some")
	}
}
