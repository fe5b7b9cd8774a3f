package pages_test

import (
	"net/http"
	"net/url"
	"testing"

	"pop.store/credits/handlers/handlerstest"
)

const unsubscribed = "select count(*) from mail_accounts where unsubscribed_at is not null"

// A GET of the page changes nothing; its button unsubscribes. No session is needed.
func TestUnsubscribeOnThePage(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	path := s.UnsubscribePath("maya")
	before := s.Contents()
	v := &handlerstest.Browser{Site: s}
	v.Get(path).
		Want(http.StatusOK).
		WantElement("unsubscribe-confirm", true).
		WantElement("unsubscribed", false).
		WantElement("sign-out", false)
	s.Send("HEAD", path, "").Want(http.StatusOK)
	s.WantUnchanged(before)
	for range 2 {
		v.Submit(path, nil).
			Want(http.StatusOK).
			WantElement("unsubscribed", true).
			WantElement("unsubscribe-confirm", false)
		s.WantUnchanged(before, "mail_accounts")
	}
	v.Get(path).Want(http.StatusOK).WantElement("unsubscribed", true).WantElement("unsubscribe-confirm", false)
	if n := s.Count(unsubscribed); n != 1 || v.Cookie != "" {
		t.Errorf("%d unsubscribed, cookie %q", n, v.Cookie)
	}
}

// A mail program unsubscribes with one POST (RFC 8058): without a cookie or origin, in either
// encoding, and without a redirect.
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
		s := handlerstest.New(t)
		path := s.UnsubscribePath("maya")
		body := "List-Unsubscribe=One-Click"
		if headers[1] != "application/x-www-form-urlencoded" {
			body = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n"
		}
		s.Send("POST", path, body, headers...).Want(http.StatusOK)
		if n := s.Count(unsubscribed); n != 1 {
			t.Errorf("%d unsubscribed with %v", n, headers)
		}
	}
}

func TestUnsubscribeWithAnotherLink(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	path := s.UnsubscribePath("maya")
	before := s.Contents()
	last := "A"
	if path[len(path)-1] == 'A' {
		last = "E"
	}
	for _, wrong := range []string{
		"/unsubscribe/x", path + "x", path[:len(path)-1], path[:len(path)-1] + last,
		"/unsubscribe/%00", "/unsubscribe/" + url.QueryEscape("../x"),
	} {
		for _, method := range []string{"GET", "POST"} {
			a := s.Send(method, wrong, "")
			if a.Status != http.StatusNotFound && a.Status != http.StatusBadRequest {
				t.Errorf("%s: %d", a.Request, a.Status)
			}
		}
	}
	s.WantUnchanged(before)
}
