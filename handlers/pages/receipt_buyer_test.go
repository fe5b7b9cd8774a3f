package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pop.store/credits/handlers/handlerstest"
)

// A receipt names its buyer: the company that the buyer entered, else the account's name and
// e-mail.
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
		s := handlerstest.New(t)
		s.Call("PUT", "/v1/accounts/maya", `{"plan":"starter"`+c.profile+`}`).Want(http.StatusCreated)
		v := s.SignIn("maya")
		path := v.BuyAs("pack_500", c.form)
		said := handlerstest.SpacedText(v.Get(path + "/receipt").Want(http.StatusOK).Element("receipt"))
		if c.want == "" && strings.Contains(said, " To ") || !strings.Contains(said, c.want) {
			t.Errorf("%s: %s", name, said)
		}
		// Also before the provider has reported the buyer.
		if _, err := s.DB.Pool.Exec(t.Context(),
			`update purchase_bills set bill = null, asked_at = now() + interval '100 years'`); err != nil {
			t.Fatal(err)
		}
		page := v.Get(path+"/receipt").Want(http.StatusOK).WantElement("receipt-incomplete", true)
		if said := handlerstest.SpacedText(page.Element("receipt")); name == "no company" &&
			!strings.Contains(said, c.want) {
			t.Errorf("%s, without a bill: %s", name, said)
		}
	}
}
