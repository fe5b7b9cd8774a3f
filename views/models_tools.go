package views

import (
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// ToolsModel is the AI tools page: the price list, and in the demo the chosen tool and the newest
// sample job.
type ToolsModel struct {
	Layout Layout
	Tools  []ToolModel
	// Available is what the creator's own tools may spend, and Kept what is reserved for agents.
	Available, Kept tokens.Amount
	// Held is what running jobs hold.
	Held tokens.Amount
	// Runs is set if sample jobs run here. Elsewhere tools run in the shop, and the page is a price
	// list.
	Runs bool
	// Chosen is the tool whose form is open, nil for none. Text is what was typed. Fail makes the
	// sample job fail. Key makes a form that is sent twice one job.
	Chosen *ToolModel
	Text   string
	Fail   bool
	Key    string
	// Draft is the name under which the script keeps the text of the chosen tool.
	Draft string
	// Problem is what is wrong with the text. Declined is set if the tool did not run for lack of
	// tokens.
	Problem  string
	Declined bool
	// Job is the newest sample job, nil for none.
	Job *JobModel
}

// ToolModel is one tool of the price list.
type ToolModel struct {
	ID string
	// Name is "PDF", and One the name of one unit: "PDF".
	Name  string
	One   string
	Price tokens.Amount
	// Left is what the creator's tools can spend after it has run; Short is how much is missing for
	// it, zero if it can run.
	Left, Short tokens.Amount
	// BuyURL leads to the packs and back to the tool, with what was typed.
	BuyURL string
}

// JobState is the progress of a sample job.
type JobState string

// The states of a sample job.
const (
	JobRunning JobState = "running"
	JobDone    JobState = "done"
	JobFailed  JobState = "failed" // nothing was charged
)

// JobModel is a sample job: JobPanel on the page, and for its polls.
type JobModel struct {
	ToolName string
	Text     string
	Amount   tokens.Amount
	State    JobState
	// Percent is from 0 to 100; Every is the time until the next poll, zero when the job has ended.
	Percent int
	Every   time.Duration
}

// StorefrontModel is the demo's storefront, which works without tokens.
type StorefrontModel struct {
	Layout   Layout
	Products []ProductModel
	// Ordered is the product that was just ordered, nil for none.
	Ordered *ProductModel
}

// ProductModel is something that the demo's shop sells.
type ProductModel struct {
	ID, Name, Text string
	Price          money.Amount
}
