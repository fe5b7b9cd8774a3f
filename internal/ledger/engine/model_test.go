package engine_test

import (
	"os"
	"strconv"
	"testing"

	"pgregory.net/rapid"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
)

// modelRun is how many sequences share a database: the books of all of them are added up at its end.
const modelRun = 100

// The whole ledger, through Postgres, against its twin: random requests, jumps of the clock and
// looks at the accounts, each answer compared with the twin's, and the books of the sequence added
// up at its end. Some hundreds of sequences run by default; on request as many as you like:
//
//	CREDITS_MODEL_CHECKS=100000 go test ./internal/ledger -run TestTheLedgerAgreesWithTheReferenceModel -timeout 0
//
// They run in rounds of -rapid.checks (100 unless told otherwise). A failure prints the seed and
// shrinks to a short sequence that shows it.
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
