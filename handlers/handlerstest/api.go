package handlerstest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Usage returns the sums as "name amount quantity count returned", and the total.
func (s *Site) Usage(query string) string {
	s.T.Helper()
	a := s.Call("GET", "/v1/accounts/maya/usage?"+query, "").Want(http.StatusOK)
	by, _ := a.At("group_by").(string)
	var lines []string
	for _, u := range a.List("usage") {
		lines = append(lines, fmt.Sprint(u[by], " ", u["amount"], " ", u["quantity"], " ", u["count"], " ",
			u["returned"]))
	}
	return strings.Join(lines, ", ") + " = " + fmt.Sprint(a.At("total", "amount"), " ", a.At("total", "quantity"),
		" ", a.At("total", "count"), " ", a.At("total", "returned"))
}

// WantSilent checks that an answer reveals nothing about the internals.
func WantSilent(t *testing.T, a Response) {
	t.Helper()
	body := strings.ToLower(string(a.Body))
	for _, word := range []string{
		"pgx", "pool", "postgres", "sqlstate", "select ", "insert ", "update ", "relation", "sandbox_sessions",
		"dial ", "connection", "goroutine", ".go:",
		"panic", "runtime", "handlers.",
	} {
		if at := strings.Index(body, word); at >= 0 {
			t.Errorf("%s: the answer says %q: %.200s", a.Request, word, body[max(0, at-80):])
		}
	}
}

// WantRefused checks that an invalid request got a client error with a problem document.
func (a Response) WantRefused(what string) {
	a.T.Helper()
	if a.Status != http.StatusBadRequest && a.Status != http.StatusUnprocessableEntity {
		a.T.Errorf("%s: %s: %d: %.300s", a.Request, what, a.Status, a.Body)
		return
	}
	a.WantProblem(a.Status, "", "")
}

// LogLine is the log line of the answered request. There must be exactly one with the level.
func (a Response) LogLine(s *Site, level string) string {
	a.T.Helper()
	id := a.Header.Get("X-Request-Id")
	var found []string
	for line := range strings.Lines(s.Log.String()) {
		if strings.Contains(line, "request_id="+id) && strings.Contains(line, "level="+level) {
			found = append(found, line)
		}
	}
	if id == "" || len(found) != 1 {
		a.T.Fatalf("%s: %d lines of level %s about request %q: %q", a.Request, len(found), level, id, found)
	}
	return found[0]
}

func WantNoCookie(t *testing.T, a Response) {
	t.Helper()
	if got := a.Header.Values("Set-Cookie"); len(got) > 0 {
		t.Errorf("%s: cookies %q", a.Request, got)
	}
}

// StatusAndCode are those of the only item of a bulk charge, and of the answer itself for other
// calls.
func (a Response) StatusAndCode() (status int, code any) {
	a.T.Helper()
	if item, ok := a.At("results", 0).(map[string]any); ok {
		if refusal, ok := item["error"].(map[string]any); ok {
			return int(refusal["status"].(float64)), refusal["code"]
		}
		return http.StatusCreated, nil
	}
	return a.Status, a.At("code")
}

// Hold makes a hold and returns its path.
func (s *Site) Hold(account, body string) (string, Response) {
	s.T.Helper()
	a := s.Post("/v1/accounts/"+account+"/holds", body).Want(http.StatusCreated)
	id, _ := a.At("id").(string)
	return "/v1/accounts/" + account + "/holds/" + id, a
}

// WantReplay checks that a call with the same key returns the same bytes.
func (s *Site) WantReplay(path, body, key string, first Response) {
	s.T.Helper()
	again := s.Call("POST", path, body, "Idempotency-Key", key).Want(http.StatusCreated)
	if string(again.Body) != string(first.Body) || again.Header.Get("Idempotent-Replayed") != "true" {
		s.T.Errorf("%s answered\n%s\nand then\n%s", path, first.Body, again.Body)
	}
}

// ChargeInTurn makes a known history: the allowance, then charges a minute apart.
func ChargeInTurn(s *Site, charges int) {
	s.T.Helper()
	s.Open("maya", "starter")
	for i := range charges {
		s.Clock.Advance(60e9)
		s.Charge("maya", []string{
			`{"feature":"lip_sync","agent":"studio"}`, `{"feature":"brand_deal_scan","agent":"scout"}`,
			`{"feature":"lip_sync"}`,
		}[i%3])
	}
}

// Bulk makes a bulk charge. Each charge is given as the members of its object.
func (s *Site) Bulk(charges ...string) Response {
	s.T.Helper()
	return s.Call("POST", "/v1/charges", `{"charges":[{`+strings.Join(charges, "},{")+`}]}`)
}
