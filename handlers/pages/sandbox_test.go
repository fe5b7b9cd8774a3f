package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pop.store/credits/handlers/handlerstest"
)

// The sandbox has a card for each outcome.
func TestTheSandboxsCards(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	for card, want := range map[string]string{
		"FREE": "paid",
		"0259": "disputed",
		"6789": "processing",
	} {
		checkout := v.Order("pack_100")
		v.Get(checkout).Want(http.StatusOK).WantElement("sandbox-card-"+card, true)
		back := v.Submit(checkout+"/pay", url.Values{"card": {card}}).Want(http.StatusSeeOther).Header.Get("Location")
		v.Get(strings.TrimPrefix(back, s.URL)).Want(http.StatusOK).WantState(want)
	}
	v.Submit(v.Order("pack_100")+"/pay", url.Values{"card": {"1"}}).Want(http.StatusUnprocessableEntity)
}
