package recap_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/recap"
	"pop.store/credits/internal/testkit"
	"pop.store/credits/internal/tokens"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// wallet is an account on Starter, with a clock that stands still.
type wallet struct {
	*testkit.Fixture
	*engine.Engine
	id uuid.UUID
	n  int
}

func newWallet(t *testing.T) *wallet {
	t.Helper()
	f := testkit.New(t)
	return &wallet{
		Fixture: f,
		Engine:  f.Ledger,
		id:      f.Account(),
	}
}

func (w *wallet) key() string {
	w.n++
	return fmt.Sprint("key-", w.n)
}

// work has an agent ask for tokens, a minute after whatever was before; it may be turned away.
func (w *wallet) work(agent, amount string) {
	w.Clock.Advance(time.Minute)
	a := tokens.MustParse(amount)
	_, _ = w.Charge(w.T.Context(), w.id, w.key(), ledger.Charge{
		Feature: "auto_selling",
		Agent:   agent,
		Amount:  &a,
	})
}

func (w *wallet) grant(kind ledger.LotKind, amount, reference string) {
	w.T.Helper()
	w.Clock.Advance(time.Minute)
	g := ledger.Grant{
		Kind:   kind,
		Amount: tokens.MustParse(amount),
		Source: reference,
		Reason: "a test",
	}
	if kind == ledger.LotPromo {
		g.ExpiresAt = w.Clock.Now().Add(time.Hour)
	}
	if _, err := w.Ledger.Grant(w.T.Context(), w.id, w.key(), g); err != nil {
		w.T.Fatal(err)
	}
}

func (w *wallet) account() ledger.Account {
	w.T.Helper()
	a, err := w.Ledger.Account(w.T.Context(), w.id)
	if err != nil {
		w.T.Fatal(err)
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
	w.T.Helper()
	a := w.account()
	r, err := recap.Of(w.T.Context(), w.Ledger, &a, since)
	if err != nil {
		w.T.Fatal(err)
	}
	got := fmt.Sprintf("spent %s bought %s arrived %s expired %s back %s paused %s", r.Spent, r.Bought, r.Arrived,
		r.Expired, ids(r.Back), ids(r.Paused))
	if got != want {
		w.T.Errorf("got  %s\nwant %s", got, want)
	}
}

// Every sum covers exactly the entries since the instant.
func TestOf(t *testing.T) {
	t.Parallel()
	w := newWallet(t)
	w.work("a", "50")
	w.Clock.Advance(time.Minute)
	since := w.Clock.Now()
	w.wantSince(since, "spent 0 bought 0 arrived 0 expired 0 back  paused ")
	w.work("a", "120")
	w.grant(ledger.LotPromo, "7", "")
	w.grant(ledger.LotPurchase, "100", uuid.NewString())
	w.wantSince(since, "spent 120 bought 100 arrived 7 expired 0 back  paused ")
	w.work("b", "500") // out of tokens
	w.wantSince(since, "spent 120 bought 100 arrived 7 expired 0 back  paused b")
	w.Clock.Advance(2 * time.Hour) // the gift expires, spent or not: it burns first
	if err := w.Settle(t.Context(), w.id); err != nil {
		t.Fatal(err)
	}
	w.wantSince(since, "spent 120 bought 100 arrived 7 expired 7 back  paused b")
	w.grant(ledger.LotPurchase, "1000", uuid.NewString())
	w.wantSince(since, "spent 120 bought 1100 arrived 7 expired 7 back b paused ")
	w.Clock.Advance(time.Minute)
	w.wantSince(w.Clock.Now(), "spent 0 bought 0 arrived 0 expired 0 back  paused ")
}

// What was returned of work from before is no less of what was spent since; what was returned of
// this very work is.
func TestReturnsOfOlderWork(t *testing.T) {
	t.Parallel()
	w := newWallet(t)
	w.work("a", "100")
	w.Clock.Advance(time.Minute)
	since := w.Clock.Now()
	w.work("a", "30")
	w.work("a", "20")
	refund := func(seq int64) {
		t.Helper()
		w.Clock.Advance(time.Minute)
		if _, err := w.Refund(t.Context(), w.id, w.key(), ledger.Refund{Entry: seq}); err != nil {
			t.Fatal(err)
		}
	}
	newest := w.account().Seq
	refund(newest - 2)
	refund(newest)
	w.wantSince(since, "spent 30 bought 0 arrived 0 expired 0 back  paused ")
	a := w.account()
	if r, err := recap.Of(t.Context(), w.Ledger, &a, since); err != nil || r.Returned != tokens.MustParse("100") {
		t.Errorf("returned %s of older work, %v", r.Returned, err)
	}
}

// A purchase restores only agents that ran out before it, and after the previous tokens.
func TestBackOn(t *testing.T) {
	t.Parallel()
	w := newWallet(t)
	first, second := uuid.New(), uuid.New()
	want := func(purchase uuid.UUID, agents string) {
		t.Helper()
		a := w.account()
		back, err := recap.BackOn(t.Context(), w.Ledger, &a, purchase)
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
