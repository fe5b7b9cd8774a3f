package pages

import (
	"net/http"

	"pop.store/credits/internal/demo"
	"pop.store/credits/internal/problem"
	"pop.store/credits/views"
)

// storefrontPage is the demo's shop. It also works at zero tokens.
func (h *Handlers) storefrontPage(req *creatorRequest) error {
	m := views.StorefrontModel{Layout: h.layout(req, views.NavShop)}
	for _, p := range demo.Products {
		m.Products = append(m.Products, views.ProductModel{
			ID:    p.ID,
			Name:  p.Name,
			Text:  p.Text,
			Price: p.Price,
		})
		if p.ID == req.QueryParam("ordered") {
			m.Ordered = &m.Products[len(m.Products)-1]
		}
	}
	return render(req, http.StatusOK, views.StorefrontPage(m))
}

// order accepts a sample order. It needs no tokens and stores nothing.
func (h *Handlers) order(req *creatorRequest) error {
	form, err := formParams(req)
	if err != nil {
		return err
	}
	for _, p := range demo.Products {
		if p.ID == form.Get("product") {
			return req.Redirect(http.StatusSeeOther, "/storefront?ordered="+p.ID)
		}
	}
	return problem.New(problem.NotFound, "product_not_found", "There is no such product.")
}
