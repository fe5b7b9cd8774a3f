package billing_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stripe/stripe-go/v85/webhook"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
)

func TestMain(m *testing.M) { testdb.Main(m) }

const (
	secret  = "whsec_of_the_tests"
	baseURL = "http://credits.test"
)

// shop sells packs from a database of its own, on a clock that stands still.
type shop struct {
	*billing.Service
	t        *testing.T
	database testdb.DB
	pool     *pgxpool.Pool
	failing  *pgxpool.Pool // of testdb.Faults; nil in most tests
	owner    string        // address of the database for the role that owns the schema
	clock    *clock.Manual
	ledger   *engine.Engine
	provider *sandbox.Provider
	options  billing.Options
}

func newShop(t *testing.T) *shop {
	t.Helper()
	database := testdb.Open(t)
	s := &shop{
		t:        t,
		database: database,
		pool:     database.Pool,
		owner:    database.OwnerURL,
		clock:    clock.NewManual(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)),
	}
	log := slog.New(slog.DiscardHandler)
	s.ledger = engine.New(s.pool, engine.Options{
		Clock:  s.clock.Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	t.Cleanup(s.ledger.Close)
	s.provider = sandbox.New(s.pool, sandbox.Options{
		Clock:   s.clock.Now,
		BaseURL: baseURL,
		Secret:  secret,
		Log:     log,
	})
	s.options = billing.Options{
		Ledger:         s.ledger,
		Prices:         catalog.Builtin,
		Provider:       s.provider,
		WebhookSecrets: []string{secret},
		BaseURL:        baseURL,
		Clock:          s.clock.Now,
		Log:            log,
	}
	s.Service = billing.New(s.pool, s.options)
	return s
}

// with is the same shop with other options.
func (s *shop) with(change func(*billing.Options)) *billing.Service {
	o := s.options
	change(&o)
	return billing.New(s.pool, o)
}

// pack is one of the catalog's.
func pack(i int) catalog.Pack { return catalog.Builtin().Packs[i] }

func (s *shop) account() uuid.UUID {
	s.t.Helper()
	id := uuid.New()
	if err := s.ledger.SetPlan(s.t.Context(), id, ledger.SetPlan{Plan: "starter"}); err != nil {
		s.t.Fatal(err)
	}
	return id
}

// order is a purchase that waits for its payment, of an account of its own.
func (s *shop) order() billing.Purchase {
	s.t.Helper()
	p, _, err := s.Start(s.t.Context(), s.account(), uuid.NewString(), billing.StartParams{Pack: pack(0).ID})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// session is the provider's id of a purchase's checkout.
func session(p billing.Purchase) string {
	return p.CheckoutURL[strings.LastIndex(p.CheckoutURL, "/")+1:]
}

// members are the parts of a session or event that a test sets.
type members map[string]any

// checkoutEvent is an event of the given type as Stripe sends it: about this purchase and paid, but
// for what a test changes.
func checkoutEvent(kind string, p billing.Purchase, changes members) members {
	object := members{
		"id":                  session(p),
		"object":              "checkout.session",
		"client_reference_id": p.ID.String(),
		"mode":                "payment",
		"livemode":            false,
		"amount_subtotal":     p.Price.Minor,
		"amount_total":        p.Price.Minor,
		"currency":            strings.ToLower(p.Price.Currency),
		"payment_status":      "paid",
		"status":              "complete",
		"metadata":            members{},
	}
	for name, value := range changes {
		object[name] = value
	}
	return members{
		"id":               "evt_" + uuid.NewString(),
		"object":           "event",
		"api_version":      "2020-08-27",
		"created":          1769851800,
		"livemode":         false,
		"pending_webhooks": 1,
		"type":             "checkout.session." + kind,
		"data":             members{"object": object},
	}
}

func (m members) payload() []byte {
	body, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return body
}

// sign is the header of a payload that was sent at an instant.
func sign(payload []byte, secret string, at time.Time) string {
	return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{
		Payload:   payload,
		Secret:    secret,
		Timestamp: at,
	}).Header
}

// send delivers an event, rightly signed.
func (s *shop) send(event members) error {
	payload := event.payload()
	return s.HandleEvent(context.Background(), payload, sign(payload, secret, time.Now()))
}

func (s *shop) mustSend(event members) {
	s.t.Helper()
	if err := s.send(event); err != nil {
		s.t.Fatal(err)
	}
}

// together runs f many times at once and waits for all.
func together(times int, f func(i int)) {
	var all sync.WaitGroup
	for i := range times {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// wantStatus compares a purchase's state.
func (s *shop) wantStatus(p billing.Purchase, want billing.Status) billing.Purchase {
	s.t.Helper()
	got, err := s.Get(s.t.Context(), p.Account, p.ID)
	if err != nil || got.Status != want {
		s.t.Errorf("purchase is %s (%v), want %s", got.Status, err, want)
	}
	return got
}

// wantCredits counts how often the account's purchases were credited, and checks that each credit
// is worth the pack.
func (s *shop) wantCredits(p billing.Purchase, want int) {
	s.t.Helper()
	page, err := s.ledger.History(s.t.Context(), p.Account,
		ledger.Filter{LotKinds: []ledger.LotKind{ledger.LotPurchase}}, 0, ledger.MaxPage)
	if err != nil || len(page.Lines) != want {
		s.t.Errorf("credited %d times (%v), want %d", len(page.Lines), err, want)
	}
	for _, line := range page.Lines {
		if line.Amount != p.Tokens {
			s.t.Errorf("credited %s tokens, want %s", line.Amount, p.Tokens)
		}
	}
}

// count answers a query for a number.
func (s *shop) count(query string, args ...any) int {
	s.t.Helper()
	var n int
	if err := s.pool.QueryRow(s.t.Context(), query, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// exec changes the database behind everybody's back.
func (s *shop) exec(sql string, args ...any) {
	s.t.Helper()
	if tag, err := s.pool.Exec(s.t.Context(), sql, args...); err != nil || tag.RowsAffected() == 0 {
		s.t.Fatal(tag, err)
	}
}

// wantProblem compares kind and code of an error.
func wantProblem(t *testing.T, err error, kind problem.Kind, code string) {
	t.Helper()
	if p := problem.Of(err); err == nil || p.Kind != kind || p.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}
