package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/handlers"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/app"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// site is the whole app, served over loopback.
type site struct {
	app     *app.App
	handler *handlers.App
	addr    string
	key     string // an API key
}

// serve puts a handler on a loopback address, as the app's own server would.
func (l *lab) serve(h http.Handler) (string, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := handlers.NewServer(h, slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(listener) }()
	l.closers = append(l.closers, func() { _ = server.Close() })
	return listener.Addr().String(), nil
}

func (l *lab) site(ctx context.Context) (*site, error) {
	s := &site{app: l.app, handler: handlers.New(l.app)}
	s.handler.Log = slog.New(slog.DiscardHandler)
	var err error
	if s.addr, err = l.serve(s.handler.Handler()); err != nil {
		return nil, err
	}
	_, s.key, err = s.app.Keys.Create(ctx, "bench", apikey.Admin)
	return s, err
}

// accounts opens accounts as the host platform does, and returns their names.
func (s *site) accounts(ctx context.Context, n int) ([]string, error) {
	names := make([]string, n)
	plan := "star"
	err := inParallel(64, n, func(i int) error {
		names[i] = "creator-" + strconv.Itoa(i)
		id, _, err := s.app.Directory.Put(ctx, names[i], directory.Put{Plan: &plan})
		if err != nil {
			return err
		}
		_, err = s.app.Ledger.Grant(ctx, id, "", ledger.Grant{
			Kind:   ledger.LotPurchase,
			Amount: 1_000_000 * tokens.One,
			Source: uuid.NewString(),
		})
		if err != nil {
			return err
		}
		return agentsBegin(ctx, s.app.Ledger, id)
	})
	return names, err
}

// wire is a connection that sends and reads raw bytes: a client with the least cost, since it shares the
// machine with the server.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(addr string) (*wire, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}, nil
}

// ask sends a request and returns the status and the body of the answer.
func (w *wire) ask(request []byte) (status int, body []byte, err error) {
	if _, err := w.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := w.in.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return 0, nil, errors.Join(err, errors.New("no status line"))
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length, err := w.head()
	if err != nil {
		return 0, nil, err
	}
	if length == chunked {
		if body, err = io.ReadAll(httputil.NewChunkedReader(w.in)); err == nil {
			_, err = w.in.Discard(len("\r\n"))
		}
		return status, body, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(w.in, body)
	return status, body, err
}

// chunked is the length of a body whose header has none.
const chunked = -1

// head reads an answer's header and returns the length of its body.
func (w *wire) head() (int, error) {
	length := 0
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return length, nil
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); len(name) == len("Content-Length") &&
			textproto.CanonicalMIMEHeaderKey(string(name)) == "Content-Length" {
			if length, err = strconv.Atoi(strings.TrimSpace(string(value))); err != nil {
				return 0, err
			}
		}
		if bytes.HasPrefix(line, []byte("Transfer-Encoding")) {
			length = chunked
		}
	}
}

// over drives an address with connections. next makes a caller's request, and ok accepts the answer's
// status.
func (l *lab) over(addr string, conns, perRequest int, next func(caller int) []byte, ok func(status int) bool) probe {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		wires := make([]*wire, conns)
		for i := range wires {
			w, err := dial(addr)
			if err != nil {
				return sample{}, err
			}
			defer w.conn.Close()
			wires[i] = w
		}
		return drive(ctx, conns, d, func(_ context.Context, i int) (int, error) {
			status, body, err := wires[i].ask(next(i))
			if err == nil && !ok(status) {
				err = fmt.Errorf("answered %d: %.300s", status, body)
			}
			return perRequest, err
		})
	}
}
