// Package embedpg runs a Postgres server of the app's own: a child process on a private Unix
// socket, from the binaries the system has, with its data in a folder of the app's.
//
// The folder given as Options.DataDir belongs to this package alone:
//
//	pgdata/         the database cluster; appears by one rename when initdb has finished
//	postgres.log    what the server says, bounded; postgres.log.1 is what it said before
//	lock            held (flock) by the process that runs the server, released by the kernel when that process ends
//	location        only in a folder the server's user cannot reach: where the data lie instead
//	socket          only when the path is too long for a Unix socket: where the socket is instead, while it runs
//
// Who may connect is decided by the file system. The socket lies in a folder of mode 0700 that
// belongs to the user the server runs as, so whoever can open it (that user, or root) could read
// the data files all the same. A password would add nothing: local connections are trusted, and
// there are no others, because the server listens on no TCP port.
package embedpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The failures a caller may want to tell apart. Each comes wrapped in a message of one line.
var (
	// ErrNotInstalled: this machine has no Postgres server that can be used.
	ErrNotInstalled = errors.New("no Postgres server found")
	// ErrRunning: another process serves this data folder.
	ErrRunning = errors.New("already running")
	// ErrVersion: the data were made by another major version of Postgres, which is not installed.
	ErrVersion = errors.New("data of another Postgres version")
	// ErrNotOurs: the data folder holds something else, and is left alone.
	ErrNotOurs = errors.New("not a data folder of this app")
	// ErrGone: the data folder was deleted while its server was running. What was in it is lost.
	ErrGone = errors.New("the data folder was deleted while it was in use")
)

// Bounds on every wait. They are guards against hanging, not expectations: a warm start takes a
// tenth of a second.
const (
	startLimit  = 3 * time.Minute  // accepting connections, crash recovery included
	initLimit   = 3 * time.Minute  // initdb
	ownerLimit  = 2 * time.Second  // for the lock of an owner that is being killed
	orphanLimit = 60 * time.Second // for an old server that is shutting down
	strayLimit  = 5 * time.Second  // for an old server that shows no sign of shutting down
	attachLimit = 30 * time.Second // for a server of another process that is starting
	fastLimit   = 30 * time.Second // fast shutdown, before it becomes an immediate one
	quitLimit   = 10 * time.Second // immediate shutdown, before it becomes a kill
	pollEvery   = 10 * time.Millisecond
	lookEvery   = time.Second // whether the data are still there
)

// port only names the socket file; nothing listens on TCP.
const port = 5432

// Options says where the data lie and how careful the server is with them.
type Options struct {
	// DataDir is the wanted folder, relative or absolute. It must be new, empty or one of ours.
	DataDir string
	// Durable keeps Postgres' default durability. Only tests may do without: then a crash can lose
	// everything.
	Durable bool
	// Defaults keeps Postgres' own defaults for memory and log as well, so that a measurement shows
	// what users of another server meet.
	Defaults bool
	// Again starts a server once more on data that this process has used before: no new database is
	// made if they are gone, but the start fails with ErrGone.
	Again bool
	// Log is told what a person should know; nil means slog.Default().
	Log *slog.Logger
	// Settings are further server settings (postgresql.conf names); they win over the defaults of
	// this package.
	Settings map[string]string
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.Default()
	}
	return o.Log
}

// Server is a running Postgres server: one we started and will stop, or one of another process that
// we only talk to.
type Server struct {
	dir    string // what DataDir gives
	socket string // the folder of the socket
	proc   *process
	lock   *os.File
	data   identity
	done   chan struct{}
	gone   chan struct{} // closed when the data have been deleted

	stopOnce sync.Once
	stopErr  error
}

// Start initialises a new data folder, starts Postgres on it and waits until it accepts
// connections. ctx limits the start only; the server runs until Stop or the end of this process.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := start(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("embedded Postgres: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Again {
		if known, err := locate(o.DataDir); err != nil || !exists(known.pgdata()) {
			return nil, both(err, fmt.Errorf("%w: %s", ErrGone, o.DataDir))
		}
	}
	where, err := prepare(o.DataDir, o.log())
	if err != nil {
		return nil, err
	}
	lock, err := where.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	bin, err := where.choose(candidates())
	if err != nil {
		return nil, err
	}
	if err := where.initialise(ctx, bin, o); err != nil {
		return nil, err
	}
	if err := where.waitUntilFree(ctx, o.log()); err != nil {
		return nil, err
	}
	socket, err := where.socketDir()
	if err != nil {
		return nil, err
	}
	proc, err := where.serve(ctx, bin, socket, o)
	if err != nil {
		return nil, err
	}
	s := &Server{
		dir:    where.dir,
		socket: socket,
		proc:   proc,
		lock:   lock,
		data:   identify(o.DataDir, where.pgdata()),
		done:   make(chan struct{}),
		gone:   make(chan struct{}),
	}
	go s.watch(where)
	return s, nil
}

// watch limits the log, checks that the data still exist, and releases the data folder when the
// server has ended.
func (s *Server) watch(where place) {
	bound, look := time.NewTicker(time.Minute), time.NewTicker(lookEvery)
	defer bound.Stop()
	defer look.Stop()
	for {
		select {
		case <-bound.C:
			where.boundLog()
		case <-look.C:
			if s.Lost() {
				look.Stop()
				close(s.gone)
			}
		case <-s.proc.done:
			_ = s.lock.Close()
			close(s.done)
			return
		}
	}
}

// URL is the connection string of a user on a database, for pgx and for psql.
func (s *Server) URL(user, database string) string {
	u := url.URL{
		Scheme: "postgres",
		User:   url.User(user),
		Path:   "/" + database,
	}
	q := url.Values{
		"host":    {s.socket},
		"port":    {strconv.Itoa(port)},
		"sslmode": {"disable"},
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // a plus is a plus here, not a blank
	return u.String()
}

// DataDir is the folder that has the data: the wanted one, unless the server's user cannot reach
// that.
func (s *Server) DataDir() string { return s.dir }

// Done is closed when the server has ended, by Stop or by itself. After that Start may be called
// again on the same folder; URL stays the same. It is never closed for an attached server.
func (s *Server) Done() <-chan struct{} { return s.done }

// Gone is closed soon after the data folder, or the folder that points to it, was deleted or
// replaced. The server may run on for a while and has to be stopped. It is never closed for an
// attached server.
func (s *Server) Gone() <-chan struct{} { return s.gone }

// Lost says whether the data folder is deleted now.
func (s *Server) Lost() bool { return !s.data.there() }

// Stop shuts the server down and waits for its end. It may be called again and does nothing to an
// attached server. When ctx ends or after half a minute it shuts down the hard way, which loses
// nothing but makes the next start recover.
func (s *Server) Stop(ctx context.Context) error {
	if s.proc == nil {
		return nil
	}
	s.stopOnce.Do(func() {
		if s.stopErr = s.proc.stop(ctx); s.stopErr != nil {
			s.stopErr = fmt.Errorf("embedded Postgres: %w", s.stopErr)
			return
		}
		<-s.done
		s.removeSocket()
	})
	return s.stopErr
}

// pause waits one poll interval, or until the context ends.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pollEvery):
		return nil
	}
}

// exists reports whether there is anything at a path below a folder.
func exists(elem ...string) bool {
	_, err := os.Lstat(filepath.Join(elem...))
	return err == nil
}
