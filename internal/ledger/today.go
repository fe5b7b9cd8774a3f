package ledger

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/tokens"
)

// today is the present day's part of the usage rollup, which the account's row carries: a charge
// updates it for the price of the row that it updates anyway. When the day is over, or there are
// too many lines, it moves to usage_days.
type Today struct {
	Day      time.Time
	Lines    []UsageLine
	Declined int
}

// UsageLine is the work of one agent on one feature in a day (tokens, units, charges) and the
// tokens of that work which were returned later, on whatever day. It never returns more than its
// amount.
type UsageLine struct {
	Feature, Agent string
	Amount         tokens.Amount
	Quantity       int64
	Count          int64
	Returned       tokens.Amount
}

// net is what the work cost in the end.
func (l *UsageLine) net() tokens.Amount { return l.Amount - l.Returned }

// dayUsage is a line of a day that goes to usage_days.
type DayUsage struct {
	Day time.Time
	UsageLine
}

// maxTodayLines bounds what each update of the account's row carries along.
const maxTodayLines = 24

// dayIn is the calendar date of an instant in a zone, as midnight UTC of that date.
func DayIn(at time.Time, zone *time.Location) time.Time {
	return clock.Date(at, zone)
}

// turnDay gives the day of an instant and puts away the lines of a day that is over.
func (s *State) turnDay(at time.Time) time.Time {
	day := DayIn(at, s.Zone)
	if !day.Equal(s.Today.Day) {
		s.flushToday()
		s.Today.Day, s.Today.Declined = day, 0
	}
	return day
}

// usageSums adds up lines of one key: a batch may have flushed a day more than once.
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

// countUsage adds an entry of today to the rollup, which is the contra account "spent" by day,
// feature and agent. A refund counts on the day of the work that it is about, apart from that work:
// what a day's work cost in the end is never negative.
func (s *State) countUsage(e *Entry) {
	switch {
	case e.Contra != ContraSpent:
	case e.Kind == KindRefund:
		s.countReturn(s.pastEntries[e.About].Entry.Day, e)
	default:
		l := s.Today.line(e.Feature, e.Agent)
		l.Amount -= e.Amount
		l.Quantity += e.Quantity
		l.Count++
	}
}

func (s *State) countReturn(worked time.Time, e *Entry) {
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

func (t *Today) line(feature, agent string) *UsageLine {
	for i := range t.Lines {
		if l := &t.Lines[i]; l.Feature == feature && l.Agent == agent {
			return l
		}
	}
	t.Lines = append(t.Lines, UsageLine{Feature: feature, Agent: agent})
	return &t.Lines[len(t.Lines)-1]
}

// encode appends the lines for the account's row. What was returned of a line follows as a second
// line of the same feature and agent, below zero and without quantity and count: a server of the
// version before, which has one line each, adds both up.
func (t *Today) AppendTo(b []byte) []byte {
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	line := func(l UsageLine) {
		text(l.Feature)
		text(l.Agent)
		b = binary.AppendVarint(b, int64(l.Amount))
		b = binary.AppendVarint(b, l.Quantity)
		b = binary.AppendVarint(b, l.Count)
	}
	for _, l := range t.Lines {
		line(l)
		if l.Returned != 0 {
			line(UsageLine{
				Feature: l.Feature,
				Agent:   l.Agent,
				Amount:  -l.Returned,
			})
		}
	}
	return b
}

var errTodayUsage = errors.New("ledger: the account's usage of today cannot be read")

// DecodeToday reads what encode wrote.
func DecodeToday(b []byte) ([]UsageLine, error) {
	var lines []UsageLine
	r := todayReader{b: b}
	for len(r.b) > 0 && !r.bad {
		l := UsageLine{
			Feature:  r.text(),
			Agent:    r.text(),
			Amount:   tokens.Amount(r.number()),
			Quantity: r.number(),
			Count:    r.number(),
		}
		if last := len(lines) - 1; last >= 0 && lines[last].Feature == l.Feature && lines[last].Agent == l.Agent {
			lines[last].Returned -= l.Amount
			continue
		}
		lines = append(lines, l)
	}
	if r.bad {
		return nil, errTodayUsage
	}
	return slices.Clip(lines), nil
}

type todayReader struct {
	b   []byte
	bad bool
}

func (r *todayReader) text() string {
	n, used := binary.Uvarint(r.b)
	if used <= 0 || n > uint64(len(r.b)-used) {
		r.b, r.bad = nil, true
		return ""
	}
	s := string(r.b[used : used+int(n)])
	r.b = r.b[used+int(n):]
	return s
}

func (r *todayReader) number() int64 {
	n, used := binary.Varint(r.b)
	if used <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[used:]
	return n
}
