package bench

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/db"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger/engine"
)

// PeerCommand is the argument of "bench" that makes this program a second server over a benchmark's
// database; see Peer.
const PeerCommand = "peer"

// peerSetup is a peer's first line of input; after it each peerTurn is answered with a peerSample.
type peerSetup struct {
	URL     string
	IDs     []uuid.UUID
	Callers int
}

type peerTurn struct{ For time.Duration }

type peerSample struct {
	PerSecond float64
	P50, P99  time.Duration
}

// Peer drives its own ledger with callers, as a second server would, at each peerTurn until its input ends.
func Peer(ctx context.Context, in io.Reader, out io.Writer) error {
	lines, answers := json.NewDecoder(in), json.NewEncoder(out)
	var setup peerSetup
	if err := lines.Decode(&setup); err != nil {
		return err
	}
	pool, err := db.Open(ctx, setup.URL, 4)
	if err != nil {
		return err
	}
	defer pool.Close()
	ledgerEngine := engine.New(pool, engine.Options{
		Clock:  clock.System,
		Prices: catalog.Builtin,
		Log:    slog.Default(),
	})
	defer ledgerEngine.Close()
	run := charging(newCallers(setup.Callers, setup.IDs), ledgerEngine)
	for {
		var turn peerTurn
		if err := lines.Decode(&turn); err != nil {
			return nil // the benchmark has ended
		}
		s, err := run(ctx, turn.For)
		if err != nil {
			return err
		}
		if err := answers.Encode(peerSample{s.perSecond, s.p50, s.p99}); err != nil {
			return err
		}
	}
}

// peer starts this program as another server's process.
func (l *lab) peer(callers int, ids []uuid.UUID) (probe, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	process := exec.Command(program, "bench", PeerCommand) //nolint:noctx // it ends with its input
	process.Stderr = os.Stderr
	in, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	l.closers = append(l.closers, func() {
		_ = in.Close()
		_ = process.Wait()
	})
	l.peers = append(l.peers, strconv.Itoa(process.Process.Pid))
	told, heard := json.NewEncoder(in), json.NewDecoder(out)
	setup := peerSetup{
		URL:     l.server.URL(db.AppRole, db.Database),
		IDs:     ids,
		Callers: callers,
	}
	return func(_ context.Context, d time.Duration) (sample, error) {
		var s peerSample
		err := told.Encode(peerTurn{d})
		if err == nil {
			err = heard.Decode(&s)
		}
		return sample{
			perSecond: s.PerSecond,
			p50:       s.P50,
			p99:       s.P99,
		}, err
	}, told.Encode(setup)
}

// together runs two probes at once. Its wait is the longer of both.
func together(one, other probe) probe {
	type outcome struct {
		sample
		err error
	}
	return func(ctx context.Context, d time.Duration) (sample, error) {
		beside := make(chan outcome, 1)
		go func() {
			s, err := other(ctx, d)
			beside <- outcome{s, err}
		}()
		s, err := one(ctx, d)
		o := <-beside
		if err == nil {
			err = o.err
		}
		return sample{
			perSecond: s.perSecond + o.perSecond,
			p50:       max(s.p50, o.p50),
			p99:       max(s.p99, o.p99),
		}, err
	}
}
