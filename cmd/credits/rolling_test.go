package main_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pop.store/credits/db/testdb"
)

// balancer is a reverse proxy over servers that follows /readyz and never asks twice.
type balancer struct {
	*httptest.Server
	backends []*backend
	turn     atomic.Uint64
	failed   failures
}

type backend struct {
	addr     string
	ready    atomic.Bool
	underWay atomic.Int64 // requests
}

// left reports whether the proxy knows that a server is not ready and waits for none of its answers.
func (b *backend) left() bool { return !b.ready.Load() && b.underWay.Load() == 0 }

// chosen is the context's key for the backend of a request.
type chosen struct{}

// failures counts failures and keeps the first few.
type failures struct {
	mu    sync.Mutex
	n     int
	words []string
}

func (f *failures) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n++; f.n <= 5 {
		f.words = append(f.words, fmt.Sprintf(format, args...))
	}
}

// pollEvery is how often the proxy asks a server whether it is ready.
const pollEvery = 50 * time.Millisecond

func newBalancer(t *testing.T, addrs ...string) *balancer {
	t.Helper()
	b := &balancer{}
	ctx, cancel := context.WithCancel(t.Context())
	var polling sync.WaitGroup
	for _, addr := range addrs {
		one := &backend{addr: addr}
		b.backends = append(b.backends, one)
		polling.Go(func() { one.follow(ctx) })
	}
	t.Cleanup(polling.Wait)
	t.Cleanup(cancel)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			one, _ := r.In.Context().Value(chosen{}).(*backend)
			r.SetURL(&url.URL{Scheme: "http", Host: one.addr})
			// net/http would repeat a request without a body if an idle connection turns out to be closed.
			tries := 0
			r.Out = r.Out.WithContext(httptrace.WithClientTrace(r.Out.Context(),
				&httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
					if tries++; tries > 1 {
						b.failed.add("%s %s was sent again", r.Out.Method, r.Out.URL)
					}
				}}))
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			b.failed.add("%s %s: %v", r.Method, r.URL, err)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one := b.next()
		defer one.underWay.Add(-1)
		proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), chosen{}, one)))
	}))
	t.Cleanup(b.Close)
	return b
}

// follow polls a server's readiness.
func (b *backend) follow(ctx context.Context) {
	asking := &http.Client{Timeout: hang}
	defer asking.CloseIdleConnections()
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.addr+"/readyz", nil)
		if err != nil {
			return
		}
		a, err := asking.Do(r)
		b.ready.Store(err == nil && a.StatusCode == http.StatusOK)
		if err == nil {
			_ = a.Body.Close()
		}
		time.Sleep(pollEvery)
	}
}

// next is the next ready server, with one more request counted.
func (b *balancer) next() *backend {
	first := b.turn.Add(1)
	for i := range b.backends {
		one := b.backends[(first+uint64(i))%uint64(len(b.backends))]
		one.underWay.Add(1)
		if one.ready.Load() {
			return one
		}
		one.underWay.Add(-1)
	}
	b.failed.add("no server is ready")
	b.backends[0].underWay.Add(1)
	return b.backends[0]
}

// rolling is the size of the drill: the least number of requests, and a restart with every thousand. As a
// drill it waits for the set time, as operators do. In a test the time is over when the proxy has noticed.
func rolling(t *testing.T) (requests int64, restarts int, delay string) {
	t.Helper()
	text := os.Getenv("CREDITS_ROLLING_REQUESTS")
	if text == "" {
		return 600, 2, "5m"
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		t.Fatalf("CREDITS_ROLLING_REQUESTS=%q is not a number of requests", text)
	}
	return n, max(2, int(n/1000)), "5s"
}

// Servers are restarted one by one behind a proxy that follows /readyz, while clients work: no request
// fails, and none is sent twice.
func TestRollingRestarts(t *testing.T) {
	t.Parallel()
	requests, restarts, delay := rolling(t)
	s := setting{dir: folder(t)}.with("DATABASE_URL="+testdb.Open(t).AppURL, "CREDITS_SHUTDOWN_DELAY="+delay,
		"CREDITS_DB_CONNS=8")
	servers := []*server{s.serve(t), s.serve(t)}
	key := s.newKey(t, "admin")
	servers[0].openAccount(t, key, "studio")
	proxy := newBalancer(t, servers[0].addr, servers[1].addr)
	servers[0].until(t, "the proxy knows both",
		func() bool { return proxy.backends[0].ready.Load() && proxy.backends[1].ready.Load() })

	var made, charged atomic.Int64
	done := make(chan struct{})
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					if made.Load() >= requests {
						return
					}
				case <-time.After(10 * time.Millisecond):
				}
				proxy.work(t, key, c, n, &charged)
				made.Add(1)
			}
		})
	}
	began := time.Now()
	for i := range restarts {
		which := i % len(servers)
		old := servers[which]
		signalled(t, old.cmd.Process.Pid, syscall.SIGTERM)
		if delay == "5m" {
			old.until(t, "the proxy has left it", proxy.backends[which].left)
			signalled(t, old.cmd.Process.Pid, syscall.SIGTERM)
		}
		if code := old.wait(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if said := old.stderr.String(); strings.Contains(said, "level=ERROR") || !strings.Contains(said, "SIGTERM") {
			t.Errorf("said: %s", said)
		}
		servers[which] = s.serveAt(t, old.addr)
		servers[which].until(t, "the proxy knows the new server", proxy.backends[which].ready.Load)
	}
	close(done)
	clients.Wait()
	if proxy.failed.n > 0 {
		t.Errorf("%d of %d requests failed, such as:\n%s", proxy.failed.n, made.Load(),
			strings.Join(proxy.failed.words, "\n"))
	}
	if b := servers[0].statement(t, key, "studio"); int64(b.charges()) != charged.Load() {
		t.Errorf("%d charges in the ledger, %d answered", b.charges(), charged.Load())
	}
	t.Logf("%d restarts, %d requests, %d of them charges, %d failed, in %v", restarts, made.Load(), charged.Load(),
		proxy.failed.n, time.Since(began).Round(time.Second))
}

// work sends one request of a client through the proxy: charges, reads and pages in turn.
func (b *balancer) work(t *testing.T, key string, client, n int, charged *atomic.Int64) {
	method, path, body, want := http.MethodGet, "/login", "", http.StatusOK
	switch n % 3 {
	case 0:
		method, path, body, want = http.MethodPost, "/v1/accounts/studio/charges", oneReply, http.StatusCreated
	case 1:
		path = "/v1/accounts/studio"
	}
	r, err := http.NewRequestWithContext(t.Context(), method, b.URL+path, strings.NewReader(body))
	if err != nil {
		b.failed.add("%v", err)
		return
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Idempotency-Key", fmt.Sprintf("client-%d-%d", client, n))
	r.Header.Set("Content-Type", "application/json")
	a, err := b.Client().Do(r)
	if err != nil {
		b.failed.add("%s %s: %v", method, path, err)
		return
	}
	_ = a.Body.Close()
	if a.StatusCode != want {
		b.failed.add("%s %s: %d", method, path, a.StatusCode)
	} else if want == http.StatusCreated {
		charged.Add(1)
	}
}
