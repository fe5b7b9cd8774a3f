package mail_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/mail"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/relay"
	"pop.store/credits/internal/tokens"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// A Sunday.
var start = time.Date(2026, 11, 22, 14, 2, 0, 0, time.UTC)

const (
	address = "maya@studio.example"
	base    = "https://credits.example"
)

// office is the books, the mailer, and the way between them, on a clock that stands still.
type office struct {
	t      *testing.T
	pool   *pgxpool.Pool
	clock  *clock.Manual
	books  *engine.Engine
	people *accounts.Accounts
	mailer *mail.Mailer
	relay  *relay.Relay
	folder string
	log    safeBuffer
}

type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newOffice has no mail server: e-mails are files.
func newOffice(t *testing.T) *office {
	t.Helper()
	return newOfficeWith(t, nil)
}

func newOfficeWith(t *testing.T, server *url.URL) *office {
	t.Helper()
	o := &office{
		t:      t,
		pool:   testdb.New(t),
		clock:  clock.NewManual(start),
		folder: filepath.Join(t.TempDir(), "mail"),
	}
	log := slog.New(slog.NewTextHandler(&o.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.books = engine.New(o.pool, engine.Options{
		Clock:  o.clock.Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	t.Cleanup(o.books.Close)
	o.people = accounts.New(o.pool, o.books, catalog.Builtin)
	public, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	o.mailer = mail.New(o.pool, mail.Options{
		Accounts: o.people,
		Ledger:   o.books,
		Prices:   catalog.Builtin,
		BaseURL:  public,
		From:     &netmail.Address{Name: "Credits", Address: "credits@shop.example"},
		Server:   server,
		Folder:   o.folder,
		Clock:    o.clock.Now,
		Log:      log,
	})
	o.relay = relay.New(o.books, o.mailer.Sink)
	t.Cleanup(func() {
		if said := o.log.String(); strings.Contains(said, "@") || strings.Contains(said, "hunter2") {
			t.Errorf("an address or a secret is in the log: %s", said)
		}
	})
	return o
}

// open opens an account on Starter: 200 tokens, low under 40.
func (o *office) open(put accounts.Put) uuid.UUID {
	o.t.Helper()
	plan := "starter"
	put.Plan = &plan
	id, _, err := o.people.Put(o.t.Context(), "shop-"+uuid.NewString(), put)
	if err != nil {
		o.t.Fatal(err)
	}
	return id
}

func (o *office) maya() uuid.UUID {
	o.t.Helper()
	return o.open(accounts.Put{Email: new(address), Name: new("Maya's Studio")})
}

// spend charges whole tokens.
func (o *office) spend(id uuid.UUID, amount int64) {
	o.t.Helper()
	if err := o.use(id, "", "auto_selling", tokens.Amount(amount)*tokens.One); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) use(id uuid.UUID, agent, feature string, amount tokens.Amount) error {
	c := ledger.Charge{Feature: feature, Agent: agent}
	if amount > 0 {
		c.Amount = &amount
	}
	_, err := o.books.Charge(o.t.Context(), id, uuid.NewString(), c)
	return err
}

// stop makes an agent ask for more than there is.
func (o *office) stop(id uuid.UUID, agent, feature string) {
	o.t.Helper()
	var p *problem.Error
	if err := o.use(id, agent, feature, 0); !errors.As(err, &p) || p.Kind != problem.Insufficient {
		o.t.Fatalf("%s was to be stopped: %v", agent, err)
	}
}

func (o *office) grant(id uuid.UUID, kind ledger.LotKind, amount int64, source string) {
	o.t.Helper()
	g := ledger.Grant{
		Kind:   kind,
		Amount: tokens.Amount(amount) * tokens.One,
		Source: source,
		Reason: "a test",
	}
	if _, err := o.books.Grant(o.t.Context(), id, uuid.NewString(), g); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) hold(id uuid.UUID, amount int64) int64 {
	o.t.Helper()
	whole := tokens.Amount(amount) * tokens.One
	e, err := o.books.Hold(o.t.Context(), id, uuid.NewString(), ledger.Hold{
		Feature:   "auto_selling",
		Amount:    &whole,
		ExpiresIn: 24 * time.Hour,
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return e.Seq
}

// work relays what the books have to tell, and writes all that is due.
func (o *office) work() {
	o.t.Helper()
	for more := true; more; {
		var err error
		if more, err = o.relay.Step(o.t.Context()); err != nil {
			o.t.Fatal(err)
		}
	}
	for found := true; found; {
		var err error
		if found, err = o.mailer.Deliver(o.t.Context()); err != nil {
			o.t.Fatal(err)
		}
	}
}

// after lets time pass, with the jobs at work.
func (o *office) after(d time.Duration) {
	o.t.Helper()
	o.work()
	o.clock.Advance(d)
	o.work()
}

// files are the e-mails in the folder, as they were written.
func (o *office) files() []string {
	o.t.Helper()
	names, err := filepath.Glob(filepath.Join(o.folder, "*"))
	if err != nil {
		o.t.Fatal(err)
	}
	slices.Sort(names)
	var list []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			o.t.Fatal(err)
		}
		list = append(list, string(text))
	}
	return list
}

// wantLetters checks the subjects of all e-mails so far, and gives them.
func (o *office) wantLetters(subjects ...string) []*message {
	o.t.Helper()
	var list []*message
	var got []string
	for _, text := range o.files() {
		m := read(o.t, text)
		list, got = append(list, m), append(got, m.subject)
	}
	if !slices.Equal(got, subjects) {
		o.t.Fatalf("e-mails so far: %q, want %q\n%s", got, subjects, o.log.String())
	}
	return list
}

func (o *office) count(query string, args ...any) int {
	o.t.Helper()
	var n int
	if err := o.pool.QueryRow(o.t.Context(), query, args...).Scan(&n); err != nil {
		o.t.Fatal(err)
	}
	return n
}

// message is an e-mail as a mail program reads it.
type message struct {
	header     netmail.Header
	subject    string
	text, html string
}

func read(t *testing.T, raw string) *message {
	t.Helper()
	parsed, err := netmail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("not an e-mail: %v\n%s", err, raw)
	}
	m := &message{header: parsed.Header}
	if m.subject, err = new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("an e-mail as %q: %v", kind, err)
	}
	parts := multipart.NewReader(parsed.Body, params["boundary"])
	for i, want := range []string{"text/plain", "text/html"} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		body, err := io.ReadAll(part)
		if kind, params, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); err != nil || kind != want ||
			!strings.EqualFold(params["charset"], "utf-8") {
			t.Errorf("part %d is %q, %v (%v)", i, kind, params, err)
		}
		if text := strings.ReplaceAll(string(body), "\r\n", "\n"); i == 0 {
			m.text = text
		} else {
			m.html = text
		}
	}
	if _, err := parts.NextPart(); !errors.Is(err, io.EOF) {
		t.Errorf("a third part: %v", err)
	}
	return m
}

// says checks that both parts say something.
func (m *message) says(t *testing.T, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(m.text, want) {
			t.Errorf("the text does not say %q:\n%s", want, m.text)
		}
		if !strings.Contains(textOf(t, m.html), want) {
			t.Errorf("the HTML does not say %q:\n%s", want, m.html)
		}
	}
}
