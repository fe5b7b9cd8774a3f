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
func (o *office) telling() (*engine.Engine, *Runner) {
	log := slog.New(slog.NewTextHandler(&o.log, nil))
	books := engine.New(o.pool, engine.Options{
		Clock:  o.clock.Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	o.t.Cleanup(books.Close)
	hooks := webhook.New(o.pool, webhook.Options{
		Clock:        o.clock.Now,
		Log:          log,
		AllowPrivate: true,
	})
	return books, New(o.pool, Options{
		Ledger:   books,
		Sessions: session.New(o.pool, session.Options{Clock: o.clock.Now}),
		Webhooks: hooks,
		Sinks:    []relay.Sink{hooks.Take},
		Log:      log,
	})
}

// accounts opens accounts that the directory knows.
func (o *office) accounts(books *engine.Engine, n int) []uuid.UUID {
	o.t.Helper()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = uuid.New()
		_, err := o.pool.Exec(o.t.Context(),
			"insert into accounts (external_id, id, created_at) values ($1, $2, $3)", fmt.Sprint("creator-", i),
			ids[i], start)
		if err != nil {
			o.t.Fatal(err)
		}
		if err := books.SetPlan(o.t.Context(), ids[i], ledger.SetPlan{Plan: "starter"}); err != nil {
			o.t.Fatal(err)
		}
	}
	return ids
}

func (o *office) grant(books *engine.Engine, ids ...uuid.UUID) {
	o.t.Helper()
	for _, id := range ids {
		g := ledger.Grant{
			Kind:   ledger.LotPromo,
			Amount: tokens.MustParse("1"),
			Reason: "a test",
		}
		if _, err := books.Grant(o.t.Context(), id, uuid.NewString(), g); err != nil {
			o.t.Fatal(err)
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

func (o *office) endpoint(r *Runner, url string) uuid.UUID {
	o.t.Helper()
	e, _, err := r.Webhooks.Create(o.t.Context(), uuid.NewString(), webhook.CreateParams{URL: url})
	if err != nil {
		o.t.Fatal(err)
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
	o := newOffice(t)
	books, one := o.telling()
	_, other := o.telling()
	release := make(chan struct{})
	slow, fast := newReceiver(t, release), newReceiver(t, nil)
	var once sync.Once
	let := func() { once.Do(func() { close(release) }) }
	t.Cleanup(let)
	slowID, fastID := o.endpoint(one, slow.URL), o.endpoint(one, fast.URL)
	ids := o.accounts(books, 3*webhookWorkers)
	o.grant(books, ids...)
	o.run(one)
	o.run(other)
	o.until(nothingWaits)
	o.until(allDelivered, fastID)
	o.grant(books, ids...)
	o.until(nothingWaits)
	o.until(allDelivered, fastID)
	if n := len(slow.got()); n > 2*webhookWorkers || n == 0 {
		t.Errorf("the slow one was sent %d at a time by two servers", n)
	}
	o.wantTrue("select count(*) = 0 from webhook_deliveries where endpoint = '" + slowID.String() +
		"' and state = 'delivered'")
	let()
	o.until(allDelivered, slowID)
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
	o := newOffice(t)
	books, r := o.telling()
	o.run(r)
	ids := o.accounts(books, 2)
	o.until(nothingWaits) // before there was anybody to tell
	first := newReceiver(t, nil)
	firstID := o.endpoint(r, first.URL)
	o.grant(books, ids...)
	o.until(allDelivered, firstID)
	// One that nobody would ever work, once the queue is gone.
	left := deliver{webhook.Lane{Endpoint: firstID, Account: uuid.New()}}
	if _, err := r.client.Insert(t.Context(), left,
		&river.InsertOpts{ScheduledAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := r.Webhooks.Delete(t.Context(), firstID); err != nil {
		t.Fatal(err)
	}
	o.until("select count(*) = 0 from river.river_job where queue = $1 and state in ('available', 'scheduled')",
		webhookQueue(firstID))
	second := newReceiver(t, nil)
	secondID := o.endpoint(r, second.URL)
	o.grant(books, ids...)
	o.until(allDelivered, secondID)
	if a, b := len(first.got()), len(second.got()); a != 2 || b != 2 {
		t.Errorf("%d and %d arrived", a, b)
	}
	o.wantTrue("select count(*) = 1 from river.river_job where kind = 'sweep_webhooks'")
	if log := o.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log says %s", log)
	}
}

// While one job sends from a lane no other one is ordered, however often the servers look and
// however many there are.
func TestOneJobOfALaneAtATime(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	books, one := o.telling()
	_, other := o.telling()
	release := make(chan struct{})
	slow, fast := newReceiver(t, release), newReceiver(t, nil)
	var once sync.Once
	let := func() { once.Do(func() { close(release) }) }
	t.Cleanup(let)
	slowID, fastID := o.endpoint(one, slow.URL), o.endpoint(one, fast.URL)
	ids := o.accounts(books, 1)
	o.run(one)
	o.run(other)
	for range 3 { // each time the lanes of both were ordered together
		o.grant(books, ids...)
		o.until(nothingWaits)
		o.until(allDelivered, fastID)
	}
	o.wantTrue("select count(*) = 1 from river.river_job where kind = 'deliver_webhooks' and state <> 'completed' and queue = '" + webhookQueue(slowID) + "'")
	let()
	o.until(allDelivered, slowID)
	wantOrder(t, "slow", slow.got(), ids)
}
