package handlers_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pop.store/credits/internal/ledger"
)

const mayasResults = "/v1/accounts/maya/results"

func TestAResultIsKept(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	charge := s.charge("maya", `{"feature":"comment_to_dm","agent":"dms"}`)["id"].(string)
	before := s.contents()
	a := s.post(mayasResults, `{"charge":"`+charge+
		`","kind":"sale","money":"19.9","currency":"EUR"}`).want(http.StatusCreated)
	whole := map[string]any{
		"at":       "2026-11-22T14:02:00Z",
		"charge":   charge,
		"agent":    "dms",
		"kind":     "sale",
		"count":    1.0,
		"money":    "19.90",
		"currency": "EUR",
	}
	a.wantMembers(whole)
	if id, _ := a.at("id").(string); len(id) != 36 || len(a.json()) != len(whole)+1 {
		t.Errorf("%s", a.body)
	}
	s.post(mayasResults, `{"agent":"dms","kind":"dm_answered","count":240}`).want(http.StatusCreated).
		wantMembers(map[string]any{
			"charge":   nil,
			"agent":    "dms",
			"count":    240.0,
			"money":    nil,
			"currency": nil,
		})
	s.post(mayasResults, `{"kind":"sale","count":0,"money":"1500","currency":"JPY"}`).want(http.StatusCreated).
		wantMembers(map[string]any{
			"agent": nil,
			"count": 0.0,
			"money": "1500",
		})
	s.unchanged(before, "results", "result_sums", "claimed_keys", "ledger_accounts") // no agent is registered
	s.wantSpendable("maya", "199.95")                                                // and no token moves
	// The work may be a captured hold, and the agent may be said as well.
	hold := s.post("/v1/accounts/maya/holds",
		`{"feature":"auto_selling","amount":"4","agent":"seller"}`).want(http.StatusCreated).at("id").(string)
	captured := s.post("/v1/accounts/maya/holds/"+hold+"/capture", `{}`).want(http.StatusCreated).at("id").(string)
	s.post(mayasResults, `{"charge":"`+captured+
		`","agent":"seller","kind":"sale"}`).want(http.StatusCreated).wantMembers(map[string]any{
		"agent":  "seller",
		"charge": captured,
	})
}

func TestResultsRefuse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("noor", "starter")
	mine := s.charge("maya", `{"feature":"comment_to_dm","agent":"dms"}`)["id"].(string)
	bare := s.charge("maya", `{"feature":"lip_sync"}`)["id"].(string)
	theirs := s.charge("noor", `{"feature":"comment_to_dm","agent":"dms"}`)["id"].(string)
	grant := s.grant("maya", "5")["id"].(string)
	hold := s.post("/v1/accounts/maya/holds", `{"feature":"lip_sync"}`).want(http.StatusCreated).at("id").(string)
	refund := s.post("/v1/accounts/maya/charges/"+mine+"/refund",
		`{"reason":"r"}`).want(http.StatusCreated).at("id").(string)
	s.charge("maya", `{"feature":"lip_sync"}`)
	maya, err := s.app.Accounts.Find(t.Context(), "maya")
	if err != nil {
		t.Fatal(err)
	}
	next, last := ledger.EntryID(maya, 999), ledger.EntryID(maya, math.MaxInt64) // which nothing has yet
	before := s.contents()
	for body, field := range map[string]string{
		`{}`:                 "kind",
		`{"kind":""}`:        "kind",
		`{"kind":"Sale"}`:    "kind",
		`{"kind":"1sale"}`:   "kind",
		`{"kind":"a sale"}`:  "kind",
		`{"kind":"vente_é"}`: "kind",
		`{"kind":"` + strings.Repeat("k", 65) + `"}`:                      "kind",
		`{"kind":"sale","count":-1}`:                                      "count",
		`{"kind":"sale","count":1000000001}`:                              "count",
		`{"kind":"sale","count":"1"}`:                                     "count",
		`{"kind":"sale","count":null}`:                                    "count",
		`{"kind":"sale","money":"5"}`:                                     "currency",
		`{"kind":"sale","currency":"USD"}`:                                "money",
		`{"kind":"sale","money":5,"currency":"USD"}`:                      "money",
		`{"kind":"sale","money":"-5","currency":"USD"}`:                   "money",
		`{"kind":"sale","money":"5.001","currency":"USD"}`:                "money",
		`{"kind":"sale","money":"5.5","currency":"JPY"}`:                  "money",
		`{"kind":"sale","money":"1e3","currency":"USD"}`:                  "money",
		`{"kind":"sale","money":"$5","currency":"USD"}`:                   "money",
		`{"kind":"sale","money":"10000000000.01","currency":"USD"}`:       "money",
		`{"kind":"sale","money":"99999999999999999999","currency":"USD"}`: "money",
		`{"kind":"sale","money":"5","currency":"usd"}`:                    "currency",
		`{"kind":"sale","money":"5","currency":"XXX"}`:                    "currency",
		`{"kind":"sale","money":"5","currency":"US"}`:                     "currency",
		`{"kind":"sale","agent":"my agent"}`:                              "agent",
		`{"kind":"sale","agent":"` + strings.Repeat("x", 65) + `"}`:       "agent",
		`{"kind":"sale","charge":"` + mine + `","agent":"other"}`:         "agent",
		`{"kind":"sale","charge":"` + bare + `","agent":"dms"}`:           "agent",
		`{"kind":"sale","charge":"txn_0"}`:                                "charge",
		`{"kind":"sale","charge":"` + theirs + `"}`:                       "charge",
		`{"kind":"sale","charge":"` + grant + `"}`:                        "charge",
		`{"kind":"sale","charge":"` + hold + `"}`:                         "charge",
		`{"kind":"sale","charge":"` + refund + `"}`:                       "charge",
		`{"kind":"sale","charge":"` + last + `"}`:                         "charge",
		`{"kind":"sale","charge":"` + next + `"}`:                         "charge",
		`{"kind":"sale","charge":"` + strings.ToUpper(mine) + `"}`:        "charge",
		`{"kind":"sale","when":"now"}`:                                    "when",
	} {
		a := s.post(mayasResults, body)
		a.problem(http.StatusUnprocessableEntity, "", field)
	}
	s.call("POST", mayasResults, `{"kind":"sale"}`).problem(http.StatusBadRequest, "missing_idempotency_key", "")
	s.call("POST", mayasResults, `{"kind":"sale"}`, "Idempotency-Key",
		strings.Repeat("k", 201)).problem(http.StatusBadRequest, "invalid_idempotency_key", "")
	s.unchanged(before)
}

func TestAResultIsReplayed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("noor", "starter")
	const body = `{"agent":"dms","kind":"sale","count":2,"money":"19.9","currency":"EUR"}`
	// binds no key
	s.call("POST", mayasResults, `{"kind":"Sale"}`, "Idempotency-Key", "k").want(http.StatusUnprocessableEntity)
	first := s.call("POST", mayasResults, body, "Idempotency-Key", "k").want(http.StatusCreated)
	before := s.contents()
	s.clock.Advance(40 * 24 * time.Hour) // another month
	for _, again := range []string{
		body, strings.ReplaceAll(body, ",", " ,\n"),
		strings.Replace(body, "19.9", "19.90", 1),
	} {
		a := s.call("POST", mayasResults, again, "Idempotency-Key", "k").want(http.StatusCreated)
		if string(a.body) != string(first.body) || a.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("replayed %q\n%s then\n%s", a.header.Get("Idempotent-Replayed"), first.body, a.body)
		}
	}
	for _, other := range []string{
		`{"kind":"sale","count":2,"money":"19.9","currency":"EUR"}`,
		`{"agent":"dms","kind":"dm","count":2,"money":"19.9","currency":"EUR"}`,
		`{"agent":"dms","kind":"sale","money":"19.9","currency":"EUR"}`,
		`{"agent":"dms","kind":"sale","count":2,"money":"19.91","currency":"EUR"}`,
		`{"agent":"dms","kind":"sale","count":2,"money":"19.9","currency":"USD"}`,
		`{"agent":"dms","kind":"sale","count":2}`,
	} {
		s.call("POST", mayasResults, other, "Idempotency-Key", "k").problem(http.StatusUnprocessableEntity,
			"idempotency_key_reused", "")
	}
	s.unchanged(before)
	if a := s.call("POST", "/v1/accounts/noor/results", body, "Idempotency-Key",
		"k").want(http.StatusCreated); a.header.Get("Idempotent-Replayed") != "" {
		t.Error("another account's report was taken for a replay")
	}
}

// Twenty servers tell of one sale in the same moment: it is kept once, all hear the same, and the
// sums are exact.
func TestManyTellOfOneResult(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	var fresh atomic.Int64
	bodies := make([]string, 60)
	together(len(bodies), func(i int) {
		a := s.call("POST", mayasResults,
			`{"agent":"dms","kind":"sale","count":3,"money":"0.05","currency":"USD"}`, "Idempotency-Key",
			fmt.Sprint("k", i%3)).want(http.StatusCreated)
		if a.header.Get("Idempotent-Replayed") == "" {
			fresh.Add(1)
		}
		bodies[i] = string(a.body)
	})
	for i := range bodies {
		if bodies[i] != bodies[i%3] {
			t.Errorf("%d heard\n%s not\n%s", i, bodies[i], bodies[i%3])
		}
	}
	if n := s.count("select count(*) from results"); n != 3 || fresh.Load() != 3 {
		t.Errorf("%d kept, %d fresh, want 3", n, fresh.Load())
	}
	if n := s.count("select count(*) from result_sums where reports = 3 and count = 9 and money_minor = 15"); n != 1 {
		t.Error("the sums are not those of three")
	}
}
