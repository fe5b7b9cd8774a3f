package api_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/results"
	"pop.store/credits/internal/testkit"
	"pop.store/credits/internal/webhook"
)

// Limits hold under concurrent requests (M14).
func TestParallelRequestsKeepToTheLimits(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	var made, refused atomic.Int32
	testkit.Concurrently(3*webhook.MaxEndpoints, func(i int) {
		a := s.Post(handlerstest.EndpointsPath, fmt.Sprintf(`{"url":"https://hooks.example/%d"}`, i))
		switch a.Status {
		case http.StatusCreated:
			made.Add(1)
		case http.StatusConflict:
			refused.Add(1)
			a.WantProblem(http.StatusConflict, "too_many_webhook_endpoints", "")
		default:
			t.Errorf("endpoint: %d %s", a.Status, a.Body)
		}
	})
	if n := s.Count(`select count(*) from webhook_endpoints`); n != webhook.MaxEndpoints ||
		made.Load() != webhook.MaxEndpoints {
		t.Errorf("%d endpoints, %d answers, want %d", n, made.Load(), webhook.MaxEndpoints)
	}

	const room = 5
	maya, err := s.App.Directory.Find(t.Context(), "maya")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.DB.Pool.Exec(t.Context(),
		`insert into result_sums select $1, '2026-11-01', '', 'kind_' || n, '', 1, 1, 0
		from generate_series(1, $2::int) as n`, maya, results.MaxSums-room); err != nil {
		t.Fatal(err)
	}
	testkit.Concurrently(8*room, func(i int) {
		if a := s.Post(mayasResults, fmt.Sprintf(`{"kind":"other_%d"}`, i)); a.Status != http.StatusCreated {
			a.WantProblem(http.StatusConflict, "too_many_result_kinds", "")
		}
	})
	if n := s.Count(`select count(*) from result_sums`); n != results.MaxSums {
		t.Errorf("%d kinds of results, want %d", n, results.MaxSums)
	}
}
