package results_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/results"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// Late in November in UTC, and already December in Auckland.
var start = time.Date(2026, 11, 30, 14, 0, 0, 0, time.UTC)

type house struct {
	*results.Results
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
	h.Results = results.New(h.pool, h.books)
	return h
}

func (h *house) open(zone string) uuid.UUID {
	h.t.Helper()
	id := uuid.New()
	if err := h.books.SetPlan(h.t.Context(), id, ledger.SetPlan{Plan: "starter", Zone: zone}); err != nil {
		h.t.Fatal(err)
	}
	return id
}

func (h *house) add(id uuid.UUID, r results.Report) {
	h.t.Helper()
	if _, replayed, err := h.Add(context.WithoutCancel(h.t.Context()), id, uuid.NewString(), r); err != nil ||
		replayed {
		h.t.Errorf("%+v: replayed %v, %v", r, replayed, err)
	}
}

// sums tells what a month brought in: "dms sale: 2 reports, 5, $3.00".
func (h *house) sums(id uuid.UUID, day time.Time) string {
	h.t.Helper()
	list, err := h.Sums(h.t.Context(), id, day)
	if err != nil {
		h.t.Fatal(err)
	}
	var told []string
	for _, s := range list {
		line := fmt.Sprintf("%s %s: %d reports, %d", s.Agent, s.Kind, s.Reports, s.Count)
		if s.Money.Currency != "" {
			line += ", " + s.Money.String()
		}
		told = append(told, strings.TrimSpace(line))
	}
	return strings.Join(told, "\n")
}

func (h *house) wantSums(id uuid.UUID, day time.Time, want ...string) {
	h.t.Helper()
	if got := h.sums(id, day); got != strings.Join(want, "\n") {
		h.t.Errorf("%s brought in\n%s\nwant\n%s", day.Format(time.DateOnly), got, strings.Join(want, "\n"))
	}
}

func ptr[T any](v T) *T { return &v }

// Sums are by agent, kind and currency, and a month is that of the billing zone.
func TestSumsOfAMonth(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	utc, auckland := h.open("UTC"), h.open("Pacific/Auckland")
	for _, id := range []uuid.UUID{utc, auckland} {
		h.add(id, results.Report{
			Agent:    "dms",
			Kind:     "sale",
			Money:    "19.90",
			Currency: "USD",
		})
		h.add(id, results.Report{
			Agent:    "dms",
			Kind:     "sale",
			Count:    ptr[int64](2),
			Money:    "0.10",
			Currency: "USD",
		})
		h.add(id, results.Report{
			Agent:    "dms",
			Kind:     "sale",
			Money:    "5",
			Currency: "EUR",
		})
		h.add(id, results.Report{
			Agent: "dms",
			Kind:  "dm_answered",
			Count: ptr[int64](240),
		})
		h.add(id, results.Report{Kind: "dm_answered"})
	}
	november, december := time.Date(2026, 11, 17, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)
	all := []string{
		"dm_answered: 1 reports, 1", "dms dm_answered: 1 reports, 240",
		"dms sale: 1 reports, 1, €5.00", "dms sale: 2 reports, 3, $20.00",
	}
	h.wantSums(utc, november, all...)
	h.wantSums(utc, december)
	h.wantSums(auckland, november)
	h.wantSums(auckland, december, all...)
	h.clock.Advance(10 * time.Hour) // midnight in UTC
	h.add(utc, results.Report{Agent: "dms", Kind: "sale"})
	h.wantSums(utc, november, all...)
	h.wantSums(utc, december, "dms sale: 1 reports, 1")
	h.wantSums(uuid.New(), december)
}

// However many report at once, with keys of their own and keys that others use too, the sums are
// those of what was kept.
func TestSumsAreExact(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ids := []uuid.UUID{h.open("UTC"), h.open("UTC")}
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			for n := range 15 {
				r := results.Report{
					Agent:    []string{"", "a", "b"}[n%3],
					Kind:     []string{"sale", "lead"}[i%2],
					Count:    ptr(int64(n)),
					Money:    strconv.Itoa(n) + ".05",
					Currency: "USD",
				}
				if _, _, err := h.Add(context.WithoutCancel(t.Context()), ids[n%2],
					fmt.Sprintf("%d %d", i/2*2+i%2*(n%2), n), r); err != nil &&
					problem.Of(err).Code != "idempotency_key_reused" {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var kept, wrong int
	err := h.pool.QueryRow(t.Context(), `select (select count(*) from results), count(*) from (
			select account, month, agent, kind, currency, count(*) as reports, sum(count) as count, sum(money_minor) as money_minor from results group by 1, 2, 3, 4, 5
		) as r full join result_sums as s using (account, month, agent, kind, currency)
		where (r.reports, r.count, r.money_minor) is distinct from (s.reports, s.count, s.money_minor)`).Scan(&kept, &wrong)
	if err != nil || wrong != 0 || kept < 200 || kept >= 24*15 {
		t.Errorf("%d kept, %d sums are wrong, %v", kept, wrong, err)
	}
}

// There is room for so many kinds of results a month, and those that are there go on.
func TestKindsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := h.open("UTC")
	_, err := h.pool.Exec(t.Context(), "insert into result_sums select $1, '2026-11-01', '', 'kind_' || n, '', 1, 1, 0 from generate_series(1, $2::int) as n", id, results.MaxSums-1)
	if err != nil {
		t.Fatal(err)
	}
	h.add(id, results.Report{Kind: "the_last"})
	_, _, err = h.Add(t.Context(), id, "k", results.Report{Kind: "one_more"})
	if p := problem.Of(err); p.Code != "too_many_result_kinds" || p.Kind != problem.Conflict {
		t.Errorf("one more: %v", err)
	}
	h.add(id, results.Report{Kind: "the_last"})
	h.clock.Advance(24 * time.Hour)
	if _, replayed, err := h.Add(t.Context(), id, "k", results.Report{Kind: "one_more"}); err != nil || replayed {
		t.Errorf("in the next month: replayed %v, %v", replayed, err)
	}
	list, err := h.Sums(t.Context(), id, start)
	if err != nil || len(list) != results.MaxSums {
		t.Errorf("%d sums, %v", len(list), err)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if _, _, err := h.Add(t.Context(), uuid.New(), "k", results.Report{Kind: "sale"}); problem.Of(err).Code !=
		"account_not_found" {
		t.Errorf("of nobody: %v", err)
	}
	if _, _, err := h.Add(t.Context(), h.open("UTC"), "", results.Report{Kind: "sale"}); problem.Of(err).Code !=
		"missing_idempotency_key" {
		t.Errorf("without a key: %v", err)
	}
}
