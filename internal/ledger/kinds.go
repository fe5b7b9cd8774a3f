package ledger

// Kind says what an entry records. The list is closed; the numbers are stored.
type Kind uint8

// The kinds of entry.
const (
	KindGrant    Kind = 1 // tokens came in
	KindCharge   Kind = 2 // tokens were spent
	KindHold     Kind = 3 // tokens were reserved; amount zero, held delta above zero
	KindRelease  Kind = 4 // a hold ended; amount zero, held delta below zero
	KindCapture  Kind = 5 // held tokens were spent
	KindRefund   Kind = 6 // tokens of a charge or capture were returned
	KindExpiry   Kind = 7 // a lot expired
	KindClawback Kind = 8 // tokens of a refunded purchase were taken
)

var kindNames = [...]string{"", "grant", "charge", "hold", "release", "capture", "refund", "expiry", "clawback"}

func (k Kind) String() string { return kindNames[k] }

// ParseKind finds a kind by its name.
func ParseKind(name string) (Kind, bool) { return parse[Kind](kindNames[:], name) }

// LotKind says where a lot's tokens come from. The numbers are stored.
type LotKind uint8

// The kinds of lot.
const (
	LotPlan       LotKind = 1 // a plan's monthly allowance
	LotPromo      LotKind = 2 // a gift
	LotAdjustment LotKind = 3 // a correction by support
	LotPurchase   LotKind = 4 // a purchased pack
)

var lotKindNames = [...]string{"", "plan", "promo", "adjustment", "purchase"}

func (k LotKind) String() string { return lotKindNames[k] }

// ParseLotKind finds a lot kind by its name.
func ParseLotKind(name string) (LotKind, bool) { return parse[LotKind](lotKindNames[:], name) }

// Priority is the first part of the burn order: bought tokens are spent last.
func (k LotKind) Priority() int16 {
	if k == LotPurchase {
		return 200
	}
	return 100
}

// Contra is the account on the other side of an entry. Each creator has their own, so that no row is shared
// by all.
type Contra uint8

// The contra accounts.
const (
	ContraIssued   Contra = 1 // plan, promo and adjustment tokens come from here
	ContraSold     Contra = 2 // bought tokens come from here
	ContraSpent    Contra = 3 // charges and captures go here, refunds come back
	ContraExpired  Contra = 4
	ContraReturned Contra = 5 // tokens of a refunded purchase
)

// contra is the contra account of a grant.
func (k LotKind) contra() Contra {
	if k == LotPurchase {
		return ContraSold
	}
	return ContraIssued
}

// parse finds a name in a list whose first element is unused.
func parse[T ~uint8](names []string, name string) (T, bool) {
	for i, n := range names {
		if i > 0 && n == name {
			return T(i), true
		}
	}
	return 0, false
}

// AgentState says whether an agent works, and if not, why. The numbers are stored.
type AgentState uint8

// The states of an agent.
const (
	AgentOn         AgentState = 0
	AgentByCreator  AgentState = 1 // until the creator turns it on
	AgentOutOfToken AgentState = 2 // resumes when tokens arrive
	AgentOverBudget AgentState = 3 // resumes with a new month or a larger budget
)

var agentStateNames = [...]string{"on", "paused_by_creator", "paused_out_of_tokens", "paused_over_budget"}

func (s AgentState) String() string { return agentStateNames[s] }

// PlanStatus says whether the plan is being paid for on the host platform.
type PlanStatus string

// Only an active plan grants an allowance. Tokens that were granted stay spendable until they expire.
const (
	PlanActive   PlanStatus = "active"
	PlanPastDue  PlanStatus = "past_due"
	PlanCanceled PlanStatus = "canceled" // ended by the creator
)

var planStatuses = []PlanStatus{PlanActive, PlanPastDue, PlanCanceled}

// Level says whether an account's balance is low or empty. The numbers are stored.
type Level uint8

// The levels, fullest first.
const (
	LevelOK    Level = 0
	LevelLow   Level = 1 // under the threshold
	LevelEmpty Level = 2 // less than the cheapest fixed-price feature costs
)

var levelNames = [...]string{"ok", "low", "empty"}

func (l Level) String() string { return levelNames[l] }
