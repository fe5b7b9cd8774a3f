package ledger

import "time"

// rollDay returns the day of an instant. When a new day begins, it moves the lines of the previous one to
// usage_days.
func (s *State) rollDay(at time.Time) time.Time {
	day := DayIn(at, s.Zone)
	if !day.Equal(s.Today.Day) {
		s.flushToday()
		s.Today.Day, s.Today.Declined = day, 0
	}
	return day
}

// usageSums merges lines of one day, feature and agent: a batch may have flushed a day more than once.
func (s *State) usageSums() []DayUsage {
	var sums []DayUsage
next:
	for _, u := range s.usage {
		for i := range sums {
			if t := &sums[i]; t.Day.Equal(u.Day) && t.Feature == u.Feature && t.Agent == u.Agent {
				t.Amount += u.Amount
				t.Quantity += u.Quantity
				t.Count += u.Count
				t.Returned += u.Returned
				continue next
			}
		}
		sums = append(sums, u)
	}
	return sums
}

func (s *State) flushToday() {
	for _, line := range s.Today.Lines {
		s.countMonth(s.Today.Day, &line)
		s.usage = append(s.usage, DayUsage{s.Today.Day, line})
	}
	s.Today.Lines = nil
}

// countUsage adds an entry to the usage rollup, which is the contra account "spent" by day, feature and
// agent. A refund is counted on the day of the charge, as Returned, so that the net cost of a day is never
// negative.
func (s *State) countUsage(e *Entry) {
	switch {
	case e.Contra != ContraSpent:
	case e.Kind == KindRefund:
		s.countRefund(s.pastEntries[e.About].Entry.Day, e)
	default:
		l := s.Today.line(e.Feature, e.Agent)
		l.Amount -= e.Amount
		l.Quantity += e.Quantity
		l.Count++
	}
}

func (s *State) countRefund(worked time.Time, e *Entry) {
	if worked.Equal(s.Today.Day) {
		s.Today.line(e.Feature, e.Agent).Returned += e.Amount
		return
	}
	u := DayUsage{worked, UsageLine{
		Feature:  e.Feature,
		Agent:    e.Agent,
		Returned: e.Amount,
	}}
	s.countMonth(worked, &u.UsageLine)
	s.usage = append(s.usage, u)
}

// countMonth updates an agent's spending of the month when a line leaves Today. It includes agents without
// a budget, which may get one in the same batch. Refunds of older months are ignored.
func (s *State) countMonth(day time.Time, l *UsageLine) {
	a := s.agent(l.Agent)
	if a == nil {
		return
	}
	month := monthOf(day)
	if month.Before(a.Month.Month) {
		return
	}
	if !a.Month.Month.Equal(month) {
		a.Month = MonthSpend{Month: month}
	}
	a.Month.Amount += l.net()
}

func monthOf(day time.Time) time.Time { return day.AddDate(0, 0, 1-day.Day()) }
