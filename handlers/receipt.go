package handlers

import (
	"net/http"
	"net/url"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/receipt"
	"pop.store/credits/views"
)

func (a *App) receiptPage(v *visit) error {
	id, err := purchaseOf(v)
	if err != nil {
		return err
	}
	r, err := a.Billing.Receipt(v.Request().Context(), v.ID, id)
	if err != nil {
		return err
	}
	m := receipt.Model(&r, a.Prices(), a.Seller)
	m.Chrome = a.chrome(v, views.NavCredits)
	return render(v, http.StatusOK, views.ReceiptPage(m))
}

// purchasesPage is the tab of the history that lists purchases. What became of their tokens stands under All.
func (a *App) purchasesPage(v *visit) error {
	from := v.QueryParam("cursor")
	list, next, err := a.Billing.List(v.Request().Context(), v.ID, billing.Cursor(from), historyRows)
	if err != nil {
		return err
	}
	m := views.PurchasesModel{Chrome: a.chrome(v, views.NavCredits), Continued: from != ""}
	for i := range list {
		m.Rows = append(m.Rows, a.purchaseRow(&list[i]))
	}
	if next != "" {
		m.NextURL = "/credits/history?" + url.Values{"tab": {string(views.TabPurchases)}, "cursor": {string(next)}}.Encode()
	}
	return render(v, http.StatusOK, views.PurchasesPage(m))
}

// purchaseRow is a line of the list. A row of an auto top-up says so with Auto, and a declined card with StandingDeclined.
func (a *App) purchaseRow(p *billing.Purchase) views.PurchaseRow {
	row := views.PurchaseRow{
		ID: p.ID.String(), At: p.CreatedAt, PackName: receipt.PackName(a.Prices(), p.Pack), Tokens: p.Tokens, Amount: p.Price, Refunded: p.Refunded,
		Standing: standings[p.Status], Receipt: !p.CompletedAt.IsZero(),
	}
	if row.Receipt {
		row.Amount = p.Paid
	}
	return row
}

var standings = map[billing.Status]views.PurchaseStanding{
	billing.StatusPending: views.StandingUnpaid, billing.StatusProcessing: views.StandingComing, billing.StatusCompleted: views.StandingPaid,
	billing.StatusFailed: views.StandingFailed, billing.StatusExpired: views.StandingClosed, billing.StatusRefunded: views.StandingRefunded,
	billing.StatusDisputed: views.StandingDisputed,
}
