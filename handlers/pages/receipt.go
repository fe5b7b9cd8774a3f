package pages

import (
	"net/http"
	"time"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/receipt"
	"pop.store/credits/views"
)

func (h *Handlers) receiptPage(req *creatorRequest) error {
	id, err := web.PurchaseID(req)
	if err != nil {
		return err
	}
	r, err := h.Billing.Receipt(req.Request().Context(), req.ID, id)
	if err != nil {
		return err
	}
	m := receipt.Model(&r, h.Prices(), h.Seller, receipt.Holder{Name: req.Name, Email: req.Email})
	m.Layout = h.layout(req, views.NavCredits)
	return render(req, http.StatusOK, views.ReceiptPage(m))
}

// purchasesPage is the history's tab of purchases. Later changes of their tokens are in the tab
// All.
func (h *Handlers) purchasesPage(req *creatorRequest) error {
	from, err := web.CursorPosition(req, req.ID)
	if err != nil {
		return err
	}
	list, next, err := h.Billing.List(req.Request().Context(), req.ID, billing.Cursor(from), historyRows)
	if err != nil {
		return err
	}
	m := views.PurchasesModel{Layout: h.layout(req, views.NavCredits), Continued: from != nil}
	for i := range list {
		m.Rows = append(m.Rows, h.purchaseRow(&list[i], req.now))
	}
	m.NextURL = nextURL(req, web.TextCursor(req, req.ID, string(next)))
	return render(req, http.StatusOK, views.PurchasesPage(m))
}

func (h *Handlers) purchaseRow(p *billing.Purchase, now time.Time) views.PurchaseRow {
	row := views.PurchaseRow{
		ID:       p.ID.String(),
		At:       p.CreatedAt,
		PackName: receipt.PackName(h.Prices(), p.Pack),
		Tokens:   p.Tokens,
		Amount:   p.Price,
		Refunded: p.Refunded,
		Status:   rowStatus(p, now),
		Receipt:  !p.CompletedAt.IsZero(),
		Auto:     p.Auto,
	}
	if row.Receipt {
		row.Amount = p.Paid
	}
	if p.Payable(now) {
		row.PayURL = p.CheckoutURL
	}
	return row
}

func rowStatus(p *billing.Purchase, now time.Time) views.PurchaseRowStatus {
	switch {
	case p.Status == billing.StatusFailed && p.Failure == billing.FailureDeclined:
		return views.RowStatusDeclined
	case p.Status == billing.StatusFailed && p.Failure == billing.FailureConfirm:
		return views.RowStatusConfirm
	case p.Lapsed(now):
		return views.RowStatusClosed
	case p.Auto && p.Status == billing.StatusPending: // the charge needs no action of the buyer
		return views.RowStatusComing
	}
	return rowStatuses[p.Status]
}

var rowStatuses = map[billing.Status]views.PurchaseRowStatus{
	billing.StatusPending:    views.RowStatusUnpaid,
	billing.StatusProcessing: views.RowStatusComing,
	billing.StatusCompleted:  views.RowStatusPaid,
	billing.StatusFailed:     views.RowStatusFailed,
	billing.StatusExpired:    views.RowStatusClosed,
	billing.StatusRefunded:   views.RowStatusRefunded,
	billing.StatusDisputed:   views.RowStatusDisputed,
}
