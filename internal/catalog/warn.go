package catalog

import (
	"fmt"
	"math/bits"
	"slices"
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// warnings lists what an operator may want to check, each once, with the date from which it applies.
func (d *draft) warnings(versions []*Catalog) []Finding {
	w := &watcher{draft: d, reported: map[Finding]bool{}}
	w.checkOffer(&d.base)
	w.checkIdleChanges()
	for _, c := range versions {
		w.from = c.From
		w.table(c)
		w.features(c)
		w.plans(c)
		w.packs(c)
	}
	return inOrder(w.found)
}

// watcher collects warnings.
type watcher struct {
	draft    *draft
	from     time.Time // of the version being checked
	reported map[Finding]bool
	found    []Finding
}

func (w *watcher) warn(line int, format string, args ...any) {
	f := Finding{
		File:   w.draft.file,
		Line:   line,
		Reason: "warning: " + fmt.Sprintf(format, args...),
	}
	if w.reported[f] {
		return
	}
	w.reported[f] = true
	if !w.from.IsZero() {
		f.Reason += ", from " + w.from.Format(time.RFC3339) + " on"
	}
	w.found = append(w.found, f)
}

// checkOffer checks what does not depend on versions.
func (w *watcher) checkOffer(c *Catalog) {
	if len(c.Packs) == 0 {
		w.warn(1, "there are no packs: nobody can buy tokens")
	}
	for i, p := range c.Packs {
		if p.Price.Currency != c.Packs[0].Price.Currency {
			w.warn(w.draft.packs[i], "pack %s is in %s, the first pack in %s", p.ID, p.Price.Currency,
				c.Packs[0].Price.Currency)
		}
	}
	priced := slices.ContainsFunc(c.Plans, func(p Plan) bool { return p.Price.Currency != "" })
	linked := slices.ContainsFunc(c.Plans, func(p Plan) bool { return p.URL != "" })
	for i, p := range c.Plans {
		if priced && p.Price.Currency == "" {
			w.warn(w.draft.plans[i], "plan %s has no price, others have", p.ID)
		}
		if linked && p.URL == "" {
			w.warn(w.draft.plans[i], "plan %s has no url, others have", p.ID)
		}
	}
}

// checkIdleChanges warns of changes that set the present value.
func (w *watcher) checkIdleChanges() {
	changes := slices.Clone(w.draft.changes)
	slices.SortStableFunc(changes, func(a, b change) int { return a.from.Compare(b.from) })
	prices := w.draft.base.copy()
	for _, c := range changes {
		if !c.apply(prices) {
			w.warn(c.line, "the change changes nothing: the values are those from before")
		}
	}
}

func (w *watcher) table(c *Catalog) {
	for i, row := range c.Table {
		f, _ := c.Feature(row.Feature)
		switch {
		case row.Rate == 0:
			w.warn(w.draft.rows[i], "%q counts nothing: %s is free", row.Name, f.ID)
		case f.Pricing != Metered && f.Price != row.Rate:
			w.warn(w.draft.rows[i], "%q counts at %s tokens, but %s costs %s", row.Name, row.Rate, f.ID, f.Price)
		}
	}
}

func (w *watcher) features(c *Catalog) {
	largest := c.Plans[len(c.Plans)-1]
	for i, f := range c.Features {
		switch {
		case f.Pricing != Metered && f.Price == 0:
			w.warn(w.draft.features[i], "feature %s is free", f.ID)
		case f.Price > largest.Allowance:
			w.warn(w.draft.features[i], "feature %s costs %s tokens: more than any plan gives", f.ID, f.Price)
		}
	}
}

// plans compares each plan with the next smaller one.
func (w *watcher) plans(c *Catalog) {
	for i, p := range c.Plans {
		if i == 0 {
			continue
		}
		less, line := c.Plans[i-1], w.lineOf(ofPlan, p.ID)
		gains := slices.ContainsFunc(c.Table, func(r Row) bool {
			return p.Allowance.Fits(r.Rate) > less.Allowance.Fits(r.Rate)
		})
		switch {
		case p.Allowance == less.Allowance:
			w.warn(line, "plan %s gives as much as %s", p.ID, less.ID)
		case len(c.Table) > 0 && !gains:
			w.warn(line, "plan %s gives no more of anything in the plan table than %s", p.ID, less.ID)
		case costsMorePerToken(p.Price, p.Allowance, less.Price, less.Allowance):
			w.warn(line, "plan %s is dearer per token than the smaller %s", p.ID, less.ID)
		}
	}
}

// packs compares each pack with the next smaller one.
func (w *watcher) packs(c *Catalog) {
	for i, p := range c.Packs {
		line := w.lineOf(ofPack, p.ID)
		if p.Tokens < c.ToolMinimum {
			w.warn(line, "pack %s does not pay for the cheapest tool, which costs %s tokens", p.ID, c.ToolMinimum)
		}
		if least, known := money.MinPayment(p.Price.Currency); known && p.Price.Minor < least.Minor {
			w.warn(line, "pack %s costs %s, and Stripe takes no payment of less than %s", p.ID, p.Price, least)
		}
		if i == 0 {
			continue
		}
		less := c.Packs[i-1]
		if p.Tokens == less.Tokens {
			w.warn(line, "pack %s holds as many tokens as %s", p.ID, less.ID)
		}
		if costsMorePerToken(p.Price, p.Tokens, less.Price, less.Tokens) {
			w.warn(line, "pack %s is dearer per token than the smaller %s", p.ID, less.ID)
		}
	}
}

// lineOf finds an item of a version in the file; versions are sorted.
func (w *watcher) lineOf(of itemKind, id string) int {
	if of == ofPlan {
		return w.draft.plans[slices.IndexFunc(w.draft.base.Plans, func(p Plan) bool { return p.ID == id })]
	}
	return w.draft.packs[slices.IndexFunc(w.draft.base.Packs, func(p Pack) bool { return p.ID == id })]
}

// costsMorePerToken reports whether a token costs more in the first offer than in the second. It is false
// if they cannot be compared: another currency, no tokens, or a free second offer.
func costsMorePerToken(price money.Amount, size tokens.Amount, other money.Amount, otherSize tokens.Amount) bool {
	if price.Currency == "" || price.Currency != other.Currency || size == 0 || otherSize == 0 || other.Minor == 0 {
		return false
	}
	hi, lo := bits.Mul64(uint64(price.Minor), uint64(otherSize))
	otherHi, otherLo := bits.Mul64(uint64(other.Minor), uint64(size))
	return hi > otherHi || (hi == otherHi && lo > otherLo)
}
