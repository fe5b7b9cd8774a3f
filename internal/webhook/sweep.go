package webhook

import (
	"context"
	"time"

	"pop.store/credits/internal/problem"
)

// Retention times.
const (
	// finished deliveries, their events, stored answers, and what waits for a disabled endpoint
	keepLog     = 30 * 24 * time.Hour
	keepDeleted = time.Hour // a deleted endpoint's row; longer than any transaction that still adds to it
)

// Each statement deletes at most $2 rows older than $1. An event is kept while it has a delivery.
var sweeps = []struct {
	sql  string
	keep time.Duration
}{
	{`delete from webhook_requests where idempotency_key = any (array(
		select idempotency_key from webhook_requests where created_at < $1 limit $2))`, keepLog},
	{`delete from webhook_deliveries where ctid = any (array(
		select ctid from webhook_deliveries where state <> 'pending' and created_at < $1 limit $2))`, keepLog},
	{`delete from webhook_deliveries where ctid = any (array(
		select d.ctid from webhook_endpoints as e join webhook_deliveries as d on d.endpoint = e.id and d.created_at < $1
		where e.disabled_at < $1 limit $2))`, keepLog},
	{`delete from webhook_deliveries where ctid = any (array(
		select d.ctid from webhook_endpoints as e join webhook_deliveries as d on d.endpoint = e.id where e.deleted_at < $1 limit $2))`, keepDeleted},
	{`delete from webhook_lanes where ctid = any (array(
		select l.ctid from webhook_endpoints as e join webhook_lanes as l on l.endpoint = e.id where e.deleted_at < $1 limit $2))`, keepDeleted},
	{`delete from webhook_endpoints where id = any (array(select e.id from webhook_endpoints as e where e.deleted_at < $1
		and not exists (select from webhook_deliveries as d where d.endpoint = e.id)
		and not exists (select from webhook_lanes as l where l.endpoint = e.id) limit $2))`, keepDeleted},
	{`delete from webhook_events where (account, seq) in (select v.account, v.seq from webhook_events as v where v.stored_at < $1
		and not exists (select from webhook_deliveries as d where d.account = v.account and d.seq = v.seq) limit $2)`, keepLog},
}

// Sweep deletes one chunk of expired rows. more means that others may be left. The error is
// kind Unavailable.
func (s *Service) Sweep(ctx context.Context, chunk int) (more bool, err error) {
	for _, sweep := range sweeps {
		tag, err := s.pool.Exec(ctx, sweep.sql, s.o.Clock().Add(-sweep.keep), chunk)
		if err != nil {
			return false, problem.Unavailable(err)
		}
		more = more || tag.RowsAffected() == int64(chunk)
	}
	return more, nil
}
