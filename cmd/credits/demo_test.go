package main_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db/testdb"
)

// The demo refuses a database with real payments. Stripe's test payments do not count.
func TestNoDemoOnRealPayments(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	s := setting{dir: t.TempDir()}.with("DATABASE_URL=" + d.AppURL)
	order := func(provider string) {
		t.Helper()
		owner, err := pgx.Connect(t.Context(), d.OwnerURL)
		if err != nil {
			t.Fatal(err)
		}
		defer owner.Close(t.Context())
		_, err = owner.Exec(t.Context(), `insert into purchases
			(id, account, pack, tokens, price_minor, currency, catalog_version, status, provider, idempotency_key,
				fingerprint, created_at, updated_at)
			values (gen_random_uuid(), gen_random_uuid(), 'pack_100', 100, 900, 'USD', 'v', 'completed', $1,
				gen_random_uuid()::text, '', now(), now())`, provider)
		if err != nil {
			t.Fatal(err)
		}
	}
	order("stripe_test")
	order("sandbox")
	p := s.with("CREDITS_DEMO=1").serve(t)
	p.get(t, http.StatusOK, "/readyz")
	p.stop(t)
	order("stripe")
	refused(t, s.with("CREDITS_DEMO=1").run(t, "serve", "--addr", "127.0.0.1:0"), 2, "CREDITS_DEMO", "real payments")
	p = s.serve(t)
	p.get(t, http.StatusOK, "/readyz")
	p.stop(t)
	if left, err := os.ReadDir(s.dir); err != nil || strings.Contains(p.stdout.String(), "one click") ||
		len(left) > 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
