package engine_test

import (
	"testing"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
)

// fixture is the shared fixture with the helpers of this package's tests.
type fixture struct{ *ledgertest.Fixture }

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return &fixture{ledgertest.New(t)}
}

// through is the fixture with the engine of another server.
func (f *fixture) through(server *engine.Engine) *fixture {
	other := *f.Fixture
	other.Engine = server
	return &fixture{&other}
}

// fixtureOn is a fixture over a database that other servers use as well. The test checks the invariants itself.
func fixtureOn(t *testing.T, url string) *fixture {
	t.Helper()
	return &fixture{ledgertest.On(t, url)}
}

// newUnchecked is a fixture whose invariants are not checked when the test ends, so that the test may damage it.
func newUnchecked(t *testing.T) (*fixture, testdb.DB) {
	t.Helper()
	database := testdb.Open(t)
	return &fixture{ledgertest.NewWith(t, ledgertest.Options{Pool: database.Pool})}, database
}
