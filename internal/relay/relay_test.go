package relay_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/relay"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/internal/webhook"
)

func TestMain(m *testing.M) { testdb.Main(m) }

var (
	start    = time.Date(2026, 11, 22, 14, 2, 0, 0, time.UTC)
	errCrash = errors.New("a crash")
)

type office struct {
	t     *testing.T
	pool  *pgxpool.Pool
	books *engine.Engine
	clock *clock.Manual
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{
		t:     t,
		pool:  testdb.New(t),
		clock: clock.NewManual(start),
	}
	o.books = engine.New(o.pool, engine.Options{
		Clock:  o.clock.Now,
		Prices: catalog.Builtin,
		Log:    slog.New(slog.DiscardHandler),
	})
	t.Cleanup(o.books.Close)
	return o
}

// account is one that is open, and that the directory knows.
func (o *office) account(name string) uuid.UUID {
	o.t.Helper()
	id := uuid.New()
	if _, err := o.pool.Exec(o.t.Context(),
		"insert into accounts (external_id, id, created_at) values ($1, $2, $3)", name, id, start); err != nil {
		o.t.Fatal(err)
	}
	if err := o.books.SetPlan(o.t.Context(), id, ledger.SetPlan{Plan: "starter"}); err != nil {
		o.t.Fatal(err)
	}
	return id
}

func (o *office) grant(account uuid.UUID) {
	o.t.Helper()
	g := ledger.Grant{
		Kind:   ledger.LotPromo,
		Amount: tokens.MustParse("1"),
		Reason: "a test",
	}
	if _, err := o.books.Grant(o.t.Context(), account, uuid.NewString(), g); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) waiting() []ledger.Told {
	o.t.Helper()
	events, err := o.books.Outbox(o.t.Context(), 10_000)
	if err != nil {
		o.t.Fatal(err)
	}
	return events
}

func same(a, b ledger.Told) bool { return a.Account == b.Account && a.Seq == b.Seq && a.Kind == b.Kind }

// keep is a sink that remembers.
func keep(all *[]ledger.Told) relay.Sink {
	return func(_ context.Context, events []ledger.Told) error {
		*all = append(*all, events...)
		return nil
	}
}

func TestEventsReachEverySinkInOrder(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	maya, noor := o.account("maya"), o.account("noor")
	for range 3 {
		o.grant(maya)
		o.grant(noor)
	}
	want := o.waiting()
	var one, other []ledger.Told
	if more, err := relay.New(o.books, keep(&one), keep(&other)).Step(t.Context()); more || err != nil {
		t.Error(more, err)
	}
	if len(want) < 8 || !slices.EqualFunc(one, want, same) || !slices.EqualFunc(other, want, same) ||
		len(o.waiting()) != 0 {
		t.Errorf("%d and %d of %d came, %d wait", len(one), len(other), len(want), len(o.waiting()))
	}
	last := map[uuid.UUID]int64{}
	for _, e := range one {
		if e.Seq != last[e.Account]+1 {
			t.Errorf("%v: %d after %d", e.Account, e.Seq, last[e.Account])
		}
		last[e.Account] = e.Seq
	}
}

// Whatever breaks off where: what not all sinks have taken comes again.
func TestASinkThatFails(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.grant(o.account("maya"))
	want := o.waiting()
	fail := true
	var got []ledger.Told
	r := relay.New(o.books, keep(&got), func(context.Context, []ledger.Told) error {
		if fail {
			return errCrash
		}
		return nil
	})
	if _, err := r.Step(t.Context()); !errors.Is(err, errCrash) {
		t.Error(err)
	}
	if !slices.EqualFunc(o.waiting(), want, same) {
		t.Error("events are forgotten that a sink has not taken")
	}
	fail = false
	if _, err := r.Step(t.Context()); err != nil {
		t.Error(err)
	}
	if len(got) != 2*len(want) || len(o.waiting()) != 0 {
		t.Errorf("%d came of %d, twice; %d wait", len(got), len(want), len(o.waiting()))
	}
}

// A crash after the sinks have taken the events, and before the outbox has forgotten them: they
// come again, and are delivered once.
func TestACrashBeforeForgetting(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	hooks := webhook.New(o.pool, webhook.Options{Clock: o.clock.Now, Log: slog.New(slog.DiscardHandler)})
	if _, _, err := hooks.Create(t.Context(), "k", webhook.CreateParams{URL: "https://example.com/"}); err != nil {
		t.Fatal(err)
	}
	maya := o.account("maya")
	o.grant(maya)
	want := len(o.waiting())
	ctx, crash := context.WithCancel(t.Context())
	_, err := relay.New(o.books, hooks.Take, func(context.Context, []ledger.Told) error {
		crash()
		return nil
	}).Step(ctx)
	if err == nil || len(o.waiting()) != want {
		t.Fatalf("there was no crash: %v, %d of %d wait", err, len(o.waiting()), want)
	}
	o.grant(maya)
	if _, err := relay.New(o.books, hooks.Take).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	var events, deliveries int
	err = o.pool.QueryRow(t.Context(), "select (select count(*) from webhook_events), (select count(*) from webhook_deliveries)").Scan(&events, &deliveries)
	if err != nil || events != want+1 || deliveries != want+1 || len(o.waiting()) != 0 {
		t.Errorf("%d events and %d deliveries of %d, %d wait, %v", events, deliveries, want+1, len(o.waiting()), err)
	}
}

// Many events go in chunks, each account's in order; without sinks they are forgotten.
func TestChunks(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for range 2 {
		_, err := o.pool.Exec(t.Context(), `insert into outbox (account, seq, at, kind, data)
			select ('00000000-0000-0000-0000-00000000000' || n % 3)::uuid, n / 3 + 1, $1, 'balance.low', '{}' from generate_series(0, 1100) as n`, start)
		if err != nil {
			t.Fatal(err)
		}
		var got []ledger.Told
		steps := 1
		r := relay.New(o.books, keep(&got))
		for more := true; more; steps++ {
			if more, err = r.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		place := func(e ledger.Told) int { return 10_000*int(e.Account[15]) + int(e.Seq) }
		if len(got) != 1101 || steps < 4 || !slices.IsSortedFunc(got, func(a, b ledger.Told) int {
			return place(a) - place(b)
		}) {
			t.Errorf("%d in %d steps", len(got), steps-1)
		}
	}
	o.grant(o.account("maya"))
	if _, err := relay.New(o.books).Step(t.Context()); err != nil || len(o.waiting()) != 0 {
		t.Errorf("%v, %d wait", err, len(o.waiting()))
	}
}

func TestNoDatabase(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.pool.Close()
	if _, err := relay.New(o.books).Step(t.Context()); !errors.Is(err, ledger.ErrUnavailable) {
		t.Error(err)
	}
}
