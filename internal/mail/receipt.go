package mail

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/receipt"
	"pop.store/credits/views"
)

// fact is a line such as "Paid with: Visa 4242".
type fact struct{ Name, Value string }

// receiptContent builds the e-mail for a purchase. ready is false while the purchase or the
// provider's bill is not stored yet. After billTime the e-mail goes out without them.
func (m *Mailer) receiptContent(ctx context.Context, r *reader, o notification, now time.Time) (w content, ready bool,
	err error,
) {
	w = m.arrivedContent(r, o)
	if m.Receipt == nil {
		return w, true, nil
	}
	id, _ := uuid.Parse(o.purchase) // an invalid id becomes uuid.Nil, which is no purchase
	bought, err := m.Receipt(ctx, o.account, id)
	patient := now.Before(o.at.Add(billTime))
	switch {
	case errors.Is(err, billing.ErrNoPurchase), errors.Is(err, billing.ErrNoReceipt) && !patient:
		return w, true, nil
	case errors.Is(err, billing.ErrNoReceipt):
		return w, false, nil
	case err != nil:
		return w, false, err
	case bought.Bill == nil && patient:
		return w, false, nil
	}
	m.addReceipt(&w, r, &bought, now)
	return w, true, nil
}

func (m *Mailer) arrivedContent(r *reader, o notification) content {
	text := "You now have " + views.Number(r.Spendable) + "."
	if names := m.resumedNames(r, o.agents); len(names) > 0 {
		text += " " + areOrIs(names) + " back on."
	}
	return content{
		Shop:       oneLine(r.Name),
		Title:      views.Tokens(o.amount) + " added",
		Paragraphs: []string{text},
		Button:     "See your purchase",
		URL:        m.link("/credits/purchases/" + o.purchase),
		Foot:       "This is about a purchase in your shop.",
	}
}

// addReceipt adds the same lines as the receipt page.
func (m *Mailer) addReceipt(w *content, r *reader, bought *billing.Receipt, now time.Time) {
	model := receipt.Model(bought, m.Prices(), m.Seller, receipt.Holder{Name: r.Name, Email: r.Email})
	model.Layout = views.Layout{Now: now, DisplayZone: r.DisplayZone}
	w.Sums = model.Lines()
	w.add("Receipt", model.Number)
	w.add("Paid on", model.Paid())
	w.add("Paid with", model.PaidWith())
	w.add("Tokens", model.TokenText())
	w.add("From", strings.Join(model.Seller, ", "))
	w.add("To", strings.Join(model.Buyer, ", "))
	w.Button, w.URL, w.Foot = "See your receipt", m.link("/credits/purchases/"+model.ID+"/receipt"),
		"This is the receipt for a purchase in your shop."
	if model.ProviderURL != "" {
		w.Other, w.OtherURL = model.ProviderLabel(), model.ProviderURL
	}
}

// add adds a fact, if there is one. What a buyer has typed gets no line of its own.
func (w *content) add(name, value string) {
	if value = strings.Join(strings.Fields(value), " "); value != "" {
		w.Facts = append(w.Facts, fact{name, value})
	}
}
