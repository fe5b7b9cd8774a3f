package engine_test

import (
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

func TestMain(m *testing.M) {
	ledgertest.ServeIfAsked()
	testdb.Main(m)
}

func kindOf(err error) problem.Kind { return problem.Of(err).Kind }

func TestANewAccountGetsItsAllowanceAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for plan, allowance := range map[string]string{
		"starter": "200",
		"pro":     "400",
		"star":    "1000",
	} {
		f.WantSpendable(f.MustOpen(plan), allowance)
	}
}

func TestFractionsAreExact(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	for range 30 {
		f.MustCharge(id, "social_comment_reply", "")
		f.MustCharge(id, "brand_deal_scan", "")
	}
	f.WantSpendable(id, "195.5")
}

func TestChargeAnswersWhatItDid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	three := int64(3)
	r, err := f.Charge(t.Context(), id, "k", ledger.Charge{
		Feature:   "image_generation",
		Quantity:  &three,
		Agent:     "studio",
		Reference: "job-7",
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Amount.String() != "-30" || r.UnitPrice.String() != "10" || r.Quantity != 3 ||
		r.SpendableAfter.String() != "170" ||
		r.CatalogVersion != catalog.DefaultVersion || r.Reference != "job-7" || r.Agent != "studio" ||
		!r.At.Equal(ledgertest.Start) {
		t.Errorf("receipt is %+v", r)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("42")
	_, err := f.Charge(t.Context(), id, "k", ledger.Charge{Feature: "pdf_creation"})
	p := problem.Of(err)
	if p.Kind != problem.Insufficient || p.Details["shortfall"] != tokens.MustParse("33") ||
		p.Details["required"] != tokens.MustParse("75") {
		t.Errorf("a PDF with 42 tokens: %v %v", err, p.Details)
	}
	if _, err := f.Charge(t.Context(), uuid.New(), "k", ledger.Charge{Feature: "pdf_creation"}); kindOf(err) !=
		problem.NotFound {
		t.Errorf("an unknown account: %v", err)
	}
	if _, err := f.Charge(t.Context(), id, "k", ledger.Charge{Feature: "nothing"}); kindOf(err) !=
		problem.Unprocessable {
		t.Errorf("an unknown feature: %v", err)
	}
	f.WantSpendable(id, "42")
	// A refusal binds no key: the same request with the same key goes through once the tokens are there.
	f.MustGrant(id, ledger.LotPromo, "33", time.Time{})
	if _, err := f.Charge(t.Context(), id, "k", ledger.Charge{Feature: "pdf_creation"}); err != nil {
		t.Error(err)
	}
	f.WantSpendable(id, "0")
}

// 64 callers race for ten charges' worth of tokens.
func TestConcurrentChargesNeverOverspend(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("100")
	var accepted, refused atomic.Int64
	var callers sync.WaitGroup
	for i := range 64 {
		callers.Go(func() {
			_, err := f.Charge(t.Context(), id, "race-"+strconv.Itoa(i), ledger.Charge{Feature: "image_generation"})
			switch {
			case err == nil:
				accepted.Add(1)
			case kindOf(err) == problem.Insufficient:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	callers.Wait()
	if accepted.Load() != 10 || refused.Load() != 54 {
		t.Errorf("accepted %d, refused %d", accepted.Load(), refused.Load())
	}
	f.WantSpendable(id, "0")
}

func TestTheSameKeyChargesOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("100")
	var first atomic.Int64
	receipts := make([]ledger.Receipt, 50)
	var callers sync.WaitGroup
	for i := range receipts {
		callers.Go(func() {
			var err error
			if receipts[i], err = f.Charge(t.Context(), id, "once",
				ledger.Charge{Feature: "image_generation"}); err != nil {
				t.Error(err)
			}
			if !receipts[i].Replayed {
				first.Add(1)
			}
		})
	}
	callers.Wait()
	if first.Load() != 1 {
		t.Errorf("%d answers were not replays", first.Load())
	}
	for _, r := range receipts {
		if r.ID() != receipts[0].ID() || r.SpendableAfter != receipts[0].SpendableAfter ||
			!r.At.Equal(receipts[0].At) {
			t.Errorf("answers differ: %+v and %+v", r, receipts[0])
		}
	}
	f.WantSpendable(id, "90")
	if _, err := f.Charge(t.Context(), id, "once", ledger.Charge{Feature: "lip_sync"}); !errors.Is(err,
		idempotency.ErrKeyReused) {
		t.Errorf("another request with the same key: %v", err)
	}
	// Keys belong to accounts: another account may use the same one.
	if r, err := f.Charge(t.Context(), f.MustOpen("pro"), "once", ledger.Charge{Feature: "lip_sync"}); err != nil ||
		r.Replayed {
		t.Errorf("the same key of another account: %v", err)
	}
}

// Two engines on one database are two servers.
func TestTwoServersNeverOverspend(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := engine.New(f.Pool, engine.Options{
		Clock:  f.Clock.Now,
		Prices: catalog.Builtin,
		Log:    slog.New(slog.DiscardHandler),
	})
	defer other.Close()
	ids := []uuid.UUID{f.MustOpenWith("100"), f.MustOpenWith("100"), f.MustOpenWith("100")}
	var accepted atomic.Int64
	var callers sync.WaitGroup
	for i := range 96 {
		server := []*engine.Engine{f.Engine, other}[i%2]
		callers.Go(func() {
			if _, err := server.Charge(t.Context(), ids[i%3], "two-"+strconv.Itoa(i),
				ledger.Charge{Feature: "image_generation"}); err == nil {
				accepted.Add(1)
			} else if kindOf(err) != problem.Insufficient {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	if accepted.Load() != 30 {
		t.Errorf("accepted %d, want 30", accepted.Load())
	}
}

func TestAPurchaseIsCreditedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	var credited atomic.Int64
	var callers sync.WaitGroup
	for i := range 50 {
		callers.Go(func() {
			r, err := f.Grant(t.Context(), id, "", ledger.Grant{
				Kind:   ledger.LotPurchase,
				Amount: 500 * tokens.One,
				Source: "purchase-1",
				Reason: strconv.Itoa(i),
			})
			if err != nil {
				t.Error(err)
			}
			if !r.Replayed {
				credited.Add(1)
			}
		})
	}
	callers.Wait()
	if credited.Load() != 1 {
		t.Errorf("credited %d times", credited.Load())
	}
	f.WantSpendable(id, "700")
}

func TestUniqueReferenceHoldsForEver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	c := ledger.Charge{
		Feature:         "lip_sync",
		Reference:       "job-1",
		UniqueReference: true,
	}
	first, err := f.Charge(t.Context(), id, "a", c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Charge(t.Context(), id, "b", c)
	if p := problem.Of(err); p.Code != "reference_used" || p.Details["transaction"] != first.ID() {
		t.Errorf("a second charge under the reference: %v", err)
	}
	if again, err := f.Charge(t.Context(), id, "a", c); err != nil || !again.Replayed {
		t.Errorf("a retry with the first key: %v", err)
	}
	f.WantSpendable(id, "195")
}

func TestBurnOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	bought := f.MustGrant(id, ledger.LotPurchase, "10", time.Time{})
	late := f.MustGrant(id, ledger.LotPromo, "10", ledgertest.Start.AddDate(0, 3, 0))
	soon := f.MustGrant(id, ledger.LotPromo, "10", ledgertest.Start.AddDate(0, 0, 3))
	never := f.MustGrant(id, ledger.LotAdjustment, "10", time.Time{})
	r := f.MustCharge(id, "auto_selling", "235")
	want := []int64{soon.Seq, 1, late.Seq, never.Seq, bought.Seq}
	if len(r.Parts) != len(want) {
		t.Fatalf("paid by %v", r.Parts)
	}
	for i, lot := range want {
		if r.Parts[i].Lot != lot {
			t.Errorf("place %d is lot %d, want %d", i, r.Parts[i].Lot, lot)
		}
	}
	f.WantSpendable(id, "5")
}

// 31 January, 28 February, 31 March: unused plan tokens expire at each boundary, and the next allowance is granted;
// bought tokens stay.
func TestPeriodsCatchUpInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	f.MustGrant(id, ledger.LotPurchase, "10", time.Time{})
	f.MustCharge(id, "auto_selling", "50")
	f.Clock.Set(time.Date(2026, 4, 30, 9, 30, 0, 0, time.UTC)) // the very second of the third boundary
	f.MustCharge(id, "auto_selling", "205")
	f.WantSpendable(id, "5")
	page, err := f.History(t.Context(), id, ledger.Filter{}, 0, 50)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range page.Lines {
		lines = append(lines, line.At.Format("Jan 2 ")+line.Kind.String()+" "+line.Amount.String())
	}
	want := []string{
		"Apr 30 charge -205", "Apr 30 grant 200", "Apr 30 expiry -200", "Mar 31 grant 200", "Mar 31 expiry -200",
		"Feb 28 grant 200", "Feb 28 expiry -150",
		"Jan 31 charge -50", "Jan 31 grant 10", "Jan 31 grant 200",
	}
	for i := range max(len(want), len(lines)) {
		if i >= len(lines) || i >= len(want) || lines[i] != want[i] {
			t.Fatalf("history is %q, want %q", lines, want)
		}
	}
}

func TestReadsSettleWithoutWriting(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	f.MustCharge(id, "auto_selling", "150")
	f.Clock.Advance(40 * 24 * time.Hour)
	f.WantSpendable(id, "200")
	var entries int
	if err := f.Pool.QueryRow(t.Context(), "select count(*) from entries").Scan(&entries); err != nil ||
		entries != 2 {
		t.Errorf("%d entries (%v), want the grant and the charge", entries, err)
	}
}

func TestFlippingPlansFarmsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	for i := range 100 {
		plan := []string{"pro", "starter"}[i%2]
		if err := f.SetPlan(t.Context(), id, ledger.SetPlan{Plan: plan}); err != nil {
			t.Fatal(err)
		}
	}
	f.WantSpendable(id, "400")
	a, err := f.Account(t.Context(), id)
	if err != nil || a.Plan != "pro" || a.NextPlan != "starter" {
		t.Errorf("plan %s, next %s (%v)", a.Plan, a.NextPlan, err)
	}
	f.Clock.Set(a.NextReset)
	f.WantSpendable(id, "200")
}

func TestNoAllowanceWhileThePlanIsNotPaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	set := func(p ledger.SetPlan) {
		t.Helper()
		if err := f.SetPlan(t.Context(), id, p); err != nil {
			t.Fatal(err)
		}
	}
	set(ledger.SetPlan{Status: ledger.PlanPastDue})
	f.Clock.Advance(70 * 24 * time.Hour)
	f.WantSpendable(id, "0")
	set(ledger.SetPlan{Status: ledger.PlanActive})
	f.WantSpendable(id, "200")
	set(ledger.SetPlan{Status: ledger.PlanPastDue})
	set(ledger.SetPlan{Status: ledger.PlanActive})
	f.WantSpendable(id, "200")
}

func TestBillingAnchorAndZoneNeverChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	for _, p := range []ledger.SetPlan{
		{Anchor: ledgertest.Start.Add(-time.Hour)},
		{Zone: "Europe/Paris"},
		{Plan: "gold"},
		{Status: "odd"},
	} {
		if err := f.SetPlan(t.Context(), id, p); kindOf(err) != problem.Unprocessable {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestHistoryPagesAndFilters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	for i := range 25 {
		f.Clock.Advance(time.Minute)
		if i%5 == 0 {
			f.MustCharge(id, "lip_sync", "")
		} else {
			f.MustCharge(id, "social_comment_reply", "")
		}
	}
	seen := map[int64]bool{}
	var pages int
	for before := int64(0); pages == 0 || before > 0; pages++ {
		page, err := f.History(t.Context(), id, ledger.Filter{}, before, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range page.Lines {
			if seen[line.Seq] {
				t.Errorf("seq %d twice", line.Seq)
			}
			seen[line.Seq] = true
		}
		before = page.Before
	}
	if len(seen) != 26 || pages != 3 {
		t.Errorf("%d entries on %d pages", len(seen), pages)
	}
	count := func(filter ledger.Filter) int {
		t.Helper()
		page, err := f.History(t.Context(), id, filter, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Lines)
	}
	if n := count(ledger.Filter{Feature: "lip_sync"}); n != 5 {
		t.Errorf("lip_sync: %d", n)
	}
	if n := count(ledger.Filter{Kinds: []ledger.Kind{ledger.KindGrant}}); n != 1 {
		t.Errorf("grants: %d", n)
	}
	from, to := ledgertest.Start.Add(5*time.Minute), ledgertest.Start.Add(10*time.Minute)
	if n := count(ledger.Filter{From: from, To: to}); n != 5 {
		t.Errorf("five minutes: %d", n)
	}
}

// The role of the server cannot change entries.
func TestEntriesCannotBeChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.MustOpen("starter")
	for _, statement := range []string{
		"update entries set amount = 1", "delete from entries", "truncate entries",
		"delete from permanent_references",
	} {
		_, err := f.Pool.Exec(t.Context(), statement)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s: %v, want permission denied", statement, err)
		}
	}
}

func TestAClosedLedgerRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	f.Close()
	if _, err := f.Charge(t.Context(), id, "k", ledger.Charge{Feature: "lip_sync"}); !problem.IsUnavailable(err) {
		t.Errorf("got %v", err)
	}
}

// Without a key a lost COMMIT could apply these twice, so they are refused.
func TestWhatOnlyAKeyMakesSafeNeedsOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	ctx := t.Context()
	lip := ledger.Charge{Feature: "lip_sync"}
	_, charged := f.Charge(ctx, id, "", lip)
	_, held := f.Hold(ctx, id, "", ledger.Hold{Feature: "lip_sync"})
	_, captured := f.Capture(ctx, id, "", ledger.Capture{Hold: 1})
	_, released := f.Release(ctx, id, "", ledger.Release{Hold: 1})
	_, refunded := f.Refund(ctx, id, "", ledger.Refund{Entry: 1})
	_, granted := f.Grant(ctx, id, "", ledger.Grant{Kind: ledger.LotPromo, Amount: tokens.One})
	many := f.ChargeAll(ctx, []ledger.BulkCharge{{AccountID: id, Charge: lip}, {
		AccountID: id,
		Key:       "k",
		Charge:    lip,
	}})
	for i, err := range []error{charged, held, captured, released, refunded, granted, many[0].Err} {
		if problem.Of(err).Code != "missing_idempotency_key" {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if many[1].Err != nil {
		t.Error(many[1].Err)
	}
	f.WantSpendable(id, "195")
}

func mustParse(text string) tokens.Amount { return tokens.MustParse(text) }

// chargeOf is a charge of an exact amount.
func chargeOf(amount string) ledger.Charge {
	a := mustParse(amount)
	return ledger.Charge{Feature: "auto_selling", Amount: &a}
}
