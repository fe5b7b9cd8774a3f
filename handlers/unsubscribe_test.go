package handlers_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

var unsubscribeLink = regexp.MustCompile(`(?m)^List-Unsubscribe: <https?://[^/>]+(/unsubscribe/[A-Za-z0-9_-]+)>\r$`)

// unsubscribePath is the link of the e-mail that tells a creator of a low balance.
func (s *site) unsubscribePath(account string) string {
	s.t.Helper()
	s.call("PUT", "/v1/accounts/"+account,
		`{"plan":"starter","email":"maya@studio.example"}`).want(http.StatusCreated)
	s.charge(account, `{"feature":"auto_selling","amount":"165"}`)
	events, err := s.app.Ledger.Outbox(s.t.Context(), 100)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.app.Mail.Sink(s.t.Context(), events); err != nil {
		s.t.Fatal(err)
	}
	s.clock.Advance(2 * time.Minute)
	if found, err := s.app.Mail.Deliver(s.t.Context()); err != nil || !found {
		s.t.Fatal(found, err)
	}
	files, err := filepath.Glob(filepath.Join(s.app.Mail.Folder, "*"))
	if err != nil || len(files) != 1 {
		s.t.Fatalf("%d e-mails, %v", len(files), err)
	}
	letter, err := os.ReadFile(files[0])
	if err != nil {
		s.t.Fatal(err)
	}
	found := unsubscribeLink.FindSubmatch(letter)
	if found == nil {
		s.t.Fatalf("no link: %s", letter)
	}
	s.log.secret(string(found[1][len("/unsubscribe/"):]))
	return string(found[1])
}

const unsubscribed = "select count(*) from mail_accounts where unsubscribed_at is not null"

// The page asks and changes nothing, whoever opens it; its button does it. Nobody has to sign in.
func TestUnsubscribeOnThePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path := s.unsubscribePath("maya")
	before := s.contents()
	v := &visitor{s: s}
	v.get(path).want(http.StatusOK).has("unsubscribe-confirm", true).has("unsubscribed", false).has("sign-out", false)
	s.send("HEAD", path, "").want(http.StatusOK)
	s.unchanged(before)
	for range 2 {
		v.submit(path, nil).want(http.StatusOK).has("unsubscribed", true).has("unsubscribe-confirm", false)
		s.unchanged(before, "mail_accounts")
	}
	v.get(path).want(http.StatusOK).has("unsubscribed", true).has("unsubscribe-confirm", false)
	if n := s.count(unsubscribed); n != 1 || v.cookie != "" {
		t.Errorf("%d unsubscribed, cookie %q", n, v.cookie)
	}
}

// A mail program does it with one POST (RFC 8058): without a cookie, from nowhere, in either form,
// and it is not sent elsewhere.
func TestUnsubscribeWithOneClick(t *testing.T) {
	t.Parallel()
	for _, headers := range [][]string{
		{"Content-Type", "application/x-www-form-urlencoded"},
		{
			"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site", "Origin",
			"https://mail.example",
		},
		{"Content-Type", "multipart/form-data; boundary=x", "Origin", "null"},
	} {
		s := newSite(t)
		path := s.unsubscribePath("maya")
		body := "List-Unsubscribe=One-Click"
		if headers[1] != "application/x-www-form-urlencoded" {
			body = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n"
		}
		s.send("POST", path, body, headers...).want(http.StatusOK)
		if n := s.count(unsubscribed); n != 1 {
			t.Errorf("%d unsubscribed with %v", n, headers)
		}
	}
}

func TestUnsubscribeWithAnotherLink(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path := s.unsubscribePath("maya")
	before := s.contents()
	last := "A"
	if path[len(path)-1] == 'A' {
		last = "E"
	}
	for _, wrong := range []string{
		"/unsubscribe/x", path + "x", path[:len(path)-1], path[:len(path)-1] + last,
		"/unsubscribe/%00", "/unsubscribe/" + escape("../x"),
	} {
		for _, method := range []string{"GET", "POST"} {
			a := s.send(method, wrong, "")
			if a.status != http.StatusNotFound && a.status != http.StatusBadRequest {
				t.Errorf("%s: %d", a.to, a.status)
			}
		}
	}
	s.unchanged(before)
}
