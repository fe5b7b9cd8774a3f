package notice

import (
	"context"

	"github.com/google/uuid"

	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/ledger"
)

// Outlook is what will probably happen to an account that was just read, whose lots are given. It
// is the one that notices and e-mails rest on. What jobs under way hold counts as if it came back.
// Two reads at most, mostly none.
func (n *Notices) Outlook(ctx context.Context, o *Overview, lots []ledger.Lot) (forecast.Outlook, error) {
	facts, err := n.facts(ctx, o, forecastLots(lots, true))
	if err != nil {
		return forecast.Outlook{}, err
	}
	return n.lookSteadily(o, facts), nil
}

// lookSteadily makes an outlook of facts, in the words of the last one as long as nothing changes much.
func (n *Notices) lookSteadily(o *Overview, facts forecast.Facts) forecast.Outlook {
	facts.Hurried = n.pasts.hurried(o.ID)
	outlook := forecast.Look(facts)
	n.pasts.steady(o, &outlook)
	return outlook
}

// Advice is what to tell a creator who looks at the packs, at most two pieces of it. Reads as Outlook.
func (n *Notices) Advice(ctx context.Context, o *Overview, lots []ledger.Lot,
	wish forecast.Wish,
) ([]forecast.Advice, error) {
	facts, err := n.facts(ctx, o, forecastLots(lots, false))
	if err != nil {
		return nil, err
	}
	return forecast.Advise(facts, wish), nil
}

func (n *Notices) facts(ctx context.Context, o *Overview, lots []forecast.Lot) (forecast.Facts, error) {
	pasts, err := n.pastsOf(ctx, []*Overview{o})
	if err != nil {
		return forecast.Facts{}, err
	}
	return n.factsOf(o, pasts[o.ID], lots), nil
}

func (n *Notices) factsOf(o *Overview, past forecast.Past, lots []forecast.Lot) forecast.Facts {
	f := forecast.Facts{
		Now:    n.ledger.Now(),
		Past:   past,
		Lots:   lots,
		Plan:   o.Plan,
		Owed:   o.Owed,
		Prices: n.prices(),
	}
	if amount := o.NextAllowance(f.Prices); amount > 0 {
		for _, at := range o.Resets(f.Now.Add(forecast.Horizon)) {
			f.Resets = append(f.Resets, forecast.Reset{At: at, Amount: amount})
		}
	}
	return f
}

// forecastLots are the lots that can be spent, now or later. withHeld counts what jobs under way
// hold as if they gave it back.
func forecastLots(lots []ledger.Lot, withHeld bool) []forecast.Lot {
	var list []forecast.Lot
	for _, l := range lots {
		if l.Frozen {
			continue
		}
		f := forecast.Lot{
			Source: source(l.Kind),
			Amount: l.Remaining,
			From:   l.EffectiveAt,
			Until:  l.ExpiresAt,
		}
		if !withHeld {
			f.Amount -= l.Held
		}
		list = append(list, f)
	}
	return list
}

func source(kind ledger.LotKind) forecast.Source {
	switch kind {
	case ledger.LotPlan:
		return forecast.Plan
	case ledger.LotPurchase:
		return forecast.Bought
	case ledger.LotPromo, ledger.LotAdjustment:
	}
	return forecast.Gift
}

// foretell adds to overviews what their notices need of a forecast. Empty accounts and those whose
// notice was put away need none; others cost nothing while their past is in memory, and are looked
// at more closely only where they might run out in time.
func (n *Notices) foretell(ctx context.Context, all []Overview) error {
	var list []*Overview
	for i := range all {
		switch o := &all[i]; {
		case !o.ClosedAt.IsZero(): // nothing that a notice says would help
		case o.Level == ledger.LevelEmpty:
			o.Notice = Empty
		case !o.dismissed:
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		return nil
	}
	pasts, err := n.pastsOf(ctx, list)
	if err != nil {
		return err
	}
	lots, err := n.lotsThatMatter(ctx, list)
	if err != nil {
		return err
	}
	for _, o := range list {
		n.decideNotice(o, pasts[o.ID], lots[o.ID])
	}
	return nil
}

// decideNotice chooses the notice of an account that is not empty. What jobs under way hold counts
// as if they gave it back: no job alone brings a warning.
func (n *Notices) decideNotice(o *Overview, past forecast.Past, known ledger.Account) {
	if o.Level == ledger.LevelLow {
		o.Notice = Low
		o.foresee(n.look(o, past, known))
		return
	}
	if len(known.Lots) == 0 && forecast.Enough(past, o.Spendable+o.Held) {
		n.pasts.warn(o.ID, func(bool) bool { return false })
		return
	}
	if outlook := n.look(o, past, known); n.pasts.warn(o.ID, outlook.Soon) {
		o.Notice = Soon
		o.foresee(outlook)
	}
}

func (o *Overview) foresee(outlook forecast.Outlook) {
	if stop, ok := outlook.First(); ok {
		o.First, o.Pace, o.Hurried = &stop, outlook.Pace, outlook.Hour.Known()
	}
}

// look makes the outlook up to the next allowance: what is left counts as one lot unless the lots
// were read. What jobs hold counts as if it came back.
func (n *Notices) look(o *Overview, past forecast.Past, known ledger.Account) forecast.Outlook {
	lots := forecastLots(known.Lots, true)
	if len(known.Lots) == 0 {
		lots = []forecast.Lot{{
			Source: forecast.Plan,
			Amount: o.Spendable + o.Held,
			Until:  o.NextReset,
		}}
	}
	return n.lookSteadily(o, n.factsOf(o, past, lots))
}

// lotsThatMatter reads the accounts of which something expires or arrives before the next
// allowance, and so soon that a notice depends on it. Of all others the row says enough.
func (n *Notices) lotsThatMatter(ctx context.Context, list []*Overview) (map[uuid.UUID]ledger.Account, error) {
	now := n.ledger.Now()
	var ids []uuid.UUID
	for _, o := range list {
		within := forecast.Horizon
		if o.Level == ledger.LevelOK {
			within = forecast.WarnUntil
		}
		if due := o.NextDue; !due.IsZero() && due.Before(now.Add(within)) &&
			(o.NextReset.IsZero() || due.Before(o.NextReset)) {
			ids = append(ids, o.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return n.ledger.Accounts(ctx, ids)
}
