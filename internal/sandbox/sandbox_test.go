package sandbox_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
)

func TestMain(m *testing.M) { testdb.Main(m) }

const secret = "whsec_of_the_tests"

// fixture is a provider over its own database, with a receiver of its events.
type fixture struct {
	*sandbox.Provider
	t      *testing.T
	pool   *pgxpool.Pool
	clock  *clock.Manual
	events chan stripe.Event
	answer func(stripe.Event) int // the receiver's status; set before run
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	b := &fixture{
		t:      t,
		pool:   testdb.New(t),
		clock:  clock.NewManual(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)),
		events: make(chan stripe.Event, 100),
		answer: func(stripe.Event) int { return http.StatusOK },
	}
	endpoint := httptest.NewServer(http.HandlerFunc(b.receive))
	t.Cleanup(endpoint.Close)
	b.Provider = sandbox.New(b.pool, sandbox.Options{
		Clock:      b.clock.Now,
		BaseURL:    "http://credits.test",
		DeliverURL: endpoint.URL,
		Secret:     secret,
		Log:        slog.New(slog.DiscardHandler),
	})
	return b
}

// receive plays the app, and verifies with Stripe's library.
func (b *fixture) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	event, err := webhook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), secret)
	if err != nil || r.Method != http.MethodPost {
		b.t.Errorf("%s: %v", r.Method, err)
	}
	if status := b.answer(event); status == http.StatusFound {
		http.Redirect(w, r, "/elsewhere", status)
	} else {
		w.WriteHeader(status)
	}
	b.events <- event
}

func (b *fixture) run() {
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() { defer close(stopped); b.Run(ctx) }()
	b.t.Cleanup(func() { stop(); <-stopped })
}

// next waits for the next event.
func (b *fixture) next() stripe.Event {
	b.t.Helper()
	select {
	case e := <-b.events:
		return e
	case <-time.After(30 * time.Second):
		b.t.Fatal("no event came")
		return stripe.Event{}
	}
}

func (b *fixture) open(key string) sandbox.Session {
	b.t.Helper()
	s, err := b.CreateSession(b.t.Context(), sandbox.SessionParams{
		IdempotencyKey:  key,
		ClientReference: "order-" + key,
		Amount:          money.Amount{Minor: 900, Currency: "USD"},
		Description:     "500 tokens",
		SuccessURL:      "http://credits.test/paid",
		CancelURL:       "http://credits.test/cancelled",
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *fixture) count(query string) int {
	b.t.Helper()
	var n int
	if err := b.pool.QueryRow(b.t.Context(), query).Scan(&n); err != nil {
		b.t.Fatal(err)
	}
	return n
}

func wantProblem(t *testing.T, err error, want *problem.Error) {
	t.Helper()
	if p := problem.Of(err); err == nil || !p.Is(want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestASessionPerKey(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	first, again, other := b.open("a"), b.open("a"), b.open("b")
	if first != again || first.ID == other.ID {
		t.Errorf("first %+v, again %+v, other %+v", first, again, other)
	}
	if !strings.HasPrefix(first.ID, "cs_test_") || first.URL != "http://credits.test/sandbox/checkout/"+first.ID {
		t.Errorf("id %s, URL %s", first.ID, first.URL)
	}
	if first.Status != sandbox.Open || first.PaymentStatus != sandbox.Unpaid || first.Amount.String() != "$9.00" ||
		first.ClientReference != "order-a" {
		t.Errorf("%+v", first)
	}
	_, err := b.Session(t.Context(), "cs_test_none")
	wantProblem(t, err, sandbox.ErrNoSession)
}

// Concurrent payments pay once and record one event.
func TestPayingTwiceIsPayingOnce(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	s := b.open("a")
	var clicks sync.WaitGroup
	for range 20 {
		clicks.Go(func() {
			if to, err := b.Pay(t.Context(), s.ID); err != nil || to != s.SuccessURL {
				t.Error(to, err)
			}
		})
	}
	clicks.Wait()
	if n := b.count(`select count(*) from sandbox_events`); n != 1 {
		t.Errorf("%d events", n)
	}
	s, err := b.Session(t.Context(), s.ID)
	if err != nil || s.Status != sandbox.Complete || s.PaymentStatus != sandbox.Paid || s.Card != "Visa 4242" {
		t.Errorf("%+v (%v)", s, err)
	}
	wantProblem(t, b.Decline(t.Context(), s.ID), sandbox.ErrPaid)
	_, err = b.Pay(t.Context(), "cs_test_none")
	wantProblem(t, err, sandbox.ErrNoSession)
}

func TestADeclinedCardLeavesTheSessionOpen(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	s := b.open("a")
	for range 2 {
		if err := b.Decline(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
	}
	if to, err := b.Cancel(t.Context(), s.ID); err != nil || to != s.CancelURL {
		t.Error(to, err)
	}
	if s, err := b.Session(t.Context(), s.ID); err != nil || s.Declines != 2 || s.Status != sandbox.Open {
		t.Errorf("%+v (%v)", s, err)
	}
	if n := b.count(`select count(*) from sandbox_events`); n != 0 {
		t.Errorf("%d events without a payment", n)
	}
	if _, err := b.Pay(t.Context(), s.ID); err != nil {
		t.Error("another card:", err)
	}
	wantProblem(t, b.Decline(t.Context(), "cs_test_none"), sandbox.ErrNoSession)
	_, err := b.Cancel(t.Context(), "cs_test_none")
	wantProblem(t, err, sandbox.ErrNoSession)
}

// Stripe's library can read the event; it arrives at once, and once.
func TestTheEventOfAPayment(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.run()
	s := b.open("a")
	if _, err := b.Pay(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	e := b.next()
	if e.Type != stripe.EventTypeCheckoutSessionCompleted || !strings.HasPrefix(e.ID, "evt_") || e.Livemode ||
		e.APIVersion != stripe.APIVersion {
		t.Errorf("event %s %s", e.ID, e.Type)
	}
	var got stripe.CheckoutSession
	if err := json.Unmarshal(e.Data.Raw, &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != s.ID || got.ClientReferenceID != "order-a" || got.AmountSubtotal != 900 ||
		got.AmountTotal != 900 || got.Currency != "usd" ||
		got.PaymentStatus != "paid" || got.Status != "complete" || got.Mode != "payment" || got.Livemode {
		t.Errorf("%+v", got)
	}
	b.clock.Advance(24 * time.Hour)
	if _, err := b.Pay(t.Context(), b.open("b").ID); err != nil {
		t.Fatal(err)
	}
	if second := b.next(); second.ID == e.ID {
		t.Error("a delivered event came again")
	}
}

// An event is repeated until the endpoint answers 2xx, and redirects are not followed.
func TestRetries(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	answers := []int{http.StatusInternalServerError, http.StatusFound, http.StatusNoContent}
	b.answer = func(stripe.Event) int {
		status := answers[0]
		answers = answers[1:]
		return status
	}
	s := b.open("a")
	if _, err := b.Pay(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	b.run()
	first := b.next().ID
	for range 2 {
		b.skipRetryWait()
		if again := b.next().ID; again != first {
			t.Errorf("event %s, then %s", first, again)
		}
	}
	b.until(func() bool {
		return b.count(`select count(*) from sandbox_events where delivered_at is not null and attempts = 3`) == 1
	})
}

// until waits for another goroutine.
func (b *fixture) until(done func() bool) {
	b.t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatal("it did not happen")
		}
	}
}

// skipRetryWait waits until a failure is stored, advances the clock by the provider's wait, and wakes it up. An
// event in progress is due in a minute, a failed one much sooner.
func (b *fixture) skipRetryWait() {
	b.t.Helper()
	var failed *time.Time
	b.until(func() bool {
		err := b.pool.QueryRow(b.t.Context(),
			`select min(next_attempt_at) from sandbox_events where next_attempt_at - $1 < interval '30 seconds'`,
			b.clock.Now()).Scan(&failed)
		return err == nil && failed != nil
	})
	b.clock.Set(*failed)
	b.run()
}

// After enough failures an event is given up.
func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	s := b.open("a")
	if _, err := b.Pay(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.pool.Exec(t.Context(), `update sandbox_events set attempts = 20`); err != nil {
		t.Fatal(err)
	}
	b.run()
	if _, err := b.Pay(t.Context(), b.open("b").ID); err != nil {
		t.Fatal(err)
	}
	if e := b.next(); !strings.Contains(string(e.Data.Raw), "order-b") {
		t.Errorf("the given-up event came: %s", e.Data.Raw)
	}
}

// An unpaid session expires and records an event; from that instant it cannot be paid.
func TestExpiry(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	s := b.open("a")
	b.clock.Set(s.ExpiresAt)
	if s, err := b.Session(t.Context(), s.ID); err != nil || s.Status != sandbox.Expired {
		t.Errorf("before the sweep %+v (%v)", s, err)
	}
	_, err := b.Pay(t.Context(), s.ID)
	wantProblem(t, err, sandbox.ErrExpired)
	wantProblem(t, b.Decline(t.Context(), s.ID), sandbox.ErrExpired)
	b.run()
	if e := b.next(); e.Type != stripe.EventTypeCheckoutSessionExpired ||
		!strings.Contains(string(e.Data.Raw), `"payment_status":"unpaid","status":"expired"`) {
		t.Errorf("event %s: %s", e.Type, e.Data.Raw)
	}
	if n := b.count(`select count(*) from sandbox_events`); n != 1 {
		t.Errorf("%d events", n)
	}
}

// Concurrent first calls create one secret.
func TestEnsureSecret(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	secrets := make([]string, 8)
	var all sync.WaitGroup
	for i := range secrets {
		all.Go(func() {
			var err error
			if secrets[i], err = sandbox.EnsureSecret(t.Context(), pool, clock.System); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, s := range secrets {
		if s != secrets[0] || !strings.HasPrefix(s, "whsec_") || len(s) != len("whsec_")+44 {
			t.Errorf("secrets %q and %q", s, secrets[0])
		}
	}
	if other, err := sandbox.EnsureSecret(t.Context(), testdb.New(t), clock.System); err != nil ||
		other == secrets[0] {
		t.Error("two installations have the same secret", err)
	}
}
