package engine

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/ledger"
)

func TestAServerDoesNotStartOnOtherColumns(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	if err := CheckSchema(t.Context(), d.Pool); err != nil {
		t.Fatal(err)
	}
	owner, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = owner.Close(t.Context()) }()
	for _, c := range []struct{ change, want string }{
		{"alter type hold_end_row rename attribute outcome to ending", "hold_end_row"},
		{"alter type hold_end_row rename attribute ending to outcome", ""},
		{"alter type hold_end_row add attribute more text", "hold_end_row"},
		{"alter type hold_end_row drop attribute more", ""},
		{"drop type lot_taken_row", "no type lot_taken_row"},
	} {
		if _, err := owner.Exec(t.Context(), c.change); err != nil {
			t.Fatal(err)
		}
		err := CheckSchema(t.Context(), d.Pool)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("after %q: %v, want %q", c.change, err, c.want)
		}
	}
}

// typeNames are the names of types in Postgres.
var typeNames = map[uint32]string{
	pgtype.UUIDOID:        "uuid",
	pgtype.Int8OID:        "bigint",
	pgtype.Int4OID:        "integer",
	pgtype.Int2OID:        "smallint",
	pgtype.BoolOID:        "boolean",
	pgtype.TextOID:        "text",
	pgtype.ByteaOID:       "bytea",
	pgtype.TimestamptzOID: "timestamp with time zone",
	pgtype.DateOID:        "date",
	pgtype.Int8ArrayOID:   "bigint[]",
}

// written returns the types of the fields of the one row that was written.
func (r *records) written(t *testing.T) (types []string) {
	t.Helper()
	if r.count != 1 {
		t.Fatalf("%d rows", r.count)
	}
	for at := 8; at < len(r.body); {
		types = append(types, typeNames[binary.BigEndian.Uint32(r.body[at:])])
		if size := int32(binary.BigEndian.Uint32(r.body[at+4:])); size > 0 {
			at += int(size)
		}
		at += 8
	}
	return types
}

func TestTheWriterFillsTheColumnsInTheirOrder(t *testing.T) {
	t.Parallel()
	w, id := &writer{}, uuid.New()
	w.addAccount(&ledger.AccountRow{})
	w.addPlan(&ledger.AccountRow{Zone: time.UTC})
	w.addClosing(&ledger.AccountRow{})
	w.addSummary(&ledger.AccountRow{})
	w.addLot(id, &ledger.Lot{})
	w.changeLot(id, &ledger.Lot{})
	w.addTaken(id, &ledger.Lot{})
	w.addEntry(&ledger.Entry{Key: "key"})
	w.addEntry(&ledger.Entry{LastSeq: 1})
	w.addNote(&ledger.Entry{Note: ledger.Note{Reason: "reason"}})
	w.addHold(id, &ledger.HoldRow{})
	w.addHoldEnd(id, &ledger.HoldRow{})
	w.addRare(id, &ledger.Changes{
		Extensions: []*ledger.ExtensionRow{{}},
		References: []ledger.PermanentReference{{}},
		Reversals:  map[int64]ledger.Reversal{1: {}},
		Usage:      []ledger.DayUsage{{}},
		Declined:   []ledger.Declined{{}},
		Agents:     []*ledger.AgentRow{{}},
		Events:     []ledger.Event{{}},
	})
	filled := map[string]*records{
		"account_row": &w.accounts, "plan_row": &w.plans, "closing_row": &w.closings, "guard_row": &w.summaries,
		"lot_row": &w.lots, "lot_change_row": &w.lotChanges, "lot_taken_row": &w.taken,
		"entry_row": &w.entries, "entry_span_row": &w.spans, "note_row": &w.notes,
		"referenced_hold_row": &w.holds, "hold_end_row": &w.holdEnds, "hold_extension_row": &w.extensions,
		"reference_row": &w.references, "reversal_lapsed_row": &w.reversals, "usage_day_row": &w.usage,
		"declined_row": &w.declined, "agent_row": &w.agents, "outbox_row": &w.outbox,
	}
	for name, columns := range recordColumns {
		r := filled[name]
		if r == nil {
			t.Errorf("nothing fills %s", name)
			continue
		}
		var want []string
		for column := range strings.SplitSeq(columns, ", ") {
			_, kind, _ := strings.Cut(column, " ")
			want = append(want, kind)
		}
		if got := strings.Join(r.written(t), ", "); got != strings.Join(want, ", ") {
			t.Errorf("%s is filled with %s, and has %s", name, got, strings.Join(want, ", "))
		}
	}
}
