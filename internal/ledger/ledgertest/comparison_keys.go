package ledgertest

import (
	"context"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"pop.store/credits/internal/ledger"
)

// takeBack takes tokens back from the account, or from one of its lots.
func (m *comparison) takeBack(t *rapid.T) {
	id := m.account(t)
	take := ledger.TakeBack{Reason: rapid.SampledFrom([]string{"a mistake", "a mistake", "a mistake", ""}).Draw(t,
		"reason")}
	a, now := m.model.settledAt(id, m.Clock.Now())
	of := a.spendable(now)
	if rapid.Bool().Draw(t, "of a lot") {
		take.Lot = rapid.Int64Range(1, int64(max(1, len(a.entries)))).Draw(t, "number")
		if n := rapid.IntRange(0, 9).Draw(t, "lot"); n > 0 && len(a.lots) > 0 {
			take.Lot = a.lots[max(0, len(a.lots)-n)].number
		}
		if l := a.lot(take.Lot); l != nil {
			of = a.spendableOf(l, now)
		}
	}
	take.Amount = *drawAmount(t, of)
	m.sendBoth(t, "take back", func(key string) (Result, Result) {
		r, err := m.TakeBack(context.Background(), id, key, take)
		return m.toResult(r, err), m.model.TakeBack(id, key, take, m.Clock.Now())
	})
}

// claim binds a key to a request without an entry: a new key, or one that was used before.
func (m *comparison) claim(t *rapid.T) {
	id, request := m.account(t), rapid.SampledFrom([]string{"a result", "a purchase"}).Draw(t, "request")
	if len(m.used) > 0 && rapid.Bool().Draw(t, "an old key") {
		key := rapid.SampledFrom(m.used).Draw(t, "key")
		got, want := m.claims(id, key, request)
		m.compare(t, "claim of "+key, got, want)
		return
	}
	m.sendBoth(t, "claim", func(key string) (Result, Result) { return m.claims(id, key, request) })
}

func (m *comparison) claims(id uuid.UUID, key, request string) (got, want Result) {
	known, err := m.Claim(context.Background(), id, key, request)
	got = m.toResult(ledger.Receipt{}, err)
	got.Replayed = known
	return got, m.model.Claim(id, key, request)
}

// closeAccount skips most of the time and in short sequences, because little can happen afterwards.
func (m *comparison) closeAccount(t *rapid.T) {
	id := m.account(t)
	if len(m.model.accounts[id].entries) < 8 || rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		t.Skip()
	}
	m.compare(t, "close", m.toResult(ledger.Receipt{}, m.CloseAccount(context.Background(), id)),
		m.model.Close(id, m.Clock.Now()))
}
