package webhook

import (
	"context"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// One statement stores an event, its deliveries and their streams. Stored events and those of
// unknown accounts are skipped. The update of an existing stream locks it, so that clear cannot
// delete it meanwhile.
const sqlTake = `
with told as (
	select * from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[]) as t (account, seq, at, kind, data)
), stored as (
	insert into webhook_events (account, seq, external_id, kind, at, data, stored_at)
	select t.account, t.seq, a.external_id, t.kind, t.at, t.data::jsonb, $6
	from told as t join accounts as a on a.id = t.account
	where exists (select from webhook_endpoints as e where e.deleted_at is null and (e.kinds = '{}' or t.kind = any (e.kinds)))
	order by t.account, t.seq
	on conflict do nothing
	returning account, seq, kind
), sent as (
	insert into webhook_deliveries (account, seq, endpoint, created_at)
	select s.account, s.seq, e.id, $6
	from stored as s join webhook_endpoints as e on e.deleted_at is null and (e.kinds = '{}' or s.kind = any (e.kinds))
	returning endpoint, account
)
insert into webhook_lanes (endpoint, account, next_at)
select distinct endpoint, account, $6::timestamptz from sent order by endpoint, account
on conflict (endpoint, account) do update set next_at = webhook_lanes.next_at`

// Take stores events for the endpoints that want them. It is a sink of the relay and idempotent.
// The error is kind Unavailable.
func (s *Service) Take(ctx context.Context, events []ledger.AccountEvent) error {
	n := len(events)
	accounts, seqs, times, kinds, data := make([]uuid.UUID, n), make([]int64, n), make([]time.Time, n),
		make([]string, n), make([]string, n)
	for i, t := range events {
		accounts[i], seqs[i], times[i], kinds[i], data[i] = t.AccountID, t.Seq, t.At, t.Kind, string(t.Data)
	}
	if _, err := s.pool.Exec(ctx, sqlTake, accounts, seqs, times, kinds, data, s.o.Clock()); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}
