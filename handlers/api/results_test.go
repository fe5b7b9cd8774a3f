package api_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/testkit"
)

const mayasResults = "/v1/accounts/maya/results"

func TestAResultIsKept(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	charge := s.Charge("maya", `{"feature":"comment_to_dm","agent":"dms"}`)["id"].(string)
	before := s.Contents()
	a := s.Post(mayasResults, `{"charge":"`+charge+
		`","kind":"sale","money":"19.9","currency":"EUR"}`).Want(http.StatusCreated)
	whole := map[string]any{
		"at":       "2026-11-22T14:02:00Z",
		"charge":   charge,
		"agent":    "dms",
		"kind":     "sale",
		"count":    1.0,
		"money":    "19.90",
		"currency": "EUR",
	}
	a.WantMembers(whole)
	if id, _ := a.At("id").(string); len(id) != 36 || len(a.JSON()) != len(whole)+1 {
		t.Errorf("%s", a.Body)
	}
	s.Post(mayasResults, `{"agent":"dms","kind":"dm_answered","count":240}`).Want(http.StatusCreated).
		WantMembers(map[string]any{
			"charge":   nil,
			"agent":    "dms",
			"count":    240.0,
			"money":    nil,
			"currency": nil,
		})
	s.Post(mayasResults, `{"kind":"sale","count":0,"money":"1500","currency":"JPY"}`).Want(http.StatusCreated).
		WantMembers(map[string]any{
			"agent": nil,
			"count": 0.0,
			"money": "1500",
		})
	s.WantUnchanged(before, "results", "result_sums", "claimed_keys", "ledger_accounts") // no agent is registered
	s.WantSpendable("maya", "199.95")                                                    // and no token moves
	// The work may be a captured hold, and the request may name the agent too.
	hold := s.Post("/v1/accounts/maya/holds",
		`{"feature":"auto_selling","amount":"4","agent":"seller"}`).Want(http.StatusCreated).At("id").(string)
	captured := s.Post("/v1/accounts/maya/holds/"+hold+"/capture", `{}`).Want(http.StatusCreated).At("id").(string)
	s.Post(mayasResults, `{"charge":"`+captured+
		`","agent":"seller","kind":"sale"}`).Want(http.StatusCreated).WantMembers(map[string]any{
		"agent":  "seller",
		"charge": captured,
	})
}

func TestResultsRefuse(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("noor", "starter")
	mine := s.Charge("maya", `{"feature":"comment_to_dm","agent":"dms"}`)["id"].(string)
	bare := s.Charge("maya", `{"feature":"lip_sync"}`)["id"].(string)
	theirs := s.Charge("noor", `{"feature":"comment_to_dm","agent":"dms"}`)["id"].(string)
	grant := s.Grant("maya", "5")["id"].(string)
	hold := s.Post("/v1/accounts/maya/holds", `{"feature":"lip_sync"}`).Want(http.StatusCreated).At("id").(string)
	refund := s.Post("/v1/accounts/maya/charges/"+mine+"/refund",
		`{"reason":"r"}`).Want(http.StatusCreated).At("id").(string)
	s.Charge("maya", `{"feature":"lip_sync"}`)
	maya, err := s.App.Directory.Find(t.Context(), "maya")
	if err != nil {
		t.Fatal(err)
	}
	next, last := ledger.EntryID(maya, 999), ledger.EntryID(maya, math.MaxInt64) // neither exists
	before := s.Contents()
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
		a := s.Post(mayasResults, body)
		a.WantProblem(http.StatusUnprocessableEntity, "", field)
	}
	s.Call("POST", mayasResults, `{"kind":"sale"}`).WantProblem(http.StatusBadRequest, "missing_idempotency_key", "")
	s.Call("POST", mayasResults, `{"kind":"sale"}`, "Idempotency-Key",
		strings.Repeat("k", 201)).WantProblem(http.StatusBadRequest, "invalid_idempotency_key", "")
	s.WantUnchanged(before)
}

func TestAResultIsReplayed(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("noor", "starter")
	const body = `{"agent":"dms","kind":"sale","count":2,"money":"19.9","currency":"EUR"}`
	// binds no key
	s.Call("POST", mayasResults, `{"kind":"Sale"}`, "Idempotency-Key", "k").Want(http.StatusUnprocessableEntity)
	first := s.Call("POST", mayasResults, body, "Idempotency-Key", "k").Want(http.StatusCreated)
	before := s.Contents()
	s.Clock.Advance(40 * 24 * time.Hour) // the next month
	for _, again := range []string{
		body, strings.ReplaceAll(body, ",", " ,\n"),
		strings.Replace(body, "19.9", "19.90", 1),
	} {
		a := s.Call("POST", mayasResults, again, "Idempotency-Key", "k").Want(http.StatusCreated)
		if string(a.Body) != string(first.Body) || a.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("replayed %q\n%s then\n%s", a.Header.Get("Idempotent-Replayed"), first.Body, a.Body)
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
		s.Call("POST", mayasResults, other, "Idempotency-Key", "k").WantProblem(http.StatusUnprocessableEntity,
			"idempotency_key_reused", "")
	}
	s.WantUnchanged(before)
	if a := s.Call("POST", "/v1/accounts/noor/results", body, "Idempotency-Key",
		"k").Want(http.StatusCreated); a.Header.Get("Idempotent-Replayed") != "" {
		t.Error("another account's report was taken for a replay")
	}
}

// Twenty concurrent reports of one sale: it is stored once, all get the same answer, and the sums
// are exact.
func TestManyTellOfOneResult(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	var fresh atomic.Int64
	bodies := make([]string, 60)
	testkit.Concurrently(len(bodies), func(i int) {
		a := s.Call("POST", mayasResults,
			`{"agent":"dms","kind":"sale","count":3,"money":"0.05","currency":"USD"}`, "Idempotency-Key",
			fmt.Sprint("k", i%3)).Want(http.StatusCreated)
		if a.Header.Get("Idempotent-Replayed") == "" {
			fresh.Add(1)
		}
		bodies[i] = string(a.Body)
	})
	for i := range bodies {
		if bodies[i] != bodies[i%3] {
			t.Errorf("%d heard\n%s not\n%s", i, bodies[i], bodies[i%3])
		}
	}
	if n := s.Count("select count(*) from results"); n != 3 || fresh.Load() != 3 {
		t.Errorf("%d kept, %d fresh, want 3", n, fresh.Load())
	}
	if n := s.Count("select count(*) from result_sums where reports = 3 and count = 9 and money_minor = 15"); n != 1 {
		t.Error("the sums are not those of three")
	}
}
