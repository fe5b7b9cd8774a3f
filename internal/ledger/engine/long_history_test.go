package engine_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
)

// fillHistory inserts n charges of 0.05 by plain SQL, a second apart, and the grant that pays for them. All balances
// are consistent.
func (f *fixture) fillHistory(id uuid.UUID, n int) {
	f.T.Helper()
	_, err := f.Pool.Exec(f.T.Context(), `
		with a as (select * from ledger_accounts where account = $1),
		granted as (
			insert into entries (account, seq, at, kind, amount, balance_after, held_after, spendable_after, contra, lot_kind, day, lot)
			select account, seq + 1, last_at, 1, $2::bigint * 50000, balance + $2::bigint * 50000, 0, balance + $2::bigint * 50000, 1, 1, last_at::date, open_lot from a
		), charged as (
			insert into entries (account, seq, at, kind, amount, balance_after, held_after, spendable_after, contra, feature, agent, quantity,
				unit_price, day, lot)
			select account, seq + 1 + i, last_at + i * interval '1 second', 2, -50000, balance + ($2 - i) * 50000, 0, balance + ($2 - i) * 50000, 3,
				'social_comment_reply', 'replies', 1, 50000, last_at::date, open_lot
			from a, generate_series(1, $2::bigint) i
		), used as (
			insert into usage_days select account, '2020-01-01', 'social_comment_reply', 'replies', $2 * 50000, $2, $2 from a
		), known as (
			insert into agents (account, agent) values ($1, 'replies'), ($1, 'idle')
		)
		update ledger_accounts set seq = seq + 1 + $2, last_at = last_at + $2 * interval '1 second', version = version + 1, agents = agents + 2
		where account = $1`, id, n)
	if err != nil {
		f.T.Fatal(err)
	}
	f.Clock.Advance(time.Duration(n+1) * time.Second)
}

// However few entries match a filter, a page ends after a bounded search and the next one continues there: all matches
// are found, once and in order.
func TestAFilteredHistoryGoesOnPageByPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	first := f.MustCharge(id, "lip_sync", "")
	f.fillHistory(id, 3*ledger.MaxScan)
	last := f.MustCharge(id, "lip_sync", "")
	for _, c := range []struct {
		name     string
		filter   ledger.Filter
		want     []int64
		searches int
	}{
		{"a feature", ledger.Filter{Feature: "lip_sync"}, []int64{last.Seq, first.Seq}, 4},
		{"a kind that charges have", ledger.Filter{Kinds: []ledger.Kind{ledger.KindRefund}}, nil, 4},
		{"an agent that did nothing", ledger.Filter{Agent: "idle"}, nil, 4},
		{"an indexed kind", ledger.Filter{Kinds: []ledger.Kind{ledger.KindExpiry}}, nil, 1},
		{"indexed kinds of one lot kind", ledger.Filter{
			Kinds:    []ledger.Kind{ledger.KindGrant, ledger.KindClawback},
			LotKinds: []ledger.LotKind{ledger.LotPurchase},
		}, nil, 1},
		{"all grants", ledger.Filter{Kinds: []ledger.Kind{ledger.KindGrant}}, []int64{first.Seq + 1, 1}, 1},
		{
			"an indexed kind and a feature",
			ledger.Filter{Kinds: []ledger.Kind{ledger.KindExpiry}, Feature: "lip_sync"},
			nil, 4,
		},
		{"days", ledger.Filter{Feature: "lip_sync", To: ledgertest.Start.Add(time.Minute)}, []int64{first.Seq}, 1},
	} {
		f.checkSearch(c.name, id, c.filter, c.want, c.searches)
	}
}

// checkSearch reads a filtered history and compares the entries and the number of pages.
func (f *fixture) checkSearch(name string, id uuid.UUID, filter ledger.Filter, want []int64, searches int) {
	f.T.Helper()
	var got []int64
	before, searched, pages := int64(0), time.Time{}, 0
	for {
		page, err := f.History(f.T.Context(), id, filter, before, 50)
		if err != nil {
			f.T.Fatalf("%s: %v", name, err)
		}
		for i := range page.Lines {
			got = append(got, page.Lines[i].Seq)
		}
		if pages++; page.Before == 0 {
			if !page.SearchedTo.IsZero() {
				f.T.Errorf("%s: the last page was cut", name)
			}
			break
		}
		if before > 0 && (page.Before >= before || page.SearchedTo.IsZero() ||
			!page.SearchedTo.Before(searched)) || pages > searches {
			f.T.Fatalf("%s: page %d continues before %d, searched to %v", name, pages, page.Before, page.SearchedTo)
		}
		before, searched = page.Before, page.SearchedTo
	}
	if len(got) != len(want) || pages != searches {
		f.T.Fatalf("%s: found %v on %d pages, want %v on %d", name, got, pages, want, searches)
	}
	for i := range got {
		if got[i] != want[i] {
			f.T.Errorf("%s: found %v, want %v", name, got, want)
		}
	}
}

// A filter with an unknown agent, or with a range that ends before it begins, is refused with the name of the field.
func TestHistoryRefusesAFilterThatMeansNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	for field, filter := range map[string]ledger.Filter{
		"feature": {Feature: "lip_sink"},
		"agent":   {Agent: "unknown"},
		"from":    {From: ledgertest.Start, To: ledgertest.Start},
	} {
		if _, err := f.History(t.Context(), id, filter, 0, 50); problem.Of(err).Field != field ||
			problem.Of(err).Kind != problem.Unprocessable {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := f.History(t.Context(), uuid.New(), ledger.Filter{Agent: "unknown"}, 0, 50); problem.Of(err).Code !=
		ledger.ErrNoAccount.Code {
		t.Errorf("an account that is not there: %v", err)
	}
}
