package engine_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
)

// singleLane is an engine whose one lane has all accounts.
func singleLane(t *testing.T, database testdb.DB) *engine.Engine {
	t.Helper()
	e := engine.New(ledgertest.NewPool(t, database.AppURL, nil), engine.Options{
		Clock:  clock.NewManual(ledgertest.Start).Now,
		Prices: catalog.Builtin,
		Lanes:  1,
		Log:    ledgertest.DiscardLog,
	})
	t.Cleanup(e.Close)
	return e
}

// chargeBoth sends a charge on each of two accounts in one batch.
func chargeBoth(t *testing.T, e *engine.Engine, key string, first, second uuid.UUID) (one, other error) {
	t.Helper()
	r := e.ChargeAll(t.Context(), []ledger.BulkCharge{{
		AccountID: first,
		Key:       key,
		Charge:    chargeOf("1"),
	}, {
		AccountID: second,
		Key:       key,
		Charge:    chargeOf("1"),
	}})
	return r[0].Err, r[1].Err
}

// Another server hangs while it has an account locked. Requests for that account fail as unavailable; others in the
// same batch succeed.
func TestALockedAccountDelaysNoOthers(t *testing.T) {
	t.Parallel()
	database := testdb.Open(t)
	f := fixtureOn(t, database.AppURL)
	locked, free := f.MustOpen("star"), f.MustOpen("star")
	e := singleLane(t, database)
	if one, other := chargeBoth(t, e, "before", locked, free); one != nil || other != nil {
		t.Fatal(one, other)
	}
	tx, err := database.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select 1 from ledger_accounts where account = $1 for update",
		locked); err != nil {
		t.Fatal(err)
	}
	for _, round := range []string{"remembered", "read"} {
		one, other := chargeBoth(t, e, round, locked, free)
		if !problem.IsUnavailable(one) || other != nil {
			t.Errorf("%s: the locked one %v, its neighbour %v", round, one, other)
		}
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if one, other := chargeBoth(t, e, "after", locked, free); one != nil || other != nil {
		t.Errorf("after it: %v, %v", one, other)
	}
	f.WantSpendable(locked, "998")
	f.WantSpendable(free, "996")
}

// A row that a server cannot read, such as one with an unknown time zone, fails requests for its account only.
func TestAnUnreadableAccountHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	database := testdb.Open(t)
	f := fixtureOn(t, database.AppURL)
	strange, fine := f.MustOpen("star"), f.MustOpen("star")
	if _, err := database.Pool.Exec(t.Context(),
		"update ledger_accounts set billing_zone = 'Atlantis/Capital' where account = $1", strange); err != nil {
		t.Fatal(err)
	}
	one, other := chargeBoth(t, singleLane(t, database), "k", strange, fine)
	if one == nil || other != nil {
		t.Errorf("the unreadable one %v, its neighbour %v", one, other)
	}
}

// Postgres refuses writes, as a standby or on a full disk. That is not the fault of the request.
func TestAReadOnlyDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	database := testdb.Open(t)
	f := fixtureOn(t, database.AppURL)
	id := f.MustOpen("star")
	owner, err := pgx.Connect(t.Context(), database.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	name := pgx.Identifier{owner.Config().Database}.Sanitize()
	if _, err := owner.Exec(t.Context(), "alter database "+name+" set default_transaction_read_only = on"); err !=
		nil {
		t.Fatal(err)
	}
	_, err = singleLane(t, database).Charge(t.Context(), id, "k", chargeOf("1"))
	if p := problem.Of(err); p.Kind != problem.KindUnavailable {
		t.Errorf("it answers %v: %v", p.Kind, err)
	}
}

func TestZonesThatAreNotTheSameEverywhere(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Local", "localtime", "posixrules", "posix/Europe/Paris", "right/Europe/Paris",
		"europe/Paris", "../Europe/Paris", "Nowhere",
	} {
		if zone, err := ledger.LoadZone(name); err == nil {
			t.Errorf("%q is taken for %v", name, zone)
		}
	}
	for _, name := range []string{"", "UTC", "Europe/Paris", "America/Argentina/Buenos_Aires", "Etc/GMT+5"} {
		if _, err := ledger.LoadZone(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
