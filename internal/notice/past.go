package notice

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/ledger"
)

// pasts remembers what accounts spent in their last complete days: every poll of a badge rests on
// it, and it changes once a day. What was spent today comes with each account's row and is not
// kept.
type pasts struct {
	mu   sync.Mutex
	each map[uuid.UUID]past
}

// said is the last outlook that was given of an account, and how many tokens had come by then.
type said struct {
	hurried bool
	newest  int64
	runsOut time.Time
	stops   []forecast.Stop
}

// past is the complete days before a day.
type past struct {
	forecast.Past // but for Today
	day           time.Time
	readAt        time.Time
	warned        bool // the last answer was a warning; see forecast.Outlook.Soon
	said          said

	hour       ledger.RecentWork // what agents spent in the last hour,
	hourReadAt time.Time         // as of then
}

const (
	// maxPasts bounds memory: a few hundred bytes each. When it is full it is emptied, which costs
	// a read each.
	maxPasts = 1 << 16
	// pastAge is how long complete days are believed: at midnight a charge of the day before may
	// still be under way to its table.
	pastAge = 10 * time.Minute
	// hourAge is how long the work of the last hour is believed.
	hourAge = time.Minute
)

// pastsOf gives the past of each of the accounts: from memory, or with one read for all of which
// something is not there or is too old.
func (n *Notices) pastsOf(ctx context.Context, list []*Overview) (map[uuid.UUID]forecast.Past, error) {
	now := n.ledger.Now()
	found, err := n.daysOf(ctx, list, now)
	if err != nil {
		return nil, err
	}
	hours, err := n.hoursOf(ctx, list, now)
	if err != nil {
		return nil, err
	}
	for id, w := range hours {
		p := found[id]
		p.Hour = forecast.Recent{
			Amount: w.Amount,
			Count:  w.Count,
			Since:  now.Sub(w.First),
		}
		found[id] = p
	}
	return found, nil
}

func (n *Notices) daysOf(ctx context.Context, list []*Overview, now time.Time) (map[uuid.UUID]forecast.Past, error) {
	found, missing := n.pasts.known(list, now)
	if len(missing) == 0 {
		return found, nil
	}
	states := make([]ledger.Account, len(missing))
	for i, o := range missing {
		states[i] = o.Account
	}
	usage, err := n.ledger.RecentUsage(ctx, states, forecast.MaxDays)
	if err != nil {
		return nil, err
	}
	for _, o := range missing {
		p := completeDays(usage[o.ID], o.Day(now), o.Day(o.OpenedAt))
		n.pasts.put(o.ID, p, o.Day(now), now)
		found[o.ID] = withToday(p, o, now)
	}
	return found, nil
}

// hoursOf gives the work of agents in the last hour; accounts without any are absent.
func (n *Notices) hoursOf(ctx context.Context, list []*Overview, now time.Time) (map[uuid.UUID]ledger.RecentWork,
	error,
) {
	found, missing := n.pasts.hours(list, now)
	if len(missing) == 0 {
		return found, nil
	}
	var features []string
	for _, f := range n.prices().Features {
		if f.Agent {
			features = append(features, f.ID)
		}
	}
	read, err := n.ledger.RecentWork(ctx, missing, now.Add(-time.Hour), features)
	if err != nil {
		return nil, err
	}
	for _, id := range missing {
		n.pasts.putHour(id, read[id], now)
		if read[id].Count > 0 {
			found[id] = read[id]
		}
	}
	return found, nil
}

func (p *pasts) hours(list []*Overview, now time.Time) (found map[uuid.UUID]ledger.RecentWork, missing []uuid.UUID) {
	found = map[uuid.UUID]ledger.RecentWork{}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range list {
		switch known := p.each[o.ID]; {
		case o.LastAt.Before(now.Add(-time.Hour)):
		case known.hourReadAt.IsZero() || now.Sub(known.hourReadAt) >= hourAge || now.Before(known.hourReadAt):
			missing = append(missing, o.ID)
		case known.hour.Count > 0:
			found[o.ID] = known.hour
		}
	}
	return found, missing
}

func (p *pasts) putHour(id uuid.UUID, w ledger.RecentWork, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.each[id]; ok {
		known.hour, known.hourReadAt = w, now
		p.each[id] = known
	}
}

// hurried says whether the last outlook rested on the last hour.
func (p *pasts) hurried(id uuid.UUID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.each[id].said.hurried
}

// steady repeats what was said last as long as nothing changes much: the same work stops, no tokens
// have come, and each instant is the same to within a tenth of the time until then, or a minute. So
// words that are read again do not move by an hour with every charge.
func (p *pasts) steady(o *Overview, outlook *forecast.Outlook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.each[o.ID]
	if !ok {
		return
	}
	now := said{outlook.Hour.Known(), o.NewestLot, outlook.RunsOut, outlook.Stops}
	if known.said.about(now, outlook.At) {
		outlook.RunsOut, outlook.Stops = known.said.runsOut, known.said.stops
		return
	}
	known.said = now
	p.each[o.ID] = known
}

func (s said) about(other said, now time.Time) bool {
	if s.hurried != other.hurried || s.newest != other.newest || len(s.stops) != len(other.stops) ||
		!near(s.runsOut, other.runsOut, now) {
		return false
	}
	for i := range s.stops {
		a, b := s.stops[i], other.stops[i]
		if a.Feature.ID != b.Feature.ID || a.Agent != b.Agent || a.Name != b.Name || !near(a.At, b.At, now) {
			return false
		}
	}
	return true
}

func near(a, b, now time.Time) bool {
	if a.IsZero() || b.IsZero() {
		return a.IsZero() && b.IsZero()
	}
	left := min(a.Sub(now), b.Sub(now))
	return left >= 0 && a.Sub(b).Abs() <= max(left/10, time.Minute)
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
	known := p.each[id]
	known.Past, known.day, known.readAt = complete, day, now
	p.each[id] = known
}

// warn asks whether to warn, knowing whether it was so the last time. That is remembered by each
// server for itself and only while it runs: what is at stake is half a day in which one server may
// warn and another no longer does.
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

// completeDays sums up the usage of the days before today. The day on which the account was opened
// was no whole one, and does not count.
func completeDays(usage []ledger.RecentUse, today, opened time.Time) forecast.Past {
	first := today.AddDate(0, 0, -forecast.MaxDays)
	if young := opened.AddDate(0, 0, 1); young.After(first) {
		first = young
	}
	p := forecast.Past{Days: max(int(today.Sub(first)/(24*time.Hour)), 0)}
	active := map[time.Time]bool{}
	for i := range usage {
		u := &usage[i]
		if u.Day.Before(first) {
			continue
		}
		if u.Net() > 0 {
			active[u.Day] = true
		}
		p.Uses = append(p.Uses, use(&u.Usage, u.AgentName))
	}
	p.Active, p.Uses = len(active), forecast.Merge(p.Uses)
	return p
}

// use is a line of the rollup as forecasts take it: what the work cost in the end.
func use(u *ledger.Usage, name string) forecast.Use {
	one := forecast.Use{
		Feature:  u.Feature,
		Amount:   u.Net(),
		Quantity: u.Quantity,
		Count:    u.Count,
		Agent:    u.Agent,
		Name:     name,
	}
	if u.Agent == ledger.SeveralAgents {
		one.Agent = forecast.Several
	}
	return one
}

// withToday adds today's part, which the account's row carries until the day is over.
func withToday(p forecast.Past, o *Overview, now time.Time) forecast.Past {
	today := o.Day(now)
	for i := range o.Today {
		if u := &o.Today[i]; u.Day.Equal(today) {
			p.Today = append(p.Today, use(u, ""))
		}
	}
	return p
}
