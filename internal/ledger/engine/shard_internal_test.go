package engine

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/db/testdb"
)

// The lane of an account follows the same hash as its shard in Citus would: Postgres computes it.
func TestLanesFollowTheHashOfPostgres(t *testing.T) {
	t.Parallel()
	ids := make([]uuid.UUID, 5_000)
	for i := range ids {
		ids[i] = uuid.New()
	}
	ids[0], ids[1] = uuid.Nil, uuid.Max
	pool := testdb.New(t)
	for _, lanes := range []int{1, 2, 3, 32} {
		seen := map[int]int{}
		rows, err := pool.Query(t.Context(),
			`select id, (((uuid_hash(id)::bigint + 2147483648) * $2) >> 32)::int from unnest($1::uuid[]) as id`,
			ids, lanes)
		if err != nil {
			t.Fatal(err)
		}
		var id uuid.UUID
		var want int
		if _, err := pgx.ForEachRow(rows, []any{&id, &want}, func() error {
			if got := laneOf(id, lanes); got != want {
				t.Errorf("of %d lanes %v has %d, Postgres says %d", lanes, id, got, want)
			}
			seen[want]++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(seen) != lanes {
			t.Errorf("%d of %d lanes have accounts", len(seen), lanes)
		}
	}
}
