package views

import "time"

// TopUpStop is why auto top-up was stopped: topup's reasons.
type TopUpStop string

// The reasons.
const (
	TopUpDeclined TopUpStop = "declined"
	TopUpConfirm  TopUpStop = "authentication"
	TopUpPrice    TopUpStop = "price"
	TopUpPack     TopUpStop = "pack"
	TopUpReturned TopUpStop = "returned"
	TopUpOwed     TopUpStop = "owed"
)

// TopUpNotice says on every page that auto top-up was stopped, until its creator turns it on or off.
type TopUpNotice struct {
	Why TopUpStop
	At  time.Time
}

// Lead says that it is off, and why.
func (n TopUpNotice) Lead(c Layout) string {
	const off = "Auto top-up is off: "
	switch n.Why {
	case TopUpConfirm:
		return off + "your bank wants you to confirm the payment yourself."
	case TopUpPrice:
		return off + "its pack is not what you agreed to any more."
	case TopUpPack:
		return off + "its pack isn't sold any more."
	case TopUpReturned:
		return off + "a pack that it bought was given back, or its payment is disputed."
	case TopUpOwed:
		return off + "the next pack would only pay for tokens owed from before."
	case TopUpDeclined:
	}
	return off + "your card was declined " + c.when(n.At).past() + "."
}

// Rest explains it, where there is room.
func (n TopUpNotice) Rest() string {
	switch n.Why {
	case TopUpConfirm:
		return "No tokens were added. Buy a pack yourself this time, then turn auto top-up on again."
	case TopUpPrice:
		return "It costs more now, or brings fewer tokens, or they expire sooner. Nothing was bought. Look at the packs, and turn it on again if you like."
	case TopUpPack:
		return "Nothing was bought. Look at the packs, and turn it on again if you like."
	case TopUpReturned, TopUpOwed:
		return "Nothing more is bought until you turn it on again."
	case TopUpDeclined:
	}
	return "No tokens were added, and nothing more is charged until you turn it on again."
}

// Action is the label of the remedy, and Href its link.
func (n TopUpNotice) Action() string {
	if n.Why == TopUpConfirm {
		return "Buy a pack"
	}
	return "Check auto top-up"
}

// Href is the link of Action.
func (n TopUpNotice) Href() string {
	if n.Why == TopUpConfirm {
		return KeepCardURL
	}
	return "/settings"
}

// KeepCardURL leads to the packs, with the card to be saved, and back to the settings.
const KeepCardURL = "/credits/buy?keep=1&next=%2Fsettings"

// past is a day that has been, in a sentence: "today", "yesterday", "on Tuesday", "on 20 Nov".
func (w when) past() string {
	switch days := -w.daysAhead(); {
	case days <= 0:
		return "today"
	case days == 1:
		return "yesterday"
	case days < 7:
		return "on " + w.format("Monday")
	}
	return "on " + w.Day()
}

// state is the state of auto top-up in a word or two.
func (m TopUpModel) state() string {
	if m.On {
		return "On"
	}
	return "Off"
}

// sentence says what it does, or why it does nothing now.
func (m TopUpModel) sentence() string {
	switch {
	case !m.On:
		return "Buys a pack by itself when your tokens run low. Off until you turn it on."
	case !m.Kept:
		return "Waiting for a card: nothing can be bought until one is kept."
	}
	switch m.Wait {
	case "under_way":
		return "A pack is being bought right now."
	case "cool_down":
		return "Below your limit. The next pack can be bought ten minutes after the last attempt."
	case "times":
		return "This month's number of packs is reached. It starts again next month."
	case "money":
		return "This month's money is used, or doesn't cover another pack. It starts again next month."
	}
	if m.Spendable < m.Threshold {
		return "Below your limit: a pack is on its way, unless a payment of yours is being returned or disputed."
	}
	return "Ready: a pack is bought when you have fewer than " + Tokens(m.Threshold) + "."
}

// month is what was bought this month: "1 of 3 times, $40.00 of $150.00".
func (m TopUpModel) month() string {
	return Count(int64(m.Times)) + " of " + counted(int64(m.MostTimes), "time", "times") + ", " +
		m.Spent.String() + " of " + m.Limit.String()
}

// text is the outcome of an attempt.
func (a TopUpAttempt) text() string {
	switch a.State {
	case "completed":
		return Tokens(a.Tokens) + " added"
	case "refunded":
		return "given back"
	case "disputed":
		return "the payment is disputed"
	case "pending", "processing":
		return "under way"
	case "expired":
		return "it didn't go through"
	}
	switch a.Failure {
	case "authentication":
		return "your bank wants you to confirm the payment yourself"
	case "too_much":
		return "with tax it was more than this month's money"
	case "declined":
		return "your card was declined"
	}
	return "your card couldn't be charged"
}
