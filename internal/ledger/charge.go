package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Charge asks to spend tokens on a feature. Nil Quantity means one; Amount is what an agent's or a metered feature's work used.
type Charge struct {
	Feature   string
	Quantity  *int64
	Amount    *tokens.Amount
	Agent     string
	Reference string
	// UniqueReference makes Reference good for one charge of this account only, for ever.
	UniqueReference bool
	Reason          string
	Metadata        map[string]string
}

func (c *Charge) needs(prices *catalog.Catalog) needs {
	n := needs{agent: c.Agent}
	if price, err := prices.Price(c.Feature, c.Quantity, c.Amount); err == nil {
		n.spend = price.Amount
	}
	if c.UniqueReference {
		n.scope, n.reference = "charge", c.Reference
	}
	return n
}

func (c *Charge) decide(s *state, now time.Time, prices *catalog.Catalog) (*Entry, error) {
	if err := s.mustBeOpen(); err != nil {
		return nil, err
	}
	price, err := prices.Price(c.Feature, c.Quantity, c.Amount)
	if err != nil {
		return nil, err
	}
	if err := s.afford(c.Feature, c.Agent, price.Amount, now); err != nil {
		return nil, err
	}
	return s.append(Entry{
		Kind: KindCharge, Amount: -price.Amount, Contra: ContraSpent, Feature: c.Feature, Agent: c.Agent, Quantity: price.Quantity,
		UnitPrice: price.Unit, CatalogVersion: prices.Version, Reference: c.Reference, Parts: s.take(price.Amount, now),
		note: Note{c.Reason, c.Metadata},
	}, now), nil
}

// afford checks an agent's state first, then what is reserved for others, then what there is.
func (s *state) afford(feature, agent string, amount tokens.Amount, now time.Time) error {
	if err := s.admit(agent, feature, amount, now); err != nil {
		return err
	}
	if available := s.available(agent, now); available < amount {
		return &shortfall{feature: feature, agent: agent, spendable: available, required: amount}
	}
	return nil
}

// shortfall is why a charge, a hold, or a capture of more than its hold cannot be afforded.
type shortfall struct {
	feature, agent      string
	spendable, required tokens.Amount
	beyond              tokens.Amount // what the hold covers already, for a capture; required comes on top of it
}

func (f *shortfall) Error() string { return f.problem().Error() }

// problem is the 402: what there is, what is needed, what is missing.
func (f *shortfall) problem() *problem.Error {
	p := problem.New(problem.Insufficient, "insufficient_tokens",
		"This needs %s tokens and you have %s. It didn't run, and no tokens were used.", f.required, f.spendable)
	if f.beyond > 0 {
		p = problem.New(problem.Insufficient, "insufficient_tokens",
			"This needs %s tokens more than the %s that are held, and you have %s. The hold is kept, and no tokens were used.",
			f.required, f.beyond, f.spendable)
		if f.agent != "" {
			p = p.With("agent", f.agent) // the request names only the hold
		}
	}
	return p.With("spendable", f.spendable).With("required", f.required).With("shortfall", f.required-f.spendable)
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

// maxDeclined is how many attempts a day are kept one by one; the rest is only counted.
const maxDeclined = 200

// decline notes an attempt. It moves the account's time on like an entry, so that no day begins twice when servers' clocks disagree.
func (s *state) decline(f *shortfall, now time.Time) {
	s.lastAt = now
	day := s.turnDay(now)
	s.changed = true
	s.today.declined++
	s.declinedEver++
	if s.today.declined <= maxDeclined {
		s.declined = append(s.declined, Declined{day, s.today.declined, now, f.feature, f.agent, f.required, f.spendable})
	}
}
