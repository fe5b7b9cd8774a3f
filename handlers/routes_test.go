package handlers_test

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/apikey"
)

// sort says who may use a route.
type sort int

const (
	public   sort = iota // anybody, from anywhere
	form                 // anybody, from the site's own pages
	personal             // signed-in creators
	api                  // programs with a key of the route's scope
	signed               // whoever signs what they send
)

// route is what the tests know about a route. With params and body it succeeds, unless it is about
// something that is not there.
type route struct {
	method, path string
	sort         sort
	scope        apikey.Scope
	params       []string
	body         string
	bare         bool // its body may be left out
	absent       bool // what its params name is not there
	most         int  // bytes of a body, if not as usual
	noHead       bool // a GET that is not answered to HEAD
}

// routes are all there are, with a HEAD beside each GET that is not listed; TestEveryRouteIsKnown
// compares them with the app's own.
var routes = []route{
	{
		method: "GET",
		path:   "/static/*",
		params: []string{"x"},
	},
	{method: "GET", path: "/healthz"},
	{method: "GET", path: "/readyz"},
	{method: "GET", path: "/login"},
	{
		method: "GET",
		path:   "/login/link/:token",
		params: []string{"x"},
		noHead: true,
	},
	{
		method: "POST",
		path:   "/login/link/:token",
		params: []string{"x"},
		sort:   form,
	},
	{
		method: "GET",
		path:   "/unsubscribe/:token",
		params: []string{strings.Repeat("A", 64)},
	},
	{
		method: "POST",
		path:   "/unsubscribe/:token",
		params: []string{strings.Repeat("A", 64)},
	},
	{
		method: "GET",
		path:   "/unsubscribe/:token/undo",
		params: []string{strings.Repeat("A", 64)},
	},
	{
		method: "POST",
		path:   "/unsubscribe/:token/undo",
		params: []string{strings.Repeat("A", 64)},
	},
	{
		method: "GET",
		path:   "/sandbox/checkout/:id",
		params: []string{"x"},
	},
	{
		method: "GET",
		path:   "/sandbox/receipts/:payment",
		params: []string{"x"},
	},

	{
		method: "POST",
		path:   "/logout",
		sort:   form,
	},
	{
		method: "POST",
		path:   "/login/demo",
		sort:   form,
	},
	{
		method: "GET",
		path:   "/sandbox/checkout/:id/pay",
		params: []string{"x"},
	},
	{
		method: "POST",
		path:   "/sandbox/checkout/:id/pay",
		sort:   form,
		params: []string{"x"},
	},
	{
		method: "GET",
		path:   "/sandbox/checkout/:id/decline",
		params: []string{"x"},
	},
	{
		method: "POST",
		path:   "/sandbox/checkout/:id/decline",
		sort:   form,
		params: []string{"x"},
	},
	{
		method: "GET",
		path:   "/sandbox/checkout/:id/cancel",
		params: []string{"x"},
	},
	{
		method: "POST",
		path:   "/sandbox/checkout/:id/cancel",
		sort:   form,
		params: []string{"x"},
	},

	{
		method: "GET",
		path:   "/",
		sort:   personal,
	},
	{
		method: "GET",
		path:   "/credits",
		sort:   personal,
	},
	{
		method: "GET",
		path:   "/credits/badge",
		sort:   personal,
	},
	{
		method: "GET",
		path:   "/credits/notice/dismiss",
		sort:   personal,
	},
	{
		method: "POST",
		path:   "/credits/notice/dismiss",
		sort:   personal,
	},
	{
		method: "GET",
		path:   "/credits/history",
		sort:   personal,
	},
	{
		method: "GET",
		path:   "/credits/buy",
		sort:   personal,
	},
	{
		method: "POST",
		path:   "/credits/buy",
		sort:   personal,
		body:   "pack=pack_100&key=of-the-form",
	},
	{
		method: "GET",
		path:   "/credits/purchases/:id",
		sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		method: "GET",
		path:   "/credits/purchases/:id/status",
		sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		method: "GET",
		path:   "/credits/purchases/:id/return",
		sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		method: "POST",
		path:   "/credits/purchases/:id/return",
		sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
		body:   "key=of-the-form",
	},
	{
		method: "GET",
		path:   "/credits/purchases/:id/cancel",
		sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		method: "POST",
		path:   "/credits/purchases/:id/cancel",
		sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		method: "GET",
		path:   "/credits/purchases/:id/receipt",
		sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		method: "GET",
		path:   "/credits/how-tokens-work",
		sort:   personal,
	},
	{
		method: "GET",
		path:   "/plans",
		sort:   personal,
	},
	{
		method: "POST",
		path:   "/plans",
		sort:   personal,
		body:   "plan=pro",
	},
	{
		method: "GET",
		path:   "/agents",
		sort:   personal,
	},
	{
		method: "GET",
		path:   "/agents/switch",
		sort:   personal,
	},
	{
		method: "POST",
		path:   "/agents/switch",
		sort:   personal,
		body:   "agent=x&on=1",
	},
	{
		method: "GET",
		path:   "/agents/limits",
		sort:   personal,
	},
	{
		method: "POST",
		path:   "/agents/limits",
		sort:   personal,
		body:   "agent=&reserve=1",
	},
	{
		method: "GET",
		path:   "/settings",
		sort:   personal,
	},
	{
		method: "GET",
		path:   "/settings/auto-top-up",
		sort:   personal,
	},
	{
		method: "POST",
		path:   "/settings/auto-top-up",
		sort:   personal,
		body:   "threshold=20&pack=pack_100%3A900%3AUSD&times=1&limit=9.00",
	},
	{
		method: "GET",
		path:   "/settings/auto-top-up/off",
		sort:   personal,
	},
	{
		method: "POST",
		path:   "/settings/auto-top-up/off",
		sort:   personal,
	},
	{
		method: "GET",
		path:   "/settings/card/forget",
		sort:   personal,
	},
	{
		method: "POST",
		path:   "/settings/card/forget",
		sort:   personal,
	},
	{
		method: "GET",
		path:   "/tools",
		sort:   personal,
	},
	{
		method: "POST",
		path:   "/tools",
		sort:   personal,
		body:   "tool=lip_sync&text=x&key=of-the-form",
	},
	{
		method: "GET",
		path:   "/tools/job",
		sort:   personal,
	},
	{
		method: "GET",
		path:   "/storefront",
		sort:   personal,
	},
	{
		method: "POST",
		path:   "/storefront",
		sort:   personal,
		body:   "product=glaze-guide",
	},

	{
		method: "PUT",
		path:   "/v1/accounts/:account",
		sort:   api,
		scope:  apikey.Admin,
		body:   `{"name":"Changed"}`,
	},
	{
		method: "GET",
		path:   "/v1/accounts/:account",
		sort:   api,
		scope:  apikey.Read,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/close",
		sort:   api,
		scope:  apikey.Admin,
		body:   `{}`,
		bare:   true,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/login-links",
		sort:   api,
		scope:  apikey.Admin,
		body:   `{}`,
		bare:   true,
	},
	{
		method: "GET",
		path:   "/v1/accounts/:account/lots",
		sort:   api,
		scope:  apikey.Read,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/quote",
		sort:   api,
		scope:  apikey.Read,
		body:   `{"feature":"lip_sync"}`,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/charges",
		sort:   api,
		scope:  apikey.Spend,
		body:   `{"feature":"lip_sync"}`,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/charges/:id/refund",
		sort:   api,
		scope:  apikey.Spend,
		params: []string{"x"},
		body:   `{"reason":"r"}`,
		absent: true,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/holds",
		sort:   api,
		scope:  apikey.Spend,
		body:   `{"feature":"lip_sync"}`,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/holds/:id/capture",
		sort:   api,
		scope:  apikey.Spend,
		params: []string{"x"},
		body:   `{}`,
		bare:   true,
		absent: true,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/holds/:id/release",
		sort:   api,
		scope:  apikey.Spend,
		params: []string{"x"},
		body:   `{}`,
		bare:   true,
		absent: true,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/holds/:id/extend",
		sort:   api,
		scope:  apikey.Spend,
		params: []string{"x"},
		body:   `{"expires_in":60}`,
		absent: true,
	},
	{
		method: "GET",
		path:   "/v1/accounts/:account/holds",
		sort:   api,
		scope:  apikey.Read,
	},
	{
		method: "GET",
		path:   "/v1/accounts/:account/holds/:id",
		sort:   api,
		scope:  apikey.Read,
		params: []string{"x"},
		absent: true,
	},
	{
		method: "POST",
		path:   "/v1/charges",
		sort:   api,
		scope:  apikey.Spend,
		most:   1 << 20,
		body:   `{"charges":[{"account":"maya","idempotency_key":"of a bulk","feature":"lip_sync"}]}`,
	},
	{
		method: "POST",
		path:   "/v1/balances",
		sort:   api,
		scope:  apikey.Read,
		body:   `{"accounts":["maya"]}`,
		most:   1 << 20,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/grants",
		sort:   api,
		scope:  apikey.Admin,
		body:   `{"amount":"1","kind":"promo","reason":"r"}`,
	},
	{
		method: "GET",
		path:   "/v1/accounts/:account/agents",
		sort:   api,
		scope:  apikey.Read,
	},
	{
		method: "PUT",
		path:   "/v1/accounts/:account/agents/:agent",
		sort:   api,
		scope:  apikey.Spend,
		params: []string{"x"},
		body:   `{"name":"X"}`,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/agents/:agent/pause",
		sort:   api,
		scope:  apikey.Spend,
		params: []string{"none"},
		body:   `{}`,
		bare:   true,
		absent: true,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/agents/:agent/resume",
		sort:   api,
		scope:  apikey.Spend,
		params: []string{"none"},
		body:   `{}`,
		bare:   true,
		absent: true,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/results",
		sort:   api,
		scope:  apikey.Spend,
		body:   `{"kind":"sale"}`,
	},
	{
		method: "GET",
		path:   "/v1/accounts/:account/transactions",
		sort:   api,
		scope:  apikey.Read,
	},
	{
		method: "GET",
		path:   "/v1/accounts/:account/transactions/:id",
		sort:   api,
		scope:  apikey.Read,
		params: []string{"x"},
		absent: true,
	},
	{
		method: "GET",
		path:   "/v1/accounts/:account/usage",
		sort:   api,
		scope:  apikey.Read,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/purchases",
		sort:   api,
		scope:  apikey.Spend,
		body:   `{"pack":"pack_100"}`,
	},
	{
		method: "GET",
		path:   "/v1/accounts/:account/purchases",
		sort:   api,
		scope:  apikey.Read,
	},
	{
		method: "GET",
		path:   "/v1/accounts/:account/purchases/:id",
		sort:   api,
		scope:  apikey.Read,
		params: []string{"x"},
		absent: true,
	},
	{
		method: "POST",
		path:   "/v1/accounts/:account/purchases/:id/refund",
		sort:   api,
		scope:  apikey.Admin,
		params: []string{"x"},
		body:   `{"reason":"r"}`,
		absent: true,
	},
	{
		method: "GET",
		path:   "/v1/catalog",
		sort:   api,
		scope:  apikey.Read,
	},

	{
		method: "POST",
		path:   "/v1/webhook-endpoints",
		sort:   api,
		scope:  apikey.Admin,
		body:   `{"url":"https://hooks.example.com/credits"}`,
	},
	{
		method: "GET",
		path:   "/v1/webhook-endpoints",
		sort:   api,
		scope:  apikey.Admin,
	},
	{
		method: "GET",
		path:   "/v1/webhook-endpoints/:id",
		sort:   api,
		scope:  apikey.Admin,
		params: []string{"x"},
		absent: true,
	},
	{
		method: "DELETE",
		path:   "/v1/webhook-endpoints/:id",
		sort:   api,
		scope:  apikey.Admin,
		params: []string{"x"},
		body:   `{}`,
		bare:   true,
		absent: true,
	},
	{
		method: "POST",
		path:   "/v1/webhook-endpoints/:id/rotate",
		sort:   api,
		scope:  apikey.Admin,
		params: []string{"x"},
		body:   `{}`,
		bare:   true,
		absent: true,
	},
	{
		method: "POST",
		path:   "/v1/webhook-endpoints/:id/enable",
		sort:   api,
		scope:  apikey.Admin,
		params: []string{"x"},
		body:   `{}`,
		bare:   true,
		absent: true,
	},
	{
		method: "GET",
		path:   "/v1/webhook-endpoints/:id/deliveries",
		sort:   api,
		scope:  apikey.Admin,
		params: []string{"x"},
		absent: true,
	},
	{
		method: "POST",
		path:   "/v1/webhook-endpoints/:id/deliveries/:delivery/redeliver",
		sort:   api,
		scope:  apikey.Admin,
		params: []string{"x", "y"},
		body:   `{}`,
		bare:   true,
		absent: true,
	},

	{
		method: "POST",
		path:   "/webhooks/stripe",
		sort:   signed,
		body:   `{}`,
	},
}

// of gives the routes of a sort.
func of(sorts ...sort) []route {
	var out []route
	for _, r := range routes {
		if slices.Contains(sorts, r.sort) {
			out = append(out, r)
		}
	}
	return out
}

// closingLast puts the closing of the account last: it refuses what comes after it.
func closingLast(list []route) []route {
	slices.SortStableFunc(list, func(a, b route) int {
		return cmp.Compare(strings.Count(a.path, "/close"), strings.Count(b.path, "/close"))
	})
	return list
}

// of is the route's path for an account.
func (r route) of(account string) string {
	if strings.Contains(r.path, ":account") {
		return fill(r.path, append([]string{account}, r.params...)...)
	}
	return fill(r.path, r.params...)
}

func (r route) safe() bool { return r.method == http.MethodGet || r.method == http.MethodHead }

func TestEveryRouteIsKnown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send("GET", "/healthz", "").want(http.StatusOK)
	e, ok := s.app.Handler().(*echo.Echo)
	if !ok {
		t.Fatal("the handler is no *echo.Echo: find its routes in another way")
	}
	var there, known []string
	for _, r := range e.Routes() {
		there = append(there, r.Method+" "+r.Path)
	}
	for _, r := range routes {
		known = append(known, r.method+" "+r.path)
		if r.method == http.MethodGet && !r.noHead {
			known = append(known, http.MethodHead+" "+r.path)
		}
	}
	slices.Sort(there)
	slices.Sort(known)
	if !slices.Equal(there, known) {
		t.Errorf("the app has\n%s\nand the tests know\n%s", strings.Join(there, "\n"), strings.Join(known, "\n"))
	}
}

// Outside the demo there is no provider to play and nobody to be with one click.
func TestTheDemosRoutesAreNotThereWithoutIt(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, options{noDemo: true})
	s.open("maya", "starter")
	before := s.contents()
	v := &visitor{s: s}
	v.submit("/login/demo", nil).want(http.StatusNotFound)
	v.get("/sandbox/checkout/x").want(http.StatusNotFound)
	v.get("/sandbox/receipts/x").want(http.StatusNotFound)
	v.submit("/sandbox/checkout/x/pay", nil).want(http.StatusNotFound)
	v.get("/login").want(http.StatusOK).has("demo-sign-in", false)
	if v.cookie != "" {
		t.Error("a cookie came")
	}
	s.unchanged(before)
	maya := s.signIn("maya")
	maya.get("/credits/buy").want(http.StatusOK).has("buy-unavailable", true).has("buy-pack", false)
	maya.submit("/credits/buy", map[string][]string{"pack": {"pack_100"}, "key": {"k"}}).want(http.StatusConflict)
	maya.get("/plans").want(http.StatusOK).has("plan-switch", false).has("plan-link", false)
	maya.submit("/plans", map[string][]string{"plan": {"star"}}).want(http.StatusMethodNotAllowed)
	s.wantSpendable("maya", "200")
	if n := s.count("select count(*) from purchases"); n != 0 {
		t.Errorf("%d purchases that nobody can pay", n)
	}
}
