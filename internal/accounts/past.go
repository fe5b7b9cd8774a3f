package accounts

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// pasts remembers what accounts spent in their last complete days: every poll of a badge rests on it, and it changes once a day. What was spent
// today comes with each account's row and is not kept.
type pasts struct {
	mu   sync.Mutex
	each map[uuid.UUID]past
}

// past is the complete days before a day.
type past struct {
	forecast.Past // but for Today
	day           time.Time
	readAt        time.Time
	warned        bool // the last answer was a warning; see forecast.Outlook.Soon
}

const (
	// maxPasts bounds memory: a few hundred bytes each. When it is full it is emptied, which costs a read each.
	maxPasts = 1 << 16
	// pastAge is how long complete days are believed: at midnight a charge of the day before may still be under way to its table.
	pastAge = 10 * time.Minute
)

// pasts gives the past of each of the accounts: from memory, or with one read for all that are not there or are too old.
func (a *Accounts) pastsOf(ctx context.Context, list []*Overview) (map[uuid.UUID]forecast.Past, error) {
	now := a.ledger.Now()
	found, missing := a.pasts.known(list, now)
	if len(missing) == 0 {
		return found, nil
	}
	states := make([]ledger.Account, len(missing))
	for i, o := range missing {
		states[i] = o.Account
	}
	usage, err := a.ledger.RecentUsage(ctx, states, forecast.MaxDays)
	if err != nil {
		return nil, err
	}
	for _, o := range missing {
		p := completeDays(usage[o.ID], o.Day(now), o.Day(o.OpenedAt))
		a.pasts.put(o.ID, p, o.Day(now), now)
		found[o.ID] = withToday(p, o, now)
	}
	return found, nil
}

func (p *pasts) known(list []*Overview, now time.Time) (found map[uuid.UUID]forecast.Past, missing []*Overview) {
	found = make(map[uuid.UUID]forecast.Past, len(list))
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range list {
		known, ok := p.each[o.ID]
		if !ok || !known.day.Equal(o.Day(now)) || now.Sub(known.readAt) >= pastAge || now.Before(known.readAt) {
			missing = append(missing, o)
			continue
		}
		found[o.ID] = withToday(known.Past, o, now)
	}
	return found, missing
}

func (p *pasts) put(id uuid.UUID, complete forecast.Past, day, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.each) >= maxPasts {
		clear(p.each)
	}
	p.each[id] = past{Past: complete, day: day, readAt: now, warned: p.each[id].warned}
}

// warn asks whether to warn, knowing whether it was so the last time. That is remembered by each server for itself and only while it runs: what is at
// stake is half a day in which one server may warn and another no longer does.
func (p *pasts) warn(id uuid.UUID, soon func(warned bool) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.each[id]
	warn := soon(known.warned)
	if ok && warn != known.warned {
		known.warned = warn
		p.each[id] = known
	}
	return warn
}

// completeDays sums up the usage of the days before today. The day on which the account was opened was no whole one, and does not count.
func completeDays(usage []ledger.Usage, today, opened time.Time) forecast.Past {
	first := today.AddDate(0, 0, -forecast.MaxDays)
	if young := opened.AddDate(0, 0, 1); young.After(first) {
		first = young
	}
	p := forecast.Past{Days: max(int(today.Sub(first)/(24*time.Hour)), 0)}
	perDay, perFeature := map[time.Time]tokens.Amount{}, map[string]*forecast.Use{}
	for _, u := range usage {
		if u.Day.Before(first) {
			continue
		}
		perDay[u.Day] += u.Amount
		if perFeature[u.Feature] == nil {
			perFeature[u.Feature] = &forecast.Use{Feature: u.Feature}
		}
		addUsage(perFeature[u.Feature], u)
	}
	for _, spent := range perDay {
		if spent > 0 {
			p.Active++
		}
	}
	for _, u := range perFeature {
		p.Uses = append(p.Uses, *u)
	}
	return p
}

func addUsage(to *forecast.Use, u ledger.Usage) {
	to.Amount += u.Amount
	to.Quantity += u.Quantity
	to.Count += u.Count
}

// withToday adds today's part, which the account's row carries until the day is over.
func withToday(p forecast.Past, o *Overview, now time.Time) forecast.Past {
	today := o.Day(now)
	for _, u := range o.Today {
		if u.Day.Equal(today) {
			p.Today = append(p.Today, forecast.Use{Feature: u.Feature, Amount: u.Amount, Quantity: u.Quantity, Count: u.Count})
		}
	}
	return p
}
