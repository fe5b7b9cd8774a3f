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

// Money that goes back is first written down (note, noteRefunded, noteDispute), whenever and in
// whatever order we hear of it, and counts the purchase's version up. applyReversals then makes the books
// agree with what is written, and remembers the version. Whatever breaks off in between, the
// reconciling job sees a version that is not applied.

// note writes down what a checkout tells of money that went back.
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

// noteRefunded writes down how much was given back so far, in all. Less than is known already is old news.
func (s *Service) noteRefunded(ctx context.Context, p *Purchase, total int64) error {
	if _, err := s.pool.Exec(ctx, sqlRefunded, p.ID, total, s.o.Clock()); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// sqlDispute keeps the newest word about a dispute; of two of the same second the one that ends it.
const sqlDispute = `with told as (
		insert into purchase_disputes (id, purchase, state, amount_minor, at) values ($1, $2, $3, $4, $5)
		on conflict (id) do update set state = excluded.state, amount_minor = excluded.amount_minor, at = excluded.at
		where (excluded.at > purchase_disputes.at or (excluded.at = purchase_disputes.at and purchase_disputes.state = 'open'))
			and (excluded.state, excluded.amount_minor) <> (purchase_disputes.state, purchase_disputes.amount_minor)
			and not (purchase_disputes.state <> 'open' and excluded.state = 'open')
		returning purchase)
	update purchases set version = version + 1, updated_at = $6 where id in (select purchase from told)`

// noteDispute writes down how a dispute stands. One that is over does not open again: another
// dispute has another id.
func (s *Service) noteDispute(ctx context.Context, p *Purchase, d payment.Dispute) error {
	amount := d.Amount.Minor
	if d.Amount.Currency != p.Price.Currency {
		s.o.Log.Error("a dispute is in another currency than the purchase: it counts as one about all of it",
			"purchase", p.ID, "dispute", d.ID, "amount", d.Amount)
		amount = max(p.Paid.Minor, p.Price.Minor)
	}
	if _, err := s.pool.Exec(ctx, sqlDispute, d.ID, p.ID, d.State, amount, d.At, s.o.Clock()); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// applyReversals makes the books agree with what is known of a purchase's money: tokens of money that went
// back are taken back, those of a payment in dispute wait. One at a time for each purchase, and
// doing it again changes nothing. What was not credited yet has nothing to reverse.
func (s *Service) applyReversals(ctx context.Context, id uuid.UUID) error {
	account, behind, err := s.behind(ctx, id)
	if err != nil || !behind {
		return err
	}
	// Before the lock is had: others may wait for it with all connections that there are.
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

// behind says, without waiting for anybody, whether a purchase has something to reverse, and whose it is.
func (s *Service) behind(ctx context.Context, id uuid.UUID) (account uuid.UUID, behind bool, err error) {
	err = s.pool.QueryRow(ctx, `select account, applied < version and completed_at is not null from purchases where id = $1`, id).Scan(&account, &behind)
	if err != nil {
		return uuid.Nil, false, problem.Unavailable(err)
	}
	return account, behind, nil
}

// lock reads a purchase and keeps its row locked until the transaction ends. Other tables are read by
// a further statement after the lock: the statement that waited would show them as they were before.
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

// ledgerTime bounds what applyReversals waits for the ledger; a connection that is left alone for longer is closed.
const ledgerTime = 10 * time.Second

// apply tells the ledger all there is to say, whatever was said before: one who broke off may have
// said a part of it. And it waits for the answer even when its caller is gone: a word that is under
// way when the lock is let go could arrive after that of the next one.
func (s *Service) apply(ctx context.Context, tx pgx.Tx, p *Purchase, bought *engine.Purchase) error {
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerTime)
	defer cancel()
	if back := p.tokensBack(); back > 0 {
		asked, err := askedFor(ctx, tx, p)
		if err != nil {
			return err
		}
		cause, reason := p.why(asked)
		if _, err := bought.Revoke(patient, back, cause, reason); err != nil {
			return err
		}
	}
	frozen := (p.disputed || p.returning) && !p.allBack()
	if err := bought.Freeze(patient, frozen); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, sqlApplied, p.ID, p.standing(), s.o.Clock())
	return err
}

// asked is a refund that was asked for here.
type asked struct {
	amount    int64 // in minor units
	reason    string
	untouched bool // a creator's return
	done      bool
}

const sqlAskedFor = `select amount_minor, reason, untouched, done_at is not null from purchase_refunds where account = $1 and purchase = $2
	order by created_at desc`

// askedFor lists the refunds of a purchase that were asked for here, newest first.
func askedFor(ctx context.Context, tx pgx.Tx, p *Purchase) ([]asked, error) {
	rows, err := tx.Query(ctx, sqlAskedFor, p.AccountID, p.ID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (a asked, err error) {
		return a, row.Scan(&a.amount, &a.reason, &a.untouched, &a.done)
	})
}

// why says what the newest money that went back went back for: the refund that is under way, if its
// money is among it; a dispute; the refund that was done last, if nothing went back but what was
// asked for here. What was given back elsewhere, such as at the provider's, has no reason.
func (p *Purchase) why(list []asked) (ledger.Cause, string) {
	var done int64
	for _, a := range list {
		if a.done {
			done += a.amount
		}
	}
	for _, a := range list {
		if !a.done && a.amount <= p.refunds-done {
			return a.why()
		}
	}
	if p.lost > 0 {
		return ledger.CauseDispute, ""
	}
	if len(list) > 0 && list[0].done && p.refunds <= done {
		return list[0].why()
	}
	return ledger.CauseRefund, ""
}

func (a *asked) why() (ledger.Cause, string) {
	if a.untouched {
		return ledger.CauseReturn, ""
	}
	return ledger.CauseRefund, a.reason
}
