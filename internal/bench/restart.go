package bench

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/tokens"
)

// The load of the restart benchmark: few charges on many accounts, so that a lane has to load an account
// for nearly each.
const (
	restartAccounts = 200
	restartRate     = 50 // charges a second
)

// setRestart charges at a slow pace right after a start, with cold caches and no query plans, and compares
// with two alternating servers and with the bare insert of one row.
func setRestart(ctx context.Context, l *lab, o Options) (*experiment, error) {
	ids, err := l.open(ctx, orDefault(o.Accounts, restartAccounts), 1_000*tokens.One)
	if err != nil {
		return nil, err
	}
	if _, err := l.owner.Exec(ctx, "create table bare_rows (id uuid primary key); grant insert on bare_rows to "+
		db.AppRole); err != nil {
		return nil, err
	}
	return &experiment{
		run:       l.restarted(1, ids),
		baselines: []baseline{{"bare_commit", l.bareCommits()}, {"two_servers", l.restarted(2, ids)}},
		goals:     []Goal{{Against: "bare_commit_p50", AtMost: 5}},
	}, nil
}

// restarted starts servers with their own connections, and sends them charges in turn.
func (l *lab) restarted(servers int, ids []uuid.UUID) probe {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		engines := make([]*engine.Engine, servers)
		for i := range engines {
			pool, err := db.Open(ctx, l.server.URL(db.AppRole, db.Database), 4)
			if err != nil {
				return sample{}, err
			}
			defer pool.Close()
			engines[i] = engine.New(pool, engine.Options{
				Clock:  clock.System,
				Prices: catalog.Builtin,
				Log:    slog.Default(),
			})
			defer engines[i].Close()
		}
		return paced(ctx, d, func(ctx context.Context, n int) error {
			_, err := engines[n%servers].Charge(ctx, ids[(n/servers*7)%len(ids)], newKey(),
				agentsWork[n%len(agentsWork)])
			return err
		})
	}
}

// bareCommits inserts one row a transaction at the same pace.
func (l *lab) bareCommits() probe {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		return paced(ctx, d, func(ctx context.Context, _ int) error { return insertRow(ctx, l.pool) })
	}
}

func insertRow(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := pool.Exec(ctx, "insert into bare_rows values ($1)", uuid.New())
	return err
}

// paced sends restartRate requests a second without waiting for answers, and measures every answer.
func paced(ctx context.Context, d time.Duration, ask func(ctx context.Context, n int) error) (sample, error) {
	total := max(1, int(d.Seconds()*restartRate))
	took := make([]int32, total) // microseconds
	failed := make(chan error, total)
	var working sync.WaitGroup
	ticks := time.NewTicker(time.Second / restartRate)
	defer ticks.Stop()
	began := time.Now()
	for n := range total {
		<-ticks.C
		working.Go(func() {
			start := time.Now()
			if err := ask(ctx, n); err != nil {
				failed <- err
			}
			took[n] = int32(time.Since(start).Microseconds())
		})
	}
	working.Wait()
	close(failed)
	if err := <-failed; err != nil {
		return sample{}, err
	}
	return summary(took, total, time.Since(began)), nil
}
