package ledger

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/tokens"
)

// noThreshold stands for what the catalog says.
const NoThreshold tokens.Amount = -1

// AccountRow is an account's row. Amounts are millionths of a token, instants UTC.
type AccountRow struct {
	AccountID uuid.UUID

	Balance       tokens.Amount // sum of the lots' remainders
	Held          tokens.Amount
	Unusable      tokens.Amount // in frozen lots, and in lots that are not in effect yet
	Owed          tokens.Amount // of purchases whose money went back after the tokens were spent
	Seq           int64         // of the newest entry
	LastAt        time.Time     // of the newest entry, event or declined attempt
	Version       int64         // every write makes it one more
	DueAt         time.Time     // no later than the next instant at which something falls due; zero: never
	HasClaims     bool          // calls that write no entry have bound keys of the account
	HasExtensions bool          // extensions of holds have bound keys of the account
	ClosedAt      time.Time     // zero: it is open

	Plan          string // empty: the account was never opened
	NextPlan      string // a downgrade that waits for the next boundary
	PlanStatus    PlanStatus
	Anchor        time.Time
	Zone          *time.Location // the billing zone
	Period        int            // the newest period that was granted; -1 before the first
	PeriodGranted tokens.Amount  // the highest allowance granted in it

	NewestLot     int64 // the highest number of a lot
	OpenLot       int64 // the lot that is spent next, whose remainder this row carries; 0: none
	OpenRemaining tokens.Amount
	OpenHeld      tokens.Amount

	Today           Today
	DeclinedEver    int64
	StoppedByBudget int // agents; set only where an account is shown

	AgentSummary
}

// Exists says whether the account was opened. A row that was only just inserted has no plan.
func (r *AccountRow) Exists() bool { return r.Plan != "" }

// IsDue says whether something may have fallen due.
func (r *AccountRow) IsDue(now time.Time) bool { return !r.DueAt.IsZero() && !r.DueAt.After(now) }

// AgentSummary is what an account's row says of its agents, its level and its events. It changes rarely.
type AgentSummary struct {
	Level        Level
	AgentCount   int
	PausedAgents int // for lack of tokens
	// AgentRules says that an agent is paused, or has a budget or a reserve: then every request needs
	// the complete account.
	AgentRules   bool
	Reserved     tokens.Amount // by all agents
	LowThreshold tokens.Amount // below it the balance is low, as the creator chose; NoThreshold: as the catalog says
	EventSeq     int64         // of the newest event
}

// HoldRow is tokens set aside for a job: a share of specific lots, until a time.
type HoldRow struct {
	Number    int64 // the seq of its entry
	Amount    tokens.Amount
	ExpiresAt time.Time
	Outcome   Kind   // 0 while open, else the kind of the entry that ended it
	Parts     []Part // what is held of which lot
	// Note is that of its entry, while the entry is new or the hold is due: what ends the hold inherits it.
	Note Note

	// What it will be captured for, at the price of the time when it was made.
	Feature, Agent string
	Quantity       int64
	UnitPrice      tokens.Amount
	CatalogVersion string
	Reference      string
}

func (h *HoldRow) open() bool { return h.Outcome == 0 }

// AgentRow is one of the account's agents. The one without an id is the creator: its reserve is what
// the creator's own tools keep.
type AgentRow struct {
	ID          string
	Name        string // as the creator calls it; empty: as its feature is called
	Feature     string // what it spends on
	State       AgentState
	PausedSince time.Time
	TurnedAway  int64         // requests that were not handled since then
	ResumedAt   time.Time     // when it last went on after a pause
	Missed      int64         // requests that were not handled in that pause
	Unit        tokens.Amount // what the request asked for that made it pause
	Budget      *tokens.Amount
	Reserve     tokens.Amount
	// Month is what it spent this month, but for the day that the account's row carries.
	Month MonthSpend
}

// MonthSpend is what was spent in a calendar month of the billing zone.
type MonthSpend struct {
	Month  time.Time // its first day, as midnight UTC
	Amount tokens.Amount
}

// PastEntry is an entry that a request refers to, and how much of it was reversed before.
type PastEntry struct {
	Entry    Entry
	Reversed tokens.Amount
	Hold     *HoldRow // of a hold that is over
	// Of a purchase: what has expired of it, and how much of that was taken back.
	Expired, Lapsed tokens.Amount
}

// ExtensionRow is an Extension on its way to the books, with the key under which a replay finds it.
type ExtensionRow struct {
	Hold          int64
	At, ExpiresAt time.Time
	Key           string
	Fingerprint   Fingerprint
}

// Reversal is how much of a charge was refunded, or of a purchase taken back.
type Reversal struct {
	Amount tokens.Amount
	Lapsed tokens.Amount // of a purchase: what had expired unused, which is not owed
}

// PermanentReference is a reference that an account can use only once.
type PermanentReference struct {
	Scope, Reference string
	Seq              int64 // of the entry that uses it
}

// Event is a change that webhooks and e-mails report. It is written in the transaction of the change,
// so neither exists without the other.
type Event struct {
	Seq  int64 // counts the account's events without gaps
	At   time.Time
	Kind string
	Data json.RawMessage
}

// Declined is an attempt that lacked tokens.
type Declined struct {
	Day       time.Time // in the billing zone, as midnight UTC
	Number    int       // within the day
	At        time.Time
	Feature   string
	Agent     string
	Required  tokens.Amount
	Spendable tokens.Amount
}
