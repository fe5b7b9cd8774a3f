// The tests here run the program as people do: as a process of its own, that is signalled, killed
// and asked over HTTP.
package main_test

import (
	"os"
	"testing"

	credits "pop.store/credits/cmd/credits"
	"pop.store/credits/db/testdb"
)

// asProgram makes the test binary the program: built once, and with the race detector when the tests are.
const asProgram = "RUN_TESTS_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		credits.Main() // exits
	}
	testdb.Main(m)
}
