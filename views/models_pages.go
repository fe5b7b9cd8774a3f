package views

import (
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// SignInModel is the page for people who are not signed in.
type SignInModel struct {
	Layout Layout
	// Demo offers the one-click sign-in (POST /login/demo) as DemoName.
	Demo     bool
	DemoName string
	// Next is the root-relative page to open after signing in, sent along as the field "next".
	// Optional.
	Next string
	// Expired is set if a login link was used before or came too late, and SignedOut after signing
	// out.
	Expired   bool
	SignedOut bool
}

// HomeModel is the first page: the shop, the balance, the next step, the latest transactions.
type HomeModel struct {
	Layout Layout
	// PlanName is "Starter"; Allowance is its monthly tokens; ResetsAt is when the next allowance
	// arrives (zero: never).
	PlanName  string
	Allowance tokens.Amount
	ResetsAt  time.Time
	Spendable tokens.Amount
	Held      tokens.Amount
	// PlanLeft is the unspent part of the plan's tokens, held tokens included.
	PlanLeft tokens.Amount
	// SpentThisPeriod is the usage since PeriodStart, the first date of the billing period in the
	// billing zone, as midnight UTC.
	SpentThisPeriod tokens.Amount
	PeriodStart     time.Time
	Equivalents     []Equivalent
	// Recap is what happened since the last visit.
	Recap RecapModel
	// Latest holds the newest few transactions, newest first.
	Latest []HistoryRow
}

// CreditsModel is the Credits page.
type CreditsModel struct {
	Layout    Layout
	Open      []OpenOrder
	Spendable tokens.Amount
	Held      tokens.Amount
	// Jobs counts the running jobs that hold tokens.
	Jobs        int
	Equivalents []Equivalent
	// Lots are in burn order. The handler leaves out lots with nothing left.
	Lots []LotModel
	// Outlook is the forecast, and Usage the usage per day.
	Outlook OutlookModel
	Usage   UsageModel
	// Latest holds the newest few transactions, newest first.
	Latest []HistoryRow
}

// HistoryTab is one of the three tabs of the history.
type HistoryTab string

// The tabs of the history: the value of the parameter "tab".
const (
	TabAll       HistoryTab = ""
	TabPurchases HistoryTab = "purchases"
	TabUsage     HistoryTab = "usage"
)

// HistoryFilter is the filter as in the URL. The page shows it as typed, valid or not.
type HistoryFilter struct {
	Tab     HistoryTab
	Kind    string
	Feature string
	Agent   string
	// From and To are dates as YYYY-MM-DD in the creator's zone, both inclusive.
	From string
	To   string
}

// HistoryModel is the credit transaction history.
type HistoryModel struct {
	Layout Layout
	Filter HistoryFilter
	// Problems has a message per field name of the filter ("from": "must be a date"). The page is then
	// sent with status 422.
	Problems map[string]string
	// Kinds, Features and Agents are the choices; the view adds "Everything". Without agents the field
	// is left out.
	Kinds    []Option
	Features []Option
	Agents   []Option
	Rows     []HistoryRow
	// NextURL leads to the next older page with the same filter; empty on the last page.
	NextURL string
	// SearchedTo is set if the search stopped there before the page was full; NextURL continues it.
	SearchedTo time.Time
	// Continued is set on pages after the first (a cursor was given).
	Continued bool
	// Appends is set when the script appends the rows to those of an earlier page.
	Appends bool
}

// PlansModel is the Plans page.
type PlansModel struct {
	Layout Layout
	Plans  []PlanModel
	// Spendable is the spendable balance.
	Spendable tokens.Amount
	// ResetsAt is when the next allowance arrives; zero when there is none.
	ResetsAt time.Time
	// NextPlan is the name of the plan that begins at ResetsAt after a downgrade; empty otherwise.
	NextPlan string
	Table    []PlanTableRow
	// Switch shows a form per plan (POST /plans with the field "plan"): only in the demo, which has no
	// host platform. Prorated is set if an upgrade adds only the rest of the month.
	Switch   bool
	Prorated bool
	// Changed is set after the plan was changed; Problem is a sentence why it was not.
	Changed bool
	Problem string
}

// PlanModel is one of the plans, in the order of the plan table's columns.
type PlanModel struct {
	ID      string
	Name    string
	Monthly tokens.Amount
	// Price is a month's price; without a currency none is shown.
	Price money.Amount
	// URL is the host platform's page for this plan; empty: no button.
	URL string
	// Current marks the creator's own plan, and Next the one that begins at the next reset.
	Current bool
	Next    bool
}

// PlanTableRow is what a month's tokens pay for: one feature, one count per plan in the order of
// PlansModel.Plans.
type PlanTableRow struct {
	Feature string
	Counts  []int64
	// About is set for agents, whose use varies: their counts say "about".
	About bool
	// TodayCount and TodayNoun make the footnote "At today's prices: 6 five-second videos." for the
	// creator's own plan. A count of zero means no footnote.
	TodayCount int64
	TodayNoun  string
}

// GuideModel is the page "How tokens work": the article's answers with this creator's own numbers.
type GuideModel struct {
	Layout Layout
	// PlanName and Allowance are the creator's plan; Next is the next allowance, nil if there is none.
	PlanName  string
	Allowance tokens.Amount
	Next      *NextGrant
	Spendable tokens.Amount
	Held      tokens.Amount
	// Equivalents are what the balance pays for.
	Equivalents []Equivalent
	// Tools have fixed prices; agents use tokens by what they do.
	Tools  []PriceModel
	Agents []PriceModel
	// CanBuy is set if packs are on sale here; Pack is the smallest of them.
	CanBuy bool
	Pack   PackModel
}

// PriceModel is one line of the price list.
type PriceModel struct {
	Name string
	// Unit is the unit ("reply"); Price is the price of one, zero if metered by activity.
	Unit  string
	Price tokens.Amount
}

// OpenOrder is an unpaid order.
type OpenOrder struct {
	ID       string
	PackName string
	Tokens   tokens.Amount
	Price    money.Amount
	At       time.Time
	// PayURL is the provider's page where it can be paid.
	PayURL string
}

// BuyModel is the page with the credit packs.
type BuyModel struct {
	Layout Layout
	// Open are the unpaid orders, newest first. The packs' forms name the newest, so that an order
	// from another tab is noticed.
	Open []OpenOrder
	// Available is false without a payment provider: the page then says that buying is not set up.
	Available bool
	Spendable tokens.Amount
	Packs     []PackModel
	// Problem is a sentence why the last attempt failed; empty for none. ProblemPack is its pack.
	Problem     string
	ProblemPack string
	// Advice is shown beside the packs: wait, buy, upgrade.
	Advice []AdviceModel
	// Need is how many tokens the creator lacks, zero for none in particular; Next is the page to
	// return to.
	Need tokens.Amount
	Next string
	// Owed is the debt that reduces the tokens of the next pack.
	Owed tokens.Amount
	// Waiting is how many agents wait for tokens.
	Waiting int
	// Taxed is set if the payment page may add tax.
	Taxed bool
	// OfferKeep offers to save the card for auto top-up; Keep is whether that is ticked.
	OfferKeep, Keep bool
}

// PackModel is one credit pack on sale. Its form posts pack=ID and key=Key to /credits/buy.
type PackModel struct {
	ID     string
	Name   string
	Tokens tokens.Amount
	Price  money.Amount
	// Gets is how many of the tokens can be spent, after the debt.
	Gets tokens.Amount
	// GoodFor is what those pay for, and Lasts how long they last at the creator's pace; zero if no
	// pace is known.
	GoodFor []Equivalent
	Lasts   time.Duration
	// Covers is set if they cover BuyModel.Need.
	Covers bool
	// Resumes are the names of the agents that this pack resumes.
	Resumes []string
	// ExpiresAfter is shown when the operator lets packs expire; zero: never.
	ExpiresAfter time.Duration
	// Key is the form's idempotency key, a new one for each rendering.
	Key string
	// Suggested highlights this pack; at most one has it.
	Suggested bool
}

// SandboxModel is the demo provider's payment page. It stands outside the app: no navigation, no
// session.
type SandboxModel struct {
	// Merchant is the shop that is paid: "Credits for Maya's Studio".
	Merchant string
	Item     string
	Price    money.Amount
	// WithVAT is the price with tax added.
	WithVAT money.Amount
	// PayURL, DeclineURL and CancelURL are the targets of the three buttons (root-relative paths).
	PayURL     string
	DeclineURL string
	CancelURL  string
	// Others are other ways to pay, posted to PayURL as "card".
	Others []SandboxCard
	// Done is a sentence if this checkout is over (paid, closed, expired); the page then has no
	// buttons. BackURL leads back.
	Done    string
	BackURL string
	// Problem is a sentence if the last attempt was declined; the buttons stay.
	Problem string
}

// SandboxReceiptModel is the demo provider's own receipt. Company, TaxID and Card may be empty.
type SandboxReceiptModel struct {
	Merchant string
	Item     string
	Price    money.Amount
	Tax      money.Amount
	Total    money.Amount
	Refunded money.Amount
	Card     string
	Company  string
	TaxID    string
}

// SandboxCard is a way to pay in the sandbox.
type SandboxCard struct {
	ID    string
	Label string
}

// PurchaseState is the state of a purchase on its page.
type PurchaseState string

// The states of the return page. Slow is processing for more than two minutes.
const (
	PurchaseProcessing PurchaseState = "processing"
	PurchaseSlow       PurchaseState = "slow"
	PurchasePaid       PurchaseState = "paid"
	PurchaseFailed     PurchaseState = "failed"
	PurchaseCancelled  PurchaseState = "cancelled"
	PurchaseUnpaid     PurchaseState = "unpaid"    // not paid yet, as far as the provider has reported
	PurchaseReturning  PurchaseState = "returning" // the creator is returning it, and the refund is not done
	PurchaseReturned   PurchaseState = "returned"
	PurchaseRefunded   PurchaseState = "refunded"
	PurchasePartly     PurchaseState = "partly" // refunded in part
	PurchaseDisputed   PurchaseState = "disputed"
	PurchaseLost       PurchaseState = "lost" // lost in a dispute
)

// Arrived reports whether the tokens were credited, whatever happened since.
func (s PurchaseState) Arrived() bool {
	switch s {
	case PurchaseProcessing, PurchaseSlow, PurchaseFailed, PurchaseCancelled, PurchaseUnpaid:
		return false
	case PurchasePaid, PurchaseReturning, PurchaseReturned, PurchaseRefunded, PurchasePartly, PurchaseDisputed,
		PurchaseLost:
	}
	return true
}

// PurchaseModel is the page to which the buyer returns from paying: PurchasePage, and
// PurchaseStatus for its polls.
type PurchaseModel struct {
	Layout Layout
	ID     string
	State  PurchaseState
	// PackName, Tokens, Price and At are the order.
	PackName string
	Tokens   tokens.Amount
	Price    money.Amount
	At       time.Time
	// Owed is the debt that reduced the tokens; usually zero.
	Owed tokens.Amount
	// Balance is the spendable balance now. It is shown for a paid purchase that is Fresh: for an
	// older one it means little.
	Balance tokens.Amount
	Fresh   bool
	// Resumed are the agents that were resumed.
	Resumed []ResumedModel
	// BackURL leads back to what the tokens were bought for, and RetryURL to the packs, with that
	// kept; both optional.
	BackURL, RetryURL string
	// Back is the refund. During a return its Money is the amount that will be refunded.
	Back BackModel
	// Left is how many of its tokens are frozen during a dispute.
	Left tokens.Amount
	// Debt is the creator's present debt.
	Debt tokens.Amount
	// Return offers to return it; nil if not possible. Problem is a sentence why a return failed.
	Return  *ReturnModel
	Problem string
	// Receipt is set if there is one.
	Receipt bool
	// Paid is the amount with tax and discounts. PayURL is where it can be paid. Open is set if the
	// provider accepts a payment now.
	Paid   money.Amount
	PayURL string
	Open   bool
	// Auto marks an auto top-up, and Failure is why it could not be charged.
	Auto    bool
	Failure string
	// Every is the time until the next poll while the outcome is open (1, 2, then 5 s); zero stops
	// polling.
	Every time.Duration
}

// BackModel is the refund of a purchase.
type BackModel struct {
	Money money.Amount
	// Tokens were taken back; Used of them had been spent and became a debt.
	Tokens tokens.Amount
	Used   tokens.Amount
	// At is when; zero if unknown.
	At time.Time
	// Reason is support's; optional.
	Reason string
}

// ReturnModel offers to return an unused purchase. Its form posts key=Key to
// /credits/purchases/ID/return.
type ReturnModel struct {
	Until time.Time
	Key   string
	// Paid is the amount to be refunded, zero if nothing was paid; Card is its target, empty if
	// unknown.
	Paid money.Amount
	Card string
}

// ErrorModel is an error page.
type ErrorModel struct {
	Layout Layout
	// Status is the answer's status, which selects the text; zero is 500.
	Status int
	// RequestID helps support to find the request in the logs; optional.
	RequestID string
	// Detail is a safe sentence about this case, for people; optional.
	Detail string
}

// SwitchModel asks a signed-in creator whether to continue as another one.
type SwitchModel struct {
	Layout Layout
	// From and To are the names of the creators; empty if they have none.
	From, To string
	// Action is the path to which a yes is posted.
	Action string
}
