package notice_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/notice"
	"pop.store/credits/internal/testkit"
	"pop.store/credits/internal/tokens"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// A Sunday, nine in the morning in UTC: the 31st day of no period, so that the next allowance is far away.
var start = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

type fixture struct {
	*testkit.Fixture
	*notice.Notices
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := testkit.New(t, testkit.At(start))
	return &fixture{f, f.Notices}
}

// open opens an account on Starter: 200 tokens on the first of each month.
func (f *fixture) open(name, zone string) uuid.UUID {
	f.T.Helper()
	plan := "starter"
	id, _, err := f.Directory.Put(f.T.Context(), name, directory.Put{Plan: &plan, BillingZone: &zone})
	f.Must(err)
	return id
}

func (f *fixture) spend(id uuid.UUID, feature, amount string) ledger.Receipt {
	f.T.Helper()
	c := ledger.Charge{Feature: feature}
	if amount != "" {
		n := tokens.MustParse(amount)
		c.Amount = &n
	}
	receipt, err := f.Ledger.Charge(f.T.Context(), id, uuid.NewString(), c)
	f.Must(err)
	return receipt
}

func (f *fixture) grant(id uuid.UUID, amount string) {
	f.T.Helper()
	f.Grant(id, ledger.LotPromo, tokens.MustParse(amount), "")
}

func (f *fixture) overview(id uuid.UUID) notice.Overview {
	f.T.Helper()
	o, err := f.Overview(f.T.Context(), id)
	f.Must(err)
	return o
}

func (f *fixture) outlook(id uuid.UUID) forecast.Outlook {
	f.T.Helper()
	o := f.overview(id)
	whole, err := f.Ledger.Account(f.T.Context(), id)
	f.Must(err)
	outlook, err := f.Outlook(f.T.Context(), &o, whole.Lots)
	f.Must(err)
	return outlook
}

func (f *fixture) wantPace(id uuid.UUID, perDay string, days int) {
	f.T.Helper()
	p := f.outlook(id).Pace
	if p.PerDay() != tokens.MustParse(perDay) || (p.Known() && p.CompleteDays() != days) {
		f.T.Errorf("%v: %v a day on %d complete days, want %s on %d", f.Clock.Now(), p.PerDay(), p.CompleteDays(),
			perDay, days)
	}
}

func (f *fixture) wantNotice(id uuid.UUID, want notice.Kind, stops string) {
	f.T.Helper()
	o := f.overview(id)
	first := ""
	if o.First != nil {
		first = o.First.Feature.ID + " " + o.First.At.Sub(f.Clock.Now()).String()
	}
	if o.Notice != want || first != stops {
		f.T.Errorf("%v, %v left: the notice is %q, first %q; want %q, %q", f.Clock.Now(), o.Spendable, o.Notice,
			first, want, stops)
	}
}

// days lets whole days pass, on each of which an amount is spent at once.
func (f *fixture) days(n int, spend func()) {
	for range n {
		f.Clock.Advance(day)
		spend()
	}
}

func TestThePaceOfTheLastDays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.open("maya", "UTC")
	f.spend(id, "auto_selling", "50") // on the day of the opening, which does not count
	f.wantPace(id, "0", 0)
	f.days(2, func() { f.spend(id, "auto_selling", "3") })
	f.wantPace(id, "0", 0) // one complete day
	f.Clock.Advance(day)   // nothing was written since: what was spent yesterday still stands on the account's row
	f.wantPace(id, "3", 2)
	f.spend(id, "auto_selling", "1") // and now it moves away from there
	f.wantPace(id, "3", 2)
	f.spend(id, "auto_selling", "8") // 9 today: (6 + 9) / 3
	f.wantPace(id, "5", 2)
	f.Clock.Advance(day)
	f.wantPace(id, "5", 3)   // (3 + 3 + 9) / 3
	f.Clock.Advance(4 * day) // 15 in seven days
	f.wantPace(id, "2.142858", 7)
	f.Clock.Advance(day) // the first 3 are more than a week ago
	f.wantPace(id, "1.714286", 7)
	f.Clock.Advance(2 * day)
	f.wantPace(id, "0", 0) // nothing but the 9, on one day
}

// Midnight is that of the billing zone.
func TestDaysAreThoseOfTheBillingZone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Clock.Set(time.Date(2026, 11, 1, 9, 30, 0, 0,
		time.UTC)) // 22:30 in Auckland, 23:30 of the day before in Honolulu
	auckland, honolulu := f.open("kiri", "Pacific/Auckland"), f.open("keola", "Pacific/Honolulu")
	both := []uuid.UUID{auckland, honolulu}
	for i, amount := range []string{"9", "4", "6"} {
		if i > 0 {
			f.Clock.Advance(day)
		}
		for _, id := range both {
			f.spend(id, "auto_selling", amount)
		}
	}
	// It is the 3rd in Auckland and the 2nd in Honolulu: yesterday in both, in one read.
	var all []ledger.Account
	for _, id := range both {
		all = append(all, f.overview(id).Account)
	}
	found, err := f.Ledger.RecentUsage(t.Context(), all, 1)
	f.Must(err)
	for id, date := range map[uuid.UUID]int{auckland: 2, honolulu: 1} {
		if u := found[id]; len(u) != 1 || u[0].Amount != 4*tokens.One ||
			!u[0].Day.Equal(time.Date(2026, 11, date, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("of %d November: %+v", date, u)
		}
	}
	f.Clock.Advance(time.Hour)
	// In Auckland it is the 3rd, 23:30: opened on the 1st, it has one complete day. In Honolulu it
	// is the 3rd, half past midnight: opened on 31 October, it spent on the 1st and the 2nd.
	f.wantPace(auckland, "0", 0)
	f.wantPace(honolulu, "5", 2)
	f.Clock.Advance(time.Hour)
	f.wantPace(auckland, "5", 2)
	f.wantPace(honolulu, "5", 2)
}

// A day with more agents than an account's row carries is in two places until it is over, and after.
func TestADayOfManyAgents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.open("maya", "UTC")
	f.days(2, func() {
		for i := range 40 {
			_, err := f.Ledger.Charge(t.Context(), id, uuid.NewString(),
				ledger.Charge{Feature: "social_comment_reply", Agent: "agent-" + strconv.Itoa(i)})
			f.Must(err)
		}
	})
	var moved int
	f.Must(f.DB.Pool.QueryRow(t.Context(),
		"select count(*) from usage_days where day = date '2026-11-03'").Scan(&moved))
	if moved == 0 || moved >= 40 {
		t.Errorf("%d of 40 lines have left the account's row: the test proves nothing", moved)
	}
	f.Clock.Advance(day)
	f.wantPace(id, "2", 2) // 40 replies a day
	if uses := f.outlook(id).Pace.Uses; len(uses) != 1 || uses[0].Count != 80 {
		t.Errorf("got %+v", uses)
	}
}

// What the pace rests on is read once for a day, believed for ten minutes, and read for many
// accounts at once.
func TestThePastIsRemembered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ids []uuid.UUID
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		ids = append(ids, f.open(name, "UTC"))
	}
	f.days(3, func() {
		for _, id := range ids {
			f.spend(id, "auto_selling", "3")
		}
	})
	look := func(perDay string) {
		t.Helper()
		for _, id := range ids {
			f.wantPace(id, perDay, 2)
		}
	}
	look("3")
	_, err := f.DB.Pool.Exec(t.Context(), "update usage_days set amount = amount * 2")
	f.Must(err)
	look("3")
	f.Clock.Advance(10*time.Minute - time.Microsecond)
	look("3")
	f.Clock.Advance(time.Microsecond)
	look("6")
	// Midnight ends it whatever its age: three days, the last of which was still on the accounts'
	// rows: (6 + 6 + 3) / 3.
	f.Clock.Set(time.Date(2026, 11, 4, 23, 59, 0, 0, time.UTC))
	look("6")
	f.Clock.Advance(2 * time.Minute)
	for _, id := range ids {
		f.wantPace(id, "5", 3)
	}
	// Many at the same time get each their own.
	f.spend(ids[0], "auto_selling", "50")
	f.Clock.Advance(day) // (6 + 6 + 3 + 50) / 4 and 15 / 4
	var waiting sync.WaitGroup
	for i, id := range ids {
		waiting.Go(func() {
			want := tokens.MustParse("3.75")
			if i == 0 {
				want = tokens.MustParse("16.25")
			}
			o, err := f.Overview(context.WithoutCancel(t.Context()), id)
			if err != nil {
				t.Error(err)
				return
			}
			if outlook, err := f.Outlook(context.WithoutCancel(t.Context()), &o, nil); err != nil ||
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
	f := newFixture(t)
	id := f.open("maya", "UTC")
	f.days(2, func() { f.spend(id, "auto_selling", "4") })
	pdf := f.spend(id, "pdf_creation", "")
	f.Clock.Advance(day)
	f.wantPace(id, "41.5", 2) // (4 + 79) / 2
	_, err := f.Ledger.Refund(t.Context(), id, uuid.NewString(), ledger.Refund{Entry: pdf.Seq})
	f.Must(err)
	f.Clock.Advance(10 * time.Minute)
	f.wantPace(id, "4", 2) // (4 + 79 - 75) / 2
	f.Clock.Advance(day)
	f.wantPace(id, "2.666667", 3) // (4 + 79 - 75) / 3
}

func TestTheNoticeForesees(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.open("maya", "UTC")
	f.wantNotice(id, notice.None, "")
	f.days(2, func() { f.spend(id, "auto_selling", "40") })
	f.wantNotice(id, notice.None, "") // 120 left, and one complete day says nothing
	f.Clock.Advance(day)
	f.wantNotice(id, notice.None, "") // 120 at 40 a day: just three days
	f.spend(id, "social_comment_reply", "0.05")
	// 119.95: at 40 a day less than three days are left. Replies stop at 0.05, which is 119.9 / 40
	// = 2.9975 days away; selling at 40: 79.95 / 40.
	f.wantNotice(id, notice.Soon, "auto_selling 47h58m12s")
	f.grant(id, "15") // 134.95: no more than three and a half days are left, so the warning stays
	f.wantNotice(id, notice.Soon, "auto_selling 56h58m12s")
	f.grant(id, "6")
	f.wantNotice(id, notice.None, "") // 140.95: more
	f.spend(id, "auto_selling", "6")
	f.wantNotice(id, notice.None, "") // and now it would take less than three days
	f.spend(id, "auto_selling", "15")
	// Selling has taken 101 in 4 charges by now: (119.95 - 25.25) / 40 days.
	f.wantNotice(id, notice.Soon, "auto_selling 56h49m12s")
}

func TestTheNoticeIsQuietWhenTheResetComesFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.open("maya", "UTC")
	f.Clock.Set(start.Add(24 * day)) // 25 November; the next 200 come on 1 December, 9 am
	f.spend(id, "auto_selling", "50")
	f.days(2, func() { f.spend(id, "auto_selling", "25") }) // 27 November: 100 in three days, 100 left
	f.Clock.Advance(16 * time.Hour)
	// 28 November, 1 am: 100 / 7 a day would be 7 days, and the allowance comes in 80 hours.
	f.wantNotice(id, notice.None, "")
	f.spend(id, "auto_selling", "55")
	// 45 left, not low yet. Today is worse: (100 + 55) / 8 = 19.375 a day are 55 hours 44 minutes,
	// before the 80. Selling takes 155 / 4 = 38.75 at a time: (45 - 38.75) / 19.375 days.
	f.wantNotice(id, notice.Soon, "auto_selling 7h44m30.967741935s")
	f.Clock.Advance(27 * time.Hour)
	// 29 November, 4 am: 155 in seven complete days are 22.14 a day, and 45 are 48 hours 46
	// minutes; the allowance comes in 53 hours.
	f.wantNotice(id, notice.Soon, "auto_selling 6h46m27.096774193s")
	f.Clock.Advance(5 * time.Hour)
	f.wantNotice(id, notice.None, "") // in 48 hours: the allowance comes first
	f.spend(id, "auto_selling", "0.7")
	f.wantNotice(id, notice.None, "") // 44.3 are 48 hours 1 minute
	f.spend(id, "auto_selling", "0.1")
	// 44.2 are 47 hours 54 minutes: six minutes of difference bring no new warning
	f.wantNotice(id, notice.None, "")
}

func TestALowNoticeForesees(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.open("maya", "UTC")
	f.days(2, func() { f.spend(id, "social_comment_reply", "7") })
	f.spend(id, "image_generation", "")
	f.days(1, func() { f.spend(id, "auto_selling", "158") })
	f.Clock.Advance(day)
	// 18 left. 182 in three days: (18 - 0.05) x 3 / 182 days until there is no reply any more.
	// Images are a tool, which stops for nobody.
	f.wantNotice(id, notice.Low, "social_comment_reply 7h6m3.956043956s")
	// A gift that expires in an hour counts until then: 2.527... of 12 are spent in that hour, and
	// 18 are left.
	_, err := f.Ledger.Grant(t.Context(), id, uuid.NewString(), ledger.Grant{
		Kind:      ledger.LotPromo,
		Amount:    tokens.MustParse("12"),
		ExpiresAt: f.Clock.Now().Add(time.Hour),
		Reason:    "a test",
	})
	f.Must(err)
	f.wantNotice(id, notice.Low, "social_comment_reply 8h6m3.956043956s")
}

func TestPuttingNoticesAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.open("maya", "UTC")
	f.days(3, func() { f.spend(id, "auto_selling", "40") })
	f.wantNotice(id, notice.Soon, "auto_selling 24h0m0s") // 80 left
	f.Must(f.Dismiss(t.Context(), id))
	f.wantNotice(id, notice.None, "")
	// As a server of the version before writes it.
	f.Exec("update accounts set notice_seen_lot = -notice_seen_lot, notice_seen_early = false where id = $1", id)
	f.wantNotice(id, notice.None, "")
	f.spend(id, "auto_selling", "40.1")
	// Low is the next level, and was not put away. 39.9 left: selling has stopped, and nothing else
	// is in use.
	f.wantNotice(id, notice.Low, "")
	f.Must(f.Dismiss(t.Context(), id))
	f.wantNotice(id, notice.None, "")
	// Tokens came: 40.9. 80 in two days and 80.1 today are 160.1 / 3 a day; selling takes 160.1 / 4
	// at a time: (40.9 - 40.025) x 3 / 160.1 days.
	f.grant(id, "1")
	// 40 is the threshold: what was low is so up to 50
	f.wantNotice(id, notice.Low, "auto_selling 23m36.614615865s")
	threshold := tokens.MustParse("32")
	f.Must(f.Ledger.SetThreshold(t.Context(), id, ledger.SetThreshold{Amount: &threshold})) // and now up to 40
	f.wantNotice(id, notice.Soon, "auto_selling 23m36.614615865s")
	f.spend(id, "auto_selling", "39")
	f.wantNotice(id, notice.Empty, "")
	if err := f.Dismiss(t.Context(), id); err == nil {
		t.Error("an empty balance was put away")
	}
}

// Where no forecast can matter none is made: neither for an empty account nor for one whose notice
// was put away.
func TestNoPastIsReadInVain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	empty, away, low := f.open("a", "UTC"), f.open("b", "UTC"), f.open("c", "UTC")
	f.spend(empty, "auto_selling", "199")
	f.spend(away, "auto_selling", "190")
	f.spend(low, "auto_selling", "190")
	f.Must(f.Dismiss(t.Context(), away))
	f.Clock.Advance(day)
	// Days that cannot be summed up: whoever reads them fails.
	for _, id := range []uuid.UUID{empty, away, low} {
		_, err := f.DB.Pool.Exec(t.Context(),
			`insert into usage_days (account, day, feature, agent, amount, quantity, count)
			select $1, date '2026-11-01', 'x', a, 9223372036854775807, 1, 1 from unnest(array['a', 'b']) as a`, id)
		f.Must(err)
	}
	f.wantNotice(empty, notice.Empty, "")
	f.wantNotice(away, notice.None, "")
	if _, err := f.Overview(t.Context(), low); err == nil {
		t.Error("the past of the low account was not read: the test proves nothing")
	}
}
