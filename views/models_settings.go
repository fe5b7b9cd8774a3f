package views

import (
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// SettingsModel is the Settings page.
type SettingsModel struct {
	Layout Layout
	// Saved is set after a section was saved.
	Saved bool
	TopUp TopUpModel
}

// TopUpModel is the section about auto top-up.
type TopUpModel struct {
	// Available is false without a payment provider.
	Available bool
	On        bool
	// Threshold is the balance below which a pack is bought; Spendable is the balance.
	Threshold tokens.Amount
	Spendable tokens.Amount
	Form      TopUpForm
	// Packs are the choices. A value has the pack's id, price and currency.
	Packs []Option
	// Currency is that of the packs; empty if they have several.
	Currency string
	// Kept is set if a card is saved; Card is its name, if known.
	Kept bool
	Card string
	// Times and Spent are this month's purchases, and MostTimes and Limit their limits; MostTimes is
	// zero if never set.
	Times, MostTimes int
	Spent, Limit     money.Amount
	// Stopped is why it was stopped, nil if it was not; Wait is why nothing is bought although the
	// balance is low.
	Stopped *TopUpNotice
	Wait    string
	// Last is the last attempt, nil for none.
	Last *TopUpAttempt
}

// TopUpForm is the form as typed. Problems has a message per field name.
type TopUpForm struct {
	Threshold, Pack, Times, Limit string
	Problems                      map[string]string
}

// TopUpAttempt is an attempt to buy a pack. State and Failure are those of billing.
type TopUpAttempt struct {
	At             time.Time
	State, Failure string
	Tokens         tokens.Amount
	Price          money.Amount
	Href           string
}
