package ledger

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/tokens"
)

// Today is the current day's part of the usage rollup. The account's row stores it, since a charge updates
// that row anyway. The lines move to usage_days when the day is over or there are too many.
type Today struct {
	Day      time.Time
	Lines    []UsageLine
	Declined int
}

// UsageLine is the work of one agent on one feature in a day. Returned is what later refunds gave back of
// it, at most Amount.
type UsageLine struct {
	Feature, Agent string
	Amount         tokens.Amount
	Quantity       int64
	Count          int64
	Returned       tokens.Amount
}

func (l *UsageLine) net() tokens.Amount { return l.Amount - l.Returned }

// DayUsage is a line to be added to usage_days.
type DayUsage struct {
	Day time.Time
	UsageLine
}

// maxTodayLines limits the size of the account's row.
const maxTodayLines = 24

// DayIn is the date of an instant in a zone, as midnight UTC.
func DayIn(at time.Time, zone *time.Location) time.Time {
	return clock.Date(at, zone)
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

// AppendTo appends the lines as the account's row stores them. Returned follows as a second line of the
// same feature and agent, with a negative amount and without quantity and count: servers of the previous
// version know one kind of line and add both up.
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

var errTodayUsage = errors.New("ledger: cannot decode the account's usage of today")

// DecodeToday decodes what AppendTo wrote.
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
