package engine_test

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"pop.store/credits/internal/ledger"
)

// takeBack takes tokens out of the account, or of one of its lots.
func (m *model) takeBack(t *rapid.T) {
	id := m.account(t)
	take := ledger.TakeBack{Reason: rapid.SampledFrom([]string{"a mistake", "a mistake", "a mistake", ""}).Draw(t,
		"reason")}
	a, now := m.twin.settled(id, m.clock.Now())
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
	take.Amount = *amount(t, of)
	m.both(t, "take back", func(key string) (result, result) {
		r, err := m.TakeBack(context.Background(), id, key, take)
		return m.sent(r, err), m.twin.takeSome(id, key, take, m.clock.Now())
	})
}

// claim is a call that writes no entry, under a new key or one that was used before.
func (m *model) claim(t *rapid.T) {
	id, request := m.account(t), rapid.SampledFrom([]string{"a result", "a purchase"}).Draw(t, "request")
	if len(m.used) > 0 && rapid.Bool().Draw(t, "an old key") {
		key := rapid.SampledFrom(m.used).Draw(t, "key")
		got, want := m.claims(id, key, request)
		m.compare(t, "claim of "+key, got, want)
		return
	}
	m.both(t, "claim", func(key string) (result, result) { return m.claims(id, key, request) })
}

func (m *model) claims(id uuid.UUID, key, request string) (got, want result) {
	known, err := claim(context.Background(), m.books, id, key, request)
	got = m.sent(ledger.Receipt{}, err)
	got.replayed = known
	return got, m.twin.claim(id, key, request)
}

// claim binds a key as billing and results do.
func claim(ctx context.Context, b *books, id uuid.UUID, key, request string) (known bool, err error) {
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		known, err = b.ClaimKey(ctx, tx, id, key, []byte(request))
		return err
	})
	return known, err
}

// closeAccount comes late in a sequence, if at all: little happens afterwards.
func (m *model) closeAccount(t *rapid.T) {
	id := m.account(t)
	if len(m.twin.accounts[id].entries) < 8 || rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		t.Skip()
	}
	m.compare(t, "close", m.sent(ledger.Receipt{}, m.CloseAccount(context.Background(), id)),
		m.twin.close(id, m.clock.Now()))
}
