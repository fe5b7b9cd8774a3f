package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pop.store/credits/handlers/handlerstest"
)

func TestBulkChargesAreEachDecidedByItself(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "20")
	s.Open("noor", "starter")
	a := s.Bulk(
		`"account":"maya","idempotency_key":"1","feature":"image_generation","agent":"studio","reference":"r","metadata":{"a":"b"}`,
		`"account":"noor","idempotency_key":"1","feature":"pdf_creation"`,
		`"account":"nobody","idempotency_key":"2","feature":"lip_sync"`,
		`"account":"not an id","idempotency_key":"2","feature":"lip_sync"`,
		`"account":"maya","idempotency_key":"3","feature":"pdf_creation"`,
		`"account":"maya","idempotency_key":"4","feature":"image_generation"`,
		`"account":"maya","idempotency_key":"5","feature":"social_comment_reply"`,
		`"account":"maya","idempotency_key":"1","feature":"image_generation","agent":"studio","reference":"r","metadata":{"a":"b"}`,
		`"account":"maya","idempotency_key":"1","feature":"lip_sync"`,
		`"account":"maya","feature":"lip_sync"`,
		`"account":"maya","idempotency_key":"clé","feature":"lip_sync"`,
		`"account":"maya","idempotency_key":"6"`,
		`"account":"maya","idempotency_key":"7","feature":"nothing"`,
		`"account":"maya","idempotency_key":"8","feature":"lip_sync","unique_reference":true`,
		`"idempotency_key":"9","feature":"lip_sync"`,
	).Want(http.StatusOK)
	want := []struct {
		status      int
		code, field string
	}{
		{201, "", ""},
		{201, "", ""},
		{404, "account_not_found", ""},
		{404, "account_not_found", ""},
		{402, "insufficient_tokens", ""},
		{201, "", ""},
		{402, "insufficient_tokens", ""},
		{201, "", ""},
		{422, "idempotency_key_reused", ""},
		{422, "invalid_field", "idempotency_key"},
		{422, "invalid_field", "idempotency_key"},
		{422, "invalid_field", "feature"},
		{422, "unknown_feature", "feature"},
		{422, "invalid_field", "reference"},
		{422, "invalid_field", "account"},
	}
	results := a.List("results")
	if len(results) != len(want) {
		t.Fatalf("%d results: %s", len(results), a.Body)
	}
	for i, w := range want {
		r := results[i]
		problem, _ := r["error"].(map[string]any)
		charge, _ := r["charge"].(map[string]any)
		if r["status"] != float64(w.status) || (charge != nil) != (w.code == "") ||
			(problem != nil) == (w.code == "") {
			t.Errorf("%d: %v", i, r)
			continue
		}
		if problem == nil {
			continue
		}
		field, _ := problem["field"].(string)
		if problem["code"] != w.code || field != w.field || problem["status"] != r["status"] ||
			problem["title"] != http.StatusText(w.status) || problem["detail"] == "" {
			t.Errorf("%d: %v", i, r)
		}
	}
	if handlerstest.At(results[0], "charge", "amount") != "10" ||
		handlerstest.At(results[0], "charge", "balance", "spendable") != "10" ||
		handlerstest.At(results[0], "charge", "agent") != "studio" {
		t.Errorf("%v", results[0])
	}
	if results[0]["replayed"] != nil || results[7]["replayed"] != true ||
		handlerstest.At(results[7], "charge", "id") != handlerstest.At(results[0], "charge", "id") {
		t.Errorf("%v is replayed as %v", results[0], results[7])
	}
	if handlerstest.At(results[4], "error", "buy_url") != s.URL+"/credits/buy?need=65" ||
		handlerstest.At(results[4], "error", "shortfall") != "65" {
		t.Errorf("%v", results[4])
	}
	s.WantSpendable("maya", "0")
	s.WantSpendable("noor", "125")
	// The same key and charge sent alone are a replay.
	single := s.Call("POST", "/v1/accounts/maya/charges",
		`{"feature":"image_generation","agent":"studio","reference":"r","metadata":{"a":"b"}}`, "Idempotency-Key",
		"1").
		Want(http.StatusCreated)
	if single.At("id") != handlerstest.At(results[0], "charge", "id") ||
		single.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s", single.Body)
	}
}

func TestAThousandAtOnce(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	const accounts, most = 20, 1000
	for i := range accounts {
		s.Open(fmt.Sprintf("creator-%d", i), "starter")
	}
	items, names := make([]string, most), make([]string, most)
	for i := range items {
		names[i] = fmt.Sprintf(`"creator-%d"`, i%accounts)
		items[i] = fmt.Sprintf(
			`"account":%s,"idempotency_key":"k%d","feature":"lip_sync","metadata":{"note":"%s"}`,
			names[i],
			i,
			strings.Repeat("x", 500),
		)
	}
	// 50 charges of 5 tokens in each account, which covers 40: the first forty succeed.
	for round := range 2 {
		for i, r := range s.Bulk(items...).Want(http.StatusOK).List("results") {
			want := float64(http.StatusCreated)
			if i/accounts >= 40 {
				want = http.StatusPaymentRequired
			}
			if replayed, _ := r["replayed"].(bool); r["status"] != want ||
				replayed != (round == 1 && want == http.StatusCreated) {
				t.Errorf("round %d, charge %d: %v", round, i, r)
			}
		}
	}
	for i, b := range s.Call("POST", "/v1/balances",
		`{"accounts":[`+strings.Join(names, ",")+`]}`).Want(http.StatusOK).List("balances") {
		if `"`+b["account"].(string)+`"` != names[i] || handlerstest.At(b, "balance", "total") != "0" {
			t.Errorf("balance %d: %v", i, b)
		}
	}
	before := s.Contents()
	s.Bulk(append(items, items[0])...).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "charges")
	s.Call("POST", "/v1/charges", `{"charges":[]}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field",
		"charges")
	s.Call("POST", "/v1/charges", `{}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "charges")
	s.Call("POST", "/v1/balances", `{"accounts":[`+strings.Join(names, ",")+
		`,"x"]}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "accounts")
	s.Call("POST", "/v1/balances", `{}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "accounts")
	s.Bulk(`"account":"creator-1","idempotency_key":"new","feature":"lip_sync"`, `"account":"creator-1","amount":5`).
		WantProblem(http.StatusUnprocessableEntity, "invalid_field", "charges[1].amount")
	s.WantUnchanged(before)
}

func TestBalances(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("noor", "pro")
	s.Hold("maya", `{"feature":"lip_sync"}`)
	before := s.Contents()
	list := s.Call("POST", "/v1/balances",
		`{"accounts":["noor","nobody","maya","noor","a b",""]}`).Want(http.StatusOK).List("balances")
	want := []map[string]string{{
		"spendable": "400",
		"held":      "0",
		"total":     "400",
	}, nil, {
		"spendable": "195",
		"held":      "5",
		"total":     "200",
	}, {"spendable": "400"}, nil, nil}
	if len(list) != len(want) || list[1]["account"] != "nobody" {
		t.Fatalf("%v", list)
	}
	for i, w := range want {
		if (list[i]["balance"] == nil) != (w == nil) {
			t.Errorf("%d: %v", i, list[i])
		}
		for name, amount := range w {
			if handlerstest.At(list[i], "balance", name) != amount {
				t.Errorf("%d: %v", i, list[i])
			}
		}
	}
	s.WantUnchanged(before)
}
