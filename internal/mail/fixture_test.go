package mail_test

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/config"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/mail"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/relay"
	"pop.store/credits/internal/testkit"
	"pop.store/credits/internal/tokens"
)

func TestMain(m *testing.M) { testdb.Main(m) }

const (
	address = "maya@studio.example"
	base    = "https://credits.example"
)

// fixture is the mailer and what gives it events to write about.
type fixture struct {
	*testkit.Fixture
	mailer *mail.Mailer
	relay  *relay.Relay
}

// newFixture has no mail server: e-mails are files.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	return newFixtureWith(t, nil)
}

func newFixtureWith(t *testing.T, server *url.URL, change ...testkit.Option) *fixture {
	t.Helper()
	public, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	k := testkit.New(t, append(change, testkit.Config(func(c *config.Config) {
		c.BaseURL, c.SMTP = public, server
	}))...)
	f := &fixture{
		Fixture: k,
		mailer:  k.Mail,
		relay:   relay.New(k.Ledger, k.Mail.Sink),
	}
	f.mailer.Receipt = nil
	t.Cleanup(func() {
		if said := f.Log.String(); strings.Contains(said, "@") || strings.Contains(said, "hunter2") {
			t.Errorf("an address or a secret is in the log: %s", said)
		}
	})
	return f
}

// open opens an account on Starter: 200 tokens, low under 40.
func (f *fixture) open(put directory.Put) uuid.UUID {
	f.T.Helper()
	return f.Register("shop-"+uuid.NewString(), put)
}

func (f *fixture) maya() uuid.UUID {
	f.T.Helper()
	return f.open(directory.Put{Email: new(address), Name: new("Maya's Studio")})
}

// spend charges whole tokens.
func (f *fixture) spend(id uuid.UUID, amount int64) {
	f.T.Helper()
	if err := f.use(id, "", "auto_selling", tokens.Amount(amount)*tokens.One); err != nil {
		f.T.Fatal(err)
	}
}

func (f *fixture) use(id uuid.UUID, agent, feature string, amount tokens.Amount) error {
	c := ledger.Charge{Feature: feature, Agent: agent}
	if amount > 0 {
		c.Amount = &amount
	}
	_, err := f.Ledger.Charge(f.T.Context(), id, uuid.NewString(), c)
	return err
}

// stop makes an agent ask for more than there is.
func (f *fixture) stop(id uuid.UUID, agent, feature string) {
	f.T.Helper()
	var p *problem.Error
	if err := f.use(id, agent, feature, 0); !errors.As(err, &p) || p.Kind != problem.Insufficient {
		f.T.Fatalf("%s was to be stopped: %v", agent, err)
	}
}

func (f *fixture) grant(id uuid.UUID, kind ledger.LotKind, amount int64, source string) {
	f.T.Helper()
	f.Grant(id, kind, tokens.Amount(amount)*tokens.One, source)
}

func (f *fixture) hold(id uuid.UUID, amount int64) int64 {
	f.T.Helper()
	whole := tokens.Amount(amount) * tokens.One
	e, err := f.Ledger.Hold(f.T.Context(), id, uuid.NewString(), ledger.Hold{
		Feature:   "auto_selling",
		Amount:    &whole,
		ExpiresIn: 24 * time.Hour,
	})
	if err != nil {
		f.T.Fatal(err)
	}
	return e.Seq
}

// work relays ledger events and sends all that is due.
func (f *fixture) work() {
	f.T.Helper()
	for more := true; more; {
		var err error
		if more, err = f.relay.Step(f.T.Context()); err != nil {
			f.T.Fatal(err)
		}
	}
	for found := true; found; {
		var err error
		if found, err = f.mailer.Deliver(f.T.Context()); err != nil {
			f.T.Fatal(err)
		}
	}
}

// after lets time pass, with the jobs at work.
func (f *fixture) after(d time.Duration) {
	f.T.Helper()
	f.work()
	f.Clock.Advance(d)
	f.work()
}

// files are the e-mails in the folder, as they were written.
func (f *fixture) files() []string {
	f.T.Helper()
	names, err := filepath.Glob(filepath.Join(f.MailFolder, "*"))
	if err != nil {
		f.T.Fatal(err)
	}
	slices.Sort(names)
	var list []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.T.Fatal(err)
		}
		list = append(list, string(text))
	}
	return list
}

// wantMessages checks the subjects of all e-mails so far, and gives them.
func (f *fixture) wantMessages(subjects ...string) []*message {
	f.T.Helper()
	var list []*message
	var got []string
	for _, text := range f.files() {
		m := read(f.T, text)
		list, got = append(list, m), append(got, m.subject)
	}
	if !slices.Equal(got, subjects) {
		f.T.Fatalf("e-mails so far: %q, want %q\n%s", got, subjects, f.Log.String())
	}
	return list
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
