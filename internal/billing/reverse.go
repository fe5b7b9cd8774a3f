package billing

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
)

// Refunded and disputed money is first recorded (note, noteRefunded, noteDispute), in any order, and each
// change counts up the purchase's version. applyReversals then brings the ledger in line and stores the
// version that it applied. After an interruption the reconciling job finds a version that is not applied.

// note records refunds and disputes that a checkout reports.
func (s *Service) note(ctx context.Context, p *Purchase, c *payment.Checkout) error {
	if c.Refunded > 0 {
		if err := s.noteRefunded(ctx, p, c.Refunded); err != nil {
			return err
		}
	}
	for _, d := range c.Disputes {
		if err := s.noteDispute(ctx, p, d); err != nil {
			return err
		}
	}
	return nil
}

const sqlRefunded = `update purchases set refunded_minor = $2, version = version + 1, updated_at = $3 where id = $1 and refunded_minor < $2`

// noteRefunded records the total refunded so far. A smaller total than the recorded one is outdated.
func (s *Service) noteRefunded(ctx context.Context, p *Purchase, total int64) error {
	if _, err := s.pool.Exec(ctx, sqlRefunded, p.ID, total, s.o.Clock()); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// sqlDispute keeps the latest state of a dispute; of two in the same second, the one that ends it.
const sqlDispute = `with told as (
		insert into purchase_disputes (id, purchase, state, amount_minor, at) values ($1, $2, $3, $4, $5)
		on conflict (id) do update set state = excluded.state, amount_minor = excluded.amount_minor, at = excluded.at
		where (excluded.at > purchase_disputes.at or (excluded.at = purchase_disputes.at and purchase_disputes.state = 'open'))
			and (excluded.state, excluded.amount_minor) <> (purchase_disputes.state, purchase_disputes.amount_minor)
			and not (purchase_disputes.state <> 'open' and excluded.state = 'open')
		returning purchase)
	update purchases set version = version + 1, updated_at = $6 where id in (select purchase from told)`

// noteDispute records the state of a dispute. A closed dispute never opens again; another one has another
// id.
func (s *Service) noteDispute(ctx context.Context, p *Purchase, d payment.Dispute) error {
	amount := d.Amount.Minor
	if d.Amount.Currency != p.Price.Currency {
		s.o.Log.Error("a dispute is in another currency than the purchase: all of the purchase counts as disputed",
			"purchase", p.ID, "dispute", d.ID, "amount", d.Amount)
		amount = max(p.Paid.Minor, p.Price.Minor)
	}
	if _, err := s.pool.Exec(ctx, sqlDispute, d.ID, p.ID, d.State, amount, d.At, s.o.Clock()); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// applyReversals brings the ledger in line with a purchase's refunds and disputes: it takes tokens back and
// freezes disputed ones. It runs one at a time for each purchase and is idempotent. A purchase without a
// credit has nothing to reverse.
func (s *Service) applyReversals(ctx context.Context, id uuid.UUID) error {
	account, behind, err := s.needsReversal(ctx, id)
	if err != nil || !behind {
		return err
	}
	// Loaded before the lock: other callers may wait for the lock and hold all other connections.
	bought, err := s.o.Ledger.Purchase(ctx, account, id.String())
	if err != nil {
		return err
	}
	select {
	case s.reversing <- struct{}{}:
	case <-ctx.Done():
		return problem.Unavailable(ctx.Err())
	}
	defer func() { <-s.reversing }()
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		p, err := lock(ctx, tx, id)
		if err != nil || !p.credited() || p.applied == p.version {
			return err
		}
		return s.apply(ctx, tx, &p, bought)
	})
	if err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// needsReversal reports, without waiting for a lock, whether a purchase has something to reverse, and its account.
func (s *Service) needsReversal(ctx context.Context, id uuid.UUID) (account uuid.UUID, behind bool, err error) {
	err = s.pool.QueryRow(ctx, `select account, applied < version and completed_at is not null from purchases where id = $1`, id).Scan(&account, &behind)
	if err != nil {
		return uuid.Nil, false, problem.Unavailable(err)
	}
	return account, behind, nil
}

// lock reads a purchase and locks its row until the transaction ends. Other tables must be read by later
// statements: a statement that waited for the lock sees them as they were before.
func lock(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Purchase, error) {
	if _, err := tx.Exec(ctx, `select from purchases where id = $1 for update`, id); err != nil {
		return Purchase{}, err
	}
	rows, err := tx.Query(ctx, "select "+purchaseColumns+" from purchases where id = $1", id)
	if err != nil {
		return Purchase{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scanPurchase)
}

const sqlApplied = `update purchases set status = $2, applied = version, updated_at = $3 where id = $1`

// ledgerTime bounds how long applyReversals waits for the ledger. Postgres closes connections that idle
// longer in a transaction.
const ledgerTime = 10 * time.Second

// apply sends the full state to the ledger, since an interrupted call may have sent a part. It waits for
// the answer even after its caller has gone: a request still in flight when the lock is released could
// arrive after the next one.
func (s *Service) apply(ctx context.Context, tx pgx.Tx, p *Purchase, bought *engine.Purchase) error {
	ledgerCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerTime)
	defer cancel()
	if back := p.refundedTokens(); back > 0 {
		asked, err := requestedRefunds(ctx, tx, p)
		if err != nil {
			return err
		}
		cause, reason := p.reversalCause(asked)
		if _, err := bought.Revoke(ledgerCtx, back, cause, reason); err != nil {
			return err
		}
	}
	frozen := (p.disputed || p.returning) && !p.fullyRefunded()
	if err := bought.Freeze(ledgerCtx, frozen); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, sqlApplied, p.ID, p.creditedStatus(), s.o.Clock())
	return err
}

// requestedRefund is a refund that was requested through this app.
type requestedRefund struct {
	amount    int64 // in minor units
	reason    string
	untouched bool // a creator's own return
	done      bool
}

const sqlAskedFor = `select amount_minor, reason, untouched, done_at is not null from purchase_refunds where account = $1 and purchase = $2
	order by created_at desc`

// requestedRefunds lists the refunds of a purchase that were requested here, newest first.
func requestedRefunds(ctx context.Context, tx pgx.Tx, p *Purchase) ([]requestedRefund, error) {
	rows, err := tx.Query(ctx, sqlAskedFor, p.AccountID, p.ID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (a requestedRefund, err error) {
		return a, row.Scan(&a.amount, &a.reason, &a.untouched, &a.done)
	})
}

// cause returns the cause and reason of the latest money that went back. In order: a refund under way whose
// money is included; a dispute; the last completed refund, if all refunds were requested here. Refunds made
// elsewhere, such as in the provider's dashboard, have no reason.
func (p *Purchase) reversalCause(list []requestedRefund) (ledger.Cause, string) {
	var done int64
	for _, a := range list {
		if a.done {
			done += a.amount
		}
	}
	for _, a := range list {
		if !a.done && a.amount <= p.refunds-done {
			return a.cause()
		}
	}
	if p.lost > 0 {
		return ledger.CauseDispute, ""
	}
	if len(list) > 0 && list[0].done && p.refunds <= done {
		return list[0].cause()
	}
	return ledger.CauseRefund, ""
}

func (a *requestedRefund) cause() (ledger.Cause, string) {
	if a.untouched {
		return ledger.CauseReturn, ""
	}
	return ledger.CauseRefund, a.reason
}
