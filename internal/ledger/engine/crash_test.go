package engine_test

import (
	"context"
	"fmt"
	"testing"

	"pop.store/credits/internal/ledger/ledgertest"
)

// Postgres is killed under load many times: the whole server, or one backend. Acknowledged requests have one entry,
// refused ones none, unknown ones resolve when they are sent again, and the pool recovers. CREDITS_CRASHES=200 (and
// -timeout 0) is the drill.
func TestPostgresKilledUnderLoad(t *testing.T) {
	t.Parallel()
	n := ledgertest.DrillSize(t, "CREDITS_CRASHES", 5)
	s := ledgertest.StartPostgres(t)
	f := fixtureOn(t, s.AppURL())
	servers := []ledgertest.Server{
		ledgertest.InProcess(f.Engine),
		ledgertest.InProcess(ledgertest.NewEngine(t, ledgertest.NewPool(t, s.AppURL(), nil), ledgertest.DiscardLog)),
	}
	rec := ledgertest.NewRecorder(f.Fixture)
	rec.WorkDuringFaults(servers, 12, n, func(round int) {
		if round%2 == 0 {
			s.KillServer()
		} else {
			s.KillBackend()
		}
	})
	rec.Resolve(servers[1])
	rec.Check()
	if rec.Unknown.Load() == 0 {
		t.Error("no request was interrupted; the test tests nothing")
	}
}

// A server process is killed under load while another one works on the same accounts.
// CREDITS_KILLS=500 (and -timeout 0) is the drill.
func TestAServerProcessKilledUnderLoad(t *testing.T) {
	t.Parallel()
	n := ledgertest.DrillSize(t, "CREDITS_KILLS", 5)
	s := ledgertest.StartPostgres(t)
	f := fixtureOn(t, s.AppURL())
	processes := []*ledgertest.Process{ledgertest.StartProcess(t, s.AppURL()), ledgertest.StartProcess(t, s.AppURL())}
	servers := []ledgertest.Server{processes[0], processes[1]}
	rec := ledgertest.NewRecorder(f.Fixture)
	rec.WorkDuringFaults(servers, 12, n, func(round int) {
		p := processes[round%2]
		p.Kill()
		p.Start()
	})
	rec.Resolve(servers[1])
	for _, p := range processes {
		p.Kill()
	}
	var lingering int
	f.WaitUntil("the killed servers' transactions are over", func() bool {
		err := f.Pool.QueryRow(context.Background(), `select count(*) from pg_stat_activity
			where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()`).Scan(&lingering)
		return err == nil && lingering == 0
	})
	rec.Check()
	if rec.Unknown.Load() == 0 {
		t.Error("no request was interrupted; the test tests nothing")
	}
	if text := fmt.Sprint(processes[0].Log.String(), processes[1].Log.String()); text != "" {
		t.Errorf("the server processes say %.2000s", text)
	}
}
