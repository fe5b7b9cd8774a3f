package main_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db/testdb"
)

// The ledger is audited beside a running server; each contradiction is one line, and the command fails.
func TestVerify(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	s := setting{dir: folder(t)}.with("DATABASE_URL=" + d.AppURL)
	p := s.serve(t)
	key := s.newKey(t, "admin")
	for _, account := range []string{"maya", "noor"} {
		p.api(t, http.StatusCreated, key, http.MethodPut, "/v1/accounts/"+account, `{"plan":"starter"}`)
	}
	p.api(t, http.StatusOK, key, http.MethodPost, "/v1/charges",
		`{"charges":[{"account":"maya","idempotency_key":"k","feature":"lip_sync"}]}`)
	if said := s.succeeds(t, "verify"); !regexp.MustCompile(`^The books balance: 2 accounts, 3 entries, in \S+\.\n$`).MatchString(said) {
		t.Errorf("it says %q", said)
	}
	report := func(o outcome) (r struct {
		BooksBalance bool `json:"books_balance"`
		Complete     bool
		Accounts     int
		Entries      int
		Differences  []map[string]string
	},
	) {
		t.Helper()
		if err := json.Unmarshal([]byte(o.stdout), &r); err != nil || strings.Count(o.stdout, "\n") != 1 {
			t.Errorf("%v: %q", err, o.stdout)
		}
		return r
	}
	if r := report(outcome{stdout: s.succeeds(t, "verify", "--json")}); !r.BooksBalance || !r.Complete ||
		r.Accounts != 2 || r.Entries != 3 || r.Differences == nil {
		t.Errorf("%+v", r)
	}

	owner, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	if _, err := owner.Exec(t.Context(), "update entries set amount = amount - 1000000 where kind = 2"); err != nil {
		t.Fatal(err)
	}
	o := s.run(t, "verify")
	line := regexp.MustCompile(`(?m)^[0-9a-f-]{36}  entry 2: balance after: expected 194, found 195$`)
	if o.code != 1 || !line.MatchString(o.stdout) || strings.Contains(o.stdout, "books balance") ||
		strings.Count(o.stderr, "\n") != 1 {
		t.Errorf("exit code %d, %q, %q", o.code, o.stdout, o.stderr)
	}
	o = s.run(t, "verify", "--json")
	r := report(o)
	if o.code != 1 || r.BooksBalance || len(r.Differences) != strings.Count(s.run(t, "verify").stdout, "\n") ||
		r.Differences[0]["account"] == "" {
		t.Errorf("exit code %d, %+v", o.code, r)
	}
	p.stop(t)
	for _, args := range [][]string{{"verify", "x"}, {"verify", "--nope"}} {
		if o := s.run(t, args...); o.code != 2 || o.stdout != "" {
			t.Errorf("%q: exit code %d, %q", args, o.code, o.stdout)
		}
	}
}

// With the embedded Postgres, which the command starts if none runs. The demo's history is consistent.
func TestVerifyEmbedded(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}.with("CREDITS_DEMO=1")
	p := s.serve(t)
	if said := s.succeeds(t, "verify"); !strings.HasPrefix(said, "The books balance: 1 accounts, ") {
		t.Errorf("it says %q", said)
	}
	p.stop(t)
	if said := s.succeeds(t, "verify"); !strings.HasPrefix(said, "The books balance: 1 accounts, ") {
		t.Errorf("it says %q", said)
	}
}
