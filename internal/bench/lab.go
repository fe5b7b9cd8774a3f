package bench

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db"
	"pop.store/credits/internal/app"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/embedpg"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/tokens"
)

// lab is the benchmark's own Postgres with the app's schema, and the app's ledger over it.
type lab struct {
	dir        string
	server     *embedpg.Server
	postmaster string   // its process id
	peers      []string // process ids of other servers
	pool       *pgxpool.Pool
	owner      *pgxpool.Pool
	app        *app.App
	ledger     *engine.Engine // the app's
	progress   func(string)
	closers    []func()
}

// openLab starts a lab. The data must be on a real disk: in memory, group commit saves nothing.
func openLab(ctx context.Context, o Options) (*lab, error) {
	l := &lab{progress: func(string) {}}
	if o.Progress != nil {
		l.progress = func(line string) { fmt.Fprintln(o.Progress, line) }
	}
	dir, err := os.MkdirTemp(o.Dir, "credits-bench-")
	if err != nil {
		return nil, err
	}
	l.dir = dir
	// Postgres does not run as root; its user has to pass through to its folder.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	if err := onDisk(dir); err != nil {
		l.close()
		return nil, err
	}
	if err := l.start(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) start(ctx context.Context) error {
	l.say("starting Postgres with default durability in %s", l.dir)
	var err error
	l.server, err = embedpg.Start(ctx, embedpg.Options{
		DataDir:  filepath.Join(l.dir, "postgres"),
		Durable:  true,
		Defaults: true,
		Log:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	super := l.server.URL(db.Superuser, db.Superuser)
	owner := l.server.URL(db.OwnerRole, db.Database)
	if err := db.Bootstrap(ctx, super); err != nil {
		return err
	}
	if err := db.Migrate(ctx, owner); err != nil {
		return err
	}
	if err := db.Grant(ctx, owner, db.AppRole); err != nil {
		return err
	}
	if l.owner, err = db.Open(ctx, owner, 4); err != nil {
		return err
	}
	if l.pool, err = db.Open(ctx, l.server.URL(db.AppRole, db.Database), 16); err != nil {
		return err
	}
	var backend int
	if err := l.pool.QueryRow(ctx, "select pg_backend_pid()").Scan(&backend); err != nil {
		return err
	}
	l.postmaster = postmaster(backend)
	if err := l.saySettings(ctx); err != nil {
		return err
	}
	l.app, err = app.New(ctx, app.Options{
		Pool:   l.pool,
		Prices: catalog.Builtin,
		Clock:  clock.System,
		Log:    slog.Default(),
		Local:  &url.URL{Scheme: "http", Host: "127.0.0.1"},
	})
	if err != nil {
		return err
	}
	l.ledger = l.app.Ledger
	return l.app.Prepare(ctx)
}

// saySettings prints what differs from Postgres' defaults.
func (l *lab) saySettings(ctx context.Context) error {
	var version, changed string
	err := l.owner.QueryRow(ctx, `select current_setting('server_version'), string_agg(name || '=' || setting, ', ' order by name)
		from pg_settings where source = 'command line' and setting is distinct from boot_val`).
		Scan(&version,
			&changed)
	if err != nil {
		return err
	}
	l.say("Postgres %s with its own defaults but for %s", version, changed)
	return nil
}

func (l *lab) close() {
	for _, c := range l.closers {
		c()
	}
	if l.app != nil {
		l.app.Close()
	}
	for _, pool := range []*pgxpool.Pool{l.pool, l.owner} {
		if pool != nil {
			pool.Close()
		}
	}
	if l.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := l.server.Stop(ctx); err != nil {
			l.say("Postgres did not stop cleanly: %v", err)
		}
		if l.server.DataDir() != "" {
			_ = os.RemoveAll(l.server.DataDir())
		}
	}
	_ = os.RemoveAll(l.dir)
}

func (l *lab) say(format string, args ...any) { l.progress(fmt.Sprintf(format, args...)) }

// open opens accounts with an allowance, a gift and a pack, so that charges burn several lots, and with
// agents that have worked before.
func (l *lab) open(ctx context.Context, n int, more tokens.Amount) ([]uuid.UUID, error) {
	l.say("opening %d accounts", n)
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = uuid.New()
	}
	err := inParallel(256, n, func(i int) error {
		if err := l.ledger.SetPlan(ctx, ids[i], ledger.SetPlan{Plan: "starter"}); err != nil {
			return err
		}
		gift := ledger.Grant{
			Kind:   ledger.LotPromo,
			Amount: 300 * tokens.One,
			Reason: "bench",
		}
		if _, err := l.ledger.Grant(ctx, ids[i], "gift", gift); err != nil {
			return err
		}
		_, err := l.ledger.Grant(ctx, ids[i], "", ledger.Grant{
			Kind:   ledger.LotPurchase,
			Amount: more,
			Source: uuid.NewString(),
		})
		if err != nil {
			return err
		}
		return agentsBegin(ctx, l.ledger, ids[i])
	})
	return ids, err
}

// agentsBegin has each agent of an account charge once: the first charge registers an agent, and only the
// later ones are measured.
func agentsBegin(ctx context.Context, ledgerEngine *engine.Engine, id uuid.UUID) error {
	for _, w := range agentsWork {
		if _, err := ledgerEngine.Charge(ctx, id, newKey(), w); err != nil {
			return err
		}
	}
	return nil
}

// booksBalance audits every account: balance, entries and lots agree.
func (l *lab) booksBalance(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var wrong int
	conn, err := l.owner.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "set statement_timeout = 0"); err != nil {
		return false, err
	}
	err = conn.QueryRow(ctx, `
		with e as (select account, sum(amount) as total, count(*) as n, max(seq) as last from entries group by 1),
		l as (select l.account, sum(case when a.open_lot = l.lot then a.open_remaining else l.remaining end) as total
			from lots l join ledger_accounts a using (account) group by 1)
		select count(*) from ledger_accounts a left join e using (account) left join l using (account)
		where a.balance <> coalesce(e.total, 0) or a.balance <> coalesce(l.total, 0) or a.seq <> coalesce(e.n, 0) or a.seq <> coalesce(e.last, 0)`).Scan(&wrong)
	return wrong == 0, err
}

var tpsLine = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// pgbench is Postgres' own benchmark on the same server: simple-update (-N) with 64 clients, one
// transaction and one commit each.
func (l *lab) pgbench(ctx context.Context) (probe, error) {
	program, err := findPgbench()
	if err != nil {
		return nil, err
	}
	if _, err := l.owner.Exec(ctx, "select 1"); err != nil {
		return nil, err
	}
	socket := l.server.URL(db.Superuser, db.Superuser)
	run := func(ctx context.Context, args ...string) (string, error) {
		c := exec.CommandContext(ctx, program, append(args, socket)...)
		c.Dir = l.dir
		out, err := c.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("pgbench: %w: %s", err, out)
		}
		return string(out), nil
	}
	l.say("filling pgbench's tables")
	if _, err := run(ctx, "-i", "-q", "-s", "20"); err != nil {
		return nil, err
	}
	return func(ctx context.Context, d time.Duration) (sample, error) {
		// On a busy machine a second may pass without a transaction.
		for seconds := max(1, int(d.Seconds())); ; seconds *= 2 {
			out, err := run(ctx, "-N", "-c", "64", "-j", "2", "-n", "-T", strconv.Itoa(seconds), "-l",
				"--log-prefix="+filepath.Join(l.dir, "pgbench"))
			if err != nil {
				return sample{}, err
			}
			if found := tpsLine.FindStringSubmatch(out); found != nil {
				return l.pgbenchSample(found[1])
			}
			if seconds > longestPgbench {
				return sample{}, fmt.Errorf("pgbench said %q", out)
			}
		}
	}, nil
}

// longestPgbench is when pgbench without a transaction is given up, in seconds.
const longestPgbench = 60

func (l *lab) pgbenchSample(tps string) (s sample, err error) {
	if s.perSecond, err = strconv.ParseFloat(tps, 64); err == nil {
		s.p50, s.p99, err = latencies(l.dir)
	}
	return s, err
}

// latencies reads pgbench's log of transactions, whose third field is microseconds, and deletes it.
func latencies(dir string) (p50, p99 time.Duration, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "pgbench.*"))
	if err != nil {
		return 0, 0, err
	}
	var all []int64
	for _, name := range files {
		log, err := os.ReadFile(name)
		if err != nil {
			return 0, 0, err
		}
		for line := range strings.Lines(string(log)) {
			if fields := strings.Fields(line); len(fields) > 2 {
				n, err := strconv.ParseInt(fields[2], 10, 64)
				if err != nil {
					return 0, 0, err
				}
				all = append(all, n)
			}
		}
		if err := os.Remove(name); err != nil {
			return 0, 0, err
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		return 0, 0, fmt.Errorf("pgbench wrote no log")
	}
	at := func(share float64) time.Duration {
		return time.Duration(all[int(share*float64(len(all)-1))]) * time.Microsecond
	}
	return at(0.5), at(0.99), nil
}

func findPgbench() (string, error) {
	places, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	slices.Reverse(places)
	if path, err := exec.LookPath("pgbench"); err == nil {
		places = append(places, path)
	}
	if len(places) == 0 {
		return "", fmt.Errorf("pgbench is not installed: run ./.ci/setup postgres")
	}
	return places[0], nil
}
