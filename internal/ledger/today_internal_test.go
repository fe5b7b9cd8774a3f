package ledger

import (
	"encoding/binary"
	"reflect"
	"testing"

	"pop.store/credits/internal/tokens"
)

// decodeBefore is how a server of the version before reads the account's row: lines of feature,
// agent, amount, quantity and count, to the end.
func decodeBefore(t *testing.T, b []byte) map[[2]string][3]int64 {
	t.Helper()
	sums := map[[2]string][3]int64{}
	for len(b) > 0 {
		var key [2]string
		for i := range key {
			n, used := binary.Uvarint(b)
			key[i], b = string(b[used:used+int(n)]), b[used+int(n):]
		}
		sum := sums[key]
		for i := range sum {
			n, used := binary.Varint(b)
			sum[i] += n
			b = b[used:]
		}
		sums[key] = sum
	}
	return sums
}

func TestTodaysLinesAreReadByTheVersionBefore(t *testing.T) {
	t.Parallel()
	day := Today{Lines: []UsageLine{
		{"pdf", "", 65 * tokens.One, 1, 1, 5 * tokens.One},
		{"reply", "bot", 50_000, 1, 1, 0},
		{"video", "", 30 * tokens.One, 1, 1, 30 * tokens.One},
		{"video", "bot", 0, 2, 2, 0},
	}}
	b := day.AppendTo(nil)
	lines, err := DecodeToday(b)
	if err != nil || !reflect.DeepEqual(lines, day.Lines) {
		t.Errorf("read %+v, %v", lines, err)
	}
	want := map[[2]string][3]int64{
		{"pdf", ""}:      {60_000_000, 1, 1},
		{"reply", "bot"}: {50_000, 1, 1},
		{"video", ""}:    {0, 1, 1},
		{"video", "bot"}: {0, 2, 2},
	}
	if got := decodeBefore(t, b); !reflect.DeepEqual(got, want) {
		t.Errorf("the version before reads %v", got)
	}
}

// A row that the version before wrote has one line for each feature and agent, from which refunds
// were taken off: the migration has added to usage_days what such a line lacks.
func TestTodaysLinesOfTheVersionBeforeAreRead(t *testing.T) {
	t.Parallel()
	old := Today{Lines: []UsageLine{
		{"pdf", "", -60 * tokens.One, 0, 0, 0},
		{"reply", "", 5, 1, 1, 0},
		{"reply", "bot", -5, 1, 1, 0},
	}}
	lines, err := DecodeToday(old.AppendTo(nil))
	if err != nil || !reflect.DeepEqual(lines, old.Lines) {
		t.Errorf("read %+v, %v", lines, err)
	}
}
