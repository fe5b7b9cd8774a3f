package pages

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/views"
)

// sandboxRoutes adds the sandbox's pages. They replace the payment provider's pages, so they use
// its sessions and none of the app's.
func (h *Handlers) sandboxRoutes(e *echo.Echo) {
	web.Get(e, "/sandbox/checkout/:id", h.sandboxPage)
	e.POST("/sandbox/checkout/:id/pay", h.sandboxPay)
	e.POST("/sandbox/checkout/:id/decline", h.sandboxDecline)
	e.POST("/sandbox/checkout/:id/cancel", h.sandboxCancel)
	for _, step := range []string{"pay", "decline", "cancel"} { // a form's answer, opened again
		web.Get(e, "/sandbox/checkout/:id/"+step, h.sandboxBack)
	}
	web.Get(e, "/sandbox/receipts/:payment", h.sandboxReceipt)
}

// sandboxBack redirects from the address of a form to the page of its checkout.
func (h *Handlers) sandboxBack(c echo.Context) error {
	s, err := h.Sandbox.Session(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/sandbox/checkout/"+url.PathEscape(s.ID))
}

func (h *Handlers) sandboxPage(c echo.Context) error {
	s, err := h.Sandbox.Session(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.SandboxPage(sandboxModel(s)))
}

func sandboxModel(s sandbox.Session) views.SandboxModel {
	path := "/sandbox/checkout/" + s.ID
	m := views.SandboxModel{
		Others: []views.SandboxCard{
			{ID: string(sandbox.BankDebit), Label: "Pay by bank debit: the money is on its way"},
			{ID: string(sandbox.CardDisputed), Label: "Pay with a card whose bank disputes it"},
			{ID: string(sandbox.Coupon), Label: "Use a coupon for all of it"},
		},
		Merchant:   "Credits",
		Item:       s.Description,
		Price:      s.Amount,
		WithVAT:    money.Amount{Minor: s.Amount.Minor + s.VAT(true), Currency: s.Amount.Currency},
		PayURL:     path + "/pay",
		DeclineURL: path + "/decline",
		CancelURL:  path + "/cancel",
	}
	if s.KeepMethod {
		m.Others = append(m.Others, views.SandboxCard{
			ID:    string(sandbox.CardLater),
			Label: "Pay with a card that is declined when it is charged again",
		},
			views.SandboxCard{
				ID:    string(sandbox.CardConfirm),
				Label: "Pay with a card whose bank wants a confirmation when it is charged again",
			})
	}
	switch {
	case s.Status == sandbox.Complete:
		m.Done, m.BackURL = "This is paid.", s.SuccessURL
	case s.Status == sandbox.Expired:
		m.Done, m.BackURL = "This checkout has expired. Nothing was bought.", s.CancelURL
	case s.Declines > 0:
		m.Problem = "The card was declined. Nothing was paid. Try another card."
	}
	return m
}

// sandboxReceipt is the provider's own receipt. Its address is the only protection, as at Stripe.
func (h *Handlers) sandboxReceipt(c echo.Context) error {
	s, err := h.Sandbox.Receipt(c.Request().Context(), c.Param("payment"))
	if err != nil {
		return err
	}
	in := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: s.Amount.Currency} }
	return render(c, http.StatusOK, views.SandboxReceiptPage(views.SandboxReceiptModel{
		Merchant: "Credits",
		Item:     s.Description,
		Price:    s.Amount,
		Tax:      in(s.Tax),
		Total:    in(s.Total),
		Refunded: in(s.Refunded),
		Card:     s.Card,
		Company:  s.Company,
		TaxID:    s.TaxID,
	}))
}

func (h *Handlers) sandboxPay(c echo.Context) error {
	form, err := formParams(c)
	if err != nil {
		return err
	}
	card := sandbox.Card(cmp.Or(form.Get("card"), string(sandbox.CardGood)))
	buyer := sandbox.Buyer{
		Company: form.Get("company"),
		TaxID:   form.Get("tax_id"),
		VAT:     form.Get("tax") == "20",
	}
	target, err := h.Sandbox.PayAs(c.Request().Context(), c.Param("id"), card, buyer)
	return h.leaveSandbox(c, target, err)
}

func (h *Handlers) sandboxCancel(c echo.Context) error {
	target, err := h.Sandbox.Cancel(c.Request().Context(), c.Param("id"))
	return h.leaveSandbox(c, target, err)
}

func (h *Handlers) sandboxDecline(c echo.Context) error {
	err := h.Sandbox.Decline(c.Request().Context(), c.Param("id"))
	return h.leaveSandbox(c, "/sandbox/checkout/"+c.Param("id"), err)
}

// leaveSandbox redirects to target. If the checkout is over, it redirects to its page, which says
// so.
func (h *Handlers) leaveSandbox(c echo.Context, target string, err error) error {
	if errors.Is(err, sandbox.ErrExpired) || errors.Is(err, sandbox.ErrPaid) {
		return c.Redirect(http.StatusSeeOther, "/sandbox/checkout/"+c.Param("id"))
	}
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, target)
}
