package jobs

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/relay"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/internal/webhook"
)

// telling is a server that tells of events.
func (f *fixture) telling() (*engine.Engine, *Runner) {
	log := slog.New(slog.NewTextHandler(&f.log, nil))
	books := engine.New(f.pool, engine.Options{
		Clock:  f.clock.Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	f.t.Cleanup(books.Close)
	hooks := webhook.New(f.pool, webhook.Options{
		Clock:        f.clock.Now,
		Log:          log,
		AllowPrivate: true,
	})
	return books, New(f.pool, Options{
		Ledger:   books,
		Sessions: session.New(f.pool, session.Options{Clock: f.clock.Now}),
		Webhooks: hooks,
		Sinks:    []relay.Sink{hooks.Take},
		Log:      log,
	})
}

// accounts opens accounts that the directory knows.
func (f *fixture) accounts(books *engine.Engine, n int) []uuid.UUID {
	f.t.Helper()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = uuid.New()
		_, err := f.pool.Exec(f.t.Context(),
			"insert into accounts (external_id, id, created_at) values ($1, $2, $3)", fmt.Sprint("creator-", i),
			ids[i], start)
		if err != nil {
			f.t.Fatal(err)
		}
		if err := books.SetPlan(f.t.Context(), ids[i], ledger.SetPlan{Plan: "starter"}); err != nil {
			f.t.Fatal(err)
		}
	}
	return ids
}

func (f *fixture) grant(books *engine.Engine, ids ...uuid.UUID) {
	f.t.Helper()
	for _, id := range ids {
		g := ledger.Grant{
			Kind:   ledger.LotPromo,
			Amount: tokens.MustParse("1"),
			Reason: "a test",
		}
		if _, err := books.Grant(f.t.Context(), id, uuid.NewString(), g); err != nil {
			f.t.Fatal(err)
		}
	}
}

// receiver notes the ids of what arrives, before it answers.
type receiver struct {
	*httptest.Server
	mu  sync.Mutex
	ids []string
}

func newReceiver(t *testing.T, wait <-chan struct{}) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.ids = append(r.ids, req.Header.Get("webhook-id"))
		r.mu.Unlock()
		if wait != nil {
			<-wait
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids)
}

func (f *fixture) endpoint(r *Runner, url string) uuid.UUID {
	f.t.Helper()
	e, _, err := r.Webhooks.Create(f.t.Context(), uuid.NewString(), webhook.CreateParams{URL: url})
	if err != nil {
		f.t.Fatal(err)
	}
	return e.ID
}

const (
	allDelivered = "select count(*) > 0 and bool_and(state = 'delivered') from webhook_deliveries where endpoint = $1"
	nothingWaits = "select count(*) = 0 from outbox"
)

// A subscriber that does not answer keeps its own workers busy and nobody else's: the other one has
// everything meanwhile, and so does it in the end. Two servers send, and still each event goes out
// once, in order per account.
func TestASlowSubscriberDelaysNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	books, one := f.telling()
	_, other := f.telling()
	release := make(chan struct{})
	slow, fast := newReceiver(t, release), newReceiver(t, nil)
	var once sync.Once
	let := func() { once.Do(func() { close(release) }) }
	t.Cleanup(let)
	slowID, fastID := f.endpoint(one, slow.URL), f.endpoint(one, fast.URL)
	ids := f.accounts(books, 3*webhookWorkers)
	f.grant(books, ids...)
	f.run(one)
	f.run(other)
	f.until(nothingWaits)
	f.until(allDelivered, fastID)
	f.grant(books, ids...)
	f.until(nothingWaits)
	f.until(allDelivered, fastID)
	if n := len(slow.got()); n > 2*webhookWorkers || n == 0 {
		t.Errorf("the slow one was sent %d at a time by two servers", n)
	}
	f.wantTrue("select count(*) = 0 from webhook_deliveries where endpoint = '" + slowID.String() +
		"' and state = 'delivered'")
	let()
	f.until(allDelivered, slowID)
	for name, r := range map[string]*receiver{"slow": slow, "fast": fast} {
		wantOrder(t, name, r.got(), ids)
	}
}

// wantOrder checks that of each account the same events came, each once and in order.
func wantOrder(t *testing.T, name string, got []string, ids []uuid.UUID) {
	t.Helper()
	total := 0
	for _, id := range ids {
		var mine []string
		for seq := int64(1); slices.Contains(got, webhook.EventID(id, seq)); seq++ {
			mine = append(mine, webhook.EventID(id, seq))
		}
		theirs := slices.DeleteFunc(slices.Clone(got), func(event string) bool {
			return !slices.Contains(mine, event)
		})
		if len(mine) < 3 || !slices.Equal(mine, theirs) {
			t.Errorf("%s: of an account came %d, in the order %v", name, len(mine), theirs)
		}
		total += len(mine)
	}
	if total != len(got) {
		t.Errorf("%s: %d came, %d of them are known", name, len(got), total)
	}
}

// Endpoints come and go while the servers run.
func TestEndpointsComeAndGo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	books, r := f.telling()
	f.run(r)
	ids := f.accounts(books, 2)
	f.until(nothingWaits) // before there was anybody to tell
	first := newReceiver(t, nil)
	firstID := f.endpoint(r, first.URL)
	f.grant(books, ids...)
	f.until(allDelivered, firstID)
	// One that nobody would ever work, once the queue is gone.
	left := deliver{webhook.Stream{Endpoint: firstID, AccountID: uuid.New()}}
	if _, err := r.client.Insert(t.Context(), left,
		&river.InsertOpts{ScheduledAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := r.Webhooks.Delete(t.Context(), firstID); err != nil {
		t.Fatal(err)
	}
	f.until("select count(*) = 0 from river.river_job where queue = $1 and state in ('available', 'scheduled')",
		webhookQueue(firstID))
	second := newReceiver(t, nil)
	secondID := f.endpoint(r, second.URL)
	f.grant(books, ids...)
	f.until(allDelivered, secondID)
	if a, b := len(first.got()), len(second.got()); a != 2 || b != 2 {
		t.Errorf("%d and %d arrived", a, b)
	}
	f.wantTrue("select count(*) = 1 from river.river_job where kind = 'sweep_webhooks'")
	if log := f.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log says %s", log)
	}
}

// While one job sends from a lane no other one is ordered, however often the servers look and
// however many there are.
func TestOneJobOfALaneAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	books, one := f.telling()
	_, other := f.telling()
	release := make(chan struct{})
	slow, fast := newReceiver(t, release), newReceiver(t, nil)
	var once sync.Once
	let := func() { once.Do(func() { close(release) }) }
	t.Cleanup(let)
	slowID, fastID := f.endpoint(one, slow.URL), f.endpoint(one, fast.URL)
	ids := f.accounts(books, 1)
	f.run(one)
	f.run(other)
	for range 3 { // each time the lanes of both were ordered together
		f.grant(books, ids...)
		f.until(nothingWaits)
		f.until(allDelivered, fastID)
	}
	f.wantTrue("select count(*) = 1 from river.river_job where kind = 'deliver_webhooks' and state <> 'completed' and queue = '" + webhookQueue(slowID) + "'")
	let()
	f.until(allDelivered, slowID)
	wantOrder(t, "slow", slow.got(), ids)
}
