package billing_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/testkit"
)

// A declined card, then a payment, and the provider's event over HTTP to an app that fails at first.
func TestPurchaseEndToEnd(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	answers := make(chan int, 8)
	var tries atomic.Int32
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		body, err := io.ReadAll(r.Body)
		switch {
		case err != nil || tries.Add(1) == 1:
			status = http.StatusInternalServerError
		case s.HandleEvent(r.Context(), body, r.Header.Get("Stripe-Signature")) != nil:
			status = http.StatusBadRequest
		}
		w.WriteHeader(status)
		answers <- status
	}))
	t.Cleanup(endpoint.Close)
	// On the real clock, since the second delivery has to fall due.
	provider := sandbox.New(s.DB.Pool, sandbox.Options{
		Clock:      clock.System,
		BaseURL:    baseURL,
		DeliverURL: endpoint.URL,
		Secret:     secret,
		Log:        slog.New(slog.DiscardHandler),
	})
	s.Service = s.with(func(o *billing.Options) { o.Provider, o.Clock = provider, clock.System })
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); provider.Run(ctx) }()
	t.Cleanup(func() { stop(); <-stopped })

	p := s.order()
	if err := provider.Decline(t.Context(), session(p)); err != nil {
		t.Fatal(err)
	}
	s.wantStatus(p, billing.StatusPending)
	if to, err := provider.Pay(t.Context(), session(p)); err != nil ||
		to != baseURL+"/credits/purchases/"+p.ID.String() {
		t.Fatal(to, err)
	}
	if to, err := provider.Pay(t.Context(), session(p)); err != nil || to == "" {
		t.Error("a second click:", to, err)
	}
	testkit.WantProblem(t, provider.Decline(t.Context(), session(p)), problem.Conflict, "session_complete")
	for _, want := range []int{500, 200} {
		select {
		case got := <-answers:
			if got != want {
				t.Fatalf("the app answered %d, want %d", got, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("no event came")
		}
	}
	s.wantStatus(p, billing.StatusCompleted)
	s.wantCredits(p, 1)
}
