package demo_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/demo"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/session"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// logBuffer is a log that can be read while it is written to.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *logBuffer) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(line)
}

func (s *logBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// Agents that cannot get a key at the start, because the database is down, start working once they can.
func TestAgentsGetTheirKeyLater(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	owner, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Close(context.Background()) })
	rename := func(statement string) {
		t.Helper()
		if _, err := owner.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	log := &logBuffer{}
	keys := apikey.New(d.Pool, apikey.Options{Clock: clock.System})
	worked := make(chan string, 100)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		worked <- strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(api.Close)
	agents := watched(t, d, log)
	agents.Keys, agents.API = keys, api.URL

	rename("alter table api_keys rename to away")
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { agents.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	for deadline := time.Now().Add(time.Minute); !strings.Contains(log.String(),
		"a demo agent failed"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the missing key is not logged")
		}
	}
	rename("alter table away rename to api_keys")
	select {
	case secret := <-worked:
		if _, err := keys.Verify(t.Context(), secret); err != nil {
			t.Errorf("they work with an invalid key: %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatalf("the agents do not work: %s", log)
	}
}

// Agents register before they work. A pause or a lack of tokens is not a failure: they try again, and
// nothing is logged.
func TestAgentsWhoAreTurnedAwayGoOn(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	log := &logBuffer{}
	asked := make(chan string, 100)
	statuses := map[bool]int{true: http.StatusConflict, false: http.StatusPaymentRequired}
	charges := 0
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.URL.Path
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusCreated)
			return
		}
		charges++
		w.WriteHeader(statuses[charges%2 == 0])
	}))
	t.Cleanup(api.Close)
	agents := watched(t, d, log)
	agents.Keys, agents.API, agents.Wait = apikey.New(d.Pool, apikey.Options{Clock: clock.System}), api.URL,
		func(context.Context) {}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { agents.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	for i, want := range []string{
		"PUT /v1/accounts/maya/agents/auto-selling", "PUT /v1/accounts/maya/agents/brand-scout",
		"PUT /v1/accounts/maya/agents/comment-replies",
		"PUT /v1/accounts/maya/agents/dm-automation", "POST /v1/accounts/maya/charges",
		"POST /v1/accounts/maya/charges", "POST /v1/accounts/maya/charges",
	} {
		if got := <-asked; got != want {
			t.Errorf("request %d is %s, want %s", i, got, want)
		}
	}
	if text := log.String(); strings.Contains(text, "failed") {
		t.Errorf("it is logged as a failure: %s", text)
	}
}

// watched is the demo's creator with a recent page view.
func watched(t *testing.T, d testdb.DB, log *logBuffer) *demo.Agents {
	t.Helper()
	text := slog.New(slog.NewTextHandler(log, nil))
	ledgerEngine := engine.New(d.Pool, engine.Options{
		Clock:  clock.System,
		Prices: catalog.Builtin,
		Log:    text,
	})
	t.Cleanup(ledgerEngine.Close)
	a := &demo.Agents{
		Sessions:  session.New(d.Pool, session.Options{Clock: clock.System}),
		Directory: directory.New(d.Pool, ledgerEngine, catalog.Builtin),
		Clock:     clock.System,
		Log:       text,
	}
	plan := "starter"
	id, _, err := a.Directory.Put(t.Context(), demo.Account, directory.Put{Plan: &plan})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	if err := a.Sessions.SignIn(httptest.NewRecorder(), r,
		session.Visitor{AccountID: id, Role: session.RoleCreator}); err != nil {
		t.Fatal(err)
	}
	return a
}
