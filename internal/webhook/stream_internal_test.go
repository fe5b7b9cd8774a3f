package webhook

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/db/testdb"
)

// An event is added to an empty stream while clear runs: clear waits for its transaction, then
// keeps the stream.
func TestAStreamIsNotClearedUnderAnEvent(t *testing.T) {
	t.Parallel()
	pool := testdb.New(t)
	now := time.Date(2026, 11, 22, 14, 2, 0, 0, time.UTC)
	s := New(pool, Options{Clock: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	made, _, err := s.Create(t.Context(), "k", CreateParams{URL: "https://example.com/"})
	if err != nil {
		t.Fatal(err)
	}
	stream := Stream{made.ID, uuid.New()}
	_, err = pool.Exec(t.Context(), "insert into webhook_lanes values ($1, $2, $3)", stream.Endpoint, stream.AccountID, now)
	if err == nil {
		_, err = pool.Exec(t.Context(),
			"insert into accounts (external_id, id, created_at) values ('maya', $1, $2)", stream.AccountID, now)
	}
	if err != nil {
		t.Fatal(err)
	}
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(t.Context(), sqlTake, []uuid.UUID{stream.AccountID}, []int64{1}, []time.Time{now},
		[]string{"balance.low"}, []string{"{}"}, now)
	if err != nil {
		t.Fatal(err)
	}
	cleared := make(chan error, 1)
	go func() { cleared <- s.clear(t.Context(), stream) }()
	for waits := false; !waits && len(cleared) == 0; {
		err := pool.QueryRow(t.Context(),
			"select count(*) > 0 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'").Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-cleared; err != nil {
		t.Fatal(err)
	}
	if due, err := s.Due(t.Context(), 10); err != nil || len(due) != 1 || due[0] != stream {
		t.Errorf("due is %v (%v)", due, err)
	}
}
