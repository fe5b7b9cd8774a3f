package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A receipt says whom it is for: the company that the buyer named, else the account's name and e-mail.
func TestTheReceiptNamesItsBuyer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		profile string
		form    url.Values
		want    string // after "To", up to what follows
	}{
		"a company": {
			`,"name":"Maya's Studio","email":"maya@example.com"`,
			url.Values{"company": {"Maya GmbH"}},
			"To Maya GmbH What was paid",
		},
		"no company": {
			`,"name":"Maya's Studio","email":"maya@example.com"`,
			url.Values{},
			"To Maya's Studio maya@example.com What was paid",
		},
		"a tax id alone": {
			`,"name":"Maya's Studio","email":"maya@example.com"`,
			url.Values{"tax_id": {"DE1"}},
			"To Maya's Studio maya@example.com Tax id DE1 What was paid",
		},
		"an e-mail alone":   {`,"email":"maya@example.com"`, url.Values{}, "To maya@example.com What was paid"},
		"nothing is known":  {``, url.Values{}, ""},
		"a name that is <b": {`,"name":"<b>Maya</b>"`, url.Values{}, "To <b>Maya</b> What was paid"},
	} {
		s := newSite(t)
		s.call("PUT", "/v1/accounts/maya", `{"plan":"starter"`+c.profile+`}`).want(http.StatusCreated)
		v := s.signIn("maya")
		path := v.buyAs("pack_500", c.form)
		said := spaced(v.get(path + "/receipt").want(http.StatusOK).only("receipt"))
		if c.want == "" && strings.Contains(said, " To ") || !strings.Contains(said, c.want) {
			t.Errorf("%s: %s", name, said)
		}
		// Also while the provider has not told its bill.
		if _, err := s.db.Pool.Exec(t.Context(),
			`update purchase_bills set bill = null, asked_at = now() + interval '100 years'`); err != nil {
			t.Fatal(err)
		}
		page := v.get(path+"/receipt").want(http.StatusOK).has("receipt-incomplete", true)
		if said := spaced(page.only("receipt")); name == "no company" && !strings.Contains(said, c.want) {
			t.Errorf("%s, without a bill: %s", name, said)
		}
	}
}
