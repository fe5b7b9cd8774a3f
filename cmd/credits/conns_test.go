package main_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db/testdb"
)

// CREDITS_DB_CONNS is exact: it includes the lanes' connections.
func TestAServerOpensNoMoreConnectionsThanAllowed(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	const (
		name    = "counted"
		readers = 30 // accounts: the reads of one take turns
	)
	s := setting{
		dir: folder(t),
		env: []string{
			"DATABASE_URL=" + d.AppURL + "&application_name=" + name,
			"DATABASE_OWNER_URL=" + d.OwnerURL,
			"CREDITS_DB_CONNS=6",
		},
	}
	key := s.newKey(t, "admin")
	p := s.serve(t)
	for i := range readers {
		p.api(t, http.StatusCreated, key, http.MethodPut, fmt.Sprint("/v1/accounts/reader-", i), `{"plan": "star"}`)
	}
	watcher, err := pgx.Connect(t.Context(), d.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close(t.Context())
	var working sync.WaitGroup
	done := make(chan struct{})
	for i := range 300 {
		working.Go(func() {
			header := []string{
				"Authorization", "Bearer " + key, "Content-Type", "application/json",
				"Idempotency-Key", fmt.Sprint("k", i),
			}
			if a, err := p.send(t, http.MethodPost, "/v1/accounts/reader-"+strconv.Itoa(i%readers)+"/charges",
				`{"feature": "lip_sync"}`, header...); err != nil || a.StatusCode/100 == 5 {
				t.Errorf("a charge: %d, %v", a.StatusCode, err)
			}
			if a, err := p.send(t, http.MethodGet, "/v1/accounts/reader-"+strconv.Itoa(i%readers)+"/transactions",
				"", header[:2]...); err != nil || a.StatusCode != http.StatusOK {
				t.Errorf("a page: %d, %v", a.StatusCode, err)
			}
		})
	}
	go func() {
		working.Wait()
		close(done)
	}()
	most := 0
	for under := true; under; {
		select {
		case <-done:
			under = false
		default:
		}
		var now int
		if err := watcher.QueryRow(t.Context(),
			"select count(*) from pg_stat_activity where application_name = $1", name).Scan(&now); err != nil {
			t.Fatal(err)
		}
		most = max(most, now)
	}
	if most > 6 || most < 3 {
		t.Errorf("there were %d connections at a time, and 6 are allowed", most)
	}
	p.stop(t)
	if strings.Contains(p.stderr.String(), "53300") {
		t.Errorf("it asked for too many: %s", p.stderr)
	}
}
