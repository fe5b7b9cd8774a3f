package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

func TestMain(m *testing.M) {
	serveIfAsked()
	testdb.Main(m)
}

// books is a ledger over a database of its own, on a clock that stands still.
type books struct {
	*engine.Engine
	t     *testing.T
	pool  *pgxpool.Pool
	clock *clock.Manual
}

var start = time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)

func newBooks(t *testing.T) *books {
	t.Helper()
	b := &books{
		t:     t,
		pool:  testdb.New(t),
		clock: clock.NewManual(start),
	}
	b.Engine = engine.New(b.pool, engine.Options{
		Clock:  b.clock.Now,
		Prices: catalog.Builtin,
		Log:    slog.New(slog.DiscardHandler),
	})
	t.Cleanup(b.checkInvariants)
	t.Cleanup(b.Close)
	return b
}

// invariants are queries that count what is wrong. lot_now is a lot as it stands: the open one's
// remainder is in the account's row.
var invariants = map[string]string{
	"balance is not the sum of the entries": `select count(*) from ledger_accounts a
		where balance <> (select coalesce(sum(amount), 0) from entries e where e.account = a.account)`,
	"balance is not the sum of the lots": `select count(*) from ledger_accounts a
		where balance <> (select coalesce(sum(remaining), 0) from lot_now l where l.account = a.account)`,
	"held is not the sum of the holds": `select count(*) from ledger_accounts a
		where held <> (select coalesce(sum(amount), 0) from holds h where h.account = a.account and outcome = 0)`,
	"held is not the sum of the lots": `select count(*) from ledger_accounts a
		where held <> (select coalesce(sum(held), 0) from lot_now l where l.account = a.account)`,
	"seq has gaps": `select count(*) from ledger_accounts a where seq <> (select count(*) from entries e where e.account = a.account)
		or seq <> (select coalesce(max(seq), 0) from entries e where e.account = a.account)`,
	"balance_after is not a chain": `select count(*) from (select balance_after - amount <> lag(balance_after, 1, 0::bigint) over w
		or held_after - held_delta <> lag(held_after, 1, 0::bigint) over w as broken from entries window w as (partition by account order by seq)) e where broken`,
	"time runs backwards": `select count(*) from (select at < lag(at) over (partition by account order by seq) as broken from entries) e where broken`,
	"parts do not add up": `select count(*) from entries e where case when kind in (3, 4) then held_delta else amount end <>
		(select coalesce(sum(p.amount), 0) from part p where p.account = e.account and p.seq = e.seq)`,
	"a lot disagrees with the entries": `select count(*) from lot_now l
		full join (select account, lot, sum(amount) as amount from part where kind not in (3, 4) group by 1, 2) p using (account, lot)
		where l.remaining is distinct from p.amount`,
	"an open lot is empty or a closed one is not": `select count(*) from lot_now where is_open <> (remaining > 0)`,
	"a refund is more than its charge":            `select count(*) from reversals r join entries e using (account, seq) where r.amount > abs(e.amount)`,
	"refunds are not what was reversed": `select count(*) from (select account, about as seq, sum(amount) as amount from entries where kind = 6 group by 1, 2) e
		full join (select r.account, r.seq, r.amount from reversals r join entries using (account, seq) where kind in (2, 5)) r using (account, seq)
		where e.amount is distinct from r.amount`,
	"a row disagrees with its agents": `select count(*) from ledger_accounts a
		where (a.agents, a.paused_agents, a.reserved, a.guarded) <> (select count(*) filter (where agent <> ''), count(*) filter (where state = 2),
			coalesce(sum(reserve), 0), coalesce(bool_or(state <> 0 or reserve > 0 or budget is not null), false) from agents g where g.account = a.account)`,
	"an event is numbered above the newest": `select count(*) from outbox o join ledger_accounts a using (account) where o.seq > a.event_seq`,
	"a pause has no beginning, or there is one of none": `select count(*) from agents
		where (state = 0) <> (paused_since is null) or (state = 0 and turned_away > 0)`,
}

const invariantViews = `
create temp view lot_now as select l.account, l.lot, l.is_open,
	case when a.open_lot = l.lot then a.open_remaining else l.remaining end as remaining, case when a.open_lot = l.lot then a.open_held else l.held end as held
	from lots l join ledger_accounts a using (account);
create temp view part as select account, seq, kind, lot, case when kind in (3, 4) then held_delta else amount end as amount from entries where lot <> 0
	union all select e.account, e.seq, e.kind, p.lot, p.amount from entries e, unnest(e.lots, e.lot_amounts) as p (lot, amount) where e.lot = 0`

// checkInvariants compares what the books say in every way in which they say it.
func (b *books) checkInvariants() {
	ctx := context.Background()
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "drop view if exists lot_now, part;"+invariantViews); err != nil {
		b.t.Fatal(err)
	}
	for name, query := range invariants {
		var wrong int
		if err := conn.QueryRow(ctx, query).Scan(&wrong); err != nil || wrong != 0 {
			b.t.Errorf("%s: %d (%v)", name, wrong, err)
		}
	}
	b.checkRollup(ctx, conn)
}

// checkRollup compares the usage of every account, today's part included, with its entries.
func (b *books) checkRollup(ctx context.Context, conn *pgxpool.Conn) {
	rows, err := conn.Query(ctx, `select account, coalesce(-sum(amount) filter (where kind in (2, 5)), 0), sum(quantity) filter (where kind in (2, 5)), count(*) filter (where kind in (2, 5)), coalesce(sum(amount) filter (where kind = 6), 0)
		from entries where contra = 3 group by 1`)
	if err != nil {
		b.t.Fatal(err)
	}
	type sums struct {
		Account         uuid.UUID
		Amount          tokens.Amount
		Quantity, Count int64
		Returned        tokens.Amount
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sums])
	if err != nil {
		b.t.Fatal(err)
	}
	for _, want := range list {
		usage, err := b.Usage(ctx, want.Account, start.AddDate(-30, 0, 0), start.AddDate(30, 0, 0))
		if err != nil {
			b.t.Fatal(err)
		}
		got := sums{Account: want.Account}
		for _, u := range usage {
			got.Amount, got.Quantity, got.Count = got.Amount+u.Amount, got.Quantity+u.Quantity, got.Count+u.Count
			got.Returned += u.Returned
			if u.Returned < 0 || u.Returned > u.Amount {
				b.t.Errorf("%s of %s are returned on %v", u.Returned, u.Amount, u.Day)
			}
		}
		if got != want {
			b.t.Errorf("the rollup says %+v, the entries %+v", got, want)
		}
	}
}

// open opens an account on a plan.
func (b *books) open(plan string) uuid.UUID {
	b.t.Helper()
	id := uuid.New()
	if err := b.SetPlan(b.t.Context(), id, ledger.SetPlan{Plan: plan}); err != nil {
		b.t.Fatal(err)
	}
	return id
}

// openWith opens an account that has spent its allowance and then got exactly the given tokens.
func (b *books) openWith(amount string) uuid.UUID {
	b.t.Helper()
	id := b.open("starter")
	b.charge(id, "auto_selling", "200")
	b.grant(id, ledger.LotPromo, amount, time.Time{})
	return id
}

func (b *books) charge(id uuid.UUID, feature, amount string) ledger.Receipt {
	b.t.Helper()
	c := ledger.Charge{Feature: feature}
	if amount != "" {
		a := tokens.MustParse(amount)
		c.Amount = &a
	}
	r, err := b.Charge(b.t.Context(), id, uuid.NewString(), c)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *books) grant(id uuid.UUID, kind ledger.LotKind, amount string, expires time.Time) ledger.Receipt {
	b.t.Helper()
	r, err := b.Grant(b.t.Context(), id, uuid.NewString(), ledger.Grant{
		Kind:      kind,
		Amount:    tokens.MustParse(amount),
		ExpiresAt: expires,
		Source:    uuid.NewString(),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *books) spendable(id uuid.UUID) string {
	b.t.Helper()
	a, err := b.Account(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return a.Spendable.String()
}

func (b *books) wantSpendable(id uuid.UUID, want string) {
	b.t.Helper()
	if got := b.spendable(id); got != want {
		b.t.Errorf("spendable is %s, want %s", got, want)
	}
}

func kindOf(err error) problem.Kind { return problem.Of(err).Kind }

func TestANewAccountGetsItsAllowanceAtOnce(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	for plan, allowance := range map[string]string{
		"starter": "200",
		"pro":     "400",
		"star":    "1000",
	} {
		b.wantSpendable(b.open(plan), allowance)
	}
}

func TestFractionsAreExact(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	for range 30 {
		b.charge(id, "social_comment_reply", "")
		b.charge(id, "brand_deal_scan", "")
	}
	b.wantSpendable(id, "195.5")
}

func TestChargeAnswersWhatItDid(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	three := int64(3)
	r, err := b.Charge(t.Context(), id, "k", ledger.Charge{
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
		!r.At.Equal(start) {
		t.Errorf("receipt is %+v", r)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.openWith("42")
	_, err := b.Charge(t.Context(), id, "k", ledger.Charge{Feature: "pdf_creation"})
	p := problem.Of(err)
	if p.Kind != problem.Insufficient || p.Details["shortfall"] != tokens.MustParse("33") ||
		p.Details["required"] != tokens.MustParse("75") {
		t.Errorf("a PDF with 42 tokens: %v %v", err, p.Details)
	}
	if _, err := b.Charge(t.Context(), uuid.New(), "k", ledger.Charge{Feature: "pdf_creation"}); kindOf(err) !=
		problem.NotFound {
		t.Errorf("an unknown account: %v", err)
	}
	if _, err := b.Charge(t.Context(), id, "k", ledger.Charge{Feature: "nothing"}); kindOf(err) !=
		problem.Unprocessable {
		t.Errorf("an unknown feature: %v", err)
	}
	b.wantSpendable(id, "42")
	// A refusal binds no key: the same request with the same key goes through once the tokens are there.
	b.grant(id, ledger.LotPromo, "33", time.Time{})
	if _, err := b.Charge(t.Context(), id, "k", ledger.Charge{Feature: "pdf_creation"}); err != nil {
		t.Error(err)
	}
	b.wantSpendable(id, "0")
}

// 64 callers race for ten charges' worth of tokens.
func TestConcurrentChargesNeverOverspend(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.openWith("100")
	var accepted, refused atomic.Int64
	var callers sync.WaitGroup
	for i := range 64 {
		callers.Go(func() {
			_, err := b.Charge(t.Context(), id, "race-"+strconv.Itoa(i), ledger.Charge{Feature: "image_generation"})
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
	b.wantSpendable(id, "0")
}

func TestTheSameKeyChargesOnce(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.openWith("100")
	var first atomic.Int64
	receipts := make([]ledger.Receipt, 50)
	var callers sync.WaitGroup
	for i := range receipts {
		callers.Go(func() {
			var err error
			if receipts[i], err = b.Charge(t.Context(), id, "once",
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
	b.wantSpendable(id, "90")
	if _, err := b.Charge(t.Context(), id, "once", ledger.Charge{Feature: "lip_sync"}); !errors.Is(err,
		idempotency.ErrKeyReused) {
		t.Errorf("another request with the same key: %v", err)
	}
	// Keys belong to accounts: another account may use the same one.
	if r, err := b.Charge(t.Context(), b.open("pro"), "once", ledger.Charge{Feature: "lip_sync"}); err != nil ||
		r.Replayed {
		t.Errorf("the same key of another account: %v", err)
	}
}

// Two ledgers stand for two servers on one database.
func TestTwoServersNeverOverspend(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	other := engine.New(b.pool, engine.Options{
		Clock:  b.clock.Now,
		Prices: catalog.Builtin,
		Log:    slog.New(slog.DiscardHandler),
	})
	defer other.Close()
	ids := []uuid.UUID{b.openWith("100"), b.openWith("100"), b.openWith("100")}
	var accepted atomic.Int64
	var callers sync.WaitGroup
	for i := range 96 {
		server := []*engine.Engine{b.Engine, other}[i%2]
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
	b := newBooks(t)
	id := b.open("starter")
	var credited atomic.Int64
	var callers sync.WaitGroup
	for i := range 50 {
		callers.Go(func() {
			r, err := b.Grant(t.Context(), id, "", ledger.Grant{
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
	b.wantSpendable(id, "700")
}

func TestUniqueReferenceHoldsForEver(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	c := ledger.Charge{
		Feature:         "lip_sync",
		Reference:       "job-1",
		UniqueReference: true,
	}
	first, err := b.Charge(t.Context(), id, "a", c)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Charge(t.Context(), id, "b", c)
	if p := problem.Of(err); p.Code != "reference_used" || p.Details["transaction"] != first.ID() {
		t.Errorf("a second charge under the reference: %v", err)
	}
	if again, err := b.Charge(t.Context(), id, "a", c); err != nil || !again.Replayed {
		t.Errorf("a retry with the first key: %v", err)
	}
	b.wantSpendable(id, "195")
}

func TestBurnOrder(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	bought := b.grant(id, ledger.LotPurchase, "10", time.Time{})
	late := b.grant(id, ledger.LotPromo, "10", start.AddDate(0, 3, 0))
	soon := b.grant(id, ledger.LotPromo, "10", start.AddDate(0, 0, 3))
	never := b.grant(id, ledger.LotAdjustment, "10", time.Time{})
	r := b.charge(id, "auto_selling", "235")
	want := []int64{soon.Seq, 1, late.Seq, never.Seq, bought.Seq}
	if len(r.Parts) != len(want) {
		t.Fatalf("paid by %v", r.Parts)
	}
	for i, lot := range want {
		if r.Parts[i].Lot != lot {
			t.Errorf("place %d is lot %d, want %d", i, r.Parts[i].Lot, lot)
		}
	}
	b.wantSpendable(id, "5")
}

// 31 January, 28 February, 31 March: unused plan tokens end at each boundary and the next allowance
// begins; bought tokens stay.
func TestPeriodsCatchUpInOrder(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	b.grant(id, ledger.LotPurchase, "10", time.Time{})
	b.charge(id, "auto_selling", "50")
	b.clock.Set(time.Date(2026, 4, 30, 9, 30, 0, 0, time.UTC)) // the very second of the third boundary
	b.charge(id, "auto_selling", "205")
	b.wantSpendable(id, "5")
	page, err := b.History(t.Context(), id, ledger.Filter{}, 0, 50)
	if err != nil {
		t.Fatal(err)
	}
	var story []string
	for _, line := range page.Lines {
		story = append(story, line.At.Format("Jan 2 ")+line.Kind.String()+" "+line.Amount.String())
	}
	want := []string{
		"Apr 30 charge -205", "Apr 30 grant 200", "Apr 30 expiry -200", "Mar 31 grant 200", "Mar 31 expiry -200",
		"Feb 28 grant 200", "Feb 28 expiry -150",
		"Jan 31 charge -50", "Jan 31 grant 10", "Jan 31 grant 200",
	}
	for i := range max(len(want), len(story)) {
		if i >= len(story) || i >= len(want) || story[i] != want[i] {
			t.Fatalf("history is %q, want %q", story, want)
		}
	}
}

func TestReadsSettleWithoutWriting(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	b.charge(id, "auto_selling", "150")
	b.clock.Advance(40 * 24 * time.Hour)
	b.wantSpendable(id, "200")
	var entries int
	if err := b.pool.QueryRow(t.Context(), "select count(*) from entries").Scan(&entries); err != nil ||
		entries != 2 {
		t.Errorf("%d entries (%v), want the grant and the charge", entries, err)
	}
}

func TestFlippingPlansFarmsNothing(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	for i := range 100 {
		plan := []string{"pro", "starter"}[i%2]
		if err := b.SetPlan(t.Context(), id, ledger.SetPlan{Plan: plan}); err != nil {
			t.Fatal(err)
		}
	}
	b.wantSpendable(id, "400")
	a, err := b.Account(t.Context(), id)
	if err != nil || a.Plan != "pro" || a.NextPlan != "starter" {
		t.Errorf("plan %s, next %s (%v)", a.Plan, a.NextPlan, err)
	}
	b.clock.Set(a.NextReset)
	b.wantSpendable(id, "200")
}

func TestNoAllowanceWhileThePlanIsNotPaid(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	set := func(p ledger.SetPlan) {
		t.Helper()
		if err := b.SetPlan(t.Context(), id, p); err != nil {
			t.Fatal(err)
		}
	}
	set(ledger.SetPlan{Status: ledger.PlanPastDue})
	b.clock.Advance(70 * 24 * time.Hour)
	b.wantSpendable(id, "0")
	set(ledger.SetPlan{Status: ledger.PlanActive})
	b.wantSpendable(id, "200")
	set(ledger.SetPlan{Status: ledger.PlanPastDue})
	set(ledger.SetPlan{Status: ledger.PlanActive})
	b.wantSpendable(id, "200")
}

func TestBillingAnchorAndZoneNeverChange(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	for _, p := range []ledger.SetPlan{
		{Anchor: start.Add(-time.Hour)},
		{Zone: "Europe/Paris"},
		{Plan: "gold"},
		{Status: "odd"},
	} {
		if err := b.SetPlan(t.Context(), id, p); kindOf(err) != problem.Unprocessable {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestHistoryPagesAndFilters(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("star")
	for i := range 25 {
		b.clock.Advance(time.Minute)
		if i%5 == 0 {
			b.charge(id, "lip_sync", "")
		} else {
			b.charge(id, "social_comment_reply", "")
		}
	}
	seen := map[int64]bool{}
	var pages int
	for before := int64(0); pages == 0 || before > 0; pages++ {
		page, err := b.History(t.Context(), id, ledger.Filter{}, before, 10)
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
	count := func(f ledger.Filter) int {
		t.Helper()
		page, err := b.History(t.Context(), id, f, 0, 100)
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
	if n := count(ledger.Filter{From: start.Add(5 * time.Minute), To: start.Add(10 * time.Minute)}); n != 5 {
		t.Errorf("five minutes: %d", n)
	}
}

// The server's role cannot rewrite history, whatever the code does.
func TestEntriesCannotBeChanged(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	b.open("starter")
	for _, statement := range []string{
		"update entries set amount = 1", "delete from entries", "truncate entries",
		"delete from permanent_references",
	} {
		_, err := b.pool.Exec(t.Context(), statement)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s: %v, want permission denied", statement, err)
		}
	}
}

func TestAClosedLedgerRefuses(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	b.Close()
	if _, err := b.Charge(t.Context(), id, "k", ledger.Charge{Feature: "lip_sync"}); !problem.IsUnavailable(err) {
		t.Errorf("got %v", err)
	}
}

// Without a key a lost COMMIT could do these twice, so they are not begun.
func TestWhatOnlyAKeyMakesSafeNeedsOne(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.open("starter")
	ctx := t.Context()
	lip := ledger.Charge{Feature: "lip_sync"}
	_, charged := b.Charge(ctx, id, "", lip)
	_, held := b.Hold(ctx, id, "", ledger.Hold{Feature: "lip_sync"})
	_, captured := b.Capture(ctx, id, "", ledger.Capture{Hold: 1})
	_, released := b.Release(ctx, id, "", ledger.Release{Hold: 1})
	_, refunded := b.Refund(ctx, id, "", ledger.Refund{Entry: 1})
	_, granted := b.Grant(ctx, id, "", ledger.Grant{Kind: ledger.LotPromo, Amount: tokens.One})
	many := b.ChargeAll(ctx, []ledger.BulkCharge{{AccountID: id, Charge: lip}, {
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
	b.wantSpendable(id, "195")
}
