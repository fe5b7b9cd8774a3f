package bench

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
)

// Sizes of histories, in entries. The goal is about ten million, which take minutes to write: --accounts
// 100.
const (
	shortHistory = 10_000
	longHistory  = 100_000 // per account, for each of --accounts
)

// setHistory reads pages and usage of an account among millions of entries, and compares with an account of
// ten thousand.
func setHistory(ctx context.Context, l *lab, o Options) (*experiment, error) {
	accounts := orDefault(o.Accounts, 10)
	l.say("writing %d entries", accounts*longHistory+shortHistory)
	ids, err := l.open(ctx, accounts+1, 1)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		n := longHistory
		if i == 0 {
			n = shortHistory
		}
		if err := l.fill(ctx, id, n); err != nil {
			return nil, err
		}
	}
	if _, err := l.owner.Exec(ctx, "analyze"); err != nil {
		return nil, err
	}
	return &experiment{
		run:       l.reading(ids[1:], longHistory, o.Callers),
		baselines: []baseline{{"short_history", l.reading(ids[:1], shortHistory, o.Callers)}},
		goals:     []Goal{{Against: "short_history_p99", AtMost: 2}},
	}, nil
}

// fill writes a long history by plain SQL: charges of 0.05 over ninety days, paid by grants, so that the
// ledger balances.
func (l *lab) fill(ctx context.Context, id uuid.UUID, n int) error {
	_, err := l.owner.Exec(ctx, `
		with a as (
			update ledger_accounts set balance = balance + $2::bigint * 50000, open_remaining = open_remaining + $2::bigint * 50000 where account = $1
			returning *
		), granted as (
			insert into entries (account, seq, at, kind, amount, balance_after, held_after, spendable_after, contra, lot_kind, day, lot)
			select account, seq + 1, last_at, 1, $2::bigint * 50000, balance, 0, balance, 1, 3, last_at::date, open_lot from a
		)
		insert into entries (account, seq, at, kind, amount, balance_after, held_after, spendable_after, contra, feature, agent, quantity, unit_price,
			catalog_version, day, lot, idempotency_key, fingerprint)
		select account, seq + 1 + i, last_at + i * interval '1 millisecond', 2, -50000, balance - i * 50000, 0, balance - i * 50000, 3,
			'social_comment_reply', 'replies', 1, 50000, '2026-11-pop-store', last_at::date, open_lot, 'fill-' || i, '\x00112233445566778899aabbccddeeff'
		from a, generate_series(1, $2::bigint) i`, id, n)
	if err != nil {
		return err
	}
	_, err = l.owner.Exec(ctx, `
		update ledger_accounts set balance = balance - $2::bigint * 50000, open_remaining = open_remaining - $2::bigint * 50000,
			seq = seq + 1 + $2::bigint, last_at = last_at + $2::bigint * interval '1 millisecond', version = version + 1
		where account = $1`, id, n)
	return err
}

// reading alternates between a page of the history and the usage of ninety days.
func (l *lab) reading(ids []uuid.UUID, entries, callers int) probe {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		today := time.Now().UTC().Truncate(24 * time.Hour)
		return drive(ctx, callers, d, func(ctx context.Context, _ int) (int, error) {
			id := ids[rand.IntN(len(ids))]
			if rand.IntN(4) == 0 {
				_, err := l.ledger.Usage(ctx, id, today.AddDate(0, 0, -90), today.AddDate(0, 0, 1))
				return 1, err
			}
			_, err := l.ledger.History(ctx, id, ledger.Filter{}, int64(1+rand.IntN(entries)), 50)
			return 1, err
		})
	}
}
