package mail_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/mail"
)

// newPost is a fixture with a mail server.
func newPost(t *testing.T, set func(*mailServer)) (*fixture, *mailServer) {
	t.Helper()
	s, roots := newMailServer(t, set)
	f := newFixtureWith(t, s.address())
	f.mailer.Trust(roots)
	return f, s
}

// wantSent checks how many e-mails the server took.
func (s *mailServer) wantSent(want int) []delivery {
	s.t.Helper()
	got := s.deliveries()
	if len(got) != want {
		s.t.Fatalf("%d e-mails, want %d; clients said\n%s", len(got), want, s.said())
	}
	return got
}

func TestTheWayToTheServer(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*mailServer){
		"STARTTLS and a password": func(s *mailServer) {
			s.host, s.starttls, s.login = anyAddress, true, "credits hunter2!"
		},
		"TLS at once and a password":   func(s *mailServer) { s.implicit, s.login = true, "credits hunter2!" },
		"this machine":                 func(*mailServer) {},
		"this machine, and a password": func(s *mailServer) { s.login = "credits hunter2!" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := newPost(t, set)
			f.spend(f.maya(), 165)
			f.after(time.Minute)
			d := s.wantSent(1)[0]
			if d.encrypted != (s.starttls || s.implicit) || d.signedIn != (s.login != "") {
				t.Errorf("encrypted %v, signed in %v", d.encrypted, d.signedIn)
			}
			if !strings.HasPrefix(d.from, "FROM:<credits@shop.example>") || d.to != "TO:<"+address+">" {
				t.Errorf("from %q to %q", d.from, d.to)
			}
			if m := read(t, d.data); m.subject != lowAt35 {
				t.Errorf("about %q", m.subject)
			}
			if len(f.files()) != 0 {
				t.Error("and into the folder")
			}
		})
	}
}

// Over a network nothing goes out in the clear, least of all the password; nor to a server that
// cannot show who it is.
func TestNothingGoesOutInTheClear(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*mailServer){
		"no STARTTLS": func(s *mailServer) { s.host, s.login = anyAddress, "credits hunter2!" },
		"an unknown certificate": func(s *mailServer) {
			s.host, s.starttls, s.login = anyAddress, true, "credits hunter2!"
		},
		"the same from the testkit.Start": func(s *mailServer) { s.implicit, s.login = true, "credits hunter2!" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, s := newPost(t, set)
			f.mailer.Trust(nil)
			f.spend(f.maya(), 165)
			f.after(time.Minute)
			s.wantSent(0)
			if said := s.said(); strings.Contains(said, "AUTH") || strings.Contains(said, "MAIL") {
				t.Errorf("clients said %s", said)
			}
			if log := f.Log.String(); !strings.Contains(log, "it will be tried again") {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

func TestAServerThatIsDownForAWhile(t *testing.T) {
	t.Parallel()
	f, s := newPost(t, func(*mailServer) {})
	s.change(func() { s.down = true })
	one, other := f.maya(), f.maya()
	f.spend(one, 165)
	f.spend(other, 165)
	for range 50 {
		f.after(10 * time.Minute)
	}
	s.wantSent(0)
	f.spend(one, 10) // by then the e-mail says what is so by then
	s.change(func() { s.down = false })
	f.after(time.Hour)
	var subjects []string
	for _, d := range s.wantSent(2) {
		subjects = append(subjects, read(t, d.data).subject)
	}
	if all := strings.Join(subjects, "|"); !strings.Contains(all, lowAt35) ||
		!strings.Contains(all, "25 tokens left") {
		t.Errorf("the e-mails say %s", all)
	}
	f.after(24 * time.Hour)
	s.wantSent(2)
}

// What a server took is sent, whatever it does next.
func TestAServerThatHangsUp(t *testing.T) {
	t.Parallel()
	f, s := newPost(t, func(s *mailServer) { s.hasty = true })
	f.spend(f.maya(), 165)
	f.after(time.Minute)
	f.after(24 * time.Hour)
	s.wantSent(1)
}

// While nobody answers it is tried once a minute, however many e-mails there are.
func TestADeadServerIsLeftAlone(t *testing.T) {
	t.Parallel()
	f, s := newPost(t, func(s *mailServer) { s.down = true })
	for range 20 {
		f.spend(f.maya(), 165)
	}
	f.after(time.Minute)
	for range 3 {
		f.after(time.Second)
	}
	s.change(func() {
		if s.down = false; s.calls != 1 {
			t.Errorf("%d calls", s.calls)
		}
	})
	f.after(time.Minute)
	s.wantSent(20)
}

func TestWhatCannotBeSentIsGivenUpAfterADay(t *testing.T) {
	t.Parallel()
	f, s := newPost(t, func(s *mailServer) { s.rcptReply = "450 4.2.0 <" + address + "> later" })
	f.spend(f.maya(), 165)
	for range 24*6 - 1 {
		f.after(10 * time.Minute)
	}
	if log := f.Log.String(); strings.Contains(log, "given up") || !strings.Contains(log, "450 4.2.0") {
		t.Errorf("the log says %s", log)
	}
	f.after(2 * time.Hour)
	if log := f.Log.String(); strings.Count(log, "given up") != 1 {
		t.Errorf("the log says %s", log)
	}
	if n := strings.Count(s.said(), "RCPT"); n < 24 || n > 40 {
		t.Errorf("%d attempts", n)
	}
	s.change(func() { s.rcptReply = "" })
	f.after(24 * time.Hour)
	s.wantSent(0)
}

// A server that says no for good is not asked again; and one creator's bad address holds up nobody
// else's e-mail.
func TestAnAddressThatIsRefused(t *testing.T) {
	t.Parallel()
	f, s := newPost(t, func(s *mailServer) { s.rcptReply = "550 5.1.1 <" + address + "> unknown" })
	f.spend(f.maya(), 165)
	f.after(time.Minute)
	s.change(func() { s.rcptReply = "" })
	f.spend(f.maya(), 165)
	f.after(time.Minute)
	s.wantSent(1)
	f.after(24 * time.Hour)
	s.wantSent(1)
	if log := f.Log.String(); strings.Count(log, "given up") != 1 || !strings.Contains(log, "550 5.1.1") {
		t.Errorf("the log says %s", log)
	}
}

// A password that the server refuses is in no log, though the server repeats it.
func TestARefusedPassword(t *testing.T) {
	t.Parallel()
	s, roots := newMailServer(t, func(s *mailServer) {
		s.host, s.starttls, s.login = anyAddress, true, "credits other"
	})
	wrong := s.address()
	s.login = "credits secret"
	f := newFixtureWith(t, wrong)
	f.mailer.Trust(roots)
	f.spend(f.maya(), 165)
	f.after(time.Minute)
	s.wantSent(0)
	if log := f.Log.String(); !strings.Contains(log, "535") || strings.Contains(log, "other") {
		t.Errorf("the log says %s", log)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	const more = 20
	for i := range mail.MaxFiles + more {
		f.grant(id, ledger.LotPurchase, int64(i+1), fmt.Sprintf("11111111-1111-4111-8111-%012d", i))
		f.work()
		f.Clock.Advance(time.Second)
	}
	entries, err := os.ReadDir(f.MailFolder)
	if err != nil || len(entries) != mail.MaxFiles {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 || filepath.Ext(e.Name()) != ".eml" {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(f.MailFolder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	files := f.files()
	if last := read(t, files[len(files)-1]).subject; last != fmt.Sprint(mail.MaxFiles+more, " tokens added") {
		t.Errorf("the newest is about %q", last)
	}
}

// Without a folder to write into, e-mails wait like those for a server that is down.
func TestAFolderThatCannotBeMade(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if err := os.WriteFile(f.MailFolder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.spend(f.maya(), 165)
	f.after(time.Minute)
	if err := os.Remove(f.MailFolder); err != nil {
		t.Fatal(err)
	}
	f.after(2 * time.Minute)
	f.wantMessages(lowAt35)
}

// hostile are names that would be more than names in an e-mail which takes them as they are.
var hostile = []string{
	"x\r\nBcc: eve@evil.example", "x\nBcc: eve@evil.example", "x\r\n\r\n<b>body", "x\rBcc: eve@evil.example",
	"\r\n.\r\nMAIL FROM:<eve@evil.example>",
	"=?utf-8?q?x=0D=0ABcc:_eve@evil.example?=", "x\u2028Bcc: eve@evil.example", "\u202egnp.exe", "\x00",
	"\x1b[31m", "\"; Bcc: eve@evil.example", strings.Repeat("long ", 40), "Ünïcödé 店", "--boundary",
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</title><script>alert(1)</script>`,
	`</style><svg/onload=alert(1)>`, `{{.URL}}{{7}}`,
	`<a href="https://evil.example">x</a>`, `javascript:alert(1)`, `<!--`, `]]>`, `&lt;script&gt;`,
	`' style='x:expression(1)`,
}

// Whatever shops and agents are called, it is a name: no header, no recipient, no element.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	f, s := newPost(t, func(*mailServer) {})
	for i, evil := range hostile {
		id := f.open(directory.Put{Email: new(address)})
		// Past the door that keeps control characters out of profiles.
		if _, err := f.DB.Pool.Exec(t.Context(), "update accounts set name = $2 where id = $1", id,
			strings.ReplaceAll(evil, "\x00", "")); err != nil {
			t.Fatal(err)
		}
		f.spend(id, 140)
		f.stop(id, "books", "pdf_creation")
		if _, err := f.DB.Pool.Exec(t.Context(), "update agents set name = $2 where account = $1 and agent = 'books'",
			id, strings.ReplaceAll(evil, "\x00", "")); err != nil {
			t.Fatal(err)
		}
		f.after(time.Minute)
		d := s.wantSent(i + 1)[i]
		if d.to != "TO:<"+address+">" {
			t.Errorf("%q: to %s", evil, d.to)
		}
		m := read(t, d.data)
		wantOwnHeaders(t, m, evil)
		wantOwnElements(t, m, evil)
		if strings.ContainsAny(m.subject, "\r\n\x1b\u202e\u2028") ||
			!strings.HasSuffix(m.subject, " is paused: out of tokens") {
			t.Errorf("%q: about %q", evil, m.subject)
		}
	}
}

func wantOwnHeaders(t *testing.T, m *message, evil string) {
	t.Helper()
	own := map[string]bool{
		"From":                     true,
		"To":                       true,
		"Subject":                  true,
		"Date":                     true,
		"Message-Id":               true,
		"Mime-Version":             true,
		"Content-Type":             true,
		"Auto-Submitted":           true,
		"X-Auto-Response-Suppress": true,
		"List-Unsubscribe":         true,
		"List-Unsubscribe-Post":    true,
	}
	for name, values := range m.header {
		if !own[name] || len(values) != 1 {
			t.Errorf("%q: %s: %q", evil, name, values)
		}
	}
	if len(m.header) != len(own) {
		t.Errorf("%q: headers %v", evil, m.header)
	}
}

func wantOwnElements(t *testing.T, m *message, evil string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(m.html))
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for n := range root.Descendants() {
		switch n.Data {
		case "script", "img", "svg", "style", "b", "iframe":
			if n.Type == html.ElementNode {
				t.Errorf("%q: <%s>", evil, n.Data)
			}
		case "a":
			links++
		}
		if n.Type == html.CommentNode {
			t.Errorf("%q: a comment %q", evil, n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || (a.Key == "href" && !strings.HasPrefix(a.Val, base+"/")) {
				t.Errorf("%q: %s=%q", evil, a.Key, a.Val)
			}
		}
	}
	if links != 2 {
		t.Errorf("%q: %d links", evil, links)
	}
}
