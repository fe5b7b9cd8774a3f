package handlers_test

import (
	"net/http"
	"slices"
	"strings"

	"pop.store/credits/handlers/handlerstest"
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
	Method, Path string
	Sort         sort
	Scope        apikey.Scope
	params       []string
	Body         string
	Bare         bool // its body may be left out
	Absent       bool // what its params name is not there
	Most         int  // bytes of a body, if not as usual
	NoHead       bool // a GET that is not answered to HEAD
}

// routes are all there are, with a HEAD beside each GET that is not listed; TestEveryRouteIsKnown
// compares them with the app's own.
var routes = []route{
	{
		Method: "GET",
		Path:   "/static/*",
		params: []string{"x"},
	},
	{Method: "GET", Path: "/healthz"},
	{Method: "GET", Path: "/readyz"},
	{Method: "GET", Path: "/login"},
	{
		Method: "GET",
		Path:   "/login/link/:token",
		params: []string{"x"},
		NoHead: true,
	},
	{
		Method: "POST",
		Path:   "/login/link/:token",
		params: []string{"x"},
		Sort:   form,
	},
	{
		Method: "GET",
		Path:   "/unsubscribe/:token",
		params: []string{strings.Repeat("A", 64)},
	},
	{
		Method: "POST",
		Path:   "/unsubscribe/:token",
		params: []string{strings.Repeat("A", 64)},
	},
	{
		Method: "GET",
		Path:   "/unsubscribe/:token/undo",
		params: []string{strings.Repeat("A", 64)},
	},
	{
		Method: "POST",
		Path:   "/unsubscribe/:token/undo",
		params: []string{strings.Repeat("A", 64)},
	},
	{
		Method: "GET",
		Path:   "/sandbox/checkout/:id",
		params: []string{"x"},
	},
	{
		Method: "GET",
		Path:   "/sandbox/receipts/:payment",
		params: []string{"x"},
	},

	{
		Method: "POST",
		Path:   "/logout",
		Sort:   form,
	},
	{
		Method: "POST",
		Path:   "/login/demo",
		Sort:   form,
	},
	{
		Method: "GET",
		Path:   "/sandbox/checkout/:id/pay",
		params: []string{"x"},
	},
	{
		Method: "POST",
		Path:   "/sandbox/checkout/:id/pay",
		Sort:   form,
		params: []string{"x"},
	},
	{
		Method: "GET",
		Path:   "/sandbox/checkout/:id/decline",
		params: []string{"x"},
	},
	{
		Method: "POST",
		Path:   "/sandbox/checkout/:id/decline",
		Sort:   form,
		params: []string{"x"},
	},
	{
		Method: "GET",
		Path:   "/sandbox/checkout/:id/cancel",
		params: []string{"x"},
	},
	{
		Method: "POST",
		Path:   "/sandbox/checkout/:id/cancel",
		Sort:   form,
		params: []string{"x"},
	},

	{
		Method: "GET",
		Path:   "/",
		Sort:   personal,
	},
	{
		Method: "GET",
		Path:   "/credits",
		Sort:   personal,
	},
	{
		Method: "GET",
		Path:   "/credits/badge",
		Sort:   personal,
	},
	{
		Method: "GET",
		Path:   "/credits/notice/dismiss",
		Sort:   personal,
	},
	{
		Method: "POST",
		Path:   "/credits/notice/dismiss",
		Sort:   personal,
	},
	{
		Method: "GET",
		Path:   "/credits/history",
		Sort:   personal,
	},
	{
		Method: "GET",
		Path:   "/credits/buy",
		Sort:   personal,
	},
	{
		Method: "POST",
		Path:   "/credits/buy",
		Sort:   personal,
		Body:   "pack=pack_100&key=of-the-form",
	},
	{
		Method: "GET",
		Path:   "/credits/purchases/:id",
		Sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		Method: "GET",
		Path:   "/credits/purchases/:id/status",
		Sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		Method: "GET",
		Path:   "/credits/purchases/:id/return",
		Sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		Method: "POST",
		Path:   "/credits/purchases/:id/return",
		Sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
		Body:   "key=of-the-form",
	},
	{
		Method: "GET",
		Path:   "/credits/purchases/:id/cancel",
		Sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		Method: "POST",
		Path:   "/credits/purchases/:id/cancel",
		Sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		Method: "GET",
		Path:   "/credits/purchases/:id/receipt",
		Sort:   personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		Method: "GET",
		Path:   "/credits/how-tokens-work",
		Sort:   personal,
	},
	{
		Method: "GET",
		Path:   "/plans",
		Sort:   personal,
	},
	{
		Method: "POST",
		Path:   "/plans",
		Sort:   personal,
		Body:   "plan=pro",
	},
	{
		Method: "GET",
		Path:   "/agents",
		Sort:   personal,
	},
	{
		Method: "GET",
		Path:   "/agents/switch",
		Sort:   personal,
	},
	{
		Method: "POST",
		Path:   "/agents/switch",
		Sort:   personal,
		Body:   "agent=x&on=1",
	},
	{
		Method: "GET",
		Path:   "/agents/limits",
		Sort:   personal,
	},
	{
		Method: "POST",
		Path:   "/agents/limits",
		Sort:   personal,
		Body:   "agent=&reserve=1",
	},
	{
		Method: "GET",
		Path:   "/settings",
		Sort:   personal,
	},
	{
		Method: "GET",
		Path:   "/settings/auto-top-up",
		Sort:   personal,
	},
	{
		Method: "POST",
		Path:   "/settings/auto-top-up",
		Sort:   personal,
		Body:   "threshold=20&pack=pack_100%3A900%3AUSD&times=1&limit=9.00",
	},
	{
		Method: "GET",
		Path:   "/settings/auto-top-up/off",
		Sort:   personal,
	},
	{
		Method: "POST",
		Path:   "/settings/auto-top-up/off",
		Sort:   personal,
	},
	{
		Method: "GET",
		Path:   "/settings/card/forget",
		Sort:   personal,
	},
	{
		Method: "POST",
		Path:   "/settings/card/forget",
		Sort:   personal,
	},
	{
		Method: "GET",
		Path:   "/tools",
		Sort:   personal,
	},
	{
		Method: "POST",
		Path:   "/tools",
		Sort:   personal,
		Body:   "tool=lip_sync&text=x&key=of-the-form",
	},
	{
		Method: "GET",
		Path:   "/tools/job",
		Sort:   personal,
	},
	{
		Method: "GET",
		Path:   "/storefront",
		Sort:   personal,
	},
	{
		Method: "POST",
		Path:   "/storefront",
		Sort:   personal,
		Body:   "product=glaze-guide",
	},

	{
		Method: "PUT",
		Path:   "/v1/accounts/:account",
		Sort:   api,
		Scope:  apikey.Admin,
		Body:   `{"name":"Changed"}`,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account",
		Sort:   api,
		Scope:  apikey.Read,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/close",
		Sort:   api,
		Scope:  apikey.Admin,
		Body:   `{}`,
		Bare:   true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/login-links",
		Sort:   api,
		Scope:  apikey.Admin,
		Body:   `{}`,
		Bare:   true,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/lots",
		Sort:   api,
		Scope:  apikey.Read,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/quote",
		Sort:   api,
		Scope:  apikey.Read,
		Body:   `{"feature":"lip_sync"}`,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/charges",
		Sort:   api,
		Scope:  apikey.Spend,
		Body:   `{"feature":"lip_sync"}`,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/charges/:id/refund",
		Sort:   api,
		Scope:  apikey.Spend,
		params: []string{"x"},
		Body:   `{"reason":"r"}`,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/holds",
		Sort:   api,
		Scope:  apikey.Spend,
		Body:   `{"feature":"lip_sync"}`,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/holds/:id/capture",
		Sort:   api,
		Scope:  apikey.Spend,
		params: []string{"x"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/holds/:id/release",
		Sort:   api,
		Scope:  apikey.Spend,
		params: []string{"x"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/holds/:id/extend",
		Sort:   api,
		Scope:  apikey.Spend,
		params: []string{"x"},
		Body:   `{"expires_in":60}`,
		Absent: true,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/holds",
		Sort:   api,
		Scope:  apikey.Read,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/holds/:id",
		Sort:   api,
		Scope:  apikey.Read,
		params: []string{"x"},
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/charges",
		Sort:   api,
		Scope:  apikey.Spend,
		Most:   1 << 20,
		Body:   `{"charges":[{"account":"maya","idempotency_key":"of a bulk","feature":"lip_sync"}]}`,
	},
	{
		Method: "POST",
		Path:   "/v1/balances",
		Sort:   api,
		Scope:  apikey.Read,
		Body:   `{"accounts":["maya"]}`,
		Most:   1 << 20,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/grants",
		Sort:   api,
		Scope:  apikey.Admin,
		Body:   `{"amount":"1","kind":"promo","reason":"r"}`,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/agents",
		Sort:   api,
		Scope:  apikey.Read,
	},
	{
		Method: "PUT",
		Path:   "/v1/accounts/:account/agents/:agent",
		Sort:   api,
		Scope:  apikey.Spend,
		params: []string{"x"},
		Body:   `{"name":"X"}`,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/agents/:agent/pause",
		Sort:   api,
		Scope:  apikey.Spend,
		params: []string{"none"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/agents/:agent/resume",
		Sort:   api,
		Scope:  apikey.Spend,
		params: []string{"none"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/results",
		Sort:   api,
		Scope:  apikey.Spend,
		Body:   `{"kind":"sale"}`,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/transactions",
		Sort:   api,
		Scope:  apikey.Read,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/transactions/:id",
		Sort:   api,
		Scope:  apikey.Read,
		params: []string{"x"},
		Absent: true,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/usage",
		Sort:   api,
		Scope:  apikey.Read,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/purchases",
		Sort:   api,
		Scope:  apikey.Spend,
		Body:   `{"pack":"pack_100"}`,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/purchases",
		Sort:   api,
		Scope:  apikey.Read,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/purchases/:id",
		Sort:   api,
		Scope:  apikey.Read,
		params: []string{"x"},
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/purchases/:id/refund",
		Sort:   api,
		Scope:  apikey.Admin,
		params: []string{"x"},
		Body:   `{"reason":"r"}`,
		Absent: true,
	},
	{
		Method: "GET",
		Path:   "/v1/catalog",
		Sort:   api,
		Scope:  apikey.Read,
	},

	{
		Method: "POST",
		Path:   "/v1/webhook-endpoints",
		Sort:   api,
		Scope:  apikey.Admin,
		Body:   `{"url":"https://hooks.example.com/credits"}`,
	},
	{
		Method: "GET",
		Path:   "/v1/webhook-endpoints",
		Sort:   api,
		Scope:  apikey.Admin,
	},
	{
		Method: "GET",
		Path:   "/v1/webhook-endpoints/:id",
		Sort:   api,
		Scope:  apikey.Admin,
		params: []string{"x"},
		Absent: true,
	},
	{
		Method: "DELETE",
		Path:   "/v1/webhook-endpoints/:id",
		Sort:   api,
		Scope:  apikey.Admin,
		params: []string{"x"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/webhook-endpoints/:id/rotate",
		Sort:   api,
		Scope:  apikey.Admin,
		params: []string{"x"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/webhook-endpoints/:id/enable",
		Sort:   api,
		Scope:  apikey.Admin,
		params: []string{"x"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "GET",
		Path:   "/v1/webhook-endpoints/:id/deliveries",
		Sort:   api,
		Scope:  apikey.Admin,
		params: []string{"x"},
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/webhook-endpoints/:id/deliveries/:delivery/redeliver",
		Sort:   api,
		Scope:  apikey.Admin,
		params: []string{"x", "y"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},

	{
		Method: "POST",
		Path:   "/webhooks/stripe",
		Sort:   signed,
		Body:   `{}`,
	},
}

// of gives the routes of a sort.
func of(sorts ...sort) []route {
	var out []route
	for _, r := range routes {
		if slices.Contains(sorts, r.Sort) {
			out = append(out, r)
		}
	}
	return out
}

// Of is the route's path for an account.
func (r route) Of(account string) string {
	if strings.Contains(r.Path, ":account") {
		return handlerstest.FillPath(r.Path, append([]string{account}, r.params...)...)
	}
	return handlerstest.FillPath(r.Path, r.params...)
}

func (r route) Safe() bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }
