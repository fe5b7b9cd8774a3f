package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db"
	"pop.store/credits/internal/embedpg"
)

// house is a Postgres server of the test's own, as durable as in production, on a real disk.
type house struct {
	t       *testing.T
	options embedpg.Options
	running *embedpg.Server
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir, err := os.MkdirTemp("", "credits-crash-") // not t.TempDir: the user that Postgres runs as has to pass
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if where, moved := embedpg.Moved(filepath.Join(dir, "pg")); moved {
			_ = os.RemoveAll(where)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	h := &house{t: t, options: embedpg.Options{
		DataDir:  filepath.Join(dir, "pg"),
		Durable:  true,
		Log:      quiet,
		Settings: map[string]string{"shared_buffers": "32MB"},
	}}
	h.begin()
	t.Cleanup(func() {
		if err := h.running.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	h.furnish()
	return h
}

// begin starts the server, after a crash too.
func (h *house) begin() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	var err error
	if h.running, err = embedpg.Start(ctx, h.options); err != nil {
		h.t.Fatal(err)
	}
}

// furnish makes the roles and the migrated database.
func (h *house) furnish() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	if err := db.Bootstrap(ctx, h.running.URL(db.Superuser, db.Superuser)); err != nil {
		h.t.Fatal(err)
	}
	owner := h.running.URL(db.OwnerRole, db.Database)
	if err := db.Migrate(ctx, owner); err != nil {
		h.t.Fatal(err)
	}
	if err := db.Grant(ctx, owner, db.AppRole); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) superuser(ctx context.Context) *pgx.Conn {
	h.t.Helper()
	conn, err := pgx.Connect(ctx, h.running.URL("postgres", "postgres"))
	if err != nil {
		h.t.Fatal(err)
	}
	return conn
}

func (h *house) appURL() string { return h.running.URL(db.AppRole, db.Database) }

// killServer is kill -9 of the postmaster, and a new start. Its pid is the first line of the
// server's own pid file.
func (h *house) killServer() {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.running.DataDir(), "pgdata", "postmaster.pid"))
	if err != nil {
		h.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	h.kill(line)
	select {
	case <-h.running.Done():
	case <-time.After(hang):
		h.t.Fatal("the server does not die")
	}
	h.begin()
}

// killBackend is kill -9 of one connection's process, whereupon Postgres ends all others and
// recovers by itself.
func (h *house) killBackend() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	conn := h.superuser(ctx)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "select pid::text from pg_stat_activity where usename = 'credits_app'")
	if err != nil {
		h.t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(pids) == 0 {
		h.t.Fatalf("backends %v: %v", pids, err)
	}
	h.kill(pids[rand.IntN(len(pids))])
}

func (h *house) kill(pid string) {
	h.t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil || n < 2 {
		h.t.Fatalf("pid %q: %v", pid, err)
	}
	// A connection may have ended by itself since it was chosen: then there is nothing left to
	// kill, and the next round chooses again.
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		h.t.Fatal(err)
	}
}

// storm lets callers work without end while something is done to the servers, round after round.
// Each round begins under load and ends when work goes through again.
func (j *journal) storm(b *books, servers []server, callers, rounds int, strike func(round int)) {
	j.t.Helper()
	ids := j.open(b, 8)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var working sync.WaitGroup
	for i := range callers {
		c := newCaller("storm-"+strconv.Itoa(i), ids)
		working.Go(func() {
			for ctx.Err() == nil {
				j.work(ctx, c, servers, 100)
			}
		})
	}
	defer working.Wait()
	defer stop()
	more := func(n int64) {
		j.t.Helper()
		before := j.acked.Load()
		b.until("work goes through", func() bool { return j.acked.Load() >= before+n || j.t.Failed() })
	}
	more(50)
	var longest time.Duration
	for round := range rounds {
		struck := time.Now()
		strike(round)
		more(1)
		longest = max(longest, time.Since(struck))
		more(int64(50 + rand.IntN(100)))
	}
	j.t.Logf("%d kills; work went through again after %v at the latest", rounds, longest.Round(time.Millisecond))
}

// Postgres is killed under load, again and again: the whole server, or one process of it. What was
// acknowledged is there once, what was refused is not, what was unknown resolves by asking again;
// the pool heals. CREDITS_CRASHES=200 (and -timeout 0) is the drill.
func TestPostgresKilledUnderLoad(t *testing.T) {
	t.Parallel()
	n := onRequest(t, "CREDITS_CRASHES", 5)
	h := newHouse(t)
	b := booksOn(t, h.appURL())
	servers := []server{local{b.Engine}, local{ledgerOn(t, poolOn(t, h.appURL(), nil), quiet)}}
	j := newJournal(t)
	j.storm(b, servers, 12, n, func(round int) {
		if round%2 == 0 {
			h.killServer()
		} else {
			h.killBackend()
		}
	})
	j.resolve(servers[1])
	j.check(b)
	if j.unknown.Load() == 0 {
		t.Error("no crash was noticed; the test tests nothing")
	}
}

// A server process is killed under load while another one works on the same accounts.
// CREDITS_KILLS=500 (and -timeout 0) is the drill.
func TestAServerProcessKilledUnderLoad(t *testing.T) {
	t.Parallel()
	n := onRequest(t, "CREDITS_KILLS", 5)
	h := newHouse(t)
	b := booksOn(t, h.appURL())
	processes := []*process{newProcess(t, h.appURL()), newProcess(t, h.appURL())}
	servers := []server{processes[0], processes[1]}
	j := newJournal(t)
	j.storm(b, servers, 12, n, func(round int) {
		p := processes[round%2]
		p.kill()
		p.start()
	})
	j.resolve(servers[1])
	for _, p := range processes {
		p.kill()
	}
	var lingering int
	b.until("the killed servers' transactions are over", func() bool {
		err := b.pool.QueryRow(context.Background(), `select count(*) from pg_stat_activity
			where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()`).Scan(&lingering)
		return err == nil && lingering == 0
	})
	j.check(b)
	if j.unknown.Load() == 0 {
		t.Error("nobody noticed that a server was killed; the test tests nothing")
	}
	if text := fmt.Sprint(processes[0].said.String(), processes[1].said.String()); text != "" {
		t.Errorf("the server processes say %.2000s", text)
	}
}
