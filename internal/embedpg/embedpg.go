// Package embedpg runs the app's own Postgres server as a child process, from the binaries of the system.
// It listens on a private Unix socket, and its data are in a folder of the app.
//
// The folder Options.DataDir belongs to this package alone:
//
//	pgdata/         the database cluster; appears by one rename when initdb has finished
//	postgres.log    the server's log, bounded; postgres.log.1 is its previous part
//	lock            held (flock) by the process that runs the server; the kernel releases it when that process ends
//	location        only in a folder that the server's user cannot reach: the path of the data
//	socket          only if the path is too long for a Unix socket: the path of the socket while the server runs
//
// The file system controls access. The socket is in a folder of mode 0700 that belongs to the server's
// user, so only that user and root can open it, and both could read the data files anyway. A password
// would add nothing: local connections are trusted, and the server listens on no TCP port.
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

// Errors that a caller may want to distinguish. Each comes wrapped in a message of one line.
var (
	// ErrNotInstalled: this machine has no usable Postgres server.
	ErrNotInstalled = errors.New("no Postgres server found")
	// ErrRunning: another process serves this data folder.
	ErrRunning = errors.New("already running")
	// ErrVersion: another major version of Postgres, which is not installed, made the data.
	ErrVersion = errors.New("data of another Postgres version")
	// ErrNotOurs: the data folder has other files and is not touched.
	ErrNotOurs = errors.New("not a data folder of this app")
	// ErrGone: the data folder was deleted while its server was running. Its contents are lost.
	ErrGone = errors.New("the data folder was deleted while it was in use")
)

// Limits of every wait, as guards against hanging. A warm start takes a tenth of a second.
const (
	startLimit  = 3 * time.Minute  // accepting connections, crash recovery included
	initLimit   = 3 * time.Minute  // initdb
	ownerLimit  = 2 * time.Second  // for the lock of an owner that is being killed
	orphanLimit = 60 * time.Second // for an old server that is shutting down
	strayLimit  = 5 * time.Second  // for an old server that does not seem to shut down
	attachLimit = 30 * time.Second // for a server of another process that is starting
	fastLimit   = 30 * time.Second // fast shutdown, before it becomes an immediate one
	quitLimit   = 10 * time.Second // immediate shutdown, before it becomes a kill
	pollEvery   = 10 * time.Millisecond
	lookEvery   = time.Second // check of the data folder
)

// port only names the socket file; the server does not listen on TCP.
const port = 5432

// Options are the place of the data and the server's settings.
type Options struct {
	// DataDir is the data folder, relative or absolute. It must be new, empty or one of ours.
	DataDir string
	// Durable keeps Postgres' default durability. Only tests may turn it off: a crash can then lose
	// everything.
	Durable bool
	// Defaults keeps Postgres' own defaults of memory and log, too, so that a measurement matches users'
	// servers.
	Defaults bool
	// Again restarts a server on data that this process has used before. If they are gone, the start fails
	// with ErrGone instead of making a new database.
	Again bool
	// Log receives messages for the operator; nil means slog.Default().
	Log *slog.Logger
	// Settings are further server settings (names of postgresql.conf). They override this package's
	// defaults.
	Settings map[string]string
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.Default()
	}
	return o.Log
}

// Server is a running Postgres server: our own, or an attached one of another process.
type Server struct {
	dir    string // the folder of DataDir()
	socket string // the folder of the socket
	proc   *process
	lock   *os.File
	data   identity
	done   chan struct{}
	gone   chan struct{} // closed when the data have been deleted

	stopOnce sync.Once
	stopErr  error
}

// Start initialises a new data folder, starts Postgres and waits until it accepts connections. ctx limits
// the start only; the server runs until Stop or the end of this process.
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
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // a plus means a plus here, not a blank
	return u.String()
}

// DataDir is the folder of the data: the requested one, unless the server's user cannot reach it.
func (s *Server) DataDir() string { return s.dir }

// Done is closed when the server has ended, by Stop or by itself. After that Start may be called
// again on the same folder; URL stays the same. It is never closed for an attached server.
func (s *Server) Done() <-chan struct{} { return s.done }

// Gone is closed soon after the data folder, or the folder that points to it, was deleted or
// replaced. The server may run on for a while and has to be stopped. It is never closed for an
// attached server.
func (s *Server) Gone() <-chan struct{} { return s.gone }

// Lost reports whether the data folder is deleted now.
func (s *Server) Lost() bool { return !s.data.there() }

// Stop shuts the server down and waits for its end. It can be repeated and does nothing to an attached
// server. When ctx ends, or after half a minute, it shuts down immediately: nothing is lost, but the next
// start has to recover.
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
