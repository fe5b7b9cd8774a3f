package engine_test

import (
	"fmt"
	"sync"
	"testing"

	"pop.store/credits/db"
	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
)

// A thousand charges at once behind PgBouncer in transaction mode, by two servers, with keys used twice.
func TestChargesBehindATransactionPooler(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	f := fixtureOn(t, d.AppURL)
	account := f.MustOpen("star")
	url := d.PooledURL(t)
	var servers [2]*engine.Engine
	for i := range servers {
		pool, err := db.Open(t.Context(), url, 4)
		if err != nil {
			t.Fatal(err)
		}
		if !db.BehindPooler(pool) {
			t.Fatal("the pooler was not noticed")
		}
		servers[i] = engine.New(pool, engine.Options{
			Clock:  clock.NewManual(ledgertest.Start).Now,
			Prices: catalog.Builtin,
			Log:    ledgertest.DiscardLog,
		})
		t.Cleanup(pool.Close)
		t.Cleanup(servers[i].Close)
	}
	var working sync.WaitGroup
	for i := range 1000 {
		working.Go(func() {
			key := fmt.Sprint("charge-", i/2) // each key comes twice
			if _, err := servers[i%2].Charge(t.Context(), account, key, chargeOf("1")); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		})
	}
	working.Wait()
	f.WantSpendable(account, "500")
	if err := servers[0].Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
}
