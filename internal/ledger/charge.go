package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// Charge spends tokens on a feature. Nil Quantity means one. Amount is for features without a fixed price.
type Charge struct {
	Feature   string
	Quantity  *int64
	Amount    *tokens.Amount
	Agent     string
	Reference string
	// UniqueReference allows Reference for only one charge of this account, permanently.
	UniqueReference bool
	Reason          string
	Metadata        map[string]string
	// KeepAgentOn prevents a refusal for lack of tokens or budget from pausing the agent.
	KeepAgentOn bool
}

func (c *Charge) keepsAgentOn() bool { return c.KeepAgentOn }

// Needs implements Operation.
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

// afford checks the agent's state and budget, then the balance less what is reserved for others. It resumes
// an agent over budget whose budget covers the amount.
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

// resumeOverBudget resumes an agent over budget that was admitted for a positive amount.
func (s *State) resumeOverBudget(id string, amount tokens.Amount, now time.Time) {
	if a := s.agent(id); id != "" && amount > 0 && a.State == AgentOverBudget {
		s.resume(a, now)
	}
}

// shortfall describes why a charge, hold or larger capture cannot be paid.
type shortfall struct {
	feature, agent      string
	spendable, required tokens.Amount // spendable by the agent or creator that asked
	missing             tokens.Amount // tokens to add while reserves stay as they are
	held                tokens.Amount // by running jobs
	reserved            tokens.Amount // of the balance, for others
	beyond              tokens.Amount // of a capture: what the hold covers; required is the excess
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

// maxDeclined is how many declined attempts per day are stored; further ones are only counted.
const maxDeclined = 200

// recordDeclined records the attempt. It advances LastAt like an entry, so that a day cannot begin twice
// when servers' clocks differ.
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
