package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pop.store/credits/handlers/handlerstest"
)

func TestTheAPIKnowsTaxAndReceipt(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	open := s.Post("/v1/accounts/maya/purchases", `{"pack":"pack_100"}`).Want(http.StatusCreated)
	open.WantMembers(map[string]any{"tax": nil, "receipt_url": nil})
	taxed, plain := v.BuyAs("pack_100", url.Values{"tax": {"20"}}), v.BuyAs("pack_100", nil)
	for path, want := range map[string]float64{taxed: 180, plain: 0} {
		a := s.Call("GET", "/v1/accounts/maya"+strings.TrimPrefix(path, "/credits"), "").Want(http.StatusOK)
		if link, _ := a.At("receipt_url").(string); a.At("tax", "minor") != want ||
			a.At("tax", "currency") != "USD" || !strings.HasPrefix(link, s.URL+"/sandbox/receipts/pi_") {
			t.Errorf("%s", a.Body)
		}
	}
}
