package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// Charge asks to spend tokens on a feature. Nil Quantity means one; Amount is what an agent's or a
// metered feature's work used.
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
	// KeepAgentOn refuses what cannot be afforded, or is over the agent's budget, without pausing the agent.
	KeepAgentOn bool
}

func (c *Charge) keepsAgentOn() bool { return c.KeepAgentOn }

// Needs is part of Operation.
func (c *Charge) Needs(prices *catalog.Catalog) Needs {
	n := Needs{Agent: c.Agent}
	if price, err := prices.Price(c.Feature, c.Quantity, c.Amount); err == nil {
		n.Spend = price.Amount
	}
	if c.UniqueReference {
		n.Scope, n.Reference = "charge", c.Reference
	}
	return n
}

func (c *Charge) decide(s *State, now time.Time, prices *catalog.Catalog) (Outcome, error) {
	if err := s.mustBeOpen(); err != nil {
		return Outcome{}, err
	}
	price, err := prices.Price(c.Feature, c.Quantity, c.Amount)
	if err != nil {
		return Outcome{}, err
	}
	if err := s.afford(c.Feature, c.Agent, price.Amount, now); err != nil {
		return Outcome{}, err
	}
	return Outcome{Entry: s.append(Entry{
		Kind:           KindCharge,
		Amount:         -price.Amount,
		Contra:         ContraSpent,
		Feature:        c.Feature,
		Agent:          c.Agent,
		Quantity:       price.Quantity,
		UnitPrice:      price.Unit,
		CatalogVersion: prices.Version,
		Reference:      c.Reference,
		Parts:          s.spendLots(price.Amount, now),
		Note:           Note{c.Reason, c.Metadata},
	}, now)}, nil
}

// afford checks an agent's state first, then what is reserved for others, then what there is. An
// agent over its budget whose budget covers this is on again.
func (s *State) afford(feature, agent string, amount tokens.Amount, now time.Time) error {
	if err := s.admit(agent, feature, amount, now); err != nil {
		return err
	}
	if available := s.available(agent, now); available < amount {
		return s.shortfall(feature, agent, amount, now)
	}
	s.resumeOverBudget(agent, amount, now)
	return nil
}

// resumeOverBudget ends the pause of an agent over its budget that was admitted for more than nothing.
func (s *State) resumeOverBudget(id string, amount tokens.Amount, now time.Time) {
	if a := s.agent(id); id != "" && amount > 0 && a.State == AgentOverBudget {
		s.resume(a, now)
	}
}

// shortfall is why a charge, a hold, or a capture of more than its hold cannot be afforded.
type shortfall struct {
	feature, agent      string
	spendable, required tokens.Amount // spendable by who asked
	missing             tokens.Amount // tokens that have to come for it, while what is reserved stays reserved
	held                tokens.Amount // by jobs under way
	reserved            tokens.Amount // for others, of what is there
	beyond              tokens.Amount // what the hold covers already, for a capture; required comes on top of it
}

func (s *State) shortfall(feature, agent string, amount tokens.Amount, now time.Time) *shortfall {
	all, available := s.spendable(now), s.available(agent, now)
	return &shortfall{
		feature:   feature,
		agent:     agent,
		spendable: available,
		required:  amount,
		missing:   amount + s.reservedFrom(agent) - all,
		held:      s.Held,
		reserved:  all - available,
	}
}

func (f *shortfall) Error() string { return "tokens are lacking" }

// maxDeclined is how many attempts a day are kept one by one; the rest is only counted.
const maxDeclined = 200

// recordDeclined notes an attempt. It moves the account's time on like an entry, so that no day begins
// twice when servers' clocks disagree.
func (s *State) recordDeclined(f *shortfall, now time.Time) {
	s.LastAt = now
	day := s.rollDay(now)
	s.changed = true
	s.Today.Declined++
	s.DeclinedEver++
	if s.Today.Declined <= maxDeclined {
		s.declined = append(s.declined,
			Declined{day, s.Today.Declined, now, f.feature, f.agent, f.required, f.spendable})
	}
}
