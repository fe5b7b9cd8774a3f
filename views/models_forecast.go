package views

import (
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// OutlookModel is the forecast of a balance. The zero model shows nothing.
type OutlookModel struct {
	// PerDay is the pace of the past days in tokens a day, zero without enough usage. PerHour is that
	// of the last hour in tokens an hour, if RunsOut is based on it. Without either there is no
	// forecast.
	PerDay  tokens.Amount
	PerHour tokens.Amount
	// PaceDays is the number of days in the pace, today included if WithToday is set.
	PaceDays  int
	WithToday bool
	// RunsOut is when everything is spent at that pace; zero if not foreseeable.
	RunsOut time.Time
	// Next is the next allowance, nil if there is none. NextFirst is set if it arrives before the
	// tokens run out.
	Next      *NextGrant
	NextFirst bool
	// Expiries are tokens that will probably expire unused, soonest first.
	Expiries []ExpiryModel
	// Advice has at most two pieces.
	Advice []AdviceModel
}

// ExpiryModel is tokens that will probably expire unused.
type ExpiryModel struct {
	Kind   LotKind
	Amount tokens.Amount
	At     time.Time
}

// AdviceKind names a piece of advice.
type AdviceKind string

// The kinds of advice.
const (
	AdviceWait    AdviceKind = "wait"
	AdviceBuy     AdviceKind = "buy"
	AdviceUpgrade AdviceKind = "upgrade"
)

// AdviceModel is one piece of advice. Only the fields of its kind are set.
type AdviceModel struct {
	Kind AdviceKind
	// Next is the next allowance (wait). Lasts is set if the tokens last until then at the present
	// pace.
	Next  NextGrant
	Lasts bool
	// PackID, PackTokens and PackPrice are the smallest sufficient pack (buy). Until is how long it
	// lasts, zero if unknown. Covers is set if it lasts until the next allowance.
	PackID     string
	PackTokens tokens.Amount
	PackPrice  money.Amount
	Until      time.Time
	Covers     bool
	// PlanName costs Extra a month more than the present plan (upgrade). Packs is what Count packs
	// cost in a month.
	PlanName string
	Extra    money.Amount
	Packs    money.Amount
	Count    int
}
