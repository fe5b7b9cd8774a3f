package relay_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/google/uuid"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/relay"
	"pop.store/credits/internal/testkit"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/internal/webhook"
)

func TestMain(m *testing.M) { testdb.Main(m) }

var errCrash = errors.New("a crash")

type fixture struct{ *testkit.Fixture }

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return &fixture{testkit.New(t)}
}

// account opens an account that the directory knows.
func (f *fixture) account(name string) uuid.UUID {
	f.T.Helper()
	return f.Register(name, directory.Put{})
}

func (f *fixture) grant(account uuid.UUID) {
	f.T.Helper()
	f.Grant(account, ledger.LotPromo, tokens.One, "")
}

func (f *fixture) waiting() []ledger.AccountEvent {
	f.T.Helper()
	events, err := f.Ledger.Outbox(f.T.Context(), 10_000)
	if err != nil {
		f.T.Fatal(err)
	}
	return events
}

func same(a, b ledger.AccountEvent) bool {
	return a.AccountID == b.AccountID && a.Seq == b.Seq && a.Kind == b.Kind
}

// keep is a sink that remembers.
func keep(all *[]ledger.AccountEvent) relay.Sink {
	return func(_ context.Context, events []ledger.AccountEvent) error {
		*all = append(*all, events...)
		return nil
	}
}

func TestEventsReachEverySinkInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	maya, noor := f.account("maya"), f.account("noor")
	for range 3 {
		f.grant(maya)
		f.grant(noor)
	}
	want := f.waiting()
	var one, other []ledger.AccountEvent
	if more, err := relay.New(f.Ledger, keep(&one), keep(&other)).Step(t.Context()); more || err != nil {
		t.Error(more, err)
	}
	if len(want) < 8 || !slices.EqualFunc(one, want, same) || !slices.EqualFunc(other, want, same) ||
		len(f.waiting()) != 0 {
		t.Errorf("%d and %d of %d came, %d wait", len(one), len(other), len(want), len(f.waiting()))
	}
	last := map[uuid.UUID]int64{}
	for _, e := range one {
		if e.Seq != last[e.AccountID]+1 {
			t.Errorf("%v: %d after %d", e.AccountID, e.Seq, last[e.AccountID])
		}
		last[e.AccountID] = e.Seq
	}
}

// After any interruption the events are repeated that not all sinks have taken.
func TestASinkThatFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.grant(f.account("maya"))
	want := f.waiting()
	fail := true
	var got []ledger.AccountEvent
	r := relay.New(f.Ledger, keep(&got), func(context.Context, []ledger.AccountEvent) error {
		if fail {
			return errCrash
		}
		return nil
	})
	if _, err := r.Step(t.Context()); !errors.Is(err, errCrash) {
		t.Error(err)
	}
	if !slices.EqualFunc(f.waiting(), want, same) {
		t.Error("events are forgotten that a sink has not taken")
	}
	fail = false
	if _, err := r.Step(t.Context()); err != nil {
		t.Error(err)
	}
	if len(got) != 2*len(want) || len(f.waiting()) != 0 {
		t.Errorf("%d came of %d, twice; %d wait", len(got), len(want), len(f.waiting()))
	}
}

// After a crash between the sinks and the outbox the events are repeated, but delivered once.
func TestACrashBeforeForgetting(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hooks := webhook.New(f.DB.Pool, webhook.Options{Clock: f.Clock.Now, Log: slog.New(slog.DiscardHandler)})
	if _, _, err := hooks.Create(t.Context(), "k", webhook.CreateParams{URL: "https://example.com/"}); err != nil {
		t.Fatal(err)
	}
	maya := f.account("maya")
	f.grant(maya)
	want := len(f.waiting())
	ctx, crash := context.WithCancel(t.Context())
	_, err := relay.New(f.Ledger, hooks.Take, func(context.Context, []ledger.AccountEvent) error {
		crash()
		return nil
	}).Step(ctx)
	if err == nil || len(f.waiting()) != want {
		t.Fatalf("there was no crash: %v, %d of %d wait", err, len(f.waiting()), want)
	}
	f.grant(maya)
	if _, err := relay.New(f.Ledger, hooks.Take).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	var events, deliveries int
	err = f.DB.Pool.QueryRow(t.Context(), "select (select count(*) from webhook_events), (select count(*) from webhook_deliveries)").Scan(&events, &deliveries)
	if err != nil || events != want+1 || deliveries != want+1 || len(f.waiting()) != 0 {
		t.Errorf("%d events and %d deliveries of %d, %d wait, %v", events, deliveries, want+1, len(f.waiting()), err)
	}
}

// Many events go in chunks, each account's in order; without sinks they are forgotten.
func TestChunks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 2 {
		_, err := f.DB.Pool.Exec(t.Context(), `insert into outbox (account, seq, at, kind, data)
			select ('00000000-0000-0000-0000-00000000000' || n % 3)::uuid, n / 3 + 1, $1, 'balance.low', '{}' from generate_series(0, 1100) as n`, testkit.Start)
		if err != nil {
			t.Fatal(err)
		}
		var got []ledger.AccountEvent
		steps := 1
		r := relay.New(f.Ledger, keep(&got))
		for more := true; more; steps++ {
			if more, err = r.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		place := func(e ledger.AccountEvent) int { return 10_000*int(e.AccountID[15]) + int(e.Seq) }
		if len(got) != 1101 || steps < 4 || !slices.IsSortedFunc(got, func(a, b ledger.AccountEvent) int {
			return place(a) - place(b)
		}) {
			t.Errorf("%d in %d steps", len(got), steps-1)
		}
	}
	f.grant(f.account("maya"))
	if _, err := relay.New(f.Ledger).Step(t.Context()); err != nil || len(f.waiting()) != 0 {
		t.Errorf("%v, %d wait", err, len(f.waiting()))
	}
}

func TestNoDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.DB.Pool.Close()
	if _, err := relay.New(f.Ledger).Step(t.Context()); !problem.IsUnavailable(err) {
		t.Error(err)
	}
}
