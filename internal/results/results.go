// Package results stores what agents' work achieved, as the services report it, such as a sale or an
// answered message. Results are independent of the ledger and move no tokens.
package results

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/problem"
)

var errTooMany = problem.New(problem.Conflict, "too_many_result_kinds",
	"This account's agents have %d kinds of results this month already, and this is another one.", MaxSums)

// Result is something that work brought in.
type Result struct {
	ID        uuid.UUID
	AccountID uuid.UUID
	At        time.Time // UTC
	Agent     string    // empty: work without an agent
	Kind      string
	Charge    int64 // the seq of the charge or capture that it comes from; 0: not said
	Count     int64
	Money     money.Amount // without a currency: none
}

// Results is where they are kept. It is safe for concurrent use.
type Results struct {
	pool   *pgxpool.Pool
	ledger *engine.Engine
}

// New returns a store beside a ledger.
func New(pool *pgxpool.Pool, ledgerEngine *engine.Engine) *Results {
	return &Results{pool, ledgerEngine}
}

// Add keeps a result, once for each idempotency key: the same key with the same report answers what
// was kept then, replayed; with another one it is an Unprocessable (idempotency_key_reused).
// Refusals bind no key. Errors: ledger.ErrNoAccount, problem kinds Malformed (no key),
// Unprocessable (naming the field), Conflict (too_many_result_kinds) and Unavailable: try again
// with the same key.
func (r *Results) Add(ctx context.Context, account uuid.UUID, key string, report Report) (_ Result, replayed bool,
	err error,
) {
	if key == "" {
		return Result{}, false, idempotency.ErrNoKey
	}
	if err := report.check(); err != nil {
		return Result{}, false, err
	}
	paid, err := report.amount()
	if err != nil {
		return Result{}, false, err
	}
	mark := report.fingerprint(paid)
	if known, ok, err := r.byKey(ctx, account, key, mark); ok || err != nil {
		return known, ok, err
	}
	n, err := r.decide(ctx, account, report, paid)
	if err != nil {
		return Result{}, false, err
	}
	err = pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error { return r.insert(ctx, tx, n, key, mark) })
	if errors.Is(err, errKnown) {
		known, _, err := r.byKey(ctx, account, key, mark)
		return known, true, err
	}
	var own *problem.Error
	if err != nil && !errors.As(err, &own) {
		err = problem.Unavailable(err)
	}
	return n.Result, false, err
}

// dated is a result in its month.
type dated struct {
	Result
	month time.Time
}

// decide makes of a report what will be kept.
func (r *Results) decide(ctx context.Context, account uuid.UUID, report Report, paid money.Amount) (dated, error) {
	n := dated{Result: Result{
		ID:        uuid.New(),
		AccountID: account,
		At:        r.ledger.Now(),
		Agent:     report.Agent,
		Kind:      report.Kind,
		Count:     1,
		Money:     paid,
	}}
	if report.Count != nil {
		n.Count = *report.Count
	}
	owner, err := r.ledger.Account(ctx, account)
	if err != nil {
		return n, err
	}
	n.month = monthOf(owner.Day(n.At))
	if report.Charge == "" {
		return n, nil
	}
	charge, err := r.charge(ctx, account, report.Charge)
	if err != nil {
		return n, err
	}
	if report.Agent != "" && report.Agent != charge.Agent {
		return n, problem.Invalid("agent", "is not the one that the charge names")
	}
	n.Charge, n.Agent = charge.Seq, charge.Agent
	return n, nil
}

// charge finds a charge or capture of the account by its id.
func (r *Results) charge(ctx context.Context, account uuid.UUID, id string) (*ledger.Entry, error) {
	none := problem.Invalid("charge", "must be the id of a charge or capture of this account")
	seq, ok := ledger.ParseID(account, id)
	if !ok {
		return nil, none
	}
	// Entries are numbered without gaps: the newest one before the next number is the one, if it is there.
	page, err := r.ledger.History(ctx, account, ledger.Filter{}, seq+1, 1)
	if err != nil {
		return nil, err
	}
	if len(page.Lines) != 1 || page.Lines[0].Seq != seq {
		return nil, none
	}
	e := &page.Lines[0].Entry
	if e.Kind != ledger.KindCharge && e.Kind != ledger.KindCapture {
		return nil, none
	}
	return e, nil
}

const sqlByKey = `
select id, account, at, agent, kind, charge, count, money_minor, currency, fingerprint from results where account = $1 and idempotency_key = $2`

func (r *Results) byKey(ctx context.Context, account uuid.UUID, key string, mark []byte) (known Result, ok bool,
	err error,
) {
	var theirs []byte
	err = r.pool.QueryRow(ctx, sqlByKey, account, key).Scan(&known.ID, &known.AccountID, &known.At, &known.Agent,
		&known.Kind, &known.Charge, &known.Count,
		&known.Money.Minor, &known.Money.Currency, &theirs)
	known.At = known.At.UTC()
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Result{}, false, nil
	case err != nil:
		return Result{}, false, problem.Unavailable(err)
	case string(theirs) != string(mark):
		return Result{}, false, idempotency.ErrKeyReused
	}
	return known, true, nil
}

// A result and its part of the sums, which are there together or not at all. There is nothing of a
// result for which there is no room.
const sqlInsert = `
with added as (
	insert into results (account, id, at, month, agent, kind, charge, count, money_minor, currency, idempotency_key, fingerprint)
	select $1::uuid, $2::uuid, $3::timestamptz, $4::date, $5::text, $6::text, $7::bigint, $8::bigint, $9::bigint, $10::text, $11::text, $12::bytea
	where exists (select from result_sums where account = $1 and month = $4 and agent = $5 and kind = $6 and currency = $10)
		or (select count(*) from result_sums where account = $1 and month = $4) < $13
	returning account, month, agent, kind, currency, count, money_minor
)
insert into result_sums as s (account, month, agent, kind, currency, reports, count, money_minor)
select account, month, agent, kind, currency, 1, count, money_minor from added
on conflict (account, month, agent, kind, currency) do update
set reports = s.reports + 1, count = s.count + excluded.count, money_minor = s.money_minor + excluded.money_minor`

// errKnown means that another request with the same key was faster.
var errKnown = errors.New("the result is known")

// insert stores a result. Claiming the key locks the account, so the results of one account are counted one
// after the other.
func (r *Results) insert(ctx context.Context, tx pgx.Tx, n dated, key string, mark []byte) error {
	known, err := r.ledger.ClaimKey(ctx, tx, n.AccountID, key, mark)
	switch {
	case err != nil:
		return err
	case known:
		return errKnown
	}
	tag, err := tx.Exec(ctx, sqlInsert, n.AccountID, n.ID, n.At, n.month, n.Agent, n.Kind, n.Charge, n.Count,
		n.Money.Minor, n.Money.Currency, key, mark, MaxSums)
	if err == nil && tag.RowsAffected() == 0 {
		err = errTooMany
	}
	return err
}
