package api_test

import (
	"testing"

	"pop.store/credits/db/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }
