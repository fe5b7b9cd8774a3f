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

// records are rows on their way to Postgres as one parameter: an array of a composite type, in the
// binary form of the protocol. Of rows that travel as an array for each column, Postgres unpacks
// every array into a store of its own before it can put the rows together.
type records struct {
	count  int
	fields int // written so far of the row being written
	start  int // where that row begins
	body   []byte
}

// reset empties the records and keeps their memory.
func (r *records) reset() { r.count, r.body = 0, r.body[:0] }

// queue sends the rows as the last parameter of a statement, unless there are none.
func (r *records) queue(pgxBatch *pgx.Batch, statement string, before ...any) {
	if r.count > 0 {
		pgxBatch.Queue(statement, append(before, r)...)
	}
}

// begin starts a row; its fields follow, in the order of its type; end closes it.
func (r *records) begin() {
	r.count++
	r.fields, r.start = 0, len(r.body)
	r.word(0) // the row's size and the number of its fields are known at its end
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

// amountOrNull is null below zero.
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

// textOrNull is null for an empty text.
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

// epoch is where Postgres counts its times from.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// time is null for the zero time.
func (r *records) time(v time.Time) {
	if v.IsZero() {
		r.field(pgtype.TimestamptzOID, null)
		return
	}
	r.field(pgtype.TimestamptzOID, 8)
	r.body = binary.BigEndian.AppendUint64(r.body, uint64(v.UnixMicro()-epoch.UnixMicro()))
}

// day is a date at midnight UTC.
func (r *records) day(v time.Time) {
	r.field(pgtype.DateOID, 4)
	r.word(uint32(int32((v.Unix() - epoch.Unix()) / (24 * 60 * 60))))
}

// parts are two arrays, of lots and of amounts.
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

// arrayHead is the size of what stands before the elements of an array: dimensions, nulls, element
// type, length, lower bound.
const arrayHead = 20

func appendArrayHead(b []byte, element uint32, n int) []byte {
	for _, word := range [...]uint32{1, 0, element, uint32(n), 1} {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	return b
}

// registerRecordTypes teaches a connection to send records, and ids as bytes.
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

// recordsCodec sends *records as an array of one composite type. Nothing reads such an array.
type recordsCodec struct {
	pgtype.Codec
	element uint32
}

// FormatSupported is part of pgtype.Codec.
func (recordsCodec) FormatSupported(format int16) bool { return format == pgtype.BinaryFormatCode }

// PreferredFormat is part of pgtype.Codec.
func (recordsCodec) PreferredFormat() int16 { return pgtype.BinaryFormatCode }

// PlanEncode is part of pgtype.Codec.
func (c recordsCodec) PlanEncode(_ *pgtype.Map, _ uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(*records); !ok || format != pgtype.BinaryFormatCode {
		return nil
	}
	return recordsPlan(c.element)
}

type recordsPlan uint32

// Encode is part of pgtype.EncodePlan.
func (element recordsPlan) Encode(value any, buf []byte) ([]byte, error) {
	r := value.(*records)
	buf = slices.Grow(buf, arrayHead+len(r.body))
	return append(appendArrayHead(buf, uint32(element), r.count), r.body...), nil
}

// idList are accounts' ids on their way to Postgres.
type idList []uuid.UUID

// idsCodec is the codec of uuid[] that knows idList as well.
type idsCodec struct{ pgtype.Codec }

// PlanEncode is part of pgtype.Codec.
func (c idsCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(idList); ok && format == pgtype.BinaryFormatCode {
		return idsPlan{}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

type idsPlan struct{}

// Encode is part of pgtype.EncodePlan.
func (idsPlan) Encode(value any, buf []byte) ([]byte, error) {
	ids := value.(idList)
	buf = appendArrayHead(slices.Grow(buf, arrayHead+20*len(ids)), pgtype.UUIDOID, len(ids))
	for i := range ids {
		buf = append(binary.BigEndian.AppendUint32(buf, uint32(len(ids[i]))), ids[i][:]...)
	}
	return buf, nil
}
