package views

import (
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// OutlookModel is what lies ahead of a balance. The zero model says nothing.
type OutlookModel struct {
	// PerDay is the pace of the past days in tokens a day, zero when there is too little to go on.
	// PerHour is that of the last hour in tokens an hour, if RunsOut rests on it. Without either
	// there is no forecast.
	PerDay  tokens.Amount
	PerHour tokens.Amount
	// PaceDays is how many days the pace rests on, today included if WithToday is set.
	PaceDays  int
	WithToday bool
	// RunsOut is when everything is spent at that pace; zero when that is not in sight.
	RunsOut time.Time
	// Next is the next allowance, nil when none will come; NextFirst says that it comes before the
	// tokens run out.
	Next      *NextGrant
	NextFirst bool
	// Expiries are tokens that will probably expire unused, soonest first.
	Expiries []ExpiryModel
	// Advice is what to do about it, at most two pieces.
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

// AdviceModel is one piece of advice with the facts that belong to its kind, the others being zero.
type AdviceModel struct {
	Kind AdviceKind
	// Next is what arrives (wait); Lasts says that the tokens last until then at the present pace.
	Next  NextGrant
	Lasts bool
	// PackID, PackTokens and PackPrice are the smallest pack that does (buy). Until is
	// how long it lasts, zero when that cannot be told; Covers says that it lasts until the next
	// allowance.
	PackID     string
	PackTokens tokens.Amount
	PackPrice  money.Amount
	Until      time.Time
	Covers     bool
	// PlanName costs Extra a month more than the present plan (upgrade); Packs is what Count packs
	// cost in a month.
	PlanName string
	Extra    money.Amount
	Packs    money.Amount
	Count    int
}
