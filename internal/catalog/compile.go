package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"pop.store/credits/internal/tokens"
)

// compile builds the versions: the prices before any change, and one for each instant of a change.
func (d *draft) compile() []*Catalog {
	changes := slices.Clone(d.changes)
	slices.SortStableFunc(changes, func(a, b change) int { return a.from.Compare(b.from) })
	current := d.base.copy()
	versions := []*Catalog{d.finish(current, time.Time{})}
	for i, c := range changes {
		c.apply(current)
		if last := i+1 == len(changes); last || !changes[i+1].from.Equal(c.from) {
			versions = append(versions, d.finish(current, c.from))
		}
	}
	for _, v := range versions {
		v.versions = versions
	}
	return versions
}

// apply applies the change to a catalog in the order of the file, and reports whether it changed anything.
func (c *change) apply(to *Catalog) bool {
	var size *tokens.Amount
	var price int64 // features have no price in money
	minor := &price
	switch c.of {
	case ofPlan:
		size, minor = &to.Plans[c.item].Allowance, &to.Plans[c.item].Price.Minor
	case ofFeature:
		size = &to.Features[c.item].Price
	case ofPack:
		size, minor = &to.Packs[c.item].Tokens, &to.Packs[c.item].Price.Minor
	}
	resized, repriced := set(size, c.tokens), set(minor, c.minor)
	return resized || repriced
}

func set[T comparable](to, value *T) bool {
	if value == nil || *to == *value {
		return false
	}
	*to = *value
	return true
}

// finish completes a version: it derives table rates and ToolMinimum, sorts, and adds the
// fingerprint.
func (d *draft) finish(prices *Catalog, from time.Time) *Catalog {
	c := prices.copy()
	c.From = from
	for i := range c.Table {
		if f, ok := c.Feature(c.Table[i].Feature); ok && !d.ownRate[i] {
			c.Table[i].Rate = f.Price
		}
	}
	slices.SortStableFunc(c.Plans, func(a, b Plan) int { return int(min(max(a.Allowance-b.Allowance, -1), 1)) })
	slices.SortStableFunc(c.Packs, func(a, b Pack) int { return int(min(max(a.Tokens-b.Tokens, -1), 1)) })
	c.ToolMinimum = toolMinimum(c.Features)
	c.Version += "+" + c.fingerprint()
	return c
}

// toolMinimum is the lowest fixed price; tokens.Micro if there is none.
func toolMinimum(features []Feature) tokens.Amount {
	least := tokens.Max
	for _, f := range features {
		if f.Pricing == Fixed && f.Price > 0 {
			least = min(least, f.Price)
		}
	}
	if least == tokens.Max {
		return tokens.Micro
	}
	return least
}

// fingerprint is a short hash of all that the ledger depends on, without names and links. As part of the
// version it tells sets of prices apart.
func (c *Catalog) fingerprint() string {
	var lines []string
	for _, p := range c.Plans {
		lines = append(lines, fmt.Sprintf("plan %s %s", p.ID, p.Allowance))
	}
	for _, f := range c.Features {
		lines = append(lines, fmt.Sprintf("feature %s %s %s", f.ID, f.Pricing, f.Price))
	}
	for _, p := range c.Packs {
		lines = append(lines, fmt.Sprintf("pack %s %s %d %s %d", p.ID, p.Tokens, p.Price.Minor, p.Price.Currency,
			p.ExpiresDays))
	}
	lines = append(lines, fmt.Sprintf("rules %d %d %s", c.LowPercent, c.RefundGraceDays, c.Upgrade))
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:4])
}

// copy returns a deep copy without other versions.
func (c *Catalog) copy() *Catalog {
	own := *c
	own.Plans, own.Features, own.Packs, own.Table = slices.Clone(c.Plans), slices.Clone(c.Features),
		slices.Clone(c.Packs), slices.Clone(c.Table)
	own.versions = nil
	return &own
}
