package billing_test

import (
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/testkit"
)

func TestAnOrderCopiesTheCatalog(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	account, want := s.Account(), pack(1)
	p, replayed, err := s.Start(t.Context(), account, "k",
		billing.StartParams{Pack: want.ID, ReturnPath: "/tools?feature=pdf_creation"})
	if err != nil || replayed {
		t.Fatal(replayed, err)
	}
	if p.Tokens != want.Tokens || p.Price != want.Price || p.Status != billing.StatusPending ||
		p.ReturnPath != "/tools?feature=pdf_creation" {
		t.Errorf("ordered %+v, want pack %+v", p, want)
	}
	at, err := s.provider.Session(t.Context(), session(p))
	if err != nil || at.ClientReference != p.ID.String() || at.Amount != want.Price || at.URL != p.CheckoutURL {
		t.Errorf("the provider has %+v (%v)", at, err)
	}
	back := baseURL + "/credits/purchases/" + p.ID.String()
	if at.SuccessURL != back || at.CancelURL != back+"?cancelled=1" {
		t.Errorf("sends back to %s and %s", at.SuccessURL, at.CancelURL)
	}
}

func TestOneKeyIsOnePurchase(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	account := s.Account()
	ids := make([]uuid.UUID, 50)
	var first atomic.Int32
	testkit.Concurrently(len(ids), func(i int) {
		p, replayed, err := s.Start(t.Context(), account, "same", billing.StartParams{Pack: pack(0).ID})
		if err != nil {
			t.Error(err)
		}
		if !replayed {
			first.Add(1)
		}
		ids[i] = p.ID
	})
	for _, id := range ids {
		if id != ids[0] {
			t.Fatal("one key answered two purchases")
		}
	}
	if n := s.Count(`select count(*) from purchases`); n != 1 {
		t.Errorf("%d purchases", n)
	}
	if n := s.Count(`select count(*) from sandbox_sessions`); n != 1 {
		t.Errorf("%d checkout sessions", n)
	}
	if first.Load() != 1 {
		t.Errorf("%d answers say that they are the first", first.Load())
	}
}

func TestAKeyIsGoodForOneRequest(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	account := s.Account()
	if _, _, err := s.Start(t.Context(), account, "k", billing.StartParams{Pack: pack(0).ID}); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.Start(t.Context(), account, "k", billing.StartParams{Pack: pack(1).ID})
	testkit.WantProblem(t, err, problem.Unprocessable, "idempotency_key_reused")
	_, replayed, err := s.Start(t.Context(), s.Account(), "k", billing.StartParams{Pack: pack(1).ID})
	if err != nil || replayed {
		t.Errorf("another account's same key: replayed %t, %v", replayed, err)
	}
}

func TestRefusedOrders(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	account := s.Account()
	for name, p := range map[string]billing.StartParams{
		"unknown pack":  {Pack: "gold"},
		"other site":    {Pack: pack(0).ID, ReturnPath: "//evil.test"},
		"backslash":     {Pack: pack(0).ID, ReturnPath: `/\evil.test`},
		"absolute":      {Pack: pack(0).ID, ReturnPath: "https://evil.test/"},
		"header ending": {Pack: pack(0).ID, ReturnPath: "/a\r\nX: y"},
		"no character":  {Pack: pack(0).ID, ReturnPath: "/a\x00"},
		"up":            {Pack: pack(0).ID, ReturnPath: "/a/..//evil.test"},
		"decoded later": {Pack: pack(0).ID, ReturnPath: "/%2fevil.test"},
		"a login link":  {Pack: pack(0).ID, ReturnPath: "/login/link/abc"},
		"the way out":   {Pack: pack(0).ID, ReturnPath: "/logout"},
	} {
		_, _, err := s.Start(t.Context(), account, "k", p)
		if e := problem.Of(err); err == nil || e.Kind != problem.Unprocessable ||
			(e.Field != "pack" && e.Field != "return_url") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := s.Start(t.Context(), uuid.New(), "k", billing.StartParams{Pack: pack(0).ID})
	testkit.WantProblem(t, err, problem.NotFound, "account_not_found")
	_, _, err = s.Start(t.Context(), account, "", billing.StartParams{Pack: pack(0).ID})
	testkit.WantProblem(t, err, problem.Malformed, "missing_idempotency_key")
	if n := s.Count(`select count(*) from purchases`); n != 0 {
		t.Errorf("%d refused purchases were made", n)
	}
	if _, _, err := s.Start(t.Context(), account, "k", billing.StartParams{Pack: pack(0).ID}); err != nil {
		t.Error("a refusal claimed the key:", err)
	}
}

func TestWithoutAProviderBuyingIsNotSetUp(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for name, change := range map[string]func(*billing.Options){
		"no provider": func(o *billing.Options) { o.Provider = nil },
		"no secret":   func(o *billing.Options) { o.Provider = sandbox.New(s.DB.Pool, sandbox.Options{Clock: s.Clock.Now}) },
	} {
		closed := s.with(change)
		_, _, err := closed.Start(t.Context(), s.Account(), "k", billing.StartParams{Pack: pack(0).ID})
		testkit.WantProblem(t, err, problem.Conflict, "payments_not_set_up")
		if closed.Available() {
			t.Errorf("%s: says that it sells", name)
		}
	}
	if !s.Available() {
		t.Error("the shop is closed")
	}
}

// The provider fails after the order is recorded: the same key continues.
func TestAnOrderWithoutACheckoutIsResumed(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	account := s.Account()
	broken, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broken.Close)
	down := s.with(func(o *billing.Options) {
		o.Provider = sandbox.New(broken, sandbox.Options{
			Clock:  s.Clock.Now,
			Log:    o.Log,
			Secret: secret,
		})
	})
	_, _, err = down.Start(t.Context(), account, "k", billing.StartParams{Pack: pack(0).ID})
	testkit.WantProblem(t, err, problem.KindUnavailable, "unavailable")
	list, _, err := s.List(t.Context(), account, "", 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d orders (%v), want the one", len(list), err)
	}
	if p, err := s.Refresh(t.Context(), account, list[0].ID); err != nil || p.Status != billing.StatusPending {
		t.Errorf("an order without a checkout is %s (%v)", p.Status, err)
	}
	p, replayed, err := s.Start(t.Context(), account, "k", billing.StartParams{Pack: pack(0).ID})
	if err != nil || replayed || p.ID != list[0].ID || p.CheckoutURL == "" {
		t.Errorf("resumed %+v (replayed %t, %v)", p, replayed, err)
	}
}
