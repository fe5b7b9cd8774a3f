package engine_test

import (
	"os"
	"strconv"
	"testing"

	"pgregory.net/rapid"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
)

// modelRun is how many sequences share a database. Its invariants are checked at the end.
const modelRun = 100

// The ledger, through Postgres, is compared with the reference model: random requests, jumps of the clock and reads.
// Every answer is compared, and the invariants of each sequence are checked. Some hundreds of sequences run by default,
// or as many as an environment variable says:
//
//	CREDITS_MODEL_CHECKS=100000 go test -run TestTheLedgerAgreesWith -timeout 0 ./internal/ledger/engine
//
// They run in rounds of -rapid.checks, 100 by default. A failure prints the seed and shrinks to a short sequence.
func TestTheLedgerAgreesWithTheReferenceModel(t *testing.T) {
	t.Parallel()
	sequences := 2 * modelRun
	if text := os.Getenv("CREDITS_MODEL_CHECKS"); text != "" {
		var err error
		if sequences, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < sequences; i += modelRun {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			servers := []*engine.Engine{f.Engine, f.NewServer(), f.NewServer()}
			rapid.Check(t, func(t *rapid.T) { ledgertest.CompareWithModel(t, f.Fixture, servers) })
		})
	}
}
