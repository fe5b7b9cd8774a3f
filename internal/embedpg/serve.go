package embedpg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// serve starts the server and waits until it accepts connections.
func (p place) serve(ctx context.Context, bin binaries, socket string, o Options) (*process, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		from := p.boundLog()
		child, err := p.launchServer(bin, socket, o)
		if err != nil {
			return nil, err
		}
		err = p.waitReady(ctx, child, socket, o)
		if err == nil {
			return child, nil
		}
		ended := errors.Is(err, errEnded)
		if stopErr := child.stop(context.Background()); stopErr != nil {
			return nil, both(err, stopErr)
		}
		said := complaint(p.logSince(from))
		if !ended {
			return nil, fmt.Errorf("the server is not ready: %w (its last line: %s)", err, said)
		}
		// The children of a killed server keep its shared memory for a moment.
		if strings.Contains(said, "shared memory block") && time.Since(began) < strayLimit && pause(ctx) == nil {
			continue
		}
		return nil, fmt.Errorf("the server did not start: %s (log: %s): %w", said, p.logName(), child.exit())
	}
}

func (p place) launchServer(bin binaries, socket string, o Options) (*process, error) {
	log, err := os.OpenFile(p.logName(), os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of Postgres: %w", err)
	}
	defer log.Close()
	if err := p.who.takeFile(log); err != nil {
		return nil, fmt.Errorf("log of Postgres: %w", err)
	}
	cmd := p.who.command(p.dir, bin.path("postgres"), append([]string{"-D", p.pgdata()}, settings(socket, o)...)...)
	// A file instead of a pipe keeps the output of a server that outlives this process.
	cmd.Stdout, cmd.Stderr = log, log
	child, err := launch(cmd)
	if err != nil {
		return nil, fmt.Errorf("starting %s as user %s: %w", cmd.Path, p.who.name, err)
	}
	return child, nil
}

// settings are passed on the command line, so that they override files in the data folder.
func settings(socket string, o Options) []string {
	all := map[string]string{
		"listen_addresses":        "", // the socket alone
		"unix_socket_directories": `"` + strings.ReplaceAll(socket, `"`, `""`) + `"`,
		"unix_socket_permissions": "0700",
		"port":                    fmt.Sprint(port),
		"cluster_name":            "credits",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"logging_collector":       "off",
		"log_destination":         "stderr",
		"log_checkpoints":         "off",
	}
	if !o.Defaults {
		maps.Copy(all, map[string]string{
			"shared_buffers":  "256MB", // a small wallet fits into memory
			"wal_compression": "on",    // less to write to a slow disk
		})
	}
	if !o.Durable {
		maps.Copy(all, map[string]string{
			"fsync":              "off",
			"synchronous_commit": "off",
			"full_page_writes":   "off",
			"wal_level":          "minimal",
			"max_wal_senders":    "0",
		})
	}
	maps.Copy(all, o.Settings)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-c", name+"="+all[name])
	}
	return args
}

var errEnded = errors.New("it has ended")

// waitReady waits until the server reports ready and accepts a connection.
func (p place) waitReady(ctx context.Context, child *process, socket string, o Options) error {
	tell := time.Now().Add(5 * time.Second)
	for {
		state, err := readPidFile(p.pgdata())
		if err == nil && state.pid == child.cmd.Process.Pid && state.status == "ready" {
			return ping(ctx, &Server{socket: socket})
		}
		if now := time.Now(); now.After(tell) {
			o.log().Info("waiting for Postgres, which may be recovering from a crash", "log", p.logName())
			tell = now.Add(15 * time.Second)
		}
		select {
		case <-child.done:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// ping connects once.
func ping(ctx context.Context, s *Server) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres", "postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (p place) logName() string { return filepath.Join(p.dir, "postgres.log") }
