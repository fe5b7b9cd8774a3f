package mail

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Final outcomes of a notification, as stored.
const (
	outcomeSent    = "sent"
	outcomeOver    = "over"
	outcomeGivenUp = "given up"
)

// claimed is an account that this server holds until busyTime has passed.
type claimed struct {
	account uuid.UUID
	alerts  bool
	last    lastAlert
}

// sqlClaim takes the unclaimed account with the oldest due notification.
const sqlClaim = `update mail_accounts set busy_until = $2 where account = (
		select a.account from mail_occasions o join mail_accounts a on a.account = o.account
		where o.done_at is null and o.due_at <= $1 and a.busy_until <= $1 order by o.due_at limit 1 for update of a skip locked)
	returning account, unsubscribed_at is null, told_at, told_level, told_paused`

func (m *Mailer) claim(ctx context.Context, now time.Time) (claimed, bool, error) {
	var c claimed
	var toldAt *time.Time
	var level int16
	err := m.pool.QueryRow(ctx, sqlClaim, now, now.Add(busyTime)).Scan(&c.account, &c.alerts, &toldAt, &level,
		&c.last.paused)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return c, false, nil
	case err != nil:
		return c, false, problem.Unavailable(err)
	}
	c.last.level = ledger.Level(level)
	if toldAt != nil {
		c.last.at = toldAt.UTC()
	}
	return c, true, nil
}

const sqlFree = `update mail_accounts set busy_until = '-infinity' where account = $1`

func (m *Mailer) free(ctx context.Context, account uuid.UUID) error {
	return m.exec(ctx, sqlFree, account)
}

func (m *Mailer) exec(ctx context.Context, query string, args ...any) error {
	if _, err := m.pool.Exec(ctx, query, args...); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// maxAtOnce limits how many notifications of an account are decided together.
const maxAtOnce = 1_000

const sqlNotifications = `select source, seq, at, kind, agents, amount, purchase, due_at, failures, failing_since from mail_occasions
	where account = $1 and done_at is null order by at, seq limit $2`

// notifications lists those that are not done, including those not yet due, so that one alert
// covers them.
func (m *Mailer) notifications(ctx context.Context, account uuid.UUID) ([]notification, error) {
	rows, err := m.pool.Query(ctx, sqlNotifications, account, maxAtOnce)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (notification, error) {
		o := notification{account: account}
		var failing *time.Time
		var amount int64
		err := row.Scan(&o.source, &o.seq, &o.at, &o.kind, &o.agents, &amount, &o.purchase, &o.due, &o.failures,
			&failing)
		o.at, o.due, o.amount = o.at.UTC(), o.due.UTC(), tokens.Amount(amount)
		if failing != nil {
			o.failingSince = failing.UTC()
		}
		return o, err
	})
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	return list, nil
}

// The rows of an account whose keys are $2 and $3.
const whereKeys = ` where account = $1 and (source, seq) in (select * from unnest($2::text[], $3::bigint[]))`

const sqlDone = `update mail_occasions set done_at = $4, outcome = $5` + whereKeys

func (m *Mailer) done(ctx context.Context, list []notification, outcome string, now time.Time) error {
	if len(list) == 0 {
		return nil
	}
	sources, seqs := keys(list)
	return m.exec(ctx, sqlDone, list[0].account, sources, seqs, now, outcome)
}

const sqlTold = `with told as (update mail_accounts set told_at = $4, told_level = $6, told_paused = $7 where account = $1)
	update mail_occasions set done_at = $4, outcome = $5` + whereKeys

// recordAlert marks an alert's notifications as sent and stores what it said.
func (m *Mailer) recordAlert(ctx context.Context, a alert, t lastAlert) error {
	sources, seqs := keys(a.about)
	return m.exec(ctx, sqlTold, a.about[0].account, sources, seqs, t.at, outcomeSent, int16(t.level), t.paused)
}

const sqlLater = `update mail_occasions o set due_at = n.due_at, failures = n.failures, failing_since = n.failing_since
	from unnest($2::text[], $3::bigint[], $4::timestamptz[], $5::int[], $6::timestamptz[]) n (source, seq, due_at, failures, failing_since)
	where o.account = $1 and o.source = n.source and o.seq = n.seq`

// postpone stores due times and failure counts.
func (m *Mailer) postpone(ctx context.Context, list []notification) error {
	if len(list) == 0 {
		return nil
	}
	due, failures, since := make([]time.Time, len(list)), make([]int32, len(list)), make([]*time.Time, len(list))
	for i := range list {
		due[i], failures[i] = list[i].due, int32(list[i].failures)
		if !list[i].failingSince.IsZero() {
			since[i] = &list[i].failingSince
		}
	}
	sources, seqs := keys(list)
	return m.exec(ctx, sqlLater, list[0].account, sources, seqs, due, failures, since)
}

// sweepChunk is how many rows one Sweep deletes.
const sweepChunk = 5_000

const sqlSweep = `delete from mail_occasions where (account, source, seq) in (
	select account, source, seq from mail_occasions where done_at < $1 order by done_at limit $2)`

// Sweep deletes a chunk of notifications done longer than keepDone ago. more means that others may
// be left. The error has kind Unavailable.
func (m *Mailer) Sweep(ctx context.Context) (more bool, err error) {
	tag, err := m.pool.Exec(ctx, sqlSweep, m.Clock().Add(-keepDone), sweepChunk)
	if err != nil {
		return false, problem.Unavailable(err)
	}
	return tag.RowsAffected() == sweepChunk, nil
}

func keys(list []notification) (sources []string, seqs []int64) {
	for i := range list {
		sources, seqs = append(sources, list[i].source), append(seqs, list[i].seq)
	}
	return sources, seqs
}
