package recap_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/recap"
	"pop.store/credits/internal/tokens"
)

func TestMain(m *testing.M) { testdb.Main(m) }

var start = time.Date(2026, 11, 22, 14, 2, 0, 0, time.UTC)

// wallet is an account on Starter, in books on a clock that stands still.
type wallet struct {
	*engine.Engine
	t     *testing.T
	clock *clock.Manual
	id    uuid.UUID
	n     int
}

func newWallet(t *testing.T) *wallet {
	t.Helper()
	w := &wallet{
		t:     t,
		clock: clock.NewManual(start),
		id:    uuid.New(),
	}
	w.Engine = engine.New(testdb.New(t), engine.Options{
		Clock:  w.clock.Now,
		Prices: catalog.Builtin,
		Log:    slog.New(slog.DiscardHandler),
	})
	t.Cleanup(w.Close)
	if err := w.SetPlan(t.Context(), w.id, ledger.SetPlan{Plan: "starter"}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *wallet) key() string {
	w.n++
	return fmt.Sprint("key-", w.n)
}

// work has an agent ask for tokens, a minute after whatever was before; it may be turned away.
func (w *wallet) work(agent, amount string) {
	w.clock.Advance(time.Minute)
	a := tokens.MustParse(amount)
	_, _ = w.Charge(w.t.Context(), w.id, w.key(), ledger.Charge{
		Feature: "auto_selling",
		Agent:   agent,
		Amount:  &a,
	})
}

func (w *wallet) grant(kind ledger.LotKind, amount, reference string) {
	w.t.Helper()
	w.clock.Advance(time.Minute)
	g := ledger.Grant{
		Kind:   kind,
		Amount: tokens.MustParse(amount),
		Source: reference,
		Reason: "a test",
	}
	if kind == ledger.LotPromo {
		g.ExpiresAt = w.clock.Now().Add(time.Hour)
	}
	if _, err := w.Grant(w.t.Context(), w.id, w.key(), g); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wallet) account() ledger.Account {
	w.t.Helper()
	a, err := w.Account(w.t.Context(), w.id)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func ids(list []ledger.Agent) string {
	var names []string
	for i := range list {
		names = append(names, list[i].ID)
	}
	return strings.Join(names, ",")
}

func (w *wallet) wantSince(since time.Time, want string) {
	w.t.Helper()
	a := w.account()
	r, err := recap.Of(w.t.Context(), w.Engine, &a, since)
	if err != nil {
		w.t.Fatal(err)
	}
	got := fmt.Sprintf("spent %s bought %s arrived %s expired %s back %s paused %s", r.Spent, r.Bought, r.Arrived,
		r.Expired, ids(r.Back), ids(r.Paused))
	if got != want {
		w.t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every sum is what the books say from the instant on, and no more.
func TestOf(t *testing.T) {
	t.Parallel()
	w := newWallet(t)
	w.work("a", "50")
	w.clock.Advance(time.Minute)
	since := w.clock.Now()
	w.wantSince(since, "spent 0 bought 0 arrived 0 expired 0 back  paused ")
	w.work("a", "120")
	w.grant(ledger.LotPromo, "7", "")
	w.grant(ledger.LotPurchase, "100", uuid.NewString())
	w.wantSince(since, "spent 120 bought 100 arrived 7 expired 0 back  paused ")
	w.work("b", "500") // out of tokens
	w.wantSince(since, "spent 120 bought 100 arrived 7 expired 0 back  paused b")
	w.clock.Advance(2 * time.Hour) // the gift expires, spent or not: it burns first
	if err := w.Settle(t.Context(), w.id); err != nil {
		t.Fatal(err)
	}
	w.wantSince(since, "spent 120 bought 100 arrived 7 expired 7 back  paused b")
	w.grant(ledger.LotPurchase, "1000", uuid.NewString())
	w.wantSince(since, "spent 120 bought 1100 arrived 7 expired 7 back b paused ")
	w.clock.Advance(time.Minute)
	w.wantSince(w.clock.Now(), "spent 0 bought 0 arrived 0 expired 0 back  paused ")
}

// What was returned of work from before is no less of what was spent since; what was returned of
// this very work is.
func TestReturnsOfOlderWork(t *testing.T) {
	t.Parallel()
	w := newWallet(t)
	w.work("a", "100")
	w.clock.Advance(time.Minute)
	since := w.clock.Now()
	w.work("a", "30")
	w.work("a", "20")
	refund := func(seq int64) {
		t.Helper()
		w.clock.Advance(time.Minute)
		if _, err := w.Refund(t.Context(), w.id, w.key(), ledger.Refund{Entry: seq}); err != nil {
			t.Fatal(err)
		}
	}
	newest := w.account().Seq
	refund(newest - 2)
	refund(newest)
	w.wantSince(since, "spent 30 bought 0 arrived 0 expired 0 back  paused ")
	a := w.account()
	if r, err := recap.Of(t.Context(), w.Engine, &a, since); err != nil || r.Returned != tokens.MustParse("100") {
		t.Errorf("returned %s of older work, %v", r.Returned, err)
	}
}

// A purchase has put back on who ran out before it, and after the tokens that came before it.
func TestBackOn(t *testing.T) {
	t.Parallel()
	w := newWallet(t)
	first, second := uuid.New(), uuid.New()
	want := func(purchase uuid.UUID, agents string) {
		t.Helper()
		a := w.account()
		back, err := recap.BackOn(t.Context(), w.Engine, &a, purchase)
		if err != nil || ids(back) != agents {
			t.Errorf("back on: %q (%v), want %q", ids(back), err, agents)
		}
	}
	want(first, "")
	w.work("a", "200")
	w.work("b", "1")
	w.work("c", "1")
	// its creator turns it off meanwhile
	if err := w.SwitchAgent(t.Context(), w.id, ledger.SwitchAgent{ID: "c"}); err != nil {
		t.Fatal(err)
	}
	w.grant(ledger.LotPurchase, "100", first.String())
	want(first, "b")
	w.work("a", "150")
	w.grant(ledger.LotPurchase, "500", second.String())
	want(second, "a")
	want(first, "b")
	want(uuid.New(), "")
}
