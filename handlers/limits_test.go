package handlers_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"pop.store/credits/internal/results"
	"pop.store/credits/internal/webhook"
)

// Limits hold when requests come at the same time (M14).
func TestParallelRequestsKeepToTheLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	var made, refused atomic.Int32
	together(3*webhook.MaxEndpoints, func(i int) {
		a := s.post(hooks, fmt.Sprintf(`{"url":"https://hooks.example/%d"}`, i))
		switch a.status {
		case http.StatusCreated:
			made.Add(1)
		case http.StatusConflict:
			refused.Add(1)
			a.problem(http.StatusConflict, "too_many_webhook_endpoints", "")
		default:
			t.Errorf("endpoint: %d %s", a.status, a.body)
		}
	})
	if n := s.count(`select count(*) from webhook_endpoints`); n != webhook.MaxEndpoints ||
		made.Load() != webhook.MaxEndpoints {
		t.Errorf("%d endpoints, %d answers, want %d", n, made.Load(), webhook.MaxEndpoints)
	}

	const room = 5
	maya, err := s.app.Accounts.Find(t.Context(), "maya")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Pool.Exec(t.Context(),
		`insert into result_sums select $1, '2026-11-01', '', 'kind_' || n, '', 1, 1, 0
		from generate_series(1, $2::int) as n`, maya, results.MaxSums-room); err != nil {
		t.Fatal(err)
	}
	together(8*room, func(i int) {
		if a := s.post(mayasResults, fmt.Sprintf(`{"kind":"other_%d"}`, i)); a.status != http.StatusCreated {
			a.problem(http.StatusConflict, "too_many_result_kinds", "")
		}
	})
	if n := s.count(`select count(*) from result_sums`); n != results.MaxSums {
		t.Errorf("%d kinds of results, want %d", n, results.MaxSums)
	}
}
