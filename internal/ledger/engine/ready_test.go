package engine_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
)

// A server is not ready if its readers have connections but its lanes get none: every charge would be refused.
func TestALedgerWithoutConnectionsForItsLanesIsNotReady(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	account := fixtureOn(t, d.AppURL).MustOpen("star")
	pool := ledgertest.NewPool(t, d.AppURL, nil)
	e := engine.New(pool, engine.Options{
		Clock:  clock.NewManual(ledgertest.Start).Now,
		Prices: catalog.Builtin,
		Log:    ledgertest.DiscardLog,
	})
	t.Cleanup(e.Close)
	owner, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	limit := func(connections int) {
		t.Helper()
		statement := fmt.Sprintf("alter database %s connection limit %d",
			pgx.Identifier{owner.Config().Database}.Sanitize(), connections)
		if _, err := owner.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	limit(1) // for new connections: the readers keep theirs
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatalf("the readers: %v", err)
	}
	_, chargeErr := e.Charge(t.Context(), account, "k", chargeOf("1"))
	if err := e.Ready(t.Context()); err == nil || !problem.IsUnavailable(chargeErr) {
		t.Errorf("ready: %v; a charge: %v", err, chargeErr)
	}
	limit(-1)
	if err := e.Ready(t.Context()); err != nil {
		t.Errorf("not ready with connections: %v", err)
	}
	if _, err := e.Charge(t.Context(), account, "k", chargeOf("1")); err != nil {
		t.Errorf("a charge: %v", err)
	}
}
