package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

// crossOrigin are headers of requests that another site may cause; own is the site's origin.
func crossOrigin(own string) map[string][]string {
	u, err := url.Parse(own)
	if err != nil {
		panic(err)
	}
	other := "https"
	if u.Scheme == "https" {
		other = "http"
	}
	return map[string][]string{
		"cross-site":            {"Sec-Fetch-Site", "cross-site"},
		"same-site":             {"Sec-Fetch-Site", "same-site"},
		"none":                  {"Sec-Fetch-Site", "none"},
		"junk":                  {"Sec-Fetch-Site", "Same-Origin"},
		"cross-site, own name":  {"Sec-Fetch-Site", "cross-site", "Origin", own},
		"cross-site twice":      {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Site", "same-origin"},
		"neither header":        {},
		"foreign origin":        {"Origin", "https://evil.example"},
		"null origin":           {"Origin", "null"},
		"empty origin":          {"Origin", ""},
		"other port":            {"Origin", u.Scheme + "://" + u.Hostname() + ":1"},
		"other scheme":          {"Origin", other + "://" + u.Host},
		"longer name":           {"Origin", own + ".evil.example"},
		"name as user":          {"Origin", u.Scheme + "://" + u.Host + "@evil.example"},
		"no scheme":             {"Origin", u.Host},
		"only a referer":        {"Referer", own + "/credits"},
		"a key does not excuse": {"Authorization", "Bearer crk_x"},
	}
}

// Every unsafe route without a key or signature refuses requests that other sites may have caused.
func TestOtherSitesCanSendNothing(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "30")
	v := s.SignIn("maya")
	checkout := v.Order("pack_100")
	before := s.Contents()
	tried := 0
	for _, r := range routesFor(form, personal) {
		if r.Safe() {
			continue
		}
		path := r.Path
		if strings.HasPrefix(path, "/sandbox/") {
			path = handlerstest.FillPath(path, strings.TrimPrefix(checkout, "/sandbox/checkout/"))
		}
		for name, headers := range crossOrigin(s.URL) {
			headers = append([]string{"Content-Type", "application/x-www-form-urlencoded", "HX-Request", "true"},
				headers...)
			a := v.Do(r.Method, path, r.Body, headers...)
			if a.Status != http.StatusForbidden {
				t.Errorf("%s, %s: %d", a.Request, name, a.Status)
			}
			tried++
		}
	}
	if tried < 6*10 {
		t.Errorf("only %d tried", tried)
	}
	s.WantUnchanged(before)
	v.Get("/credits").Want(http.StatusOK)
}

func TestTheSitesOwnPagesCanSend(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "30")
	for name, headers := range map[string][]string{
		"Sec-Fetch-Site":         {"Sec-Fetch-Site", "same-origin"},
		"Origin":                 {"Origin", s.URL},
		"both":                   {"Sec-Fetch-Site", "same-origin", "Origin", s.URL},
		"Sec-Fetch-Site decides": {"Sec-Fetch-Site", "same-origin", "Origin", "null"},
	} {
		v := s.SignIn("maya")
		checkout := v.Order("pack_100")
		for _, step := range []struct{ path, to string }{
			{"/credits/notice/dismiss", "/credits"},
			{checkout + "/decline", checkout},
			{checkout + "/pay", ""},
			{"/login/demo", "/"},
			{"/logout", "/login?out=1"},
		} {
			a := v.Do("POST", step.path, "", headers...).Want(http.StatusSeeOther)
			if got := a.Header.Get("Location"); step.to != "" && got != step.to {
				t.Errorf("%s, %s leads to %q", name, step.path, got)
			}
		}
	}
}

// Behind a proxy that ends TLS, browsers name the public origin.
func TestThePublicOriginCanSend(t *testing.T) {
	t.Parallel()
	const base = "https://credits.example"
	s := handlerstest.NewWith(t, handlerstest.Options{BaseURL: base})
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	before := s.Contents()
	for name, headers := range crossOrigin(base) {
		if a := v.Do("POST", "/logout", "", headers...); a.Status != http.StatusForbidden {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
	s.WantUnchanged(before)
	v.Do("POST", "/logout", "", "Origin", base).WantRedirect("/login?out=1")
}

// Requests with a key or a signature cannot come from another site's page, whatever a proxy says
// about their origin.
func TestKeysAndSignaturesNeedNoOrigin(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	event, _ := s.PayAndTakeEvent(s.SignIn("maya"))
	for name, headers := range crossOrigin(s.URL) {
		if name == "a key does not excuse" {
			continue
		}
		s.Post("/v1/accounts/maya/charges", `{"feature":"social_comment_reply"}`, headers...).Want(http.StatusCreated)
		s.Send(
			"POST",
			"/webhooks/stripe",
			event,
			append(
				headers,
				"Stripe-Signature",
				handlerstest.SignEvent(event, handlerstest.EventSecret, time.Now()),
			)...).Want(http.StatusOK)
	}
}
