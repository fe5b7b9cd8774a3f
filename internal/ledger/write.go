package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"pop.store/credits/internal/tokens"
)

// errUnknownCommit means that the connection broke around COMMIT: the batch may or may not be in the books.
var errUnknownCommit = errors.New("the outcome of COMMIT is unknown")

// writer holds the columns that nearly every batch fills, to be filled again by the next one.
type writer struct {
	accounts rows
	entries  rows
}

func newWriter() *writer {
	return &writer{accounts: accountRows(), entries: entryRows()}
}

// Short names for the types of columns.
const (
	idType    = pgtype.UUIDOID
	int64Type = pgtype.Int8OID
	int32Type = pgtype.Int4OID
	int16Type = pgtype.Int2OID
	boolType  = pgtype.BoolOID
	textType  = pgtype.TextOID
	bytesType = pgtype.ByteaOID
	timeType  = pgtype.TimestamptzOID
	dayType   = pgtype.DateOID
)

// write puts everything that the batch changed into the books and commits, in one round trip. When nothing changed it only ends the
// transaction, which frees the locks.
func (w *writer) write(ctx context.Context, conn *pgx.Conn, l *loaded, now time.Time) error {
	batch := &pgx.Batch{}
	if !l.began {
		batch.Queue("begin")
	}
	states := l.inOrder()
	w.queueAccounts(batch, states, now)
	queuePlans(batch, states)
	queueLots(batch, states)
	w.queueEntries(batch, states)
	queueHolds(batch, states)
	queueRare(batch, states)
	if len(l.doubtKeys) > 0 {
		batch.Queue(sqlNoneKnown, l.doubtAccounts, l.doubtKeys)
		l.queueUnchanged(batch)
	}
	if batch.Len() == 1 && !l.began {
		return nil // decided from memory, and nothing to write
	}
	batch.Queue("commit")
	return commitError(conn.SendBatch(ctx, batch).Close())
}

// queueUnchanged checks that accounts are still as the lane remembers them, where a refusal rests on that and nothing is written that would
// tell.
func (l *loaded) queueUnchanged(batch *pgx.Batch) {
	r := newRows(idType, int64Type)
	for _, account := range l.doubtAccounts {
		if s := l.states[account.Bytes]; s != nil && !s.changed && !l.began {
			r[0].id(s.account)
			r[1].int64(s.version)
		}
	}
	r.queue(batch, sqlUnchanged)
}

// inOrder lists the states that the batch changed in id order, which is the order in which their rows are locked.
func (l *loaded) inOrder() []*state {
	states := make([]*state, 0, len(l.states))
	for _, s := range l.states {
		if s.changed {
			states = append(states, s)
		}
	}
	slices.SortFunc(states, func(a, b *state) int { return compareIDs(a.account, b.account) })
	return states
}

// commitError tells a refusal by Postgres, after which nothing was written, from a broken connection, after which nobody knows: the
// COMMIT travels with the writes. SafeToRetry is not asked, since it claims too much for a lost acknowledgement.
func commitError(err error) error {
	var refused *pgconn.PgError
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return errors.Join(errUnknownCommit, err)
}

func accountRows() rows {
	return newRows(idType, int64Type, int64Type, int64Type, int64Type, int64Type, timeType, timeType, int64Type, int64Type, int64Type, dayType,
		bytesType, int32Type, int64Type, int64Type, int64Type)
}

func (w *writer) queueAccounts(batch *pgx.Batch, states []*state, now time.Time) {
	r := w.accounts
	r.reset()
	for _, s := range states {
		s.chooseOpenLot(later(now, s.lastAt))
		if len(s.today.lines) > maxTodayLines {
			s.flushToday()
		}
		remaining, held := s.openAmounts()
		r[0].id(s.account)
		r[1].int64(int64(s.balance))
		r[2].int64(int64(s.held))
		r[3].int64(int64(s.unusable))
		r[4].int64(int64(s.owed))
		r[5].int64(s.seq)
		r[6].time(s.lastAt)
		r[7].time(s.dueAt)
		r[8].int64(s.openLot)
		r[9].int64(int64(remaining))
		r[10].int64(int64(held))
		r[11].day(s.today.day)
		r[12].bytes(s.today.encode())
		r[13].int32(int32(s.today.declined))
		r[14].int64(s.declinedEver)
		r[15].int64(s.version)
		r[16].int64(s.newestLot)
	}
	r.queue(batch, sqlUpdateAccounts)
}

// openAmounts is what the account's row carries for its open lot.
func (s *state) openAmounts() (remaining, held tokens.Amount) {
	if l := s.lot(s.openLot); l != nil && s.openLot != 0 {
		return l.remaining, l.held
	}
	return 0, 0
}

// plan is the part of an account that changes a few times a month.
type plan struct {
	id, next string
	status   PlanStatus
	period   int
	granted  tokens.Amount
}

func queuePlans(batch *pgx.Batch, states []*state) {
	r := newRows(idType, textType, textType, textType, timeType, textType, int32Type, int64Type)
	for _, s := range states {
		if s.before == (plan{s.plan, s.nextPlan, s.status, s.period, s.periodGranted}) {
			continue
		}
		r[0].id(s.account)
		r[1].text(s.plan)
		r[2].text(s.nextPlan)
		r[3].text(string(s.status))
		r[4].time(s.anchor)
		r[5].text(s.zone.String())
		r[6].int32(int32(s.period))
		r[7].int64(int64(s.periodGranted))
	}
	r.queue(batch, sqlUpdatePlans)
}

// queueLots writes the lots that are not the open one: the open lot's remainder is in the account's row until another one takes its
// place.
func queueLots(batch *pgx.Batch, states []*state) {
	added := newRows(idType, int64Type, int16Type, int64Type, int64Type, int64Type, int16Type, timeType, timeType, boolType, boolType, boolType, textType)
	changed := newRows(idType, int64Type, int64Type, int64Type, boolType, boolType, boolType)
	for _, s := range states {
		for i := range s.lots {
			l := &s.lots[i]
			now := l.present()
			if l.number == s.openLot {
				now.remaining, now.held = l.row.remaining, l.row.held
			}
			switch {
			case l.added:
				added.addLot(s, l)
			case now != l.row:
				changed.changeLot(s, l)
			}
		}
	}
	added.queue(batch, sqlInsertLots)
	changed.queue(batch, sqlUpdateLots)
}

func (r rows) addLot(s *state, l *lot) {
	r[0].id(s.account)
	r[1].int64(l.number)
	r[2].int16(int16(l.kind))
	r[3].int64(int64(l.amount))
	r[4].int64(int64(l.remaining))
	r[5].int64(int64(l.held))
	r[6].int16(l.kind.priority())
	r[7].time(l.effectiveAt)
	r[8].time(l.expiresAt)
	r[9].bool(l.frozen)
	r[10].bool(l.revoked)
	r[11].bool(l.remaining > 0)
	r[12].text(l.source)
}

func (r rows) changeLot(s *state, l *lot) {
	r[0].id(s.account)
	r[1].int64(l.number)
	r[2].int64(int64(l.remaining))
	r[3].int64(int64(l.held))
	r[4].bool(l.frozen)
	r[5].bool(l.revoked)
	r[6].bool(l.remaining > 0)
}

func entryRows() rows {
	return newRows(idType, int64Type, timeType, int16Type, int64Type, int64Type, int64Type, int64Type, int64Type, int16Type, int16Type, textType, textType,
		int64Type, int64Type, textType, textType, int64Type, dayType, int64Type, textType, textType, textType, bytesType)
}

func (r rows) addEntry(e *Entry) {
	r[0].id(e.Account)
	r[1].int64(e.Seq)
	r[2].time(e.At)
	r[3].int16(int16(e.Kind))
	r[4].int64(int64(e.Amount))
	r[5].int64(int64(e.HeldDelta))
	r[6].int64(int64(e.BalanceAfter))
	r[7].int64(int64(e.HeldAfter))
	r[8].int64(int64(e.SpendableAfter))
	r[9].int16(int16(e.Contra))
	r[10].int16(int16(e.LotKind))
	r[11].text(e.Feature)
	r[12].text(e.Agent)
	r[13].int64(e.Quantity)
	r[14].int64(int64(e.UnitPrice))
	r[15].text(e.CatalogVersion)
	r[16].text(e.Reference)
	r[17].int64(e.About)
	r[18].day(e.Day)
	if len(e.Parts) == 1 && e.Parts[0].Amount == e.moved() {
		r[19].int64(e.Parts[0].Lot)
		r[20].null()
		r[21].null()
	} else {
		lots, amounts := arrayText(e.Parts)
		r[19].int64(0)
		r[20].text(lots)
		r[21].text(amounts)
	}
	r[22].textOrNull(e.key)
	r[23].bytes(e.fingerprint)
}

func (w *writer) queueEntries(batch *pgx.Batch, states []*state) {
	w.entries.reset()
	for _, s := range states {
		for i := range s.entries {
			w.entries.addEntry(&s.entries[i])
		}
	}
	w.entries.queue(batch, sqlInsertEntries)
}

// arrayText writes the parts as two Postgres arrays: "{3,7}" and "{-5000000,-2500000}".
func arrayText(parts []Part) (lots, amounts string) {
	l, a := make([]byte, 0, 8), make([]byte, 0, 16)
	l, a = append(l, '{'), append(a, '{')
	for i, p := range parts {
		if i > 0 {
			l, a = append(l, ','), append(a, ',')
		}
		l, a = strconv.AppendInt(l, p.Lot, 10), strconv.AppendInt(a, int64(p.Amount), 10)
	}
	return string(append(l, '}')), string(append(a, '}'))
}

func queueHolds(batch *pgx.Batch, states []*state) {
	added := newRows(idType, int64Type, int64Type, timeType, textType, textType, int64Type, int64Type, textType, textType, textType)
	ended := newRows(idType, int64Type, int16Type)
	for _, s := range states {
		for i := range s.holds {
			h := &s.holds[i]
			if h.added {
				added.addHold(s, h)
			}
			if h.changed {
				ended[0].id(s.account)
				ended[1].int64(h.number)
				ended[2].int16(int16(h.outcome))
			}
		}
	}
	added.queue(batch, sqlInsertHolds)
	ended.queue(batch, sqlEndHolds)
}

func (r rows) addHold(s *state, h *hold) {
	lots, amounts := arrayText(h.parts)
	r[0].id(s.account)
	r[1].int64(h.number)
	r[2].int64(int64(h.amount))
	r[3].time(h.expiresAt)
	r[4].text(h.work.feature)
	r[5].text(h.work.agent)
	r[6].int64(h.work.quantity)
	r[7].int64(int64(h.work.unitPrice))
	r[8].text(h.work.version)
	r[9].text(lots)
	r[10].text(amounts)
}

// queueRare writes what only some batches have.
func queueRare(batch *pgx.Batch, states []*state) {
	queueReferences(batch, states)
	queueReversals(batch, states)
	queueNotes(batch, states)
	queueUsage(batch, states)
	queueDeclined(batch, states)
}

func queueReferences(batch *pgx.Batch, states []*state) {
	r := newRows(idType, textType, textType, int64Type)
	for _, s := range states {
		for _, ref := range s.refs {
			r[0].id(s.account)
			r[1].text(ref.scope)
			r[2].text(ref.reference)
			r[3].int64(ref.seq)
		}
	}
	r.queue(batch, sqlInsertReferences)
}

func queueReversals(batch *pgx.Batch, states []*state) {
	r := newRows(idType, int64Type, int64Type)
	for _, s := range states {
		for seq, amount := range s.reversals {
			r[0].id(s.account)
			r[1].int64(seq)
			r[2].int64(int64(amount))
		}
	}
	r.queue(batch, sqlAddReversals)
}

func queueNotes(batch *pgx.Batch, states []*state) {
	r := newRows(idType, int64Type, textType, textType)
	for _, s := range states {
		for i := range s.entries {
			if n := &s.entries[i].note; !n.empty() {
				r[0].id(s.account)
				r[1].int64(s.entries[i].Seq)
				r[2].text(n.Reason)
				r[3].textOrNull(metadataText(n.Metadata))
			}
		}
	}
	r.queue(batch, sqlInsertNotes)
}

// metadataText is empty for no metadata.
func metadataText(metadata map[string]string) string {
	if len(metadata) == 0 {
		return ""
	}
	raw, err := json.Marshal(metadata)
	if err != nil {
		panic(err) // a map of strings always has a JSON form
	}
	return string(raw)
}

func queueUsage(batch *pgx.Batch, states []*state) {
	r := newRows(idType, dayType, textType, textType, int64Type, int64Type, int64Type)
	for _, s := range states {
		for _, u := range s.usageSums() {
			r[0].id(s.account)
			r[1].day(u.day)
			r[2].text(u.feature)
			r[3].text(u.agent)
			r[4].int64(int64(u.amount))
			r[5].int64(u.quantity)
			r[6].int64(u.count)
		}
	}
	r.queue(batch, sqlAddUsage)
}

func queueDeclined(batch *pgx.Batch, states []*state) {
	r := newRows(idType, dayType, int32Type, timeType, textType, textType, int64Type, int64Type)
	for _, s := range states {
		for _, d := range s.declined {
			r[0].id(s.account)
			r[1].day(d.Day)
			r[2].int32(int32(d.Number))
			r[3].time(d.At)
			r[4].text(d.Feature)
			r[5].text(d.Agent)
			r[6].int64(int64(d.Required))
			r[7].int64(int64(d.Spendable))
		}
	}
	r.queue(batch, sqlInsertDeclined)
}
