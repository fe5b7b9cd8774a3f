package forecast

import (
	"cmp"
	"slices"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

const (
	// waitable is how soon an allowance must arrive to be worth waiting for, if the creator lacks tokens
	// now or has no known pace.
	waitable = 2 * day
	// bridgeable is how long before an allowance tokens may run out without making a pack worth its price.
	bridgeable = 1 * day
	maxPacks   = 1_000
	// aMonth is how long a pack should last without a future allowance, and the period in which plans are
	// compared.
	aMonth = 30 * day
)

// Advise returns at most two pieces of advice: Wait or Buy, then Upgrade. It assumes that the wish is
// carried out.
func Advise(f Facts, w Wish) []Advice {
	var list []Advice
	left := f.without(min(w.Needs, f.spendable()))
	// The last hour's pace can rule out waiting, but does not justify a pack for a month.
	now, o := Look(left), lookDays(left)
	buy, buys := Advice{}, false
	if wait, ok := adviseWait(f, &now, w.Needs); ok {
		list = append(list, wait)
	} else if buy, buys = adviseBuy(f, &o, w.Needs); buys {
		list = append(list, buy)
	}
	if buys {
		w.Bought = w.Bought.and(buy.Pack)
	}
	if upgrade, ok := adviseUpgrade(f, o.Pace, w.Bought); ok {
		list = append(list, upgrade)
	}
	return list
}

// spendable is the amount that can be spent now.
func (f *Facts) spendable() tokens.Amount { return newSimulation(*f, Pace{}).settle(f.Now) }

func adviseWait(f Facts, o *Outlook, needs tokens.Amount) (Advice, bool) {
	if o.Reset.At.IsZero() {
		return Advice{}, false
	}
	wait, soon := Advice{Kind: Wait, Reset: o.Reset}, o.Reset.At.Sub(f.Now) <= waitable
	switch {
	case needs > f.spendable():
		return wait, soon && needs <= o.Reset.Amount
	case !o.Known():
		return wait, soon
	case o.ResetFirst():
		wait.InTime = true
		return wait, true
	}
	return wait, o.Reset.At.Sub(o.RunsOut) <= bridgeable
}

// adviseBuy finds the smallest pack with which tokens last until the next allowance, or else the largest,
// provided that it pays for the present need.
func adviseBuy(f Facts, o *Outlook, needs tokens.Amount) (Advice, bool) {
	until := o.Reset.At
	if until.IsZero() {
		until = f.Now.Add(aMonth)
	}
	lasts := func(o *Outlook) bool { return o.RunsOut.IsZero() || !o.RunsOut.Before(until) }
	if needs <= f.spendable() && lasts(o) {
		return Advice{}, false
	}
	packs := slices.Clone(f.Prices.Packs)
	slices.SortStableFunc(packs, func(a, b catalog.Pack) int { return cmp.Compare(a.Tokens, b.Tokens) })
	var best Advice
	for _, p := range packs {
		with := f.with(p)
		if needs > with.spendable() {
			continue
		}
		after := lookDays(with.without(needs))
		best = Advice{
			Kind:  Buy,
			Pack:  p,
			Until: after.RunsOut,
			Cover: lasts(&after),
		}
		if best.Cover {
			break
		}
	}
	return best, best.Kind == Buy
}

// with returns the facts after the purchase of a pack, which pays debts first.
func (f Facts) with(p catalog.Pack) Facts {
	paid := min(f.Owed, p.Tokens)
	l := Lot{Source: Bought, Amount: p.Tokens - paid}
	f.Owed -= paid
	if p.ExpiresDays > 0 {
		l.Until = f.Now.Add(time.Duration(p.ExpiresDays) * day)
	}
	f.Lots = append(slices.Clone(f.Lots), l)
	return f
}

// without returns the facts after an amount was spent.
func (f Facts) without(amount tokens.Amount) Facts {
	resets := f.Resets
	f.Resets = nil
	c := newSimulation(f, Pace{})
	c.settle(f.Now)
	c.spend(amount, f.Now)
	f.Lots, f.Resets = c.lots, resets
	return f
}

func (p Purchases) and(pack catalog.Pack) Purchases {
	if p.Count > 0 && p.Paid.Currency != pack.Price.Currency {
		return p
	}
	return Purchases{
		Count:  p.Count + 1,
		Tokens: add(p.Tokens, pack.Tokens),
		Paid:   money.Amount{Minor: p.Paid.Minor + pack.Price.Minor, Currency: pack.Price.Currency},
	}
}

// adviseUpgrade finds the smallest plan that gives as much as the packs of a month, bought or needed, and
// costs less.
func adviseUpgrade(f Facts, pace Pace, bought Purchases) (Advice, bool) {
	mine, ok := f.Prices.Plan(f.Plan)
	if !ok || mine.Price.Currency == "" {
		return Advice{}, false
	}
	for _, p := range f.Prices.Plans {
		if p.Allowance <= mine.Allowance || p.Price.Currency != mine.Price.Currency {
			continue
		}
		a := Advice{
			Kind:  Upgrade,
			Plan:  p,
			Extra: money.Amount{Minor: p.Price.Minor - mine.Price.Minor, Currency: p.Price.Currency},
		}
		if bought.costMore(p.Allowance-mine.Allowance, a.Extra) {
			a.Packs, a.Count = bought.Paid, bought.Count
			return a, true
		}
		if a.Packs, a.Count, ok = f.packsCostMore(pace, mine, p, a.Extra); ok {
			return a, true
		}
	}
	return Advice{}, false
}

// costMore reports whether the packs cost more than a plan's extra price and gave no more than its extra
// tokens. It needs two packs.
func (p Purchases) costMore(extra tokens.Amount, price money.Amount) bool {
	return p.Count >= 2 && p.Paid.Currency == price.Currency && p.Paid.Minor > price.Minor && p.Tokens <= extra
}

// packsCostMore returns the price of the packs that would replace what the present plan lacks in a month at
// this pace, if the other plan has it and costs less. It needs a whole week, and assumes the lowest price
// per token among the packs.
func (f *Facts) packsCostMore(pace Pace, mine, other catalog.Plan, extra money.Amount) (money.Amount, int, bool) {
	need := pace.spends(aMonth)
	if pace.Days < MaxDays || need <= mine.Allowance || need > other.Allowance {
		return money.Amount{}, 0, false
	}
	lack, cost, count := need-mine.Allowance, money.Amount{Currency: extra.Currency}, 0
	for _, p := range f.Prices.Packs {
		if p.Price.Currency != extra.Currency || p.Tokens <= 0 || p.Price.Minor <= 0 {
			continue
		}
		if extra.Minor > 0 && !more(lack, p.Price.Minor, p.Tokens, extra.Minor) {
			return money.Amount{}, 0, false
		}
		n := lack.Fits(p.Tokens)
		if lack%p.Tokens > 0 {
			n++
		}
		if n > maxPacks {
			continue
		}
		if count == 0 || more(tokens.Amount(cost.Minor), 1, tokens.Amount(p.Price.Minor), n) {
			cost.Minor, count = p.Price.Minor*n, int(n)
		}
	}
	return cost, count, count > 0
}
