package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// client follows no redirects and keeps no cookies, since the tests check both.
var client = &http.Client{
	Timeout:       hang,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// answer is a whole response.
type answer struct {
	*http.Response
	body string
}

// send sends a request to the listening address, whatever the public address is. The error is the
// network's.
func (p *server) send(t *testing.T, method, path, body string, header ...string) (answer, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response, string(text)}, err
}

// get is a page with the expected status.
func (p *server) get(t *testing.T, status int, path string, header ...string) answer {
	t.Helper()
	return p.must(t, status, http.MethodGet, path, "", header...)
}

func (p *server) must(t *testing.T, status int, method, path, body string, header ...string) answer {
	t.Helper()
	a, err := p.send(t, method, path, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, p.stderr)
	}
	if a.StatusCode != status {
		t.Fatalf("%s %s answered %d, want %d: %s\n%s", method, path, a.StatusCode, status, a.body, p.stderr)
	}
	return a
}

// signIn signs in to the demo and returns the cookie.
func (p *server) signIn(t *testing.T) string {
	t.Helper()
	a := p.must(t, http.StatusSeeOther, http.MethodPost, "/login/demo", "", "Sec-Fetch-Site", "same-origin")
	cookies := a.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("signing in set %v", cookies)
	}
	return cookies[0].Name + "=" + cookies[0].Value
}

// api calls the JSON API with a key and wants a status.
func (p *server) api(t *testing.T, status int, key, method, path, body string) map[string]any {
	t.Helper()
	a := p.must(t, status, method, path, body, "Authorization", "Bearer "+key, "Content-Type", "application/json")
	return decoded(t, a)
}

func decoded(t *testing.T, a answer) map[string]any {
	t.Helper()
	document := map[string]any{}
	if err := json.NewDecoder(bytes.NewReader([]byte(a.body))).Decode(&document); err != nil {
		t.Fatalf("%q: %v", a.body, err)
	}
	return document
}

// oneReply is the work of the tests: an agent's reply, 0.05 tokens.
const oneReply = `{"feature":"social_comment_reply"}`

// charge spends once under an idempotency key; the error is that of the network.
func (p *server) charge(t *testing.T, key, account, idempotency string) (answer, error) {
	t.Helper()
	return p.send(t, http.MethodPost, "/v1/accounts/"+account+"/charges", oneReply,
		"Authorization", "Bearer "+key, "Content-Type", "application/json", "Idempotency-Key", idempotency)
}

// chargeUntilDone repeats a charge until its answer is final.
func (p *server) chargeUntilDone(t *testing.T, key, account, idempotency string) {
	t.Helper()
	p.until(t, "the charge is accepted", func() bool {
		a, err := p.charge(t, key, account, idempotency)
		if err == nil && a.StatusCode != http.StatusCreated && a.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("a charge answered %d: %s\n%s", a.StatusCode, a.body, p.stderr)
		}
		return err == nil && a.StatusCode == http.StatusCreated
	})
}

// statement is an account's balance and all its transactions, from the API.
func (p *server) statement(t *testing.T, key, account string) accountStatement {
	t.Helper()
	b := accountStatement{account: p.api(t, http.StatusOK, key, http.MethodGet, "/v1/accounts/"+account, "")}
	for cursor := ""; ; {
		page := p.api(t, http.StatusOK, key, http.MethodGet,
			"/v1/accounts/"+account+"/transactions?limit=100&cursor="+url.QueryEscape(cursor), "")
		list, _ := page["transactions"].([]any)
		b.transactions = append(b.transactions, list...)
		if cursor, _ = page["next_cursor"].(string); cursor == "" {
			return b
		}
	}
}

type accountStatement struct {
	account      map[string]any
	transactions []any
}

func (b accountStatement) String() string {
	text, err := json.Marshal([]any{b.account, b.transactions})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// charges counts the charges.
func (b accountStatement) charges() int {
	n := 0
	for _, entry := range b.transactions {
		if e, ok := entry.(map[string]any); ok && e["kind"] == "charge" {
			n++
		}
	}
	return n
}

func (b accountStatement) spendable() any {
	balance, _ := b.account["balance"].(map[string]any)
	return balance["spendable"]
}

// openAccount makes an account with the 200 tokens of the Starter plan.
func (p *server) openAccount(t *testing.T, key, account string) {
	t.Helper()
	anchor := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	p.api(t, http.StatusCreated, key, http.MethodPut, "/v1/accounts/"+account,
		`{"plan":"starter","name":"Studio","billing_anchor":"`+anchor+`"}`)
}

// newKey makes an API key on the command line.
func (s setting) newKey(t *testing.T, scopes string) string {
	t.Helper()
	printed := s.succeeds(t, "key", "create", "--scopes", scopes)
	lines := strings.Split(strings.TrimSuffix(printed, "\n"), "\n")
	return lines[len(lines)-1]
}
