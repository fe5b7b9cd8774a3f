package ledgertest

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// compareAccounts runs after each step.
func (m *comparison) compareAccounts(t *rapid.T) {
	accounts, err := m.Accounts(context.Background(), append(m.ids, m.unopened))
	if err != nil || len(accounts) != len(m.ids) {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	balances, err := m.Balances(context.Background(), append(m.ids, m.unopened))
	if err != nil || len(balances) != len(m.ids) {
		t.Fatalf("%d balances, %v", len(balances), err)
	}
	for _, id := range m.ids {
		got, want := accounts[id], m.model.Account(id, m.Clock.Now())
		got.BillingZone, want.BillingZone = nil, nil
		light := balances[id]
		if late := !got.NextDue.IsZero() && (light.NextDue.IsZero() || light.NextDue.After(got.NextDue)); late {
			t.Fatalf("at %v something is due at %v, and the balance says at %v", m.Clock.Now(), got.NextDue,
				light.NextDue)
		}
		light.BillingZone, light.Lots, light.Holds, light.NextDue = nil, got.Lots, got.Holds, got.NextDue
		if fmt.Sprint(light) != fmt.Sprint(got) {
			t.Fatalf("at %v the balance is\n%+v\nand the account\n%+v", m.Clock.Now(), light, got)
		}
		got.NextDue, got.Today = time.Time{}, nil // the model keeps neither; usage is compared separately
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("at %v the ledger shows\n%+v\nthe model\n%+v", m.Clock.Now(), got, want)
		}
	}
	m.compareAgents(t)
}

func (m *comparison) compareHistoryPage(t *rapid.T) {
	id := m.account(t)
	var filter ledger.Filter
	filter.Feature = rapid.SampledFrom([]string{"", "", "auto_selling", "lip_sync"}).Draw(t, "feature")
	filter.Agent = rapid.SampledFrom([]string{"", "", "sales", "unknown"}).Draw(t, "agent")
	filter.Kinds = rapid.SampledFrom([][]ledger.Kind{
		nil, nil,
		{ledger.KindCharge, ledger.KindCapture},
		{ledger.KindExpiry},
	}).Draw(t, "kinds")
	filter.LotKinds = rapid.SampledFrom([][]ledger.LotKind{
		nil, nil,
		{ledger.LotPurchase},
		{ledger.LotPlan, ledger.LotPromo},
	}).Draw(t, "lot kinds")
	filter.Reference = rapid.SampledFrom([]string{"", "job", "job-1", "task", "starter", "purchase-0"}).Draw(t,
		"reference")
	filter.From, filter.To = m.drawInstant(t, id), m.drawInstant(t, id)
	m.compareHistory(t, id, filter, rapid.IntRange(1, 12).Draw(t, "limit"))
}

func (m *comparison) compareHistory(t *rapid.T, id uuid.UUID, filter ledger.Filter, limit int) {
	m.model.Settle(id, m.Clock.Now()) // what is due is written before a filter is refused
	if field := m.model.invalidFilter(id, filter); field != "" {
		if _, err := m.History(context.Background(), id, filter, 0, limit); problem.Of(err).Field != field {
			t.Fatalf("history %+v: %v, the model refuses %s", filter, err, field)
		}
		return
	}
	want := m.model.History(id, filter, m.Clock.Now())
	var got []ledger.Line
	for before := int64(math.MaxInt64); before != 0; {
		page, err := m.History(context.Background(), id, filter, before, limit)
		if err != nil || len(page.Lines) > limit {
			t.Fatalf("%d lines, %v", len(page.Lines), err)
		}
		got, before = append(got, page.Lines...), page.Before
	}
	if len(got) != len(want) {
		t.Fatalf("history %+v has %d lines, the model %d", filter, len(got), len(want))
	}
	for i, line := range got {
		if entryText(line.Entry) != entryText(want[i]) || !m.noteMatches(id, line) {
			t.Fatalf(
				"history %+v has\n%s %q, the model\n%s",
				filter,
				entryText(line.Entry),
				line.Reason,
				entryText(want[i]),
			)
		}
	}
}

// noteMatches compares the reason and metadata of an entry.
func (m *comparison) noteMatches(id uuid.UUID, line ledger.Line) bool {
	want := m.model.accounts[id].notes[line.Seq]
	return asJSON(ledger.Note{Reason: line.Reason, Metadata: line.Metadata}) == asJSON(want)
}

// drawInstant picks the time of an entry, a microsecond before or after it, zero, or the future.
func (m *comparison) drawInstant(t *rapid.T, id uuid.UUID) time.Time {
	entries := m.model.accounts[id].entries
	n := rapid.IntRange(-len(entries)/2-2, len(entries)).Draw(t, "instant")
	switch {
	case n < 0 || (n == 0 && len(entries) == 0):
		return time.Time{}
	case n == len(entries):
		return m.Clock.Now().AddDate(0, 0, 1)
	}
	return entries[n].At.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "beside")) * time.Microsecond)
}

func (m *comparison) compareBalanceAt(t *rapid.T) {
	id := m.account(t)
	at := m.drawInstant(t, id)
	if at.IsZero() {
		at = Start.Add(-time.Hour)
	}
	got, err := m.BalanceAt(context.Background(), id, at)
	if want := m.model.BalanceAt(id, at, m.Clock.Now()); err != nil || got != want {
		t.Fatalf("balance at %v is %v (%v), the model says %v", at, got, err, want)
	}
}

func (m *comparison) compareUsage(t *rapid.T) {
	id := m.account(t)
	now := m.Clock.Now()
	from := time.Date(now.Year(), now.Month(), now.Day()-rapid.IntRange(-1, 100).Draw(t, "from"), 0, 0, 0, 0,
		time.UTC)
	to := from.AddDate(0, 0, rapid.IntRange(0, 100).Draw(t, "days"))
	got, err := m.Usage(context.Background(), id, from, to)
	if want := m.model.Usage(id, from, to); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("usage from %v to %v is\n%v (%v), the model says\n%v", from, to, got, err, want)
	}
}

func (m *comparison) compareQuote(t *rapid.T) {
	id := m.account(t)
	c := m.drawCharge(t, id)
	q, err := m.Quote(context.Background(), id, c)
	if m.model.accounts[id].isClosed() {
		if problem.Of(err).Code != "account_closed" {
			t.Fatalf("a quote of a closed account: %v", err)
		}
		return
	}
	price, refused := m.model.Cost(c.Feature, c.Quantity, c.Amount)
	if (err == nil) != (refused == nil) {
		t.Fatalf("quote: %v, the model %v", err, refused)
	}
	if err != nil {
		return
	}
	if m.model.accounts[id].reserved() > 0 {
		m.model.Settle(id, m.Clock.Now()) // reading the agents settles
	}
	settled, now := m.model.settledAt(id, m.Clock.Now())
	spendable := settled.available(c.Agent, now)
	want := ledger.Quote{
		Price:        price,
		Spendable:    spendable,
		Reserved:     settled.spendable(now) - spendable,
		Held:         settled.held(),
		Affordable:   true,
		BalanceAfter: spendable - price.Amount,
	}
	if spendable < price.Amount {
		want.Affordable, want.BalanceAfter = false, spendable
		want.Shortfall = price.Amount + settled.reservedByOthers(c.Agent) - settled.spendable(now)
	}
	if q != want {
		t.Fatalf("quote is %+v, the model's %+v", q, want)
	}
}
