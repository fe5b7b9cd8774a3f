package views

import "time"

// backHeadline is the headline after a refund, return or dispute.
func (m PurchaseModel) backHeadline() string {
	switch m.State {
	case PurchaseReturning:
		return "Your return is under way."
	case PurchaseReturned:
		return "Pack returned."
	case PurchaseRefunded:
		return "This purchase was refunded."
	case PurchasePartly:
		return "Part of this was refunded."
	case PurchaseDisputed:
		return "This payment is disputed."
	case PurchaseLost:
		return "Your bank took this payment back."
	case PurchaseProcessing, PurchaseSlow, PurchasePaid, PurchaseFailed, PurchaseCancelled, PurchaseUnpaid:
	}
	return ""
}

func (m PurchaseModel) backText() string {
	switch m.State {
	case PurchaseReturning:
		return m.returningText()
	case PurchaseDisputed:
		return sentences(m.moneyBackText(), m.disputedText())
	case PurchasePartly:
		now := ""
		if m.Fresh {
			now = "You now have " + Number(m.Balance) + "."
		}
		return sentences(m.moneyBackText(), m.usedText(), now)
	case PurchaseReturned, PurchaseRefunded, PurchaseLost:
		return sentences(m.moneyBackText(), m.bankText(), m.usedText())
	case PurchaseProcessing, PurchaseSlow, PurchasePaid, PurchaseFailed, PurchaseCancelled, PurchaseUnpaid:
	}
	return ""
}

func (m PurchaseModel) returningText() string {
	const rest = " There is nothing more to do."
	if m.Back.Money.Minor == 0 {
		return "Its " + Tokens(m.Tokens) + " will go back." + rest
	}
	return "Your " + m.Back.Money.String() + " will go back, and its " + Tokens(m.Tokens) + " wait until then." + rest
}

// moneyBackText describes the refund: "Your $40.00 went back on Tuesday, and the 500 tokens with
// it."
func (m PurchaseModel) moneyBackText() string {
	on := ""
	if !m.Back.At.IsZero() {
		on = " " + m.Layout.when(m.Back.At).ago()
	}
	switch {
	case m.Back.Money.Minor == 0 && m.Back.Tokens == 0:
		return ""
	case m.Back.Money.Minor == 0:
		return "The " + Tokens(m.Back.Tokens) + " went back" + on + ". Nothing was paid for them."
	case m.State == PurchasePartly || m.State == PurchaseDisputed:
		return m.Back.Money.String() + " of it went back" + on + ", and " + Tokens(m.Back.Tokens) + " with it."
	}
	return "Your " + m.Back.Money.String() + " went back" + on + ", and the " + Tokens(m.Back.Tokens) + " with it."
}

// usedText says that some tokens were spent before, and what that means now.
func (m PurchaseModel) usedText() string {
	if m.Back.Used <= 0 {
		return ""
	}
	text := Number(m.Back.Used) + " of the tokens were used before that"
	if m.Debt <= 0 {
		return text + "; nothing is owed for them any more."
	}
	return text + ". " + Tokens(m.Debt) + " " + are(Number(m.Debt) == "1") +
		" owed now, and will come off your next purchase."
}

func (m PurchaseModel) disputedText() string {
	const looking = "Your bank is looking into this payment. "
	if m.Left <= 0 {
		return looking + "All of its tokens were used before."
	}
	if Number(m.Left) == "1" {
		return looking + "Its 1 unused token waits until that is decided."
	}
	return looking + "Its " + Number(m.Left) + " unused tokens wait until that is decided."
}

// slowBanks is how long a refund may take to appear at the bank.
const slowBanks = 10 * 24 * time.Hour

func (m PurchaseModel) bankText() string {
	if m.Back.Money.Minor == 0 || m.State == PurchaseLost || m.Back.At.IsZero() ||
		m.Layout.Now.Sub(m.Back.At) > slowBanks {
		return ""
	}
	return "It may take your bank a few days to show it."
}

// text say until when a pack can be returned, and what comes back: "You have used nothing of it.
// Until Sunday 6 December, 14:02, you can return it: ..."
func (m ReturnModel) text(c Layout) string {
	text := "You have used nothing of it. Until " + c.end(m.Until).deadline() +
		" you can return it: its tokens go back"
	if m.Paid.Minor == 0 {
		return text + "."
	}
	text += ", and your " + m.Paid.String() + " with them"
	if m.Card != "" {
		text += ", to " + m.Card
	}
	return text + "."
}

func (m ReturnModel) label() string {
	if m.Paid.Minor == 0 {
		return "Return it"
	}
	return "Return it and get " + m.Paid.String() + " back"
}

// ago is the day of something past, after a verb: "today", "yesterday", "on Tuesday", "on 3
// November", "on 3 November 2025".
func (w when) ago() string {
	switch days := w.daysAhead(); {
	case days >= 0:
		return "today"
	case days == -1:
		return "yesterday"
	case days > -7:
		return w.format("on Monday")
	case w.at.Year() == w.now.Year():
		return w.format("on 2 January")
	}
	return w.format("on 2 January 2006")
}

// deadline is the last moment of something: "Sunday 6 December, 14:02".
func (w when) deadline() string { return w.format("Monday 2 January, 15:04") }

// refused reports whether the payment provider refused the order, so that it could not be paid.
func (m PurchaseModel) refused() bool { return m.Failure == "refused" && !m.Auto }

func (m PurchaseModel) failedHeadline() string {
	if m.refused() {
		return "This order could not be placed."
	}
	return "Your payment didn't go through."
}

func (m PurchaseModel) failedText() string {
	if m.refused() {
		return "The payment provider did not take it. Nothing was paid, and no tokens were added."
	}
	return "No tokens were added."
}

func (m PurchaseModel) retryLabel() string {
	if m.refused() {
		return "See the packs"
	}
	return "Try another card"
}
