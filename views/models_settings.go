package views

import (
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// SettingsModel is the Settings page, a section after the other.
type SettingsModel struct {
	Layout Layout
	// Saved says that a section has just been saved.
	Saved bool
	TopUp TopUpModel
}

// TopUpModel is the section about auto top-up.
type TopUpModel struct {
	// Available is false without a payment provider: there is nothing to set then.
	Available bool
	On        bool
	// Threshold is below what a pack is bought, and Spendable what there is.
	Threshold tokens.Amount
	Spendable tokens.Amount
	Form      TopUpForm
	// Packs are the choices: id, price and currency as PackValue writes them.
	Packs []Option
	// Currency is that of the packs, for the field of money; empty when they have several.
	Currency string
	// Kept says that something can be charged, and Card what it is called, if that is known.
	Kept bool
	Card string
	// Times and Spent are of this month, of MostTimes and Limit; without MostTimes it was never set.
	Times, MostTimes int
	Spent, Limit     money.Amount
	// Stopped is why it was stopped, nil when it was not; Wait is why nothing is bought although
	// the balance is low.
	Stopped *TopUpNotice
	Wait    string
	// Last is the last attempt, nil for none.
	Last *TopUpAttempt
}

// TopUpForm is what was typed. Problems holds a message per field name.
type TopUpForm struct {
	Threshold, Pack, Times, Limit string
	Problems                      map[string]string
}

// TopUpAttempt is an attempt to buy a pack: State and Failure are billing's words.
type TopUpAttempt struct {
	At             time.Time
	State, Failure string
	Tokens         tokens.Amount
	Price          money.Amount
	Href           string
}
