package billing_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stripe/stripe-go/v85/webhook"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/testkit"
)

func TestMain(m *testing.M) { testdb.Main(m) }

const (
	secret  = testkit.EventSecret
	baseURL = testkit.BaseURL
)

// fixture sells packs from its own database, with the sandbox as the payment provider.
type fixture struct {
	*testkit.Fixture
	*billing.Service
	failing  *pgxpool.Pool // of testdb.Faults; nil in most tests
	provider *sandbox.Provider
	options  billing.Options // of Service
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := testkit.New(t, testkit.Sandbox(), testkit.At(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)))
	return &fixture{
		Fixture:  f,
		Service:  f.Billing,
		provider: f.Sandbox,
		options: billing.Options{
			Ledger:   f.Ledger,
			Prices:   catalog.Builtin,
			Provider: f.Sandbox,
			BaseURL:  baseURL,
			Clock:    f.Clock.Now,
			Log:      f.App.Log,
		},
	}
}

// with returns a service with other options over the same database.
func (s *fixture) with(change func(*billing.Options)) *billing.Service {
	o := s.options
	change(&o)
	return billing.New(s.DB.Pool, o)
}

// pack is the catalog's pack with this index.
func pack(i int) catalog.Pack { return catalog.Builtin().Packs[i] }

// order is an unpaid purchase of a new account.
func (s *fixture) order() billing.Purchase {
	s.T.Helper()
	p, _, err := s.Start(s.T.Context(), s.Account(), uuid.NewString(), billing.StartParams{Pack: pack(0).ID})
	if err != nil {
		s.T.Fatal(err)
	}
	return p
}

// session is the provider's id of a purchase's checkout.
func session(p billing.Purchase) string {
	return p.CheckoutURL[strings.LastIndex(p.CheckoutURL, "/")+1:]
}

// members are the fields of a session or event that a test sets.
type members map[string]any

// checkoutEvent is an event about a paid purchase as Stripe sends it, with a test's changes.
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

// sign is the signature header of a payload that was sent at an instant.
func sign(payload []byte, secret string, at time.Time) string {
	return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{
		Payload:   payload,
		Secret:    secret,
		Timestamp: at,
	}).Header
}

// send delivers an event with a valid signature.
func (s *fixture) send(event members) error {
	payload := event.payload()
	return s.HandleEvent(context.Background(), payload, sign(payload, secret, time.Now()))
}

func (s *fixture) mustSend(event members) {
	s.T.Helper()
	if err := s.send(event); err != nil {
		s.T.Fatal(err)
	}
}

func (s *fixture) wantStatus(p billing.Purchase, want billing.Status) billing.Purchase {
	s.T.Helper()
	got, err := s.Get(s.T.Context(), p.AccountID, p.ID)
	if err != nil || got.Status != want {
		s.T.Errorf("purchase is %s (%v), want %s", got.Status, err, want)
	}
	return got
}

// wantCredits counts the credits of the account's purchases, and checks that each has the pack's tokens.
func (s *fixture) wantCredits(p billing.Purchase, want int) {
	s.T.Helper()
	page, err := s.Ledger.History(s.T.Context(), p.AccountID,
		ledger.Filter{LotKinds: []ledger.LotKind{ledger.LotPurchase}}, 0, ledger.MaxPage)
	if err != nil || len(page.Lines) != want {
		s.T.Errorf("credited %d times (%v), want %d", len(page.Lines), err, want)
	}
	for _, line := range page.Lines {
		if line.Amount != p.Tokens {
			s.T.Errorf("credited %s tokens, want %s", line.Amount, p.Tokens)
		}
	}
}
