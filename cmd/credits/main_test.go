// The tests here run the program as a process of its own, with signals, kills and HTTP requests.
package main_test

import (
	"os"
	"testing"

	credits "pop.store/credits/cmd/credits"
	"pop.store/credits/db/testdb"
)

// asProgram makes the test binary the program. It is built once, with the race detector if the tests are.
const asProgram = "RUN_TESTS_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		credits.Main() // exits
	}
	testdb.Main(m)
}
