package results

import (
	"crypto/sha256"
	"encoding/binary"
	"regexp"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/problem"
)

// Report is what a service says that work brought in.
type Report struct {
	Charge   string // id of the charge or capture that paid for the work; empty: not said
	Agent    string // whose work it was; empty: the charge's agent, or none
	Kind     string // "sale", "dm_answered"
	Count    *int64 // how many of the kind; nil: one
	Money    string // a decimal number of the currency's major unit, such as "214" or "19.90"; empty: none
	Currency string // ISO 4217
}

// Bounds of one report. The sums of a month have room for nine million of the largest.
const (
	MaxCount = 1_000_000_000
	MaxMoney = 1_000_000_000_000 // minor units
)

var (
	kindSyntax  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	agentSyntax = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)
)

func (p *Report) check() error {
	switch {
	case p.Kind == "":
		return problem.Invalid("kind", `is needed, such as "sale"`)
	case !kindSyntax.MatchString(p.Kind):
		return problem.Invalid("kind", "must be 1 to 64 of a-z, 0-9 and _, with a letter first")
	case p.Agent != "" && !agentSyntax.MatchString(p.Agent):
		return problem.Invalid("agent", "must be 1 to 64 of A-Za-z0-9_-.:")
	case p.Count != nil && (*p.Count < 0 || *p.Count > MaxCount):
		return problem.Invalid("count", "must be from 0 to %d", MaxCount)
	}
	return nil
}

// amount reads the money; it has no currency when there is none.
func (p *Report) amount() (money.Amount, error) {
	switch {
	case p.Money == "" && p.Currency == "":
		return money.Amount{}, nil
	case p.Currency == "":
		return money.Amount{}, problem.Invalid("currency", "is needed with money")
	case !money.Known(p.Currency):
		return money.Amount{}, problem.Invalid("currency", `must be a currency's code in ISO 4217 such as "USD"`)
	case p.Money == "":
		return money.Amount{}, problem.Invalid("money", "is needed with a currency")
	}
	amount, err := money.Parse(p.Money, p.Currency)
	if err != nil {
		return money.Amount{}, problem.Invalid("money", "%s", err)
	}
	if amount.Minor > MaxMoney {
		return money.Amount{}, problem.Invalid("money", "must not be above %s",
			money.Amount{Minor: MaxMoney, Currency: p.Currency})
	}
	return amount, nil
}

// fingerprint tells reports apart that came with the same key, by what they say and not by how they
// write it. Every part carries its length or presence.
func (p *Report) fingerprint(paid money.Amount) []byte {
	b := []byte("result")
	for _, text := range []string{p.Charge, p.Agent, p.Kind, paid.Currency} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	b = binary.AppendVarint(b, paid.Minor)
	if p.Count != nil {
		b = binary.AppendVarint(append(b, 1), *p.Count)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}
