package accounts_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/tokens"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// A Sunday, nine in the morning in UTC: the 31st day of no period, so that the next allowance is far away.
var start = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// house is a directory over a ledger and a database of its own, on a clock that stands still.
type house struct {
	*accounts.Accounts
	t     *testing.T
	books *engine.Engine
	pool  *pgxpool.Pool
	clock *clock.Manual
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{
		t:     t,
		pool:  testdb.New(t),
		clock: clock.NewManual(start),
	}
	h.books = engine.New(h.pool, engine.Options{
		Clock:  h.clock.Now,
		Prices: catalog.Builtin,
		Log:    slog.New(slog.DiscardHandler),
	})
	t.Cleanup(h.books.Close)
	h.Accounts = accounts.New(h.pool, h.books, catalog.Builtin)
	return h
}

// open opens an account on Starter: 200 tokens on the first of each month.
func (h *house) open(name, zone string) uuid.UUID {
	h.t.Helper()
	plan := "starter"
	id, _, err := h.Put(h.t.Context(), name, accounts.Put{Plan: &plan, BillingZone: &zone})
	h.check(err)
	return id
}

func (h *house) check(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) spend(id uuid.UUID, feature, amount string) ledger.Receipt {
	h.t.Helper()
	c := ledger.Charge{Feature: feature}
	if amount != "" {
		n := tokens.MustParse(amount)
		c.Amount = &n
	}
	receipt, err := h.books.Charge(h.t.Context(), id, uuid.NewString(), c)
	h.check(err)
	return receipt
}

func (h *house) grant(id uuid.UUID, amount string) {
	h.t.Helper()
	_, err := h.books.Grant(h.t.Context(), id, uuid.NewString(), ledger.Grant{
		Kind:   ledger.LotPromo,
		Amount: tokens.MustParse(amount),
		Reason: "a test",
	})
	h.check(err)
}

func (h *house) overview(id uuid.UUID) accounts.Overview {
	h.t.Helper()
	o, err := h.Overview(h.t.Context(), id)
	h.check(err)
	return o
}

func (h *house) outlook(id uuid.UUID) forecast.Outlook {
	h.t.Helper()
	o := h.overview(id)
	whole, err := h.books.Account(h.t.Context(), id)
	h.check(err)
	outlook, err := h.Outlook(h.t.Context(), &o, whole.Lots)
	h.check(err)
	return outlook
}

func (h *house) wantPace(id uuid.UUID, perDay string, days int) {
	h.t.Helper()
	p := h.outlook(id).Pace
	if p.PerDay() != tokens.MustParse(perDay) || (p.Known() && p.CompleteDays() != days) {
		h.t.Errorf("%v: %v a day on %d complete days, want %s on %d", h.clock.Now(), p.PerDay(), p.CompleteDays(),
			perDay, days)
	}
}

func (h *house) wantNotice(id uuid.UUID, want accounts.Notice, stops string) {
	h.t.Helper()
	o := h.overview(id)
	first := ""
	if o.First != nil {
		first = o.First.Feature.ID + " " + o.First.At.Sub(h.clock.Now()).String()
	}
	if o.Notice != want || first != stops {
		h.t.Errorf("%v, %v left: the notice is %q, first %q; want %q, %q", h.clock.Now(), o.Spendable, o.Notice,
			first, want, stops)
	}
}

// days lets whole days pass, on each of which an amount is spent at once.
func (h *house) days(n int, spend func()) {
	for range n {
		h.clock.Advance(day)
		spend()
	}
}

func TestThePaceOfTheLastDays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.open("maya", "UTC")
	h.spend(id, "auto_selling", "50") // on the day of the opening, which does not count
	h.wantPace(id, "0", 0)
	h.days(2, func() { h.spend(id, "auto_selling", "3") })
	h.wantPace(id, "0", 0) // one complete day
	h.clock.Advance(day)   // nothing was written since: what was spent yesterday still stands on the account's row
	h.wantPace(id, "3", 2)
	h.spend(id, "auto_selling", "1") // and now it moves away from there
	h.wantPace(id, "3", 2)
	h.spend(id, "auto_selling", "8") // 9 today: (6 + 9) / 3
	h.wantPace(id, "5", 2)
	h.clock.Advance(day)
	h.wantPace(id, "5", 3)   // (3 + 3 + 9) / 3
	h.clock.Advance(4 * day) // 15 in seven days
	h.wantPace(id, "2.142858", 7)
	h.clock.Advance(day) // the first 3 are more than a week ago
	h.wantPace(id, "1.714286", 7)
	h.clock.Advance(2 * day)
	h.wantPace(id, "0", 0) // nothing but the 9, on one day
}

// Midnight is that of the billing zone.
func TestDaysAreThoseOfTheBillingZone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.clock.Set(time.Date(2026, 11, 1, 9, 30, 0, 0,
		time.UTC)) // 22:30 in Auckland, 23:30 of the day before in Honolulu
	auckland, honolulu := h.open("kiri", "Pacific/Auckland"), h.open("keola", "Pacific/Honolulu")
	both := []uuid.UUID{auckland, honolulu}
	for i, amount := range []string{"9", "4", "6"} {
		if i > 0 {
			h.clock.Advance(day)
		}
		for _, id := range both {
			h.spend(id, "auto_selling", amount)
		}
	}
	// It is the 3rd in Auckland and the 2nd in Honolulu: yesterday in both, in one read.
	var all []ledger.Account
	for _, id := range both {
		all = append(all, h.overview(id).Account)
	}
	found, err := h.books.RecentUsage(t.Context(), all, 1)
	h.check(err)
	for id, date := range map[uuid.UUID]int{auckland: 2, honolulu: 1} {
		if u := found[id]; len(u) != 1 || u[0].Amount != 4*tokens.One ||
			!u[0].Day.Equal(time.Date(2026, 11, date, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("of %d November: %+v", date, u)
		}
	}
	h.clock.Advance(time.Hour)
	// In Auckland it is the 3rd, 23:30: opened on the 1st, it has one complete day. In Honolulu it
	// is the 3rd, half past midnight: opened on 31 October, it spent on the 1st and the 2nd.
	h.wantPace(auckland, "0", 0)
	h.wantPace(honolulu, "5", 2)
	h.clock.Advance(time.Hour)
	h.wantPace(auckland, "5", 2)
	h.wantPace(honolulu, "5", 2)
}

// A day with more agents than an account's row carries is in two places until it is over, and after.
func TestADayOfManyAgents(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.open("maya", "UTC")
	h.days(2, func() {
		for i := range 40 {
			_, err := h.books.Charge(t.Context(), id, uuid.NewString(),
				ledger.Charge{Feature: "social_comment_reply", Agent: "agent-" + strconv.Itoa(i)})
			h.check(err)
		}
	})
	var moved int
	h.check(h.pool.QueryRow(t.Context(),
		"select count(*) from usage_days where day = date '2026-11-03'").Scan(&moved))
	if moved == 0 || moved >= 40 {
		t.Errorf("%d of 40 lines have left the account's row: the test proves nothing", moved)
	}
	h.clock.Advance(day)
	h.wantPace(id, "2", 2) // 40 replies a day
	if uses := h.outlook(id).Pace.Uses; len(uses) != 1 || uses[0].Count != 80 {
		t.Errorf("got %+v", uses)
	}
}

// What the pace rests on is read once for a day, believed for ten minutes, and read for many
// accounts at once.
func TestThePastIsRemembered(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var ids []uuid.UUID
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		ids = append(ids, h.open(name, "UTC"))
	}
	h.days(3, func() {
		for _, id := range ids {
			h.spend(id, "auto_selling", "3")
		}
	})
	look := func(perDay string) {
		t.Helper()
		for _, id := range ids {
			h.wantPace(id, perDay, 2)
		}
	}
	look("3")
	_, err := h.pool.Exec(t.Context(), "update usage_days set amount = amount * 2")
	h.check(err)
	look("3")
	h.clock.Advance(10*time.Minute - time.Microsecond)
	look("3")
	h.clock.Advance(time.Microsecond)
	look("6")
	// Midnight ends it whatever its age: three days, the last of which was still on the accounts'
	// rows: (6 + 6 + 3) / 3.
	h.clock.Set(time.Date(2026, 11, 4, 23, 59, 0, 0, time.UTC))
	look("6")
	h.clock.Advance(2 * time.Minute)
	for _, id := range ids {
		h.wantPace(id, "5", 3)
	}
	// Many at the same time get each their own.
	h.spend(ids[0], "auto_selling", "50")
	h.clock.Advance(day) // (6 + 6 + 3 + 50) / 4 and 15 / 4
	var waiting sync.WaitGroup
	for i, id := range ids {
		waiting.Go(func() {
			want := tokens.MustParse("3.75")
			if i == 0 {
				want = tokens.MustParse("16.25")
			}
			o, err := h.Overview(context.WithoutCancel(t.Context()), id)
			if err != nil {
				t.Error(err)
				return
			}
			if outlook, err := h.Outlook(context.WithoutCancel(t.Context()), &o, nil); err != nil ||
				outlook.Pace.PerDay() != want {
				t.Errorf("%d: %v a day, %v", i, outlook.Pace.PerDay(), err)
			}
		})
	}
	waiting.Wait()
}

// A refund belongs to the day of its work: what came back of yesterday's was not spent yesterday.
// What is remembered of complete days is ten minutes behind at most.
func TestARefundOfYesterdaysCharge(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.open("maya", "UTC")
	h.days(2, func() { h.spend(id, "auto_selling", "4") })
	pdf := h.spend(id, "pdf_creation", "")
	h.clock.Advance(day)
	h.wantPace(id, "41.5", 2) // (4 + 79) / 2
	_, err := h.books.Refund(t.Context(), id, uuid.NewString(), ledger.Refund{Entry: pdf.Seq})
	h.check(err)
	h.clock.Advance(10 * time.Minute)
	h.wantPace(id, "4", 2) // (4 + 79 - 75) / 2
	h.clock.Advance(day)
	h.wantPace(id, "2.666667", 3) // (4 + 79 - 75) / 3
}

func TestTheNoticeForesees(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.open("maya", "UTC")
	h.wantNotice(id, accounts.NoNotice, "")
	h.days(2, func() { h.spend(id, "auto_selling", "40") })
	h.wantNotice(id, accounts.NoNotice, "") // 120 left, and one complete day says nothing
	h.clock.Advance(day)
	h.wantNotice(id, accounts.NoNotice, "") // 120 at 40 a day: just three days
	h.spend(id, "social_comment_reply", "0.05")
	// 119.95: at 40 a day less than three days are left. Replies stop at 0.05, which is 119.9 / 40
	// = 2.9975 days away; selling at 40: 79.95 / 40.
	h.wantNotice(id, accounts.NoticeSoon, "auto_selling 47h58m12s")
	h.grant(id, "15") // 134.95: no more than three and a half days are left, so the warning stays
	h.wantNotice(id, accounts.NoticeSoon, "auto_selling 56h58m12s")
	h.grant(id, "6")
	h.wantNotice(id, accounts.NoNotice, "") // 140.95: more
	h.spend(id, "auto_selling", "6")
	h.wantNotice(id, accounts.NoNotice, "") // and now it would take less than three days
	h.spend(id, "auto_selling", "15")
	// Selling has taken 101 in 4 charges by now: (119.95 - 25.25) / 40 days.
	h.wantNotice(id, accounts.NoticeSoon, "auto_selling 56h49m12s")
}

func TestTheNoticeIsQuietWhenTheResetComesFirst(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.open("maya", "UTC")
	h.clock.Set(start.Add(24 * day)) // 25 November; the next 200 come on 1 December, 9 am
	h.spend(id, "auto_selling", "50")
	h.days(2, func() { h.spend(id, "auto_selling", "25") }) // 27 November: 100 in three days, 100 left
	h.clock.Advance(16 * time.Hour)
	// 28 November, 1 am: 100 / 7 a day would be 7 days, and the allowance comes in 80 hours.
	h.wantNotice(id, accounts.NoNotice, "")
	h.spend(id, "auto_selling", "55")
	// 45 left, not low yet. Today is worse: (100 + 55) / 8 = 19.375 a day are 55 hours 44 minutes,
	// before the 80. Selling takes 155 / 4 = 38.75 at a time: (45 - 38.75) / 19.375 days.
	h.wantNotice(id, accounts.NoticeSoon, "auto_selling 7h44m30.967741935s")
	h.clock.Advance(27 * time.Hour)
	// 29 November, 4 am: 155 in seven complete days are 22.14 a day, and 45 are 48 hours 46
	// minutes; the allowance comes in 53 hours.
	h.wantNotice(id, accounts.NoticeSoon, "auto_selling 6h46m27.096774193s")
	h.clock.Advance(5 * time.Hour)
	h.wantNotice(id, accounts.NoNotice, "") // in 48 hours: the allowance comes first
	h.spend(id, "auto_selling", "0.7")
	h.wantNotice(id, accounts.NoNotice, "") // 44.3 are 48 hours 1 minute
	h.spend(id, "auto_selling", "0.1")
	// 44.2 are 47 hours 54 minutes: six minutes of difference bring no new warning
	h.wantNotice(id, accounts.NoNotice, "")
}

func TestALowNoticeForesees(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.open("maya", "UTC")
	h.days(2, func() { h.spend(id, "social_comment_reply", "7") })
	h.spend(id, "image_generation", "")
	h.days(1, func() { h.spend(id, "auto_selling", "158") })
	h.clock.Advance(day)
	// 18 left. 182 in three days: (18 - 0.05) x 3 / 182 days until there is no reply any more.
	// Images are a tool, which stops for nobody.
	h.wantNotice(id, accounts.NoticeLow, "social_comment_reply 7h6m3.956043956s")
	// A gift that expires in an hour counts until then: 2.527... of 12 are spent in that hour, and
	// 18 are left.
	_, err := h.books.Grant(t.Context(), id, uuid.NewString(), ledger.Grant{
		Kind:      ledger.LotPromo,
		Amount:    tokens.MustParse("12"),
		ExpiresAt: h.clock.Now().Add(time.Hour),
		Reason:    "a test",
	})
	h.check(err)
	h.wantNotice(id, accounts.NoticeLow, "social_comment_reply 8h6m3.956043956s")
}

func TestPuttingNoticesAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.open("maya", "UTC")
	h.days(3, func() { h.spend(id, "auto_selling", "40") })
	h.wantNotice(id, accounts.NoticeSoon, "auto_selling 24h0m0s") // 80 left
	h.check(h.DismissNotice(t.Context(), id))
	h.wantNotice(id, accounts.NoNotice, "")
	h.spend(id, "auto_selling", "40.1")
	// Low is the next level, and was not put away. 39.9 left: selling has stopped, and nothing else
	// is in use.
	h.wantNotice(id, accounts.NoticeLow, "")
	h.check(h.DismissNotice(t.Context(), id))
	h.wantNotice(id, accounts.NoNotice, "")
	// Tokens came: 40.9. 80 in two days and 80.1 today are 160.1 / 3 a day; selling takes 160.1 / 4
	// at a time: (40.9 - 40.025) x 3 / 160.1 days.
	h.grant(id, "1")
	// 40 is the threshold: what was low is so up to 50
	h.wantNotice(id, accounts.NoticeLow, "auto_selling 23m36.614615865s")
	threshold := tokens.MustParse("32")
	h.check(h.SetThreshold(t.Context(), id, &threshold)) // and now up to 40
	h.wantNotice(id, accounts.NoticeSoon, "auto_selling 23m36.614615865s")
	h.spend(id, "auto_selling", "39")
	h.wantNotice(id, accounts.NoticeEmpty, "")
	if err := h.DismissNotice(t.Context(), id); err == nil {
		t.Error("an empty balance was put away")
	}
}

// Where no forecast can matter none is made: neither for an empty account nor for one whose notice
// was put away.
func TestNoPastIsReadInVain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	empty, away, low := h.open("a", "UTC"), h.open("b", "UTC"), h.open("c", "UTC")
	h.spend(empty, "auto_selling", "199")
	h.spend(away, "auto_selling", "190")
	h.spend(low, "auto_selling", "190")
	h.check(h.DismissNotice(t.Context(), away))
	h.clock.Advance(day)
	// Days that cannot be summed up: whoever reads them fails.
	for _, id := range []uuid.UUID{empty, away, low} {
		_, err := h.pool.Exec(t.Context(),
			`insert into usage_days (account, day, feature, agent, amount, quantity, count)
			select $1, date '2026-11-01', 'x', a, 9223372036854775807, 1, 1 from unnest(array['a', 'b']) as a`, id)
		h.check(err)
	}
	h.wantNotice(empty, accounts.NoticeEmpty, "")
	h.wantNotice(away, accounts.NoNotice, "")
	if _, err := h.Overview(t.Context(), low); err == nil {
		t.Error("the past of the low account was not read: the test proves nothing")
	}
}
