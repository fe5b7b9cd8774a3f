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

// withWebhooks is a server whose ledger sends events.
func (f *fixture) withWebhooks() (*engine.Engine, *Runner) {
	log := slog.New(slog.NewTextHandler(&f.log, nil))
	ledgerEngine := engine.New(f.pool, engine.Options{
		Clock:  f.clock.Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	f.t.Cleanup(ledgerEngine.Close)
	hooks := webhook.New(f.pool, webhook.Options{
		Clock:        f.clock.Now,
		Log:          log,
		AllowPrivate: true,
	})
	return ledgerEngine, New(f.pool, Options{
		Ledger:   ledgerEngine,
		Sessions: session.New(f.pool, session.Options{Clock: f.clock.Now}),
		Webhooks: hooks,
		Sinks:    []relay.Sink{hooks.Take},
		Log:      log,
	})
}

// accounts opens accounts that the directory knows.
func (f *fixture) accounts(ledgerEngine *engine.Engine, n int) []uuid.UUID {
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
		if err := ledgerEngine.SetPlan(f.t.Context(), ids[i], ledger.SetPlan{Plan: "starter"}); err != nil {
			f.t.Fatal(err)
		}
	}
	return ids
}

func (f *fixture) grant(ledgerEngine *engine.Engine, ids ...uuid.UUID) {
	f.t.Helper()
	for _, id := range ids {
		g := ledger.Grant{
			Kind:   ledger.LotPromo,
			Amount: tokens.MustParse("1"),
			Reason: "a test",
		}
		if _, err := ledgerEngine.Grant(f.t.Context(), id, uuid.NewString(), g); err != nil {
			f.t.Fatal(err)
		}
	}
}

// receiver records the ids of what arrives, before it answers.
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

// A subscriber that does not answer keeps only its own workers busy: the other one gets everything
// meanwhile, and so does it in the end. With two servers each event is sent once, in order per account.
func TestASlowSubscriberDelaysNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledgerEngine, one := f.withWebhooks()
	_, other := f.withWebhooks()
	release := make(chan struct{})
	slow, fast := newReceiver(t, release), newReceiver(t, nil)
	var once sync.Once
	let := func() { once.Do(func() { close(release) }) }
	t.Cleanup(let)
	slowID, fastID := f.endpoint(one, slow.URL), f.endpoint(one, fast.URL)
	ids := f.accounts(ledgerEngine, 3*webhookWorkers)
	f.grant(ledgerEngine, ids...)
	f.run(one)
	f.run(other)
	f.until(nothingWaits)
	f.until(allDelivered, fastID)
	f.grant(ledgerEngine, ids...)
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

// wantOrder checks that the same events of each account arrived, once and in order.
func wantOrder(t *testing.T, name string, got []string, ids []uuid.UUID) {
	t.Helper()
	total := 0
	for _, id := range ids {
		var own []string
		for seq := int64(1); slices.Contains(got, webhook.EventID(id, seq)); seq++ {
			own = append(own, webhook.EventID(id, seq))
		}
		theirs := slices.DeleteFunc(slices.Clone(got), func(event string) bool {
			return !slices.Contains(own, event)
		})
		if len(own) < 3 || !slices.Equal(own, theirs) {
			t.Errorf("%s: of an account came %d, in the order %v", name, len(own), theirs)
		}
		total += len(own)
	}
	if total != len(got) {
		t.Errorf("%s: %d came, %d of them are known", name, len(got), total)
	}
}

// Endpoints are created and deleted while the servers run.
func TestEndpointsComeAndGo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledgerEngine, r := f.withWebhooks()
	f.run(r)
	ids := f.accounts(ledgerEngine, 2)
	f.until(nothingWaits) // before any endpoint existed
	first := newReceiver(t, nil)
	firstID := f.endpoint(r, first.URL)
	f.grant(ledgerEngine, ids...)
	f.until(allDelivered, firstID)
	// A job that stays unworked once the queue is gone.
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
	f.grant(ledgerEngine, ids...)
	f.until(allDelivered, secondID)
	if a, b := len(first.got()), len(second.got()); a != 2 || b != 2 {
		t.Errorf("%d and %d arrived", a, b)
	}
	f.wantTrue("select count(*) = 1 from river.river_job where kind = 'sweep_webhooks'")
	if log := f.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log says %s", log)
	}
}

// While one job sends a stream's events no other is inserted, however often and by however many servers.
func TestOneJobOfALaneAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledgerEngine, one := f.withWebhooks()
	_, other := f.withWebhooks()
	release := make(chan struct{})
	slow, fast := newReceiver(t, release), newReceiver(t, nil)
	var once sync.Once
	let := func() { once.Do(func() { close(release) }) }
	t.Cleanup(let)
	slowID, fastID := f.endpoint(one, slow.URL), f.endpoint(one, fast.URL)
	ids := f.accounts(ledgerEngine, 1)
	f.run(one)
	f.run(other)
	for range 3 { // each time both streams were inserted together
		f.grant(ledgerEngine, ids...)
		f.until(nothingWaits)
		f.until(allDelivered, fastID)
	}
	f.wantTrue("select count(*) = 1 from river.river_job where kind = 'deliver_webhooks' and state <> 'completed' and queue = '" + webhookQueue(slowID) + "'")
	let()
	f.until(allDelivered, slowID)
	wantOrder(t, "slow", slow.got(), ids)
}
