package api

import (
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// moneyJSON is money in minor units of a currency.
type moneyJSON struct {
	Minor    int64  `json:"minor"`
	Currency string `json:"currency"`
}

type purchaseJSON struct {
	ID          string        `json:"id"`
	Status      string        `json:"status"`
	Pack        string        `json:"pack"`
	Tokens      tokens.Amount `json:"tokens"`
	Owed        tokens.Amount `json:"owed"`         // the debt that reduces the tokens, as of the order
	Price       moneyJSON     `json:"price"`        // before tax and discounts
	Paid        *moneyJSON    `json:"paid"`         // after tax and discounts; null until it is paid
	Tax         *moneyJSON    `json:"tax"`          // all tax, included or added; null until the provider has reported it
	Refunded    *moneyJSON    `json:"refunded"`     // null without a refund
	ReceiptURL  *string       `json:"receipt_url"`  // the provider's own receipt; null if there is none or it is unknown
	CheckoutURL *string       `json:"checkout_url"` // null once it can no longer be paid
	CreatedAt   *string       `json:"created_at"`
	CompletedAt *string       `json:"completed_at"`
	Auto        bool          `json:"auto"`    // an auto top-up
	Failure     *string       `json:"failure"` // why the payment failed, if known
}

func purchaseAnswer(p *billing.Purchase) purchaseJSON {
	j := purchaseJSON{
		ID:          p.ID.String(),
		Status:      string(p.Status),
		Pack:        p.Pack,
		Tokens:      p.Tokens,
		Owed:        p.Owed,
		Price:       moneyJSON(p.Price),
		CreatedAt:   formatTime(p.CreatedAt),
		CompletedAt: formatTime(p.CompletedAt),
		Auto:        p.Auto,
		Failure:     nullIfEmpty(string(p.Failure)),
	}
	if p.Status == billing.StatusPending {
		j.CheckoutURL = nullIfEmpty(p.CheckoutURL)
	}
	if !p.CompletedAt.IsZero() {
		paid := moneyJSON(p.Paid)
		j.Paid = &paid
	}
	if p.Bill != nil {
		j.Tax, j.ReceiptURL = &moneyJSON{Minor: p.Bill.Tax, Currency: p.Price.Currency},
			nullIfEmpty(p.Bill.ReceiptURL)
	}
	if p.Refunded.Minor > 0 {
		refunded := moneyJSON(p.Refunded)
		j.Refunded = &refunded
	}
	return j
}

type purchaseBody struct {
	Pack      string `json:"pack"       max:"64"`
	ReturnURL string `json:"return_url" max:"500"`
}

// postPurchase orders a pack and answers with the payment page's URL. Tokens come once it is paid.
func (h *Handlers) postPurchase(req *keyedRequest[purchaseBody]) (any, bool, error) {
	if req.body.Pack == "" {
		return nil, false, problem.Invalid("pack", "is needed")
	}
	p, replayed, err := h.Billing.Start(req.Request().Context(), req.id, req.key,
		billing.StartParams{Pack: req.body.Pack, ReturnPath: req.body.ReturnURL})
	if err != nil {
		return nil, false, err
	}
	p = p.Ordered()
	return purchaseAnswer(&p), replayed, nil
}

func (h *Handlers) getPurchases(c echo.Context, account uuid.UUID) error {
	size, err := pageSize(c)
	if err != nil {
		return err
	}
	from, err := web.CursorPosition(c, account)
	if err != nil {
		return err
	}
	page, next, err := h.Billing.List(c.Request().Context(), account, billing.Cursor(from), size)
	if err != nil {
		return err
	}
	list := make([]purchaseJSON, len(page))
	for i := range page {
		list[i] = purchaseAnswer(&page[i])
	}
	return c.JSON(http.StatusOK, map[string]any{
		"purchases":   list,
		"next_cursor": nullIfEmpty(web.TextCursor(c, account, string(next))),
	})
}

func (h *Handlers) getPurchase(c echo.Context, account uuid.UUID) error {
	id, err := web.PurchaseID(c)
	if err != nil {
		return err
	}
	p, err := h.Billing.Get(c.Request().Context(), account, id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, purchaseAnswer(&p))
}

type purchaseRefundBody struct {
	Amount *moneyJSON `json:"amount"`
	Reason string     `json:"reason" max:"500"`
}

// postPurchaseRefund refunds a purchase, wholly or in part, and takes its tokens back.
func (h *Handlers) postPurchaseRefund(req *keyedRequest[purchaseRefundBody]) (any, bool, error) {
	if req.body.Reason == "" {
		return nil, false, problem.Invalid("reason", "is needed")
	}
	id, err := web.PurchaseID(req)
	if err != nil {
		return nil, false, err
	}
	p, replayed, err := h.Billing.Refund(req.Request().Context(), req.id, id, req.key,
		billing.RefundParams{Amount: (*money.Amount)(req.body.Amount), Reason: req.body.Reason})
	if err != nil {
		return nil, false, err
	}
	addAuditDetails(req, "refunded", p.Refunded.Minor, "currency", p.Price.Currency)
	return purchaseAnswer(&p), replayed, nil
}
