package ledger

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"pop.store/credits/internal/tokens"
)

// today is the present day's part of the usage rollup, which the account's row carries: a charge updates it for the price of the row that
// it updates anyway. When the day is over, or there are too many lines, it moves to usage_days.
type today struct {
	day      time.Time
	lines    []usageLine
	declined int
}

// usageLine is what was spent on one feature by one agent in a day: tokens, units, charges.
type usageLine struct {
	feature, agent string
	amount         tokens.Amount
	quantity       int64
	count          int64
}

// dayUsage is a line of a day that goes to usage_days.
type dayUsage struct {
	day time.Time
	usageLine
}

// maxTodayLines bounds what each update of the account's row carries along.
const maxTodayLines = 24

// dayIn is the calendar date of an instant in a zone, as midnight UTC of that date.
func dayIn(at time.Time, zone *time.Location) time.Time {
	year, month, day := at.In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// turnDay gives the day of an instant and puts away the lines of a day that is over.
func (s *state) turnDay(at time.Time) time.Time {
	day := dayIn(at, s.zone)
	if !day.Equal(s.today.day) {
		s.flushToday()
		s.today.day, s.today.declined = day, 0
	}
	return day
}

// usageSums adds up lines of one key: a batch may have flushed a day more than once.
func (s *state) usageSums() []dayUsage {
	var sums []dayUsage
next:
	for _, u := range s.usage {
		for i := range sums {
			if t := &sums[i]; t.day.Equal(u.day) && t.feature == u.feature && t.agent == u.agent {
				t.amount += u.amount
				t.quantity += u.quantity
				t.count += u.count
				continue next
			}
		}
		sums = append(sums, u)
	}
	return sums
}

func (s *state) flushToday() {
	for _, line := range s.today.lines {
		s.countMonth(s.today.day, &line)
		s.usage = append(s.usage, dayUsage{s.today.day, line})
	}
	s.today.lines = nil
}

// add notes what an entry spent: the rollup is the contra account "spent" by day, feature and agent. A refund takes its tokens off again, but
// the work was done all the same and stays counted.
func (t *today) add(e *Entry) {
	if e.Contra != ContraSpent {
		return
	}
	l := t.line(e.Feature, e.Agent)
	l.amount -= e.Amount
	if e.Kind == KindCharge || e.Kind == KindCapture {
		l.quantity += e.Quantity
		l.count++
	}
}

func (t *today) line(feature, agent string) *usageLine {
	for i := range t.lines {
		if l := &t.lines[i]; l.feature == feature && l.agent == agent {
			return l
		}
	}
	t.lines = append(t.lines, usageLine{feature: feature, agent: agent})
	return &t.lines[len(t.lines)-1]
}

// encode appends the lines for the account's row.
func (t *today) encode(b []byte) []byte {
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, l := range t.lines {
		text(l.feature)
		text(l.agent)
		b = binary.AppendVarint(b, int64(l.amount))
		b = binary.AppendVarint(b, l.quantity)
		b = binary.AppendVarint(b, l.count)
	}
	return b
}

var errTodayUsage = errors.New("ledger: the account's usage of today cannot be read")

// decodeToday reads what encode wrote.
func decodeToday(b []byte) ([]usageLine, error) {
	var lines []usageLine
	r := todayReader{b: b}
	for len(r.b) > 0 && !r.bad {
		lines = append(lines, usageLine{
			feature: r.text(), agent: r.text(), amount: tokens.Amount(r.number()), quantity: r.number(), count: r.number(),
		})
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
