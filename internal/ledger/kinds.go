package ledger

// Kind says what an entry records. The list is closed; the numbers are stored.
type Kind uint8

// The kinds of entry.
const (
	KindGrant    Kind = 1 // tokens came in
	KindCharge   Kind = 2 // tokens were spent
	KindHold     Kind = 3 // tokens were set aside for a job; amount zero, held delta above zero
	KindRelease  Kind = 4 // a hold ended; amount zero, held delta below zero
	KindCapture  Kind = 5 // held tokens were spent
	KindRefund   Kind = 6 // a charge or capture was given back
	KindExpiry   Kind = 7 // a lot reached its end
	KindClawback Kind = 8 // the money of a purchase went back
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
	LotPurchase   LotKind = 4 // a pack that was bought
)

var lotKindNames = [...]string{"", "plan", "promo", "adjustment", "purchase"}

func (k LotKind) String() string { return lotKindNames[k] }

// ParseLotKind finds a lot kind by its name.
func ParseLotKind(name string) (LotKind, bool) { return parse[LotKind](lotKindNames[:], name) }

// Priority is the first part of the burn order: bought tokens burn last (spec "Lot").
func (k LotKind) Priority() int16 {
	if k == LotPurchase {
		return 200
	}
	return 100
}

// Contra is the account of the other side of an entry, kept per creator so that no house row is
// hot. The numbers are stored.
type Contra uint8

// The contra accounts.
const (
	ContraIssued   Contra = 1 // plan, promo and adjustment tokens come from here
	ContraSold     Contra = 2 // bought tokens come from here
	ContraSpent    Contra = 3 // charges and captures go here, refunds come back
	ContraExpired  Contra = 4
	ContraReturned Contra = 5 // tokens of a refunded purchase
)

// contra of a grant of this kind of lot.
func (k LotKind) contra() Contra {
	if k == LotPurchase {
		return ContraSold
	}
	return ContraIssued
}

// parse finds a name in a list whose first place stands for none.
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

// The four states of an agent (spec "agents").
const (
	AgentOn         AgentState = 0
	AgentByCreator  AgentState = 1 // stays off until the creator turns it on
	AgentOutOfToken AgentState = 2 // goes on by itself when tokens arrive
	AgentOverBudget AgentState = 3 // goes on by itself with a new month or a larger budget
)

var agentStateNames = [...]string{"on", "paused_by_creator", "paused_out_of_tokens", "paused_over_budget"}

func (s AgentState) String() string { return agentStateNames[s] }

// PlanStatus says whether the host platform is being paid for the plan.
type PlanStatus string

// The statuses. Only an active plan grants an allowance; tokens that are there stay spendable until
// they expire.
const (
	PlanActive   PlanStatus = "active"
	PlanPastDue  PlanStatus = "past_due"
	PlanCanceled PlanStatus = "canceled" // its creator has ended it
)

var planStatuses = []PlanStatus{PlanActive, PlanPastDue, PlanCanceled}

// Level is how full an account is. The numbers are stored.
type Level uint8

// The levels, fullest first.
const (
	LevelOK    Level = 0
	LevelLow   Level = 1 // under the threshold
	LevelEmpty Level = 2 // less than the cheapest fixed-price feature costs
)

var levelNames = [...]string{"ok", "low", "empty"}

func (l Level) String() string { return levelNames[l] }
