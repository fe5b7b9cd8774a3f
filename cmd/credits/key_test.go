package main_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"pop.store/credits/db/testdb"
)

// Keys are created, listed and revoked, with and without a running server.
func TestKeys(t *testing.T) {
	t.Parallel()
	t.Run("embedded Postgres", func(t *testing.T) {
		t.Parallel()
		s := setting{dir: folder(t)}
		early := s.newKey(t, "read") // without a server and a database
		p := s.serve(t)
		keys(t, s, p, early)
		p.stop(t)
		late := s.newKey(t, "read")
		p = s.serve(t)
		p.api(t, http.StatusOK, late, http.MethodGet, "/v1/catalog", "")
		p.stop(t)
	})
	t.Run("DATABASE_URL", func(t *testing.T) {
		t.Parallel()
		s := setting{dir: folder(t)}.with("DATABASE_URL=" + testdb.Open(t).AppURL)
		early := s.newKey(t, "read")
		p := s.serve(t)
		keys(t, s, p, early)
		p.stop(t)
	})
}

var listed = regexp.MustCompile(`(?m)^([0-9a-f-]{36})  (crk_\S+)  (\S+) +\S+  (in force|revoked \S+)  (.+)$`)

// keys needs a running server, and a key from before it ran.
func keys(t *testing.T, s setting, p *server, early string) {
	t.Helper()
	p.api(t, http.StatusOK, early, http.MethodGet, "/v1/catalog", "")
	p.api(t, http.StatusForbidden, early, http.MethodPut, "/v1/accounts/studio", "{}")

	printed := s.succeeds(t, "key", "create", "--scopes", "admin,spend,read", "--name", "the host")
	lines := strings.Split(strings.TrimSuffix(printed, "\n"), "\n")
	key := lines[len(lines)-1]
	if !regexp.MustCompile(`^crk_\w+$`).MatchString(key) {
		t.Fatalf("the last line is %q", key)
	}
	p.openAccount(t, key, "studio")
	p.chargeUntilDone(t, key, "studio", "a")
	p.api(t, http.StatusOK, key, http.MethodGet, "/v1/accounts/studio", "")

	list := s.succeeds(t, "key", "list")
	if strings.Contains(list, key) || strings.Contains(list, early) {
		t.Error("the list shows a key")
	}
	id := ""
	for _, k := range listed.FindAllStringSubmatch(list, -1) {
		if strings.HasPrefix(key, k[2]) && k[3] == "admin" && k[4] == "in force" && k[5] == "the host" {
			id = k[1]
		}
	}
	if id == "" {
		t.Fatalf("the key is not in the list:\n%s", list)
	}
	for range 2 { // again is harmless
		s.succeeds(t, "key", "revoke", id)
		p.api(t, http.StatusUnauthorized, key, http.MethodGet, "/v1/accounts/studio", "")
	}
	p.api(t, http.StatusOK, early, http.MethodGet, "/v1/catalog", "")
	if list := s.succeeds(t, "key", "list"); !regexp.MustCompile(id + `.* revoked \d{4}-`).MatchString(list) {
		t.Errorf("the key is not revoked in the list:\n%s", list)
	}
	refused(t, s.run(t, "key", "revoke", "3f2504e0-4f89-41d3-9a0c-0305e82c3301"), 1, "no such API key")
}
