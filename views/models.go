// Package views renders view models as pages and fragments with templ. Handlers fill the models with
// facts; wording, order and look are decided here. It knows no database, no echo and no ledger rule.
//
// Each page has a model. The pages share components and wording, so they stay in one package.
package views

import (
	"time"

	"pop.store/credits/internal/tokens"
)

// Layout is what surrounds every page: navigation, badge and notices. Fragments take it too.
type Layout struct {
	// ShopName is empty when nobody is signed in.
	ShopName string
	// SignedIn shows the navigation, the badge and the sign-out button.
	SignedIn bool
	// Owner is an opaque token that differs between accounts.
	Owner string
	Nav   Nav
	// Now and DisplayZone, the creator's time zone, decide what "Today" means.
	Now         time.Time
	DisplayZone *time.Location
	// BillingZone is the time zone in which days of usage and months are counted; nil means DisplayZone.
	BillingZone *time.Location
	// Badge is the balance at the top right. Nil when signed out, or when the balance could not be read.
	Badge *BadgeModel
	// Notice is the low or empty notice, nil for none (or when it was dismissed).
	Notice *NoticeModel
	// Here is the page's own path if a purchase may return to it, else empty.
	Here string
	// TopUp is set when auto top-up was stopped. The badge's poll does not update it.
	TopUp *TopUpNotice
	// AccountStatus says that the account is closed or its plan was cancelled; nil for neither.
	AccountStatus *AccountStatusModel
	Demo          bool
}

// Nav names an entry of the main navigation.
type Nav string

// The entries of the main navigation, for the pages that exist.
const (
	NavNone    Nav = ""
	NavHome    Nav = "home"
	NavCredits Nav = "credits"
	NavTools   Nav = "tools"
	NavAgents  Nav = "agents"
	NavPlans   Nav = "plans"
	NavShop    Nav = "storefront" // in the demo alone

	NavSettings Nav = "settings" // reached from the foot of the page
)

// Level is how full the wallet is. Low and empty are the ledger's decision (threshold, hysteresis),
// never the page's.
type Level string

// The three levels. Empty means: less than the cheapest fixed-price feature costs.
const (
	LevelOK    Level = "ok"
	LevelLow   Level = "low"
	LevelEmpty Level = "empty"
)

// BadgeModel is the token balance at the top right of every page, and what its poll answers.
type BadgeModel struct {
	Level     Level
	Spendable tokens.Amount
	// Held is what running jobs have reserved; it is not part of Spendable.
	Held tokens.Amount
	// Closed marks a balance that cannot be spent any more.
	Closed bool
	// PausedAgents counts the agents that are paused, except by their creator. Stopped describes some
	// of them.
	PausedAgents int
	Stopped      []StoppedModel
	// Every is the time until the next poll, jitter included; zero stops polling. Pace is the same
	// without jitter: a tab whose pace has changed gets a new badge.
	Every time.Duration
	Pace  time.Duration
}

// NoticeModel is the low or empty notice on every page.
type NoticeModel struct {
	// Level is LevelLow or LevelEmpty. Soon is set with LevelLow when the balance is not low yet but
	// will soon run out.
	Level     Level
	Soon      bool
	Spendable tokens.Amount
	// Held is what running jobs have reserved. It counts as left, since it may be released.
	Held tokens.Amount
	// Waiting counts the agents that wait for tokens at an empty balance, and GoOn those that can work
	// with the rest.
	Waiting, GoOn int
	// Forecast says what stops first and when; nil if there is none.
	Forecast *Forecast
	// Equivalents are shown when there is no forecast.
	Equivalents []Equivalent
	// NextGrant is the next plan allowance; nil when none will come.
	NextGrant *NextGrant
}

// Forecast is what stops first at the present pace, and about when.
type Forecast struct {
	// Who is the agent's name, or the feature's that agents work on.
	Who string
	At  time.Time
	// Hour is set if the pace is that of the last hour; Days is then unused.
	Hour bool
	// Days is the number of complete days that the pace is based on, if not a whole week; zero or
	// seven for a week.
	Days int
}

// NextGrant is the plan allowance that arrives next.
type NextGrant struct {
	Amount tokens.Amount
	At     time.Time
}

// Equivalent is what an amount of tokens pays for: "12 images", "about 2,400 replies".
type Equivalent struct {
	Count    int64
	Singular string
	Plural   string
	// About is set for agents, whose use varies with the work.
	About bool
}

// Option is one choice of a select field.
type Option struct {
	Value string
	Label string
}

// LotKind is the source of tokens.
type LotKind string

// The kinds of lots, as the ledger names them.
const (
	LotPlan       LotKind = "plan"
	LotPromo      LotKind = "promo"
	LotAdjustment LotKind = "adjustment"
	LotPurchase   LotKind = "purchase"
)

// LotModel is one source of tokens. Several lots of one kind and expiry may be summed up by the handler.
type LotModel struct {
	Kind LotKind
	// Name is the text shown: "Starter plan", "Welcome gift", "Bought".
	Name string
	// Spendable is the remaining amount without holds; Of is the initial amount, shown for plan lots.
	Spendable tokens.Amount
	Of        tokens.Amount
	// ExpiresAt is zero for tokens that never expire.
	ExpiresAt time.Time
	// Frozen is the reason why it cannot be spent now. Waits is the frozen amount, Href the purchase's
	// page.
	Frozen FrozenWhy
	Waits  tokens.Amount
	Href   string
	// Resets is set if the next allowance arrives at ExpiresAt.
	Resets bool
}

// FrozenWhy is why the tokens of a purchase cannot be spent.
type FrozenWhy string

// The reasons: the payment is disputed, or the creator is returning the pack.
const (
	NotFrozen       FrozenWhy = ""
	FrozenByDispute FrozenWhy = "dispute"
	FrozenByReturn  FrozenWhy = "return"
)

// EntryKind is what happened in a row of the history: the ledger's kinds.
type EntryKind string

// The kinds of history rows.
const (
	EntryGrant    EntryKind = "grant"
	EntryCharge   EntryKind = "charge"
	EntryHold     EntryKind = "hold"
	EntryRelease  EntryKind = "release"
	EntryCapture  EntryKind = "capture"
	EntryRefund   EntryKind = "refund"
	EntryExpiry   EntryKind = "expiry"
	EntryClawback EntryKind = "clawback"
)

// ClawbackCause says why tokens of a purchase were taken back.
type ClawbackCause string

// The causes of a clawback.
const (
	CauseRefund  ClawbackCause = "refund"
	CauseReturn  ClawbackCause = "return"
	CauseDispute ClawbackCause = "dispute"
	CauseOwed    ClawbackCause = "owed"
)

// HistoryRow is one line of the transaction history. The view derives title and detail from its
// facts.
type HistoryRow struct {
	Kind EntryKind
	At   time.Time
	// Source is the source of granted, expired or revoked tokens; empty for work.
	Source LotKind
	// SourceName is the plan's or gift's name ("Starter plan", "Welcome gift"); optional.
	SourceName string
	// Feature is the name of the feature ("PDF", "Comment Replies"), for work. Agent is the agent's
	// name, if one did it.
	Feature string
	Agent   string
	// Quantity and its noun ("replies") make the detail; a quantity of 0 or 1 is not shown.
	Quantity int64
	Unit     string
	// Cause says why a purchase's tokens were taken back; empty if unknown.
	Cause ClawbackCause
	// Amount is negative for spent tokens. Held is what a hold reserves.
	Amount tokens.Amount
	Held   tokens.Amount
	// Balance is the spendable balance after this entry.
	Balance tokens.Amount
	// Upgrade marks plan tokens that were added during a month by an upgrade.
	Upgrade bool
	// Note is the reason that support or a service gave; optional.
	Note string
	// Href links to details, such as the purchase; optional.
	Href string
}
