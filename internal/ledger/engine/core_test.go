package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// wantRefusal compares the kind and code of a refusal.
func wantRefusal(t *testing.T, what string, err error, kind problem.Kind, code string) {
	t.Helper()
	if p := problem.Of(err); err == nil || p.Kind != kind || p.Code != code {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func (f *fixture) account(id uuid.UUID) ledger.Account {
	f.T.Helper()
	a, err := f.Account(f.T.Context(), id)
	if err != nil {
		f.T.Fatal(err)
	}
	return a
}

// wantBalance compares "spendable held total".
func (f *fixture) wantBalance(id uuid.UUID, want string) {
	f.T.Helper()
	a := f.account(id)
	if got := a.Spendable.String() + " " + a.Held.String() + " " + a.Total.String(); got != want {
		f.T.Errorf("spendable, held and total are %s, want %s", got, want)
	}
}

// historyLines is the history of an account, oldest first: time, kind, amount, and what is spendable afterwards.
func (f *fixture) historyLines(id uuid.UUID) []string {
	f.T.Helper()
	page, err := f.History(f.T.Context(), id, ledger.Filter{}, 0, ledger.MaxPage)
	if err != nil {
		f.T.Fatal(err)
	}
	lines := make([]string, len(page.Lines))
	for i, l := range page.Lines {
		moved := l.Amount
		if l.Kind == ledger.KindHold || l.Kind == ledger.KindRelease {
			moved = l.HeldDelta
		}
		lines[len(lines)-1-i] = l.At.Format("Jan 2 15:04 ") + l.Kind.String() + " " + moved.String() + " = " +
			l.SpendableAfter.String()
	}
	return lines
}

// wantHistory compares the end of the history.
func (f *fixture) wantHistory(id uuid.UUID, want ...string) {
	f.T.Helper()
	lines := f.historyLines(id)
	if len(lines) < len(want) {
		f.T.Fatalf("the history is %q, want %q", lines, want)
	}
	for i, line := range lines[len(lines)-len(want):] {
		if line != want[i] {
			f.T.Fatalf("the history ends with %q, want %q", lines[len(lines)-len(want):], want)
		}
	}
}

func amountOf(s string) *tokens.Amount {
	a := tokens.MustParse(s)
	return &a
}

// requestsOfEveryKind are requests of every kind, each under the given key.
func (f *fixture) requestsOfEveryKind(
	id uuid.UUID,
	hold, hold2, charge int64,
) map[string]func(key string) (ledger.Receipt, error) {
	ctx := f.T.Context()
	return map[string]func(key string) (ledger.Receipt, error){
		"charge": func(key string) (ledger.Receipt, error) {
			c := chargeOf("60")
			c.Agent, c.Reference, c.Metadata = "sales", "order 7", map[string]string{"a": "b"}
			return f.Charge(ctx, id, key, c)
		},
		"hold": func(key string) (ledger.Receipt, error) {
			return f.Hold(ctx, id, key, ledger.Hold{
				Feature:   "auto_selling",
				Amount:    amountOf("55"),
				ExpiresIn: time.Hour,
			})
		},
		"capture": func(key string) (ledger.Receipt, error) {
			return f.Capture(ctx, id, key, ledger.Capture{Hold: hold, Amount: amountOf("1.5")})
		},
		"release": func(key string) (ledger.Receipt, error) {
			return f.Release(ctx, id, key, ledger.Release{Hold: hold2})
		},
		"refund": func(key string) (ledger.Receipt, error) {
			return f.Refund(ctx, id, key, ledger.Refund{
				Entry:  charge,
				Amount: amountOf("2"),
				Reason: "sorry",
			})
		},
		"grant": func(key string) (ledger.Receipt, error) {
			return f.Grant(ctx, id, key, ledger.Grant{
				Kind:      ledger.LotPromo,
				Amount:    7 * tokens.One,
				ExpiresAt: ledgertest.Start.Add(time.Hour),
				Reason:    "gift",
			})
		},
		"purchase": func(key string) (ledger.Receipt, error) {
			return f.Grant(ctx, id, key, ledger.Grant{
				Kind:   ledger.LotPurchase,
				Amount: 100 * tokens.One,
				Source: "p1",
			})
		},
	}
}

// A replay is byte for byte the first answer: on every server, whatever has happened to the account, and however long
// ago it was. Another request under the same key is refused.
func TestEveryOperationIsReplayed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	other := f.NewServer()
	hold, err := f.Hold(t.Context(), id, "h", ledger.Hold{Feature: "lip_sync"})
	hold2, err2 := f.Hold(t.Context(), id, "h2", ledger.Hold{Feature: "lip_sync"})
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	sends := f.requestsOfEveryKind(id, hold.Seq, hold2.Seq, f.MustCharge(id, "lip_sync", "").Seq)
	first := map[string]string{}
	for name, send := range sends {
		r, err := send("key of " + name)
		if err != nil || r.Replayed {
			t.Fatalf("%s: %v", name, err)
		}
		first[name] = inJSON(t, r)
	}
	again := func(when string) {
		t.Helper()
		for name, send := range sends {
			if r, err := send("key of " + name); err != nil || !r.Replayed || inJSON(t, r) != first[name] {
				t.Errorf("%s, %s answers %s (%v), first %s", when, name, inJSON(t, r), err, first[name])
			}
			for key := range sends {
				if key != name {
					if _, err := send("key of " + key); !errors.Is(err, idempotency.ErrKeyReused) {
						t.Errorf("%s, %s under the key of %s: %v", when, name, key, err)
					}
				}
			}
		}
	}
	again("at once")
	f.Clock.Advance(100 * 24 * time.Hour) // every new request would be refused
	again("later")
	here := f.Engine
	defer func() { f.Engine = here }()
	f.Engine = other
	again("on another server")
	// The other server has the account in its cache now, but not these keys.
	f.Engine = f.NewServer()
	a := f.account(id)
	if _, err := f.Charge(t.Context(), id, "all", chargeOf(a.Spendable.String())); err != nil {
		t.Fatal(err)
	}
	again("on a server that knows the account")
}

func inJSON(t *testing.T, r ledger.Receipt) string {
	t.Helper()
	r.Replayed = false
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Another server's changes count, although this one has the account in its cache.
func TestAServerSeesWhatAnotherOneWrote(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.NewServer()
	id := f.MustOpenWith("10")
	if _, err := other.Hold(t.Context(), id, "h",
		ledger.Hold{Feature: "auto_selling", Amount: amountOf("4")}); err != nil {
		t.Fatal(err)
	}
	_, err := f.Charge(t.Context(), id, "k", chargeOf("7"))
	wantRefusal(t, "more than is left", err, problem.Insufficient, "insufficient_tokens")
	f.Clock.Advance(20 * time.Minute)
	f.wantHistory(id, "Jan 31 09:30 hold 4 = 6", "Jan 31 09:45 release -4 = 10")
	f.MustCharge(id, "auto_selling", "7")
	// The other server has written what is due, and this one had no conflict so far.
	f.Engine = f.NewServer()
	f.MustCharge(id, "auto_selling", "1")
	if _, err := other.Hold(t.Context(), id, "h2",
		ledger.Hold{Feature: "auto_selling", Amount: amountOf("1")}); err != nil {
		t.Fatal(err)
	}
	f.Clock.Advance(20 * time.Minute)
	if err := f.Settle(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	var held tokens.Amount
	if err := f.Pool.QueryRow(t.Context(), "select held from ledger_accounts where account = $1",
		id).Scan(&held); err != nil || held != 0 {
		t.Errorf("%s are held in the database (%v)", held, err)
	}
	f.wantHistory(id, "Jan 31 09:50 charge -1 = 2", "Jan 31 09:50 hold 1 = 1", "Jan 31 10:05 release -1 = 2")
}

// A refusal is decided on the current state, like an acceptance, and recording it changes nothing else.
func TestARefusalIsNotFromOldMemory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.NewServer()
	id := f.MustOpenWith("10")
	if _, err := other.Charge(t.Context(), id, "o1", chargeOf("4")); err != nil {
		t.Fatal(err)
	}
	_, err := f.Charge(t.Context(), id, "k1", chargeOf("20"))
	if p := problem.Of(err); p.Code != "insufficient_tokens" || p.Details["spendable"] != 6*tokens.One {
		t.Errorf("refused with %v %v", err, p.Details)
	}
	f.wantBalance(id, "6 0 6")
	f.Engine = f.NewServer()
	f.MustCharge(id, "auto_selling", "1") // now this one caches 5
	if _, err := other.Grant(t.Context(), id, "o2",
		ledger.Grant{Kind: ledger.LotPromo, Amount: 20 * tokens.One}); err != nil {
		t.Fatal(err)
	}
	f.MustCharge(id, "auto_selling", "20")
	f.wantBalance(id, "5 0 5")
}

// 250 attempts lack tokens: all are counted, 200 a day are kept one by one.
func TestDeclinedAttemptsAreCountedAndBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("1")
	decline := func(n int) {
		t.Helper()
		for i := range n {
			_, err := f.Charge(t.Context(), id, strconv.Itoa(i), ledger.Charge{Feature: "lip_sync"})
			wantRefusal(t, "a charge", err, problem.Insufficient, "insufficient_tokens")
		}
	}
	decline(249)
	_, err := f.Hold(t.Context(), id, "h", ledger.Hold{Feature: "lip_sync"})
	wantRefusal(t, "a hold", err, problem.Insufficient, "insufficient_tokens")
	f.Clock.Advance(24 * time.Hour)
	decline(3)
	count := func(query string) (n int) {
		t.Helper()
		if err := f.Pool.QueryRow(t.Context(), query, id).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count("select declined from ledger_accounts where account = $1"); n != 253 {
		t.Errorf("counted %d, want 253", n)
	}
	if n := count("select count(*) from declined_attempts where account = $1"); n != 203 {
		t.Errorf("%d rows, want 203", n)
	}
	day := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	list, err := f.DeclinedOn(t.Context(), id, day)
	if err != nil || len(list) != 3 {
		t.Fatalf("%d on the second day (%v)", len(list), err)
	}
	want := ledger.Declined{
		Day:       day,
		Number:    3,
		At:        ledgertest.Start.Add(24 * time.Hour),
		Feature:   "lip_sync",
		Required:  5 * tokens.One,
		Spendable: tokens.One,
	}
	if list[0] != want {
		t.Errorf("the newest is %+v, want %+v", list[0], want)
	}
}

// Two servers' clocks disagree about midnight: the account's day begins only once.
func TestDeclinedAttemptsWhileClocksDisagreeAboutMidnight(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("1")
	midnight := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for i, seconds := range []int{-2, 1, -1, 2, -1} {
		f.Clock.Set(midnight.Add(time.Duration(seconds) * time.Second))
		_, err := f.Charge(t.Context(), id, strconv.Itoa(i), ledger.Charge{Feature: "lip_sync"})
		wantRefusal(t, "a charge", err, problem.Insufficient, "insufficient_tokens")
	}
	for day, want := range map[time.Time]int{midnight.AddDate(0, 0, -1): 1, midnight: 4} {
		if list, err := f.DeclinedOn(t.Context(), id, day); err != nil || len(list) != want {
			t.Errorf("%d declined on %v (%v), want %d", len(list), day, err, want)
		}
	}
}

// Clocks in Berlin go forward on 29 March 2026: that day has 23 hours, from 23:00 to 22:00 UTC. A charge counts on its
// day in the billing zone, and its refunds count on that same day, separately.
func TestUsageFollowsTheBillingZonesDays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := uuid.New()
	if err := f.SetPlan(t.Context(), id, ledger.SetPlan{Plan: "star", Zone: "Europe/Berlin"}); err != nil {
		t.Fatal(err)
	}
	at := func(day, hour, minute int) { f.Clock.Set(time.Date(2026, 3, day, hour, minute, 0, 0, time.UTC)) }
	at(28, 22, 59) // 28 March 23:59
	first := f.MustCharge(id, "auto_selling", "10")
	at(28, 23, 0) // 29 March 00:00
	f.MustCharge(id, "auto_selling", "20")
	f.MustCharge(id, "lip_sync", "")
	hold, err := f.Hold(t.Context(), id, "h", ledger.Hold{
		Feature:   "auto_selling",
		Amount:    amountOf("40"),
		ExpiresIn: 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	at(29, 21, 59) // 29 March 23:59, in summer time
	if _, err := f.Capture(t.Context(), id, "c", ledger.Capture{Hold: hold.Seq, Amount: amountOf("30")}); err != nil {
		t.Fatal(err)
	}
	at(29, 22, 0) // 30 March 00:00
	if _, err := f.Refund(t.Context(), id, "r", ledger.Refund{Entry: first.Seq, Amount: amountOf("4")}); err != nil {
		t.Fatal(err)
	}
	day := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	want := []ledger.Usage{
		{
			Day:      day(28),
			Feature:  "auto_selling",
			Amount:   10 * tokens.One,
			Quantity: 1,
			Count:    1,
			Returned: 4 * tokens.One,
		},
		{
			Day:      day(29),
			Feature:  "auto_selling",
			Amount:   50 * tokens.One,
			Quantity: 2,
			Count:    2,
		},
		{
			Day:      day(29),
			Feature:  "lip_sync",
			Amount:   5 * tokens.One,
			Quantity: 1,
			Count:    1,
		},
	}
	check := func(from, to int, want []ledger.Usage) {
		t.Helper()
		got, err := f.Usage(t.Context(), id, day(from), day(to))
		if err != nil || inText(got) != inText(want) {
			t.Errorf("usage from %d to %d is %+v (%v), want %+v", from, to, got, err, want)
		}
	}
	check(1, 31, want)
	check(29, 30, want[1:3])
	check(30, 31, nil)
	check(31, 40, nil)
}

func inText(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// A day may have more features and agents than the account's row keeps: all of them are in the usage.
func TestUsageOfManyAgentsInADay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("star")
	for i := range 200 {
		c := chargeOf("0.5")
		c.Agent = "agent-" + strconv.Itoa(i%67)
		if _, err := f.Charge(t.Context(), id, strconv.Itoa(i), c); err != nil {
			t.Fatal(err)
		}
	}
	list, err := f.Usage(
		t.Context(),
		id,
		ledgertest.Start.Truncate(24*time.Hour),
		ledgertest.Start.Truncate(24*time.Hour).AddDate(0, 0, 1),
	)
	if err != nil || len(list) != 67 {
		t.Fatalf("%d lines (%v)", len(list), err)
	}
	for i, u := range list {
		want := int64(3)
		if n, err := strconv.Atoi(u.Agent[len("agent-"):]); err != nil || n >= 200%67 {
			want = 2
		}
		if u.Count != want || u.Quantity != want || u.Amount != tokens.Amount(want)*tokens.One/2 ||
			(i > 0 && list[i-1].Agent >= u.Agent) {
			t.Errorf("line %d is %+v", i, u)
		}
	}
}

// The balance at an instant is that after the last entry before it.
func TestBalanceAtTheEdgesOfEntries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	f.Clock.Advance(time.Minute)
	f.MustCharge(id, "auto_selling", "50")
	f.MustCharge(id, "auto_selling", "25") // in the same instant
	f.Clock.Advance(time.Minute)
	if _, err := f.Hold(t.Context(), id, "h", ledger.Hold{
		Feature:   "auto_selling",
		Amount:    amountOf("5"),
		ExpiresIn: time.Minute,
	}); err != nil {
		t.Fatal(err)
	}
	f.Clock.Advance(time.Hour) // the hold has timed out, though nothing was written yet
	for at, want := range map[time.Duration]ledger.Balance{
		-time.Hour:                     {},
		0:                              {},
		time.Microsecond:               {Spendable: 200 * tokens.One, Total: 200 * tokens.One},
		time.Minute:                    {Spendable: 200 * tokens.One, Total: 200 * tokens.One},
		time.Minute + time.Microsecond: {Spendable: 125 * tokens.One, Total: 125 * tokens.One},
		2*time.Minute + 1000: {
			Spendable: 120 * tokens.One,
			Held:      5 * tokens.One,
			Total:     125 * tokens.One,
		},
		3 * time.Minute: {
			Spendable: 120 * tokens.One,
			Held:      5 * tokens.One,
			Total:     125 * tokens.One,
		},
		3*time.Minute + 1000: {Spendable: 125 * tokens.One, Total: 125 * tokens.One},
		1000 * time.Hour:     {Spendable: 125 * tokens.One, Total: 125 * tokens.One},
	} {
		if got, err := f.BalanceAt(t.Context(), id, ledgertest.Start.Add(at)); err != nil || got != want {
			t.Errorf("after %v it is %v (%v), want %v", at, got, err, want)
		}
	}
	_, err := f.BalanceAt(t.Context(), uuid.New(), ledgertest.Start)
	wantRefusal(t, "an unknown account's balance", err, problem.NotFound, "account_not_found")
}

// From is inclusive and To exclusive, to the microsecond. Entries of due events have the time at which they were due.
func TestHistoryBetweenTwoInstants(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	for range 5 {
		f.Clock.Advance(time.Minute)
		f.MustCharge(id, "lip_sync", "")
	}
	f.Clock.Set(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	reset := time.Date(2026, 2, 28, 9, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		from, to time.Time
		want     int
	}{
		{time.Time{}, time.Time{}, 8},
		{ledgertest.Start, ledgertest.Start.Add(time.Minute), 1},
		{ledgertest.Start, ledgertest.Start.Add(time.Minute + time.Microsecond), 2},
		{ledgertest.Start.Add(time.Minute), ledgertest.Start.Add(3 * time.Minute), 2},
		{ledgertest.Start.Add(time.Minute + time.Microsecond), ledgertest.Start.Add(3 * time.Minute), 1},
		{ledgertest.Start.Add(6 * time.Minute), reset, 0},
		{reset, reset.Add(time.Microsecond), 2},
		{reset.Add(time.Microsecond), time.Time{}, 0},
		{time.Time{}, ledgertest.Start, 0},
	} {
		page, err := f.History(t.Context(), id, ledger.Filter{From: c.from, To: c.to}, 0, 100)
		if err != nil || len(page.Lines) != c.want || page.Before != 0 {
			t.Errorf("from %v to %v: %d lines (%v), want %d", c.from, c.to, len(page.Lines), err, c.want)
		}
	}
	page, err := f.History(t.Context(), id,
		ledger.Filter{From: ledgertest.Start.Add(time.Minute), To: ledgertest.Start.Add(5 * time.Minute)}, 0, 3)
	if err != nil || len(page.Lines) != 3 || page.Before == 0 {
		t.Fatalf("the first page: %+v (%v)", page, err)
	}
	page, err = f.History(
		t.Context(),
		id,
		ledger.Filter{
			From: ledgertest.Start.Add(time.Minute),
			To:   ledgertest.Start.Add(5 * time.Minute),
		},
		page.Before,
		3,
	)
	if err != nil || len(page.Lines) != 1 || page.Before != 0 {
		t.Errorf("the second page: %+v (%v)", page, err)
	}
}

// At one instant a hold times out first, then the lots expire, then the next period begins. The tokens of the hold
// expire with their lot.
func TestWhatIsDueAtOneInstantHappensInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	reset := time.Date(2026, 2, 28, 9, 30, 0, 0, time.UTC)
	f.MustGrant(id, ledger.LotPromo, "10", reset)
	f.MustGrant(id, ledger.LotPromo, "1", reset.Add(-time.Minute))
	f.Clock.Set(reset.Add(-time.Hour))
	if _, err := f.Hold(t.Context(), id, "h", ledger.Hold{
		Feature:   "auto_selling",
		Amount:    amountOf("30"),
		ExpiresIn: time.Hour,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Hold(t.Context(), id, "h2", ledger.Hold{
		Feature:   "auto_selling",
		Amount:    amountOf("40"),
		ExpiresIn: time.Hour,
	}); err != nil {
		t.Fatal(err)
	}
	f.Clock.Set(reset)
	f.MustCharge(id, "auto_selling", "150")
	f.wantHistory(id,
		"Jan 31 09:30 grant 1 = 211", "Feb 28 08:30 hold 30 = 181", "Feb 28 08:30 hold 40 = 141",
		"Feb 28 09:30 release -30 = 0", "Feb 28 09:30 expiry -1 = 0", "Feb 28 09:30 expiry -160 = 0",
		"Feb 28 09:30 release -40 = 0", "Feb 28 09:30 expiry -40 = 0", "Feb 28 09:30 expiry -10 = 0",
		"Feb 28 09:30 grant 200 = 200", "Feb 28 09:30 charge -150 = 50")
}

// The account's time never runs backwards, even when a server's clock does.
func TestTimeNeverRunsBackwards(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	f.Clock.Advance(10 * time.Second)
	f.MustCharge(id, "lip_sync", "")
	f.Clock.Advance(-8 * time.Second)
	r, err := f.Hold(t.Context(), id, "h", ledger.Hold{Feature: "lip_sync", ExpiresIn: time.Second})
	if err != nil || !r.At.Equal(ledgertest.Start.Add(10*time.Second)) {
		t.Fatalf("at %v (%v)", r.At, err)
	}
	f.wantBalance(id, "190 5 195")
	f.Clock.Set(ledgertest.Start.Add(11*time.Second - time.Microsecond))
	f.wantBalance(id, "190 5 195")
	f.Clock.Set(ledgertest.Start.Add(11 * time.Second))
	f.wantBalance(id, "195 0 195")
}

func TestQuotesSayWhatAChargeWould(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("12")
	two := int64(2)
	for _, c := range []struct {
		charge                                   ledger.Charge
		amount, spendable, balanceAfter, missing string
		affordable                               bool
	}{
		{ledger.Charge{Feature: "lip_sync"}, "5", "12", "7", "0", true},
		{ledger.Charge{Feature: "lip_sync", Quantity: &two}, "10", "12", "2", "0", true},
		{chargeOf("12"), "12", "12", "0", "0", true},
		{chargeOf("12.000001"), "12.000001", "12", "12", "0.000001", false},
		{ledger.Charge{Feature: "pdf_creation", Quantity: &two}, "150", "12", "12", "138", false},
	} {
		q, err := f.Quote(t.Context(), id, c.charge)
		if err != nil || q.Amount.String() != c.amount || q.Spendable.String() != c.spendable ||
			q.BalanceAfter.String() != c.balanceAfter ||
			q.Shortfall.String() != c.missing || q.Affordable != c.affordable {
			t.Errorf("%+v: %+v (%v)", c.charge, q, err)
		}
	}
	_, err := f.Quote(t.Context(), id, ledger.Charge{Feature: "auto_selling"})
	wantRefusal(t, "a metered feature without an amount", err, problem.Unprocessable, "invalid_field")
	_, err = f.Quote(t.Context(), uuid.New(), ledger.Charge{Feature: "lip_sync"})
	wantRefusal(t, "an unknown account's quote", err, problem.NotFound, "account_not_found")
	f.Clock.Advance(40 * 24 * time.Hour)
	if q, err := f.Quote(t.Context(), id, chargeOf("200")); err != nil || q.BalanceAfter.String() != "12" {
		t.Errorf("after the reset: %+v (%v)", q, err)
	}
}

// A lot that was used up has nothing to expire: nothing is due when its time comes.
func TestNothingStaysDue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("1")
	f.MustGrant(id, ledger.LotPromo, "5", ledgertest.Start.Add(time.Hour))
	f.MustCharge(id, "lip_sync", "")
	f.Clock.Advance(2 * time.Hour)
	if err := f.Settle(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	var due time.Time
	if err := f.Pool.QueryRow(t.Context(), "select next_due_at from ledger_accounts where account = $1",
		id).Scan(&due); err != nil {
		t.Fatal(err)
	}
	if want := f.account(id).NextReset; !due.Equal(want) {
		t.Errorf("due at %v, want %v", due, want)
	}
}

// The operator raises the allowances within a period: setting the same plan again changes nothing, and another plan
// grants the difference once.
func TestRaisedAllowancesInAPeriod(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	plan := func(name string) {
		t.Helper()
		for range 2 {
			if err := f.SetPlan(t.Context(), id, ledger.SetPlan{Plan: name}); err != nil {
				t.Fatal(err)
			}
		}
	}
	plan("pro")
	f.WantSpendable(id, "400")
	here := f.Engine
	f.Engine = f.NewServerWith(raisedPrices)
	plan("pro")
	f.WantSpendable(id, "400")
	plan("star")
	f.WantSpendable(id, "1100")
	f.Engine = here
	plan("star")
	f.WantSpendable(id, "1100")
}

// raisedPrices are prices at which every plan gives a hundred tokens more.
func raisedPrices() *catalog.Catalog {
	c := catalog.Builtin()
	c.Version = "raised"
	for i := range c.Plans {
		c.Plans[i].Allowance += 100 * tokens.One
	}
	return c
}

// A huge amount is refused like any other that is too large, and other requests of its batch succeed.
func TestAHugeAmountIsOnlyTooMuch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("100")
	f.MustGrant(id, ledger.LotPromo, "10", ledgertest.Start.Add(time.Hour))
	huge := tokens.Amount(math.MaxInt64)
	results := f.NewServer().ChargeAll(t.Context(), []ledger.BulkCharge{
		{
			AccountID: id,
			Key:       "1",
			Charge:    chargeOf("50"),
		},
		{
			AccountID: id,
			Key:       "2",
			Charge:    ledger.Charge{Feature: "auto_selling", Amount: &huge},
		},
		{
			AccountID: id,
			Key:       "3",
			Charge:    ledger.Charge{Feature: "auto_selling", Amount: &huge},
		},
		{
			AccountID: id,
			Key:       "4",
			Charge:    chargeOf("60"),
		},
	})
	for i, code := range []string{"", "insufficient_tokens", "insufficient_tokens", ""} {
		if err := results[i].Err; (err == nil) != (code == "") || (err != nil && problem.Of(err).Code != code) {
			t.Errorf("charge %d: %v", i, err)
		}
	}
	f.wantBalance(id, "0 0 0")
}

// While another server has locked an account, a batch waits and then decides on the new state: it neither overtakes nor
// fails.
func TestABatchWaitsForTheAccountsRow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("10")
	tx, err := f.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "update ledger_accounts set version = version + 1 where account = $1",
		id); err != nil {
		t.Fatal(err)
	}
	charged := make(chan error, 1)
	fresh := f.NewServer() // has an empty cache
	go func() {
		_, err := fresh.Charge(context.WithoutCancel(t.Context()), id, "k", chargeOf("4"))
		charged <- err
	}()
	for waiting := 0; waiting == 0; {
		select {
		case err := <-charged:
			t.Fatalf("the charge did not wait: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
		const blocked = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
		if err := f.Pool.QueryRow(t.Context(), blocked).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-charged; err != nil {
		t.Errorf("once the row was free: %v", err)
	}
	f.wantBalance(id, "6 0 6")
}
