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

func (b *books) wantCode(what string, err error, code string) {
	b.t.Helper()
	if got := problem.Of(err).Code; err == nil || got != code {
		b.t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

func (b *books) claim(id uuid.UUID, key, request string) (known bool, err error) {
	return claim(b.t.Context(), b, id, key, request)
}

func (b *books) smallCharge(id uuid.UUID, key string) error {
	amount := tokens.Micro
	_, err := b.Charge(b.t.Context(), id, key, ledger.Charge{Feature: "auto_selling", Amount: &amount})
	return err
}

// A key is bound once, whether an entry is written under it or another call claims it; also where the lane
// remembers the account from before the first claim, and whether or not the request could be afforded.
func TestAClaimedKeyIsNoEntrys(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("star")
	b.check(b.smallCharge(id, "mine"))
	_, err := b.claim(id, "mine", "result")
	b.wantCode("a claim of a charge's key", err, keyReused)
	known, err := b.claim(id, "theirs", "result")
	if known || err != nil {
		t.Errorf("the first claim: %v, %v", known, err)
	}
	b.wantCode("a charge under a claimed key", b.smallCharge(id, "theirs"), keyReused)
	much := 10_000 * tokens.One
	_, err = b.Charge(t.Context(), id, "theirs", ledger.Charge{Feature: "auto_selling", Amount: &much})
	b.wantCode("a charge that cannot be afforded either", err, keyReused)
	known, err = b.claim(id, "theirs", "result")
	if !known || err != nil {
		t.Errorf("the same claim: %v, %v", known, err)
	}
	_, err = b.claim(id, "theirs", "purchase")
	b.wantCode("another claim", err, keyReused)
	b.check(b.smallCharge(id, "mine")) // a replay
	b.check(b.smallCharge(id, "next"))
	b.check(b.smallCharge(b.open("star"), "theirs")) // another account's space
	_, err = b.claim(uuid.New(), "theirs", "result")
	b.wantCode("a claim of nobody's", err, "account_not_found")
	if n := b.count("select count(*) from entries where account = $1 and kind = 2", id); n != 2 {
		t.Errorf("%d charges, want 2", n)
	}
	if n := b.count("select declined from ledger_accounts where account = $1", id); n != 0 {
		t.Errorf("%d attempts were declined: a used key is no attempt", n)
	}
}

func (b *books) count(query string, args ...any) (n int) {
	b.t.Helper()
	b.check(b.pool.QueryRow(context.WithoutCancel(b.t.Context()), query, args...).Scan(&n))
	return n
}

// A claim that is rolled back binds nothing, and one that is dropped frees its key.
func TestAClaimThatIsTakenBackBindsNothing(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("star")
	b.check(b.smallCharge(id, "first"))
	tx, err := b.pool.Begin(t.Context())
	b.check(err)
	_, err = b.ClaimKey(t.Context(), tx, id, "k", []byte("result"))
	b.check(err)
	b.check(tx.Rollback(t.Context()))
	b.check(b.smallCharge(id, "k"))
	_, err = b.claim(id, "l", "result")
	b.check(err)
	b.wantCode("a claimed key", b.smallCharge(id, "l"), keyReused)
	tx, err = b.pool.Begin(t.Context())
	b.check(err)
	b.check(b.DropClaim(t.Context(), tx, id, "l"))
	b.check(tx.Commit(t.Context()))
	b.check(b.smallCharge(id, "l"))
}

// Several servers, whose lanes remember the accounts, and callers who use each key for a charge and
// for a claim at the same time: one of the two has it, and all servers agree on which.
func TestOneKeySpaceOnSeveralServers(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	servers := []*engine.Engine{b.Engine, b.server(), b.server()}
	ids := []uuid.UUID{b.open("star"), b.open("star"), b.open("star")}
	const callers, rounds = 12, 25
	var charged, claimed, neither atomic.Int32
	for round := range rounds {
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				server := *b
				server.Engine = servers[i%len(servers)]
				id, key := ids[i%2], fmt.Sprint("key-", round, "-", i%4/2)
				// an account that no claim is about
				b.check(server.smallCharge(ids[2], fmt.Sprint("other-", round, "-", i)))
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
				entries := b.count("select count(*) from entries where account = $1 and idempotency_key = $2", id,
					key)
				claims := b.count("select count(*) from claimed_keys where account = $1 and idempotency_key = $2",
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
	if n := b.count("select count(*) from ledger_accounts where claims and account = $1", ids[2]); n != 0 {
		t.Error("the account without claims is said to have some")
	}
}
