package ledger

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/tokens"
)

// NoThreshold means that the catalog's threshold applies.
const NoThreshold tokens.Amount = -1

// AccountRow is an account's row. Amounts are millionths of a token, instants UTC.
type AccountRow struct {
	AccountID uuid.UUID

	Balance       tokens.Amount // sum of Remaining over the lots
	Held          tokens.Amount
	Unusable      tokens.Amount // in frozen lots and in lots not yet effective
	Owed          tokens.Amount // spent tokens of refunded purchases
	Seq           int64         // of the newest entry
	LastAt        time.Time     // of the newest entry, event or declined attempt
	Version       int64         // incremented by every write
	DueAt         time.Time     // when settling may next have something to do, or earlier; zero: never
	HasClaims     bool          // ClaimKey has bound keys of the account
	HasExtensions bool          // extensions of holds have bound keys of the account
	ClosedAt      time.Time     // zero: it is open

	Plan          string // empty: the account was never opened
	NextPlan      string // a downgrade that takes effect with the next period
	PlanStatus    PlanStatus
	Anchor        time.Time
	Zone          *time.Location // the billing zone
	Period        int            // the current period; -1 before the first
	PeriodGranted tokens.Amount  // the highest allowance granted in it

	NewestLot     int64 // the highest number of a lot
	OpenLot       int64 // the lot that is spent next; this row stores its remainder. 0: none
	OpenRemaining tokens.Amount
	OpenHeld      tokens.Amount

	Today           Today
	DeclinedEver    int64
	StoppedByBudget int // agents over budget; set only by reads

	AgentSummary
}

// Exists reports whether the account was opened. A row that was just inserted has no plan.
func (r *AccountRow) Exists() bool { return r.Plan != "" }

// IsDue reports whether something may have fallen due.
func (r *AccountRow) IsDue(now time.Time) bool { return !r.DueAt.IsZero() && !r.DueAt.After(now) }

// AgentSummary is what an account's row stores about its agents, its level and its events. It changes
// rarely.
type AgentSummary struct {
	Level        Level
	AgentCount   int
	PausedAgents int // for lack of tokens
	// AgentRules is true if an agent is paused or has a budget or a reserve. Then every request needs the
	// complete account.
	AgentRules   bool
	Reserved     tokens.Amount // by all agents
	LowThreshold tokens.Amount // the creator's low threshold, or NoThreshold
	EventSeq     int64         // of the newest event
}

// HoldRow is tokens reserved for a job from specific lots, until ExpiresAt.
type HoldRow struct {
	Number    int64 // the seq of its entry
	Amount    tokens.Amount
	ExpiresAt time.Time
	Outcome   Kind   // 0 while open, else KindCapture, KindRelease, or KindExpiry after a timeout
	Parts     []Part // reserved amounts by lot
	// Note is the note of its entry, loaded only if the hold is new or due: the entry that ends the hold
	// copies it.
	Note Note

	// What it is for, at the price when it was created.
	Feature, Agent string
	Quantity       int64
	UnitPrice      tokens.Amount
	CatalogVersion string
	Reference      string
}

func (h *HoldRow) open() bool { return h.Outcome == 0 }

// AgentRow is one of the account's agents. The row without an id is the creator, whose reserve is for the
// creator's own tools.
type AgentRow struct {
	ID          string
	Name        string // given by the creator; empty: its feature's name
	Feature     string // the feature that it spends on
	State       AgentState
	PausedSince time.Time
	TurnedAway  int64         // requests refused since then
	ResumedAt   time.Time     // when it last resumed
	Missed      int64         // requests refused in that pause
	Unit        tokens.Amount // amount of the request that caused the pause
	Budget      *tokens.Amount
	Reserve     tokens.Amount
	// Month is its spending this month, without the day in AccountRow.Today.
	Month MonthSpend
}

// MonthSpend is what was spent in a calendar month of the billing zone.
type MonthSpend struct {
	Month  time.Time // its first day, as midnight UTC
	Amount tokens.Amount
}

// PastEntry is an entry that a request refers to, with the amount already reversed.
type PastEntry struct {
	Entry    Entry
	Reversed tokens.Amount
	Hold     *HoldRow // set for a hold
	// Of a purchase: what expired, and how much of that counts as taken back.
	Expired, Lapsed tokens.Amount
}

// ExtensionRow is a stored Extension with the idempotency key that made it.
type ExtensionRow struct {
	Hold          int64
	At, ExpiresAt time.Time
	Key           string
	Fingerprint   Fingerprint
}

// Reversal is how much of a charge was refunded, or of a purchase clawed back.
type Reversal struct {
	Amount tokens.Amount
	Lapsed tokens.Amount // of a purchase: the part that expired unused, which is not owed
}

// PermanentReference is a reference that an account can use only once.
type PermanentReference struct {
	Scope, Reference string
	Seq              int64 // of its entry
}

// Event is a change that webhooks and e-mails report. It is written in the transaction of the change.
type Event struct {
	Seq  int64 // numbers the account's events
	At   time.Time
	Kind string
	Data json.RawMessage
}

// Declined is an attempt that was refused for lack of tokens.
type Declined struct {
	Day       time.Time // in the billing zone, as midnight UTC
	Number    int       // within the day
	At        time.Time
	Feature   string
	Agent     string
	Required  tokens.Amount
	Spendable tokens.Amount
}
