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
	// Next is the root-relative page to go on to after signing in; sent along as the field "next". Optional.
	Next string
	// Expired says that a login link was used before or came too late, and SignedOut that one has
	// just signed out.
	Expired   bool
	SignedOut bool
}

// HomeModel is the first page: the shop, the balance, the next step, the latest transactions.
type HomeModel struct {
	Layout Layout
	// PlanName is "Starter"; Allowance is what it gives each month; ResetsAt is when the next
	// allowance comes (zero: never).
	PlanName  string
	Allowance tokens.Amount
	ResetsAt  time.Time
	Spendable tokens.Amount
	Held      tokens.Amount
	// PlanLeft is what is left of the plan's tokens, what jobs hold included.
	PlanLeft tokens.Amount
	// SpentThisPeriod is what was used since PeriodStart, the date on which the billing period
	// began in the billing zone, as midnight UTC.
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
	// Jobs counts the jobs under way that hold tokens.
	Jobs        int
	Equivalents []Equivalent
	// Lots are in the order in which they will be spent; those with nothing left are left out by the handler.
	Lots []LotModel
	// Outlook is what lies ahead, and Usage what was used per day.
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

// HistoryFilter is the filter as it stands in the URL: what was typed is shown again, valid or not.
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
	// Problems holds a message per field name of the filter ("from": "must be a date"); the page is
	// then sent with status 422.
	Problems map[string]string
	// Kinds, Features and Agents are the choices; the view adds "Everything" itself. Without agents
	// the field is left out.
	Kinds    []Option
	Features []Option
	Agents   []Option
	Rows     []HistoryRow
	// NextURL leads to the next older page with the same filter; empty on the last page.
	NextURL string
	// SearchedTo is set when the search was stopped there before the page was full; NextURL goes on with it.
	SearchedTo time.Time
	// Continued is set on pages after the first (a cursor was given).
	Continued bool
	// Appends is set when the script puts the rows below those of a page that has some already.
	Appends bool
}

// PlansModel is the Plans page.
type PlansModel struct {
	Layout Layout
	Plans  []PlanModel
	// Spendable is what the creator can spend now.
	Spendable tokens.Amount
	// ResetsAt is when the next allowance arrives; zero when there is none.
	ResetsAt time.Time
	// NextPlan is the name of the plan that begins at ResetsAt when a downgrade is due; empty otherwise.
	NextPlan string
	Table    []PlanTableRow
	// Switch offers a form per plan (POST /plans with the field "plan"): in the demo, where no host
	// platform changes plans. Prorated says that an upgrade adds only what is left of the month.
	Switch   bool
	Prorated bool
	// Changed says that the plan has just been changed; Problem is a sentence about why it was not.
	Changed bool
	Problem string
}

// PlanModel is one of the plans, in the order of the plan table's columns.
type PlanModel struct {
	ID      string
	Name    string
	Monthly tokens.Amount
	// Price is what a month costs; without a currency none is shown.
	Price money.Amount
	// URL is where the host platform changes to this plan; empty: no button.
	URL string
	// Current marks the creator's own plan, and Next the one that begins at the next reset.
	Current bool
	Next    bool
}

// PlanTableRow is what a month's tokens are good for: one feature, one count per plan in the order
// of PlansModel.Plans.
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
	// PlanName and Allowance are the creator's plan; Next is the next allowance, nil when none will come.
	PlanName  string
	Allowance tokens.Amount
	Next      *NextGrant
	Spendable tokens.Amount
	Held      tokens.Amount
	// Equivalents say what the balance is good for.
	Equivalents []Equivalent
	// Tools have fixed prices; agents use tokens by what they do.
	Tools  []PriceModel
	Agents []PriceModel
	// CanBuy is set when packs are on sale here; Pack is the smallest of them.
	CanBuy bool
	Pack   PackModel
}

// PriceModel is one line of the price list.
type PriceModel struct {
	Name string
	// Unit is what is counted ("reply"); Price is what one takes, zero for what is metered by activity.
	Unit  string
	Price tokens.Amount
}

// OpenOrder is an order that nobody has paid yet.
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
	// Open are the orders that are not paid yet, newest first. The packs' forms name the newest, so
	// that an order from another tab is noticed.
	Open []OpenOrder
	// Available is false without a payment provider: the page then says that buying is not set up.
	Available bool
	Spendable tokens.Amount
	Packs     []PackModel
	// Problem is a sentence about why the last attempt went wrong; empty for none. ProblemPack is
	// the pack it is about.
	Problem     string
	ProblemPack string
	// Advice is honest advice beside the packs: wait, buy, upgrade.
	Advice []AdviceModel
	// Need is how many tokens are missing for what the creator wanted to do, zero for nothing in
	// particular; Next leads back to it.
	Need tokens.Amount
	Next string
	// Owed is what a returned payment takes off whichever pack is bought.
	Owed tokens.Amount
	// Waiting is how many agents wait for tokens.
	Waiting int
	// Taxed says that tax may come on top of the prices, to be shown on the payment page.
	Taxed bool
	// OfferKeep offers to keep the card for auto top-up, which the creator came for; Keep is
	// whether that is ticked.
	OfferKeep, Keep bool
}

// PackModel is one credit pack on sale. Its form posts pack=ID and key=Key to /credits/buy.
type PackModel struct {
	ID     string
	Name   string
	Tokens tokens.Amount
	Price  money.Amount
	// Gets is how many of the tokens there will be to spend: what is owed comes off.
	Gets tokens.Amount
	// GoodFor says what those are good for, and Lasts for how long at the creator's pace; zero: no
	// pace is known.
	GoodFor []Equivalent
	Lasts   time.Duration
	// Covers says that they are enough for BuyModel.Need.
	Covers bool
	// Resumes are the names of the waiting agents that go on with this pack.
	Resumes []string
	// ExpiresAfter is shown when the operator lets packs expire; zero: never.
	ExpiresAfter time.Duration
	// Key is the idempotency key made when the form is rendered, a fresh one per form.
	Key string
	// Suggested puts the accent on this pack; at most one should have it.
	Suggested bool
}

// SandboxModel is the demo provider's payment page. It stands outside the app: no chrome, no session.
type SandboxModel struct {
	// Merchant is the shop that is paid: "Credits for Maya's Studio".
	Merchant string
	Item     string
	Price    money.Amount
	// WithVAT is what is paid with tax on top.
	WithVAT money.Amount
	// PayURL, DeclineURL and CancelURL are what the three buttons post to (root-relative paths).
	PayURL     string
	DeclineURL string
	CancelURL  string
	// Others are further ways to pay, posted to PayURL as "card".
	Others []SandboxCard
	// Done is a sentence when this checkout is over (paid, closed, expired): the buttons are then
	// gone. BackURL leads back.
	Done    string
	BackURL string
	// Problem is a sentence when the last attempt was declined; the buttons stay.
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

// PurchaseState is where a purchase stands, as its return page tells it.
type PurchaseState string

// The states of the return page. Slow is processing for more than two minutes.
const (
	PurchaseProcessing PurchaseState = "processing"
	PurchaseSlow       PurchaseState = "slow"
	PurchasePaid       PurchaseState = "paid"
	PurchaseFailed     PurchaseState = "failed"
	PurchaseCancelled  PurchaseState = "cancelled"
	PurchaseUnpaid     PurchaseState = "unpaid"    // nobody has paid it yet, as far as the provider says
	PurchaseReturning  PurchaseState = "returning" // the creator gives it back, and nothing has gone back yet
	PurchaseReturned   PurchaseState = "returned"
	PurchaseRefunded   PurchaseState = "refunded"
	PurchasePartly     PurchaseState = "partly" // a part of the money went back
	PurchaseDisputed   PurchaseState = "disputed"
	PurchaseLost       PurchaseState = "lost" // to a dispute
)

// Arrived says whether the tokens came, whatever became of them since.
func (s PurchaseState) Arrived() bool {
	switch s {
	case PurchaseProcessing, PurchaseSlow, PurchaseFailed, PurchaseCancelled, PurchaseUnpaid:
		return false
	case PurchasePaid, PurchaseReturning, PurchaseReturned, PurchaseRefunded, PurchasePartly, PurchaseDisputed,
		PurchaseLost:
	}
	return true
}

// PurchaseModel is the page that one comes back to from paying: PurchasePage, and PurchaseStatus
// for its polls.
type PurchaseModel struct {
	Layout Layout
	ID     string
	State  PurchaseState
	// PackName, Tokens, Price and At are the order.
	PackName string
	Tokens   tokens.Amount
	Price    money.Amount
	At       time.Time
	// Owed is what a returned payment took off the tokens; zero almost always.
	Owed tokens.Amount
	// Balance is the spendable balance now, in the ledger. It is shown when paid while the purchase
	// is Fresh: an old one says nothing of now.
	Balance tokens.Amount
	Fresh   bool
	// Resumed are the agents that are back on.
	Resumed []ResumedModel
	// BackURL leads back to what the tokens were bought for, and RetryURL to the packs with that
	// kept; both optional.
	BackURL, RetryURL string
	// Back is what went back, where money did; while a return is under way its Money is what will.
	Back BackModel
	// Left is how many of its tokens wait while the payment is in dispute.
	Left tokens.Amount
	// Debt is what the creator owes now.
	Debt tokens.Amount
	// Return offers to give it back; nil when that cannot be. Problem is a sentence about why it
	// could not be given back.
	Return  *ReturnModel
	Problem string
	// Receipt says that there is one.
	Receipt bool
	// Paid is what was paid with tax and discounts. PayURL is where it can be paid, and Open says
	// that the provider takes a payment there now.
	Paid   money.Amount
	PayURL string
	Open   bool
	// Auto says that it is an auto top-up, and Failure why that could not be charged.
	Auto    bool
	Failure string
	// Every is the pause until the next poll while the outcome is open (1, 2, then 5 s); zero stops polling.
	Every time.Duration
}

// BackModel is what went back of a purchase.
type BackModel struct {
	Money money.Amount
	// Tokens went back with the money; Used of them were not there any more, and so became owed.
	Tokens tokens.Amount
	Used   tokens.Amount
	// At is when; zero: not known.
	At time.Time
	// Reason is support's; optional.
	Reason string
}

// ReturnModel offers to give a purchase back that nothing was used of. Its form posts key=Key to
// /credits/purchases/ID/return.
type ReturnModel struct {
	Until time.Time
	Key   string
	// Paid is what comes back, zero where nothing was paid; Card is where it goes, empty where that
	// is not known.
	Paid money.Amount
	Card string
}

// ErrorModel is any page that says what went wrong: ErrorPage.
type ErrorModel struct {
	Layout Layout
	// Status is the answer's status, which decides about the words; zero is 500.
	Status int
	// RequestID helps support to find the request in the logs; optional.
	RequestID string
	// Detail is a safe sentence about just this case, for people; optional.
	Detail string
}

// SwitchModel asks who is signed in whether to go on as somebody else.
type SwitchModel struct {
	Layout Layout
	// From and To are the names of the creators; empty where there is none.
	From, To string
	// Action is where the answer yes is sent.
	Action string
}
