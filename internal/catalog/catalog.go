// Package catalog has the prices: plans, features, packs and the plan table, as one immutable
// value. It reads them from a YAML file and reports every error and warning with its line.
package catalog

import (
	"sort"
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Catalog is one version of the prices. It is immutable and safe to share.
type Catalog struct {
	Version  string    // stored with each charge; each set of prices has its own
	From     time.Time // when these prices take effect, in UTC; zero: always
	Plans    []Plan    // by allowance, smallest first
	Features []Feature
	Packs    []Pack // smallest first
	Table    []Row  // what a month's tokens pay for
	// LowPercent of the plan's allowance is the default threshold for a low balance.
	LowPercent int64
	// RefundGraceDays is how long refunded tokens live if their lot has expired.
	RefundGraceDays int
	// ReturnDays is for how many days a creator can return an unused pack; zero: not at all.
	ReturnDays int
	// ToolMinimum is the lowest fixed price. A balance below it counts as empty.
	ToolMinimum tokens.Amount
	// Upgrade is what an upgrade during a period adds to the allowance.
	Upgrade UpgradeRule
	// versions are all versions in order of From, this one included; nil if there is only one.
	versions []*Catalog
}

// At returns the version in force at an instant.
func (c *Catalog) At(t time.Time) *Catalog {
	if len(c.versions) < 2 {
		return c
	}
	later := sort.Search(len(c.versions), func(i int) bool { return c.versions[i].From.After(t) })
	return c.versions[max(later-1, 0)]
}

// Versions returns all versions in the order in which they take effect.
func (c *Catalog) Versions() []*Catalog {
	if len(c.versions) == 0 {
		return []*Catalog{c}
	}
	return append([]*Catalog{}, c.versions...)
}

// NextChange is when the next version takes effect, in UTC; zero if there is none.
func (c *Catalog) NextChange() time.Time {
	for _, v := range c.versions {
		if v.From.After(c.From) {
			return v.From
		}
	}
	return time.Time{}
}

// UpgradeRule is what an upgrade during a period adds at once.
type UpgradeRule string

const (
	UpgradeDifference UpgradeRule = "difference" // the whole difference of the allowances
	UpgradeProrated   UpgradeRule = "prorated"   // the part of the difference that is left of the period
)

// Plan grants a monthly allowance.
type Plan struct {
	ID        string
	Name      string
	Allowance tokens.Amount
	Price     money.Amount // per month, for display only: the host bills it; without a currency there is none
	URL       string       // the host's page to change the plan: https, or a path on the same host; may be empty
}

// Pricing is how the amount of a charge is determined.
type Pricing string

const (
	Fixed   Pricing = "fixed"   // price x quantity
	Default Pricing = "default" // price x quantity unless the caller sends the actual amount
	Metered Pricing = "metered" // the caller always sends the amount
)

// Feature is work that costs tokens.
type Feature struct {
	ID      string
	Name    string // display name: "Comment Replies"
	One     string // singular of its unit: "reply"
	Many    string // plural: "replies"
	Pricing Pricing
	Price   tokens.Amount // of one unit; zero when metered
	Agent   bool          // run by an agent or automation, not by the creator
}

// Pack is a number of tokens for sale. They never expire if ExpiresDays is zero.
type Pack struct {
	ID          string
	Name        string
	Tokens      tokens.Amount
	Price       money.Amount
	ExpiresDays int
	Popular     bool
}

// Row is a line of the plan table: how often a plan's allowance pays for a feature, rounded down.
type Row struct {
	Feature string // id of the feature
	Name    string // as in the help article
	Rate    tokens.Amount
	About   bool // the rate is an agent's default, so counts are estimates
}

// Plan finds a plan by its id.
func (c *Catalog) Plan(id string) (Plan, bool) {
	return find(c.Plans, id, func(p *Plan) string { return p.ID })
}

// Feature finds a feature by its id.
func (c *Catalog) Feature(id string) (Feature, bool) {
	return find(c.Features, id, func(f *Feature) string { return f.ID })
}

// Pack finds a pack by its id.
func (c *Catalog) Pack(id string) (Pack, bool) {
	return find(c.Packs, id, func(p *Pack) string { return p.ID })
}

// find searches a list of about a dozen items, where a map would be slower.
func find[T any](list []T, id string, key func(*T) string) (T, bool) {
	for i := range list {
		if key(&list[i]) == id {
			return list[i], true
		}
	}
	var none T
	return none, false
}

// Counts returns floor(allowance / rate) for each plan, in the order of Plans.
func (c *Catalog) Counts(r Row) []int64 {
	counts := make([]int64, len(c.Plans))
	for i, plan := range c.Plans {
		counts[i] = plan.Allowance.Fits(r.Rate)
	}
	return counts
}

// LowThreshold is the default threshold for a low balance on a plan.
func (c *Catalog) LowThreshold(plan string) tokens.Amount {
	p, _ := c.Plan(plan)
	return p.Allowance * tokens.Amount(c.LowPercent) / 100
}

// MaxQuantity is the most units of one charge.
const MaxQuantity = 1_000_000_000

// Price is the cost of one charge.
type Price struct {
	Quantity int64
	Unit     tokens.Amount // of one unit; zero when the caller sent the amount
	Amount   tokens.Amount
}

// Price returns what quantity units of a feature cost; nil means one. amount is what the caller
// reports: optional for default pricing, required for metered, refused for fixed. Errors are
// *problem.Error of kind Unprocessable and name the field.
func (c *Catalog) Price(feature string, quantity *int64, amount *tokens.Amount) (Price, error) {
	f, ok := c.Feature(feature)
	if !ok {
		return Price{}, &problem.Error{
			Kind:    problem.Unprocessable,
			Code:    "unknown_feature",
			Field:   "feature",
			Message: "feature is not in the catalog.",
		}
	}
	p := Price{Quantity: 1, Unit: f.Price}
	if quantity != nil {
		p.Quantity = *quantity
	}
	if p.Quantity < 1 || p.Quantity > MaxQuantity {
		return Price{}, problem.Invalid("quantity", "must be between 1 and %d", int64(MaxQuantity))
	}
	if amount != nil {
		return sentPrice(f, p.Quantity, *amount)
	}
	if f.Pricing == Metered {
		return Price{}, problem.Invalid("amount", "is needed: %s is metered", f.ID)
	}
	p.Amount, ok = f.Price.Times(p.Quantity)
	if !ok {
		return Price{}, problem.Invalid("quantity", "makes an amount that is too large")
	}
	return p, nil
}

func sentPrice(f Feature, quantity int64, amount tokens.Amount) (Price, error) {
	if f.Pricing == Fixed {
		return Price{}, problem.Invalid("amount", "cannot be set: %s has a fixed price", f.ID)
	}
	if amount <= 0 {
		return Price{}, problem.Invalid("amount", "must be more than zero")
	}
	return Price{Quantity: quantity, Amount: amount}, nil
}
