package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// records are rows encoded as one parameter: an array of a composite type, in the binary protocol. With one
// array per column, Postgres would first unpack each array into a tuple store of its own.
type records struct {
	count  int
	fields int // number of fields in the current row
	start  int // offset of the current row
	body   []byte
}

// reset removes all rows and keeps the buffer.
func (r *records) reset() { r.count, r.body = 0, r.body[:0] }

// queue runs a statement with the rows as its last parameter, unless there are none.
func (r *records) queue(pgxBatch *pgx.Batch, statement string, before ...any) {
	if r.count > 0 {
		pgxBatch.Queue(statement, append(before, r)...)
	}
}

// begin starts a row. Its fields follow in the order of the composite type, and end closes it.
func (r *records) begin() {
	r.count++
	r.fields, r.start = 0, len(r.body)
	r.word(0) // size and number of fields, set by end
	r.word(0)
}

func (r *records) end() {
	binary.BigEndian.PutUint32(r.body[r.start:], uint32(len(r.body)-r.start-4))
	binary.BigEndian.PutUint32(r.body[r.start+4:], uint32(r.fields))
}

func (r *records) word(v uint32) { r.body = binary.BigEndian.AppendUint32(r.body, v) }

func (r *records) field(oid uint32, size int) {
	r.fields++
	r.word(oid)
	r.word(uint32(size))
}

const null = -1

func (r *records) id(v uuid.UUID) {
	r.field(pgtype.UUIDOID, len(v))
	r.body = append(r.body, v[:]...)
}

func (r *records) int64(v int64) {
	r.field(pgtype.Int8OID, 8)
	r.body = binary.BigEndian.AppendUint64(r.body, uint64(v))
}

// amountOrNull writes null for a negative amount.
func (r *records) amountOrNull(v tokens.Amount) {
	if v < 0 {
		r.field(pgtype.Int8OID, null)
		return
	}
	r.int64(int64(v))
}

func (r *records) noInt64() { r.field(pgtype.Int8OID, null) }

func (r *records) int32(v int32) {
	r.field(pgtype.Int4OID, 4)
	r.word(uint32(v))
}

func (r *records) int16(v int16) {
	r.field(pgtype.Int2OID, 2)
	r.body = binary.BigEndian.AppendUint16(r.body, uint16(v))
}

func (r *records) bool(v bool) {
	r.field(pgtype.BoolOID, 1)
	if v {
		r.body = append(r.body, 1)
	} else {
		r.body = append(r.body, 0)
	}
}

func (r *records) text(v string) {
	r.field(pgtype.TextOID, len(v))
	r.body = append(r.body, v...)
}

// textOrNull writes null for an empty text.
func (r *records) textOrNull(v string) {
	if v == "" {
		r.field(pgtype.TextOID, null)
		return
	}
	r.text(v)
}

// bytes writes what fill appends.
func (r *records) bytes(fill func([]byte) []byte) {
	r.field(pgtype.ByteaOID, 0)
	at := len(r.body)
	r.body = fill(r.body)
	binary.BigEndian.PutUint32(r.body[at-4:], uint32(len(r.body)-at))
}

func (r *records) noBytes() { r.field(pgtype.ByteaOID, null) }

// epoch is the zero of Postgres timestamps and dates.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// time writes null for the zero time.
func (r *records) time(v time.Time) {
	if v.IsZero() {
		r.field(pgtype.TimestamptzOID, null)
		return
	}
	r.field(pgtype.TimestamptzOID, 8)
	r.body = binary.BigEndian.AppendUint64(r.body, uint64(v.UnixMicro()-epoch.UnixMicro()))
}

// day writes the date of a midnight UTC.
func (r *records) day(v time.Time) {
	r.field(pgtype.DateOID, 4)
	r.word(uint32(int32((v.Unix() - epoch.Unix()) / (24 * 60 * 60))))
}

// parts writes two arrays: lots and amounts.
func (r *records) parts(parts []ledger.Part) {
	r.numbers(parts, func(p ledger.Part) int64 { return p.Lot })
	r.numbers(parts, func(p ledger.Part) int64 { return int64(p.Amount) })
}

func (r *records) noParts() {
	r.field(pgtype.Int8ArrayOID, null)
	r.field(pgtype.Int8ArrayOID, null)
}

func (r *records) numbers(parts []ledger.Part, of func(ledger.Part) int64) {
	r.field(pgtype.Int8ArrayOID, arrayHead+12*len(parts))
	r.body = appendArrayHead(r.body, pgtype.Int8OID, len(parts))
	for _, p := range parts {
		r.word(8)
		r.body = binary.BigEndian.AppendUint64(r.body, uint64(of(p)))
	}
}

// arrayHead is the size of an array's header: dimensions, null flag, element type, length, lower bound.
const arrayHead = 20

func appendArrayHead(b []byte, element uint32, n int) []byte {
	for _, word := range [...]uint32{1, 0, element, uint32(n), 1} {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	return b
}

// registerRecordTypes registers on a connection the codecs for records and idList.
func registerRecordTypes(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, sqlRecordTypes, slices.Sorted(maps.Keys(recordColumns)))
	if err != nil {
		return err
	}
	types := conn.TypeMap()
	var element, array uint32
	found, err := pgx.ForEachRow(rows, []any{&element, &array}, func() error {
		types.RegisterType(&pgtype.Type{
			Name:  fmt.Sprintf("records of %d", element),
			OID:   array,
			Codec: recordsCodec{element: element},
		})
		return nil
	})
	if err == nil && int(found.RowsAffected()) != len(recordColumns) {
		err = fmt.Errorf("the database has %d of the %d types that the ledger writes", found.RowsAffected(),
			len(recordColumns))
	}
	if ids, ok := types.TypeForOID(pgtype.UUIDArrayOID); ok {
		types.RegisterType(&pgtype.Type{
			Name:  ids.Name,
			OID:   ids.OID,
			Codec: idsCodec{ids.Codec},
		})
	}
	return err
}

// recordsCodec encodes *records as an array of one composite type. Such arrays are never read.
type recordsCodec struct {
	pgtype.Codec
	element uint32
}

// FormatSupported implements pgtype.Codec.
func (recordsCodec) FormatSupported(format int16) bool { return format == pgtype.BinaryFormatCode }

// PreferredFormat implements pgtype.Codec.
func (recordsCodec) PreferredFormat() int16 { return pgtype.BinaryFormatCode }

// PlanEncode implements pgtype.Codec.
func (c recordsCodec) PlanEncode(_ *pgtype.Map, _ uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(*records); !ok || format != pgtype.BinaryFormatCode {
		return nil
	}
	return recordsPlan(c.element)
}

type recordsPlan uint32

// Encode implements pgtype.EncodePlan.
func (element recordsPlan) Encode(value any, buf []byte) ([]byte, error) {
	r := value.(*records)
	buf = slices.Grow(buf, arrayHead+len(r.body))
	return append(appendArrayHead(buf, uint32(element), r.count), r.body...), nil
}

// idList encodes account ids without an allocation for each.
type idList []uuid.UUID

// idsCodec is the codec of uuid[] that also accepts idList.
type idsCodec struct{ pgtype.Codec }

// PlanEncode implements pgtype.Codec.
func (c idsCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(idList); ok && format == pgtype.BinaryFormatCode {
		return idsPlan{}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

type idsPlan struct{}

// Encode implements pgtype.EncodePlan.
func (idsPlan) Encode(value any, buf []byte) ([]byte, error) {
	ids := value.(idList)
	buf = appendArrayHead(slices.Grow(buf, arrayHead+20*len(ids)), pgtype.UUIDOID, len(ids))
	for i := range ids {
		buf = append(binary.BigEndian.AppendUint32(buf, uint32(len(ids[i]))), ids[i][:]...)
	}
	return buf, nil
}
