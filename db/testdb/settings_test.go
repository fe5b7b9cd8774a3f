package testdb_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db/testdb"
)

// changed are the settings in which the tests' Postgres differs from a user's, each with its
// reason. docs/development.md lists them.
var changed = map[string]string{
	"cluster_name":            "a name in the process list",
	"fsync":                   "tests crash processes, not machines",
	"full_page_writes":        "as fsync",
	"listen_addresses":        "the socket alone",
	"log_checkpoints":         "a quiet log",
	"log_timezone":            "times in the log in UTC",
	"max_connections":         "many tests share one server",
	"max_wal_senders":         "goes with wal_level",
	"shared_buffers":          "several test processes run at a time",
	"synchronous_commit":      "as fsync",
	"timezone":                "UTC on every machine",
	"unix_socket_permissions": "nobody else connects",
	"wal_compression":         "as the embedded server",
	"wal_level":               "nobody replicates a test",
}

func TestTheServerKeepsPostgresDefaults(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	conn, err := pgx.Connect(t.Context(), d.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `select lower(name) from pg_settings
		where source in ('command line', 'configuration file', 'database', 'user') and setting is distinct from boot_val
		and context <> 'internal' and lower(name) not like 'lc\_%' 
		and lower(name) not in ('port', 'datestyle', 'default_text_search_config', 
			'dynamic_shared_memory_type', 'max_wal_size', 'min_wal_size')`)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../../docs/development.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		if changed[name] == "" {
			t.Errorf("%s differs from Postgres' default without a reason", name)
		}
	}
	for name := range changed {
		if !slices.Contains(found, name) {
			t.Errorf("%s is listed and has Postgres' default", name)
		}
		if !strings.Contains(string(docs), "`"+name+"`") {
			t.Errorf("docs/development.md does not say that the tests change %s", name)
		}
	}
}
