package handlers

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
)

// queryNames are the query parameters of each route, for GET and HEAD. Other routes take none.
var queryNames = map[string][]string{
	"/login":                        {"next", "out"},
	"/credits":                      {"by", "days"},
	"/credits/badge":                {"v"},
	"/credits/history":              {"tab", "kind", "feature", "agent", "from", "to", "cursor"},
	"/credits/buy":                  {"need", "next", "keep", "offer"},
	"/credits/purchases/:id":        {"cancelled"},
	"/credits/purchases/:id/status": {"cancelled", "shown"},
	"/agents":                       {"q", "page", "agent", "saved"},
	"/plans":                        {"changed"},
	"/settings":                     {"saved"},
	"/storefront":                   {"ordered"},
	"/tools":                        {"tool", "text", "fail"},

	"/v1/accounts/:account/transactions": {
		"kind", "feature", "agent", "reference", "from", "to", "limit",
		"cursor",
	},
	"/v1/accounts/:account/holds":          {"limit", "cursor"},
	"/v1/accounts/:account/usage":          {"group_by", "from", "to"},
	"/v1/accounts/:account/purchases":      {"limit", "cursor"},
	"/v1/webhook-endpoints/:id/deliveries": {"limit", "cursor"},
}

// singleHeaders may appear once: a proxy and this server could each use another value.
var singleHeaders = []string{
	"Authorization", "Idempotency-Key", "Content-Type", "Content-Encoding", "Hx-Request", "Hx-Current-Url",
	"Stripe-Signature",
}

// rejectUnknownInput rejects unknown query parameters, and parameters and headers that appear twice.
// The payment provider may add parameters to its webhook: there the signature decides.
func rejectUnknownInput(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		for _, name := range singleHeaders {
			if len(r.Header[name]) > 1 {
				return web.Malformed("duplicate_header", name, "The header "+name+" must come once.")
			}
		}
		if r.URL.RawQuery == "" || c.Path() == "" || web.HasPathPrefix(r, "/webhooks") ||
			web.HasPathPrefix(r, "/static") {
			return next(c)
		}
		if err := checkQuery(r, c.QueryParams(), queryNames[c.Path()]); err != nil {
			return err
		}
		return next(c)
	}
}

func checkQuery(r *http.Request, query url.Values, known []string) error {
	if !web.IsSafe(r) {
		known = nil
	}
	for name, values := range query {
		if !slices.Contains(known, name) {
			return web.Malformed("unknown_parameter", name, "This address takes no parameter of that name.")
		}
		if len(values) > 1 {
			return web.Malformed("duplicate_parameter", name, name+" must come once.")
		}
	}
	return nil
}
