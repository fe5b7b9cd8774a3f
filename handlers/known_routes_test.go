package handlers_test

import (
	"net/http"
	"slices"
	"strings"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/apikey"
)

// access says who may use a route.
type access int

const (
	public   access = iota // everyone, from any site
	form                   // everyone, from the site's own pages
	personal               // signed-in creators
	api                    // programs with a key of the route's scope
	signed                 // requests with a signature
)

// route is what the tests know about a route. With params and body it succeeds, unless Absent is
// set.
type route struct {
	Method, Path string
	Access       access
	Scope        apikey.Scope
	params       []string
	Body         string
	Bare         bool // the body is optional
	Absent       bool // params name something that does not exist
	MaxBody      int  // limit of the body in bytes, if not the usual one
	NoHead       bool // a GET without HEAD
}

// routes are all routes, with a HEAD for each GET unless listed. TestEveryRouteIsKnown compares
// them with the app's.
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
		Access: form,
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
		Access: form,
	},
	{
		Method: "POST",
		Path:   "/login/demo",
		Access: form,
	},
	{
		Method: "GET",
		Path:   "/sandbox/checkout/:id/pay",
		params: []string{"x"},
	},
	{
		Method: "POST",
		Path:   "/sandbox/checkout/:id/pay",
		Access: form,
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
		Access: form,
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
		Access: form,
		params: []string{"x"},
	},

	{
		Method: "GET",
		Path:   "/",
		Access: personal,
	},
	{
		Method: "GET",
		Path:   "/credits",
		Access: personal,
	},
	{
		Method: "GET",
		Path:   "/credits/badge",
		Access: personal,
	},
	{
		Method: "GET",
		Path:   "/credits/notice/dismiss",
		Access: personal,
	},
	{
		Method: "POST",
		Path:   "/credits/notice/dismiss",
		Access: personal,
	},
	{
		Method: "GET",
		Path:   "/credits/history",
		Access: personal,
	},
	{
		Method: "GET",
		Path:   "/credits/buy",
		Access: personal,
	},
	{
		Method: "POST",
		Path:   "/credits/buy",
		Access: personal,
		Body:   "pack=pack_100&key=of-the-form",
	},
	{
		Method: "GET",
		Path:   "/credits/purchases/:id",
		Access: personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		Method: "GET",
		Path:   "/credits/purchases/:id/status",
		Access: personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		Method: "GET",
		Path:   "/credits/purchases/:id/return",
		Access: personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		Method: "POST",
		Path:   "/credits/purchases/:id/return",
		Access: personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
		Body:   "key=of-the-form",
	},
	{
		Method: "GET",
		Path:   "/credits/purchases/:id/cancel",
		Access: personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		Method: "POST",
		Path:   "/credits/purchases/:id/cancel",
		Access: personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		Method: "GET",
		Path:   "/credits/purchases/:id/receipt",
		Access: personal,
		params: []string{"11111111-1111-4111-8111-111111111111"},
	},
	{
		Method: "GET",
		Path:   "/credits/how-tokens-work",
		Access: personal,
	},
	{
		Method: "GET",
		Path:   "/plans",
		Access: personal,
	},
	{
		Method: "POST",
		Path:   "/plans",
		Access: personal,
		Body:   "plan=pro",
	},
	{
		Method: "GET",
		Path:   "/agents",
		Access: personal,
	},
	{
		Method: "GET",
		Path:   "/agents/switch",
		Access: personal,
	},
	{
		Method: "POST",
		Path:   "/agents/switch",
		Access: personal,
		Body:   "agent=x&on=1",
	},
	{
		Method: "GET",
		Path:   "/agents/limits",
		Access: personal,
	},
	{
		Method: "POST",
		Path:   "/agents/limits",
		Access: personal,
		Body:   "agent=&reserve=1",
	},
	{
		Method: "GET",
		Path:   "/settings",
		Access: personal,
	},
	{
		Method: "GET",
		Path:   "/settings/auto-top-up",
		Access: personal,
	},
	{
		Method: "POST",
		Path:   "/settings/auto-top-up",
		Access: personal,
		Body:   "threshold=20&pack=pack_100%3A900%3AUSD&times=1&limit=9.00",
	},
	{
		Method: "GET",
		Path:   "/settings/auto-top-up/off",
		Access: personal,
	},
	{
		Method: "POST",
		Path:   "/settings/auto-top-up/off",
		Access: personal,
	},
	{
		Method: "GET",
		Path:   "/settings/card/forget",
		Access: personal,
	},
	{
		Method: "POST",
		Path:   "/settings/card/forget",
		Access: personal,
	},
	{
		Method: "GET",
		Path:   "/tools",
		Access: personal,
	},
	{
		Method: "POST",
		Path:   "/tools",
		Access: personal,
		Body:   "tool=lip_sync&text=x&key=of-the-form",
	},
	{
		Method: "GET",
		Path:   "/tools/job",
		Access: personal,
	},
	{
		Method: "GET",
		Path:   "/storefront",
		Access: personal,
	},
	{
		Method: "POST",
		Path:   "/storefront",
		Access: personal,
		Body:   "product=glaze-guide",
	},

	{
		Method: "PUT",
		Path:   "/v1/accounts/:account",
		Access: api,
		Scope:  apikey.Admin,
		Body:   `{"name":"Changed"}`,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account",
		Access: api,
		Scope:  apikey.Read,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/close",
		Access: api,
		Scope:  apikey.Admin,
		Body:   `{}`,
		Bare:   true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/login-links",
		Access: api,
		Scope:  apikey.Admin,
		Body:   `{}`,
		Bare:   true,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/lots",
		Access: api,
		Scope:  apikey.Read,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/quote",
		Access: api,
		Scope:  apikey.Read,
		Body:   `{"feature":"lip_sync"}`,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/charges",
		Access: api,
		Scope:  apikey.Spend,
		Body:   `{"feature":"lip_sync"}`,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/charges/:id/refund",
		Access: api,
		Scope:  apikey.Spend,
		params: []string{"x"},
		Body:   `{"reason":"r"}`,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/holds",
		Access: api,
		Scope:  apikey.Spend,
		Body:   `{"feature":"lip_sync"}`,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/holds/:id/capture",
		Access: api,
		Scope:  apikey.Spend,
		params: []string{"x"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/holds/:id/release",
		Access: api,
		Scope:  apikey.Spend,
		params: []string{"x"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/holds/:id/extend",
		Access: api,
		Scope:  apikey.Spend,
		params: []string{"x"},
		Body:   `{"expires_in":60}`,
		Absent: true,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/holds",
		Access: api,
		Scope:  apikey.Read,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/holds/:id",
		Access: api,
		Scope:  apikey.Read,
		params: []string{"x"},
		Absent: true,
	},
	{
		Method:  "POST",
		Path:    "/v1/charges",
		Access:  api,
		Scope:   apikey.Spend,
		MaxBody: 1 << 20,
		Body:    `{"charges":[{"account":"maya","idempotency_key":"of a bulk","feature":"lip_sync"}]}`,
	},
	{
		Method:  "POST",
		Path:    "/v1/balances",
		Access:  api,
		Scope:   apikey.Read,
		Body:    `{"accounts":["maya"]}`,
		MaxBody: 1 << 20,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/grants",
		Access: api,
		Scope:  apikey.Admin,
		Body:   `{"amount":"1","kind":"promo","reason":"r"}`,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/agents",
		Access: api,
		Scope:  apikey.Read,
	},
	{
		Method: "PUT",
		Path:   "/v1/accounts/:account/agents/:agent",
		Access: api,
		Scope:  apikey.Spend,
		params: []string{"x"},
		Body:   `{"name":"X"}`,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/agents/:agent/pause",
		Access: api,
		Scope:  apikey.Spend,
		params: []string{"none"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/agents/:agent/resume",
		Access: api,
		Scope:  apikey.Spend,
		params: []string{"none"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/results",
		Access: api,
		Scope:  apikey.Spend,
		Body:   `{"kind":"sale"}`,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/transactions",
		Access: api,
		Scope:  apikey.Read,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/transactions/:id",
		Access: api,
		Scope:  apikey.Read,
		params: []string{"x"},
		Absent: true,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/usage",
		Access: api,
		Scope:  apikey.Read,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/purchases",
		Access: api,
		Scope:  apikey.Spend,
		Body:   `{"pack":"pack_100"}`,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/purchases",
		Access: api,
		Scope:  apikey.Read,
	},
	{
		Method: "GET",
		Path:   "/v1/accounts/:account/purchases/:id",
		Access: api,
		Scope:  apikey.Read,
		params: []string{"x"},
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/accounts/:account/purchases/:id/refund",
		Access: api,
		Scope:  apikey.Admin,
		params: []string{"x"},
		Body:   `{"reason":"r"}`,
		Absent: true,
	},
	{
		Method: "GET",
		Path:   "/v1/catalog",
		Access: api,
		Scope:  apikey.Read,
	},

	{
		Method: "POST",
		Path:   "/v1/webhook-endpoints",
		Access: api,
		Scope:  apikey.Admin,
		Body:   `{"url":"https://hooks.example.com/credits"}`,
	},
	{
		Method: "GET",
		Path:   "/v1/webhook-endpoints",
		Access: api,
		Scope:  apikey.Admin,
	},
	{
		Method: "GET",
		Path:   "/v1/webhook-endpoints/:id",
		Access: api,
		Scope:  apikey.Admin,
		params: []string{"x"},
		Absent: true,
	},
	{
		Method: "DELETE",
		Path:   "/v1/webhook-endpoints/:id",
		Access: api,
		Scope:  apikey.Admin,
		params: []string{"x"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/webhook-endpoints/:id/rotate",
		Access: api,
		Scope:  apikey.Admin,
		params: []string{"x"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/webhook-endpoints/:id/enable",
		Access: api,
		Scope:  apikey.Admin,
		params: []string{"x"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},
	{
		Method: "GET",
		Path:   "/v1/webhook-endpoints/:id/deliveries",
		Access: api,
		Scope:  apikey.Admin,
		params: []string{"x"},
		Absent: true,
	},
	{
		Method: "POST",
		Path:   "/v1/webhook-endpoints/:id/deliveries/:delivery/redeliver",
		Access: api,
		Scope:  apikey.Admin,
		params: []string{"x", "y"},
		Body:   `{}`,
		Bare:   true,
		Absent: true,
	},

	{
		Method: "POST",
		Path:   "/webhooks/stripe",
		Access: signed,
		Body:   `{}`,
	},
}

// routesFor lists the routes with one of the kinds of access.
func routesFor(allowed ...access) []route {
	var out []route
	for _, r := range routes {
		if slices.Contains(allowed, r.Access) {
			out = append(out, r)
		}
	}
	return out
}

// PathFor is the route's path for an account.
func (r route) PathFor(account string) string {
	if strings.Contains(r.Path, ":account") {
		return handlerstest.FillPath(r.Path, append([]string{account}, r.params...)...)
	}
	return handlerstest.FillPath(r.Path, r.params...)
}

func (r route) Safe() bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }
