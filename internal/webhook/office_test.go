package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/webhook"
)

func TestMain(m *testing.M) { testdb.Main(m) }

var start = time.Date(2026, 11, 22, 14, 2, 0, 0, time.UTC)

// office is a service over a database of its own, on a clock that stands still.
type office struct {
	*webhook.Service
	t     *testing.T
	pool  *pgxpool.Pool
	clock *clock.Manual
	log   lockedBuffer
	told  map[uuid.UUID]int64 // the last number of each account's events
}

type lockedBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{
		t:     t,
		pool:  testdb.New(t),
		clock: clock.NewManual(start),
		told:  map[uuid.UUID]int64{},
	}
	o.Service = webhook.New(o.pool, webhook.Options{
		Clock:        o.clock.Now,
		Log:          slog.New(slog.NewTextHandler(&o.log, nil)),
		AllowPrivate: true,
	})
	return o
}

// account makes an account that the directory knows.
func (o *office) account(name string) uuid.UUID {
	o.t.Helper()
	id := uuid.New()
	if _, err := o.pool.Exec(o.t.Context(),
		"insert into accounts (external_id, id, created_at) values ($1, $2, $3)", name, id, start); err != nil {
		o.t.Fatal(err)
	}
	return id
}

// events are the next ones of an account.
func (o *office) events(account uuid.UUID, kinds ...string) []ledger.Told {
	list := make([]ledger.Told, len(kinds))
	for i, kind := range kinds {
		o.told[account]++
		data := json.RawMessage(`{"amount":"0.05","number":` + strconv.FormatInt(o.told[account], 10) + `}`)
		list[i] = ledger.Told{Account: account, Event: ledger.Event{
			Seq:  o.told[account],
			At:   o.clock.Now(),
			Kind: kind,
			Data: data,
		}}
	}
	return list
}

// take may be called from any goroutine.
func (o *office) take(events ...ledger.Told) {
	o.t.Helper()
	if err := o.Take(o.t.Context(), events); err != nil {
		o.t.Error(err)
	}
}

// tell takes the next n events of an account.
func (o *office) tell(account uuid.UUID, n int) {
	o.t.Helper()
	for range n {
		o.take(o.events(account, ledger.EventGrantCreated)...)
	}
}

// deliver sends all that is due.
func (o *office) deliver() {
	o.t.Helper()
	for rounds := 0; ; rounds++ {
		if rounds > 1000 {
			o.t.Fatal("something is due that cannot be sent")
		}
		lanes, err := o.Due(o.t.Context(), 100)
		if err != nil {
			o.t.Fatal(err)
		}
		if len(lanes) == 0 {
			return
		}
		for _, lane := range lanes {
			o.drain(lane)
		}
	}
}

// drain sends all that is due in a lane. It may be called from any goroutine.
func (o *office) drain(lane webhook.Lane) {
	o.t.Helper()
	for more := true; more; {
		var err error
		if more, err = o.Next(o.t.Context(), lane); err != nil {
			o.t.Error(err)
			return
		}
	}
}

// pass lets time go by, minute after minute, and sends what falls due.
func (o *office) pass(d time.Duration) {
	o.t.Helper()
	for end := o.clock.Now().Add(d); o.clock.Now().Before(end); {
		o.clock.Advance(min(time.Minute, end.Sub(o.clock.Now())))
		o.deliver()
	}
}

func (o *office) count(query string, args ...any) (n int) {
	o.t.Helper()
	if err := o.pool.QueryRow(o.t.Context(), query, args...).Scan(&n); err != nil {
		o.t.Fatal(err)
	}
	return n
}

func (o *office) endpoint(url string, kinds ...string) webhook.Secret {
	o.t.Helper()
	made, replayed, err := o.Create(o.t.Context(), uuid.NewString(), webhook.CreateParams{URL: url, Kinds: kinds})
	if err != nil || replayed {
		o.t.Fatal(err, replayed)
	}
	return made
}

func (o *office) get(id uuid.UUID) webhook.Endpoint {
	o.t.Helper()
	e, err := o.Get(o.t.Context(), id)
	if err != nil {
		o.t.Fatal(err)
	}
	return e
}

// deliveries are all of an endpoint's, oldest first.
func (o *office) deliveries(id uuid.UUID) []webhook.Delivery {
	o.t.Helper()
	list, next, err := o.Deliveries(o.t.Context(), id, "", webhook.MaxPage)
	if err != nil || next != "" {
		o.t.Fatal(err, next)
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
	o       *office
	mu      sync.Mutex
	secrets []string
	answer  func(n int, a arrival) int // the status for the nth request; nil: 204
	all     []arrival
}

func (o *office) subscriber() *subscriber {
	s := &subscriber{t: o.t, o: o}
	s.Server = httptest.NewServer(s)
	o.t.Cleanup(s.Close)
	return s
}

// subscribe is a receiver with an endpoint.
func (o *office) subscribe(kinds ...string) (*subscriber, webhook.Secret) {
	o.t.Helper()
	s := o.subscriber()
	e := o.endpoint(s.URL+"/hooks?of=credits", kinds...)
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

// verify counts the secrets by which a request is signed, as the specification says: HMAC-SHA256 of
// "id.timestamp.body".
func (s *subscriber) verify(h http.Header, body []byte) (signed int) {
	seconds, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if age := s.o.clock.Now().Sub(time.Unix(seconds, 0)); err != nil || age < -time.Minute || age > 5*time.Minute {
		s.t.Errorf("the timestamp is %q", h.Get("webhook-timestamp"))
	}
	for _, secret := range s.secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < 24 || len(key) > 64 || !strings.HasPrefix(secret, "whsec_") {
			s.t.Errorf("the secret is %q", secret)
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(slices.Concat([]byte(h.Get("webhook-id")), []byte("."), []byte(h.Get("webhook-timestamp")),
			[]byte("."), body))
		for _, part := range strings.Fields(h.Get("webhook-signature")) {
			version, text, _ := strings.Cut(part, ",")
			theirs, err := base64.StdEncoding.DecodeString(text)
			if err == nil && version == "v1" && hmac.Equal(theirs, mac.Sum(nil)) {
				signed++
			}
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
