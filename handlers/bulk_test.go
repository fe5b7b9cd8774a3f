package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// bulk asks for charges, each given as the inside of its object.
func (s *site) bulk(charges ...string) answer {
	s.t.Helper()
	return s.call("POST", "/v1/charges", `{"charges":[{`+strings.Join(charges, "},{")+`}]}`)
}

func TestBulkChargesAreEachDecidedByItself(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "20")
	s.open("noor", "starter")
	a := s.bulk(
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
	).want(http.StatusOK)
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
	results := a.list("results")
	if len(results) != len(want) {
		t.Fatalf("%d results: %s", len(results), a.body)
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
	if at(results[0], "charge", "amount") != "10" || at(results[0], "charge", "balance", "spendable") != "10" ||
		at(results[0], "charge", "agent") != "studio" {
		t.Errorf("%v", results[0])
	}
	if results[0]["replayed"] != nil || results[7]["replayed"] != true ||
		at(results[7], "charge", "id") != at(results[0], "charge", "id") {
		t.Errorf("%v is replayed as %v", results[0], results[7])
	}
	if at(results[4], "error", "buy_url") != s.url+"/credits/buy?need=65" ||
		at(results[4], "error", "shortfall") != "65" {
		t.Errorf("%v", results[4])
	}
	s.wantSpendable("maya", "0")
	s.wantSpendable("noor", "125")
	// Alone, the same key and charge are the same.
	single := s.call("POST", "/v1/accounts/maya/charges",
		`{"feature":"image_generation","agent":"studio","reference":"r","metadata":{"a":"b"}}`, "Idempotency-Key",
		"1").
		want(http.StatusCreated)
	if single.at("id") != at(results[0], "charge", "id") || single.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s", single.body)
	}
}

func TestAThousandAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const accounts, most = 20, 1000
	for i := range accounts {
		s.open(fmt.Sprintf("creator-%d", i), "starter")
	}
	items, names := make([]string, most), make([]string, most)
	for i := range items {
		names[i] = fmt.Sprintf(`"creator-%d"`, i%accounts)
		items[i] = fmt.Sprintf(`"account":%s,"idempotency_key":"k%d","feature":"lip_sync","metadata":{"note":"%s"}`, names[i], i, strings.Repeat("x", 500))
	}
	// 50 charges of 5 an account where there is enough for 40: the first forty get it.
	for round := range 2 {
		for i, r := range s.bulk(items...).want(http.StatusOK).list("results") {
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
	for i, b := range s.call("POST", "/v1/balances",
		`{"accounts":[`+strings.Join(names, ",")+`]}`).want(http.StatusOK).list("balances") {
		if `"`+b["account"].(string)+`"` != names[i] || at(b, "balance", "total") != "0" {
			t.Errorf("balance %d: %v", i, b)
		}
	}
	before := s.contents()
	s.bulk(append(items, items[0])...).problem(http.StatusUnprocessableEntity, "invalid_field", "charges")
	s.call("POST", "/v1/charges", `{"charges":[]}`).problem(http.StatusUnprocessableEntity, "invalid_field",
		"charges")
	s.call("POST", "/v1/charges", `{}`).problem(http.StatusUnprocessableEntity, "invalid_field", "charges")
	s.call("POST", "/v1/balances", `{"accounts":[`+strings.Join(names, ",")+
		`,"x"]}`).problem(http.StatusUnprocessableEntity, "invalid_field", "accounts")
	s.call("POST", "/v1/balances", `{}`).problem(http.StatusUnprocessableEntity, "invalid_field", "accounts")
	s.bulk(`"account":"creator-1","idempotency_key":"new","feature":"lip_sync"`, `"account":"creator-1","amount":5`).
		problem(http.StatusUnprocessableEntity, "invalid_field", "charges[1].amount")
	s.unchanged(before)
}

func TestBalances(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("noor", "pro")
	s.hold("maya", `{"feature":"lip_sync"}`)
	before := s.contents()
	list := s.call("POST", "/v1/balances",
		`{"accounts":["noor","nobody","maya","noor","a b",""]}`).want(http.StatusOK).list("balances")
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
			if at(list[i], "balance", name) != amount {
				t.Errorf("%d: %v", i, list[i])
			}
		}
	}
	s.unchanged(before)
}
