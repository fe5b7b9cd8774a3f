package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/testkit"
	"pop.store/credits/internal/webhook"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// fixture is the service over a database of its own.
type fixture struct {
	*testkit.Fixture
	*webhook.Service
	lastSeq map[uuid.UUID]int64 // of each account's events
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := testkit.New(t)
	return &fixture{
		Fixture: f,
		Service: f.Webhooks,
		lastSeq: map[uuid.UUID]int64{},
	}
}

// account makes an account that the directory knows.
func (f *fixture) account(name string) uuid.UUID {
	f.T.Helper()
	id := uuid.New()
	if _, err := f.DB.Pool.Exec(f.T.Context(),
		"insert into accounts (external_id, id, created_at) values ($1, $2, $3)", name, id, testkit.Start); err != nil {
		f.T.Fatal(err)
	}
	return id
}

// events are the next ones of an account.
func (f *fixture) events(account uuid.UUID, kinds ...string) []ledger.AccountEvent {
	list := make([]ledger.AccountEvent, len(kinds))
	for i, kind := range kinds {
		f.lastSeq[account]++
		data := json.RawMessage(`{"amount":"0.05","number":` + strconv.FormatInt(f.lastSeq[account], 10) + `}`)
		list[i] = ledger.AccountEvent{AccountID: account, Event: ledger.Event{
			Seq:  f.lastSeq[account],
			At:   f.Clock.Now(),
			Kind: kind,
			Data: data,
		}}
	}
	return list
}

// take may be called from any goroutine.
func (f *fixture) take(events ...ledger.AccountEvent) {
	f.T.Helper()
	if err := f.Take(f.T.Context(), events); err != nil {
		f.T.Error(err)
	}
}

// tell takes the next n events of an account.
func (f *fixture) tell(account uuid.UUID, n int) {
	f.T.Helper()
	for range n {
		f.take(f.events(account, ledger.EventGrantCreated)...)
	}
}

// deliver sends all that is due.
func (f *fixture) deliver() {
	f.T.Helper()
	for rounds := 0; ; rounds++ {
		if rounds > 1000 {
			f.T.Fatal("something is due that cannot be sent")
		}
		streams, err := f.Due(f.T.Context(), 100)
		if err != nil {
			f.T.Fatal(err)
		}
		if len(streams) == 0 {
			return
		}
		for _, stream := range streams {
			f.drain(stream)
		}
	}
}

// drain sends all that is due in a stream. It may be called from any goroutine.
func (f *fixture) drain(stream webhook.Stream) {
	f.T.Helper()
	for more := true; more; {
		var err error
		if more, err = f.Next(f.T.Context(), stream); err != nil {
			f.T.Error(err)
			return
		}
	}
}

// pass lets time go by, minute after minute, and sends what falls due.
func (f *fixture) pass(d time.Duration) {
	f.T.Helper()
	for end := f.Clock.Now().Add(d); f.Clock.Now().Before(end); {
		f.Clock.Advance(min(time.Minute, end.Sub(f.Clock.Now())))
		f.deliver()
	}
}

func (f *fixture) endpoint(url string, kinds ...string) webhook.Secret {
	f.T.Helper()
	made, replayed, err := f.Create(f.T.Context(), uuid.NewString(), webhook.CreateParams{URL: url, Kinds: kinds})
	if err != nil || replayed {
		f.T.Fatal(err, replayed)
	}
	return made
}

func (f *fixture) get(id uuid.UUID) webhook.Endpoint {
	f.T.Helper()
	e, err := f.Get(f.T.Context(), id)
	if err != nil {
		f.T.Fatal(err)
	}
	return e
}

// deliveries are all of an endpoint's, oldest first.
func (f *fixture) deliveries(id uuid.UUID) []webhook.Delivery {
	f.T.Helper()
	list, next, err := f.Deliveries(f.T.Context(), id, "", webhook.MaxPage)
	if err != nil || next != "" {
		f.T.Fatal(err, next)
	}
	slices.Reverse(list)
	return list
}

// arrival is a request as a subscriber sees it.
type arrival struct {
	id, signature, kind, account string
	number                       int // of the account's events
	status                       int // how it was answered
	signed                       int // by how many of the secrets
}

// subscriber is a real receiver, which checks what it gets in its own way.
type subscriber struct {
	*httptest.Server
	t       *testing.T
	f       *fixture
	mu      sync.Mutex
	secrets []string
	answer  func(n int, a arrival) int // the status for the nth request; nil: 204
	all     []arrival
}

func (f *fixture) subscriber() *subscriber {
	s := &subscriber{t: f.T, f: f}
	s.Server = httptest.NewServer(s)
	f.T.Cleanup(s.Close)
	return s
}

// subscribe is a receiver with an endpoint.
func (f *fixture) subscribe(kinds ...string) (*subscriber, webhook.Secret) {
	f.T.Helper()
	s := f.subscriber()
	e := f.endpoint(s.URL+"/hooks?of=credits", kinds...)
	s.secrets = []string{e.Secret}
	return s, e
}

func (s *subscriber) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	var event struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      struct {
			Account string `json:"account"`
			Amount  string `json:"amount"`
			Number  int    `json:"number"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil || event.Data.Amount != "0.05" || event.Timestamp.IsZero() {
		s.t.Errorf("the body is %s: %v", body, err)
	}
	a := arrival{
		id:        r.Header.Get("webhook-id"),
		signature: r.Header.Get("webhook-signature"),
		kind:      event.Type,
		account:   event.Data.Account,
		number:    event.Data.Number,
		status:    http.StatusNoContent,
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" ||
		r.URL.RequestURI() != "/hooks?of=credits" {
		s.t.Errorf("%s %s as %q", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	a.signed = s.verify(r.Header, body)
	if s.answer != nil {
		a.status = s.answer(len(s.all), a)
	}
	s.all = append(s.all, a)
	w.WriteHeader(a.status)
}

// verify counts the secrets that signed a request, by the reference implementation of Standard Webhooks.
func (s *subscriber) verify(h http.Header, body []byte) (signed int) {
	seconds, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if age := s.f.Clock.Now().Sub(time.Unix(seconds, 0)); err != nil || age < -time.Minute || age > 5*time.Minute {
		s.t.Errorf("the timestamp is %q", h.Get("webhook-timestamp"))
	}
	for _, secret := range s.secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < 24 || len(key) > 64 || !strings.HasPrefix(secret, "whsec_") {
			s.t.Errorf("the secret is %q", secret)
		}
		hook, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			s.t.Errorf("the secret is %q: %v", secret, err)
			continue
		}
		if hook.VerifyIgnoringTimestamp(body, h) == nil { // the test's clock stands still
			signed++
		}
	}
	return signed
}

// set changes how requests are answered.
func (s *subscriber) set(answer func(n int, a arrival) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func always(status int) func(int, arrival) int { return func(int, arrival) int { return status } }

func (s *subscriber) arrivals() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// taken are the numbers of an account's events that were answered with a 2xx, as they came.
func (s *subscriber) taken(account string) (numbers []int) {
	for _, a := range s.arrivals() {
		if a.account == account && a.status < 300 {
			numbers = append(numbers, a.number)
		}
	}
	return numbers
}

// wantTaken checks that events 1 to n of an account were taken, each once and in order.
func (s *subscriber) wantTaken(account string, n int) {
	s.t.Helper()
	got := s.taken(account)
	want := make([]int, n)
	for i := range want {
		want[i] = i + 1
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("of %s's events %v were taken, want 1 to %d", account, got, n)
	}
}
