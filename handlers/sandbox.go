package handlers

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/views"
)

// stripeWebhook takes the payment provider's events. It answers 2xx only when an event is dealt
// with for good, so that the provider sends everything else again.
func (a *App) stripeWebhook(c echo.Context) error {
	payload, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return unreadable(err)
	}
	if err := a.Billing.HandleEvent(c.Request().Context(), payload,
		c.Request().Header.Get("Stripe-Signature")); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]bool{"received": true})
}

// The sandbox's pages stand in for the payment provider's own: they know its sessions, and nothing of ours.
func (a *App) sandboxRoutes(e *echo.Echo) {
	get(e, "/sandbox/checkout/:id", a.sandboxPage)
	e.POST("/sandbox/checkout/:id/pay", a.sandboxPay)
	e.POST("/sandbox/checkout/:id/decline", a.sandboxDecline)
	e.POST("/sandbox/checkout/:id/cancel", a.sandboxCancel)
	for _, step := range []string{"pay", "decline", "cancel"} { // the answer to a form, opened again
		get(e, "/sandbox/checkout/:id/"+step, a.sandboxBack)
	}
	get(e, "/sandbox/receipts/:payment", a.sandboxReceipt)
}

// sandboxBack leads from the address of a form to the page of its checkout.
func (a *App) sandboxBack(c echo.Context) error {
	s, err := a.Sandbox.Session(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/sandbox/checkout/"+url.PathEscape(s.ID))
}

func (a *App) sandboxPage(c echo.Context) error {
	s, err := a.Sandbox.Session(c.Request().Context(), c.Param("id"))
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

// sandboxReceipt is the provider's own receipt: whoever has its address may see it, as at Stripe.
func (a *App) sandboxReceipt(c echo.Context) error {
	s, err := a.Sandbox.Receipt(c.Request().Context(), c.Param("payment"))
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

func (a *App) sandboxPay(c echo.Context) error {
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
	target, err := a.Sandbox.PayAs(c.Request().Context(), c.Param("id"), card, buyer)
	return a.leaveSandbox(c, target, err)
}

func (a *App) sandboxCancel(c echo.Context) error {
	target, err := a.Sandbox.Cancel(c.Request().Context(), c.Param("id"))
	return a.leaveSandbox(c, target, err)
}

func (a *App) sandboxDecline(c echo.Context) error {
	err := a.Sandbox.Decline(c.Request().Context(), c.Param("id"))
	return a.leaveSandbox(c, "/sandbox/checkout/"+c.Param("id"), err)
}

// leaveSandbox goes on to target; a checkout that is over says so on its own page.
func (a *App) leaveSandbox(c echo.Context, target string, err error) error {
	if errors.Is(err, sandbox.ErrExpired) || errors.Is(err, sandbox.ErrPaid) {
		return c.Redirect(http.StatusSeeOther, "/sandbox/checkout/"+c.Param("id"))
	}
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, target)
}
