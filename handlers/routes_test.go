package handlers_test

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/handlerstest"
)

// closingLast moves the closing of the account to the end, since it refuses later changes.
func closingLast(list []route) []route {
	slices.SortStableFunc(list, func(a, b route) int {
		return cmp.Compare(strings.Count(a.Path, "/close"), strings.Count(b.Path, "/close"))
	})
	return list
}

func TestEveryRouteIsKnown(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Send("GET", "/healthz", "").Want(http.StatusOK)
	e, ok := s.App.Handler().(*echo.Echo)
	if !ok {
		t.Fatal("the handler is no *echo.Echo: find its routes in another way")
	}
	var there, known []string
	for _, r := range e.Routes() {
		there = append(there, r.Method+" "+r.Path)
	}
	for _, r := range routes {
		known = append(known, r.Method+" "+r.Path)
		if r.Method == http.MethodGet && !r.NoHead {
			known = append(known, http.MethodHead+" "+r.Path)
		}
	}
	slices.Sort(there)
	slices.Sort(known)
	if !slices.Equal(there, known) {
		t.Errorf("the app has\n%s\nand the tests know\n%s", strings.Join(there, "\n"), strings.Join(known, "\n"))
	}
}

// Outside the demo there is no sandbox and no one-click sign-in.
func TestTheDemosRoutesAreNotThereWithoutIt(t *testing.T) {
	t.Parallel()
	s := handlerstest.NewWith(t, handlerstest.Options{NoDemo: true})
	s.Open("maya", "starter")
	before := s.Contents()
	v := &handlerstest.Browser{Site: s}
	v.Submit("/login/demo", nil).Want(http.StatusNotFound)
	v.Get("/sandbox/checkout/x").Want(http.StatusNotFound)
	v.Get("/sandbox/receipts/x").Want(http.StatusNotFound)
	v.Submit("/sandbox/checkout/x/pay", nil).Want(http.StatusNotFound)
	v.Get("/login").Want(http.StatusOK).WantElement("demo-sign-in", false)
	if v.Cookie != "" {
		t.Error("a cookie came")
	}
	s.WantUnchanged(before)
	maya := s.SignIn("maya")
	maya.Get("/credits/buy").Want(http.StatusOK).WantElement("buy-unavailable", true).WantElement("buy-pack", false)
	maya.Submit("/credits/buy", map[string][]string{"pack": {"pack_100"}, "key": {"k"}}).Want(http.StatusConflict)
	maya.Get("/plans").Want(http.StatusOK).WantElement("plan-switch", false).WantElement("plan-link", false)
	maya.Submit("/plans", map[string][]string{"plan": {"star"}}).Want(http.StatusMethodNotAllowed)
	s.WantSpendable("maya", "200")
	if n := s.Count("select count(*) from purchases"); n != 0 {
		t.Errorf("%d purchases that nobody can pay", n)
	}
}
