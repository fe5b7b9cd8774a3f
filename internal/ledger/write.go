package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pop.store/credits/internal/tokens"
)

// errUnknownCommit means that the connection broke around COMMIT: the batch may or may not be in the books.
var errUnknownCommit = errors.New("the outcome of COMMIT is unknown")

// writer holds what a batch writes, by table, and is filled again by the next batch.
type writer struct {
	ids                                                  idList // of the accounts that changed
	accounts, plans, guards, lots, lotChanges, entries   records
	references, holds, holdEnds, reversals, notes, usage records
	declined, agents, outbox, closings, taken            records
	spans, extensions                                    records
}

func (w *writer) reset() {
	w.ids = w.ids[:0]
	for _, r := range []*records{
		&w.accounts, &w.plans, &w.lots, &w.lotChanges, &w.entries, &w.references, &w.holds, &w.holdEnds,
		&w.reversals, &w.notes, &w.usage, &w.declined,
		&w.agents, &w.guards, &w.outbox, &w.closings, &w.taken, &w.spans, &w.extensions,
	} {
		r.reset()
	}
}

// write puts everything that the batch changed into the books and commits, in one round trip. When
// nothing changed it only ends the transaction, which frees the locks.
func (w *writer) write(ctx context.Context, conn *pgx.Conn, l *loaded, now time.Time, db laneDB) error {
	w.reset()
	for _, p := range l.parties {
		if s := p.state; s != nil && s.changed {
			w.add(s, now)
		}
	}
	batch := &pgx.Batch{}
	if !l.began {
		db.queueBegin(batch)
	}
	opened := batch.Len()
	w.put(batch)
	l.queueDoubts(batch)
	l.queueUnclaimed(batch)
	l.queueExtensionDoubts(batch)
	if batch.Len() == opened && !l.began {
		return nil // decided from memory, and nothing to write
	}
	batch.Queue("commit")
	return commitError(conn.SendBatch(ctx, batch).Close())
}

// put queues the statements, a hold's beginning before its end. Those that update name the accounts
// as well (spec "Citus").
func (w *writer) put(batch *pgx.Batch) {
	w.accounts.queue(batch, sqlUpdateAccounts, w.ids)
	w.plans.queue(batch, sqlUpdatePlans, w.ids)
	w.closings.queue(batch, sqlCloseAccounts, w.ids)
	w.guards.queue(batch, sqlUpdateGuards, w.ids)
	w.lots.queue(batch, sqlInsertLots)
	w.lotChanges.queue(batch, sqlUpdateLots, w.ids)
	w.taken.queue(batch, sqlUpdateTaken, w.ids)
	w.entries.queue(batch, sqlInsertEntries)
	w.spans.queue(batch, sqlInsertSpans)
	w.holds.queue(batch, sqlInsertHolds)
	w.extensions.queue(batch, sqlExtendHolds, w.ids)
	w.extensions.queue(batch, sqlMarkExtended, w.ids)
	w.extensions.queue(batch, sqlInsertExtensions)
	w.holdEnds.queue(batch, sqlEndHolds, w.ids)
	w.references.queue(batch, sqlInsertReferences)
	w.reversals.queue(batch, sqlAddReversals)
	w.notes.queue(batch, sqlInsertNotes)
	w.usage.queue(batch, sqlAddUsage)
	w.declined.queue(batch, sqlInsertDeclined)
	w.agents.queue(batch, sqlPutAgents)
	w.outbox.queue(batch, sqlInsertOutbox)
}

// queueDoubts checks what refusals from memory rest on: that their keys are new, and that accounts
// are still as the lane remembers them where nothing is written that would tell.
func (l *loaded) queueDoubts(batch *pgx.Batch) {
	if len(l.doubts) == 0 {
		return
	}
	var accounts, remembered idList
	var keys []string
	var versions []int64
	for _, c := range l.doubts {
		accounts, keys = append(accounts, c.account), append(keys, c.key)
		if s := c.party.state; !s.changed && !l.began {
			remembered, versions = append(remembered, s.account), append(versions, s.version)
		}
	}
	batch.Queue(sqlNoneKnown, accounts, keys)
	if len(remembered) > 0 {
		batch.Queue(sqlUnchanged, remembered, versions)
	}
}

// queueExtensionDoubts checks that no extension of a hold bound the keys of requests that were
// decided from memory. Those that an entry bound are found when the new entries are inserted.
func (l *loaded) queueExtensionDoubts(batch *pgx.Batch) {
	accounts, keys := l.keysOfExtended(func(c *call) bool { return c.party.remembered && !c.answer.replayed })
	if len(keys) > 0 {
		batch.Queue(sqlNoneExtended, accounts, keys)
	}
}

// commitError tells a refusal by Postgres, after which nothing was written, from a broken
// connection, after which nobody knows: the COMMIT travels with the writes. SafeToRetry is not
// asked, since it claims too much for a lost acknowledgement.
func commitError(err error) error {
	var refused *pgconn.PgError
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return errors.Join(errUnknownCommit, err)
}

// add notes all that changed about one account.
func (w *writer) add(s *state, now time.Time) {
	w.addAccount(s, now)
	w.addPlan(s)
	w.addClosing(s)
	w.addGuards(s)
	w.addLots(s)
	for _, e := range s.entries {
		w.addEntry(e)
		w.addNote(e)
	}
	w.addHolds(s)
	w.addRare(s)
}

func (w *writer) addAccount(s *state, now time.Time) {
	s.chooseOpenLot(later(now, s.lastAt))
	if len(s.today.lines) > maxTodayLines {
		s.flushToday()
	}
	remaining, held := s.openAmounts()
	w.ids = append(w.ids, s.account)
	r := &w.accounts
	r.begin()
	r.id(s.account)
	r.int64(s.version)
	r.int64(int64(s.balance))
	r.int64(int64(s.held))
	r.int64(int64(s.unusable))
	r.int64(int64(s.owed))
	r.int64(s.seq)
	r.time(s.lastAt)
	r.time(s.dueAt)
	r.int64(s.newestLot)
	r.int64(s.openLot)
	r.int64(int64(remaining))
	r.int64(int64(held))
	r.day(s.today.day)
	r.bytes(s.today.encode)
	r.int32(int32(s.today.declined))
	r.int64(s.declinedEver)
	r.end()
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

func (s *state) presentPlan() plan {
	return plan{s.plan, s.nextPlan, s.status, s.period, s.periodGranted}
}

func (w *writer) addPlan(s *state) {
	if s.before == s.presentPlan() {
		return
	}
	r := &w.plans
	r.begin()
	r.id(s.account)
	r.text(s.plan)
	r.text(s.nextPlan)
	r.text(string(s.status))
	r.time(s.anchor)
	r.text(s.zone.String())
	r.int32(int32(s.period))
	r.int64(int64(s.periodGranted))
	r.end()
}

func (w *writer) addClosing(s *state) {
	if !s.closing {
		return
	}
	w.closings.begin()
	w.closings.id(s.account)
	w.closings.time(s.closedAt)
	w.closings.end()
}

// addLots notes the lots that are not the open one: the open lot's remainder is in the account's
// row until another one takes its place.
func (w *writer) addLots(s *state) {
	for i := range s.lots {
		l := &s.lots[i]
		now := l.present()
		if l.number == s.openLot {
			now.remaining, now.held = l.row.remaining, l.row.held
		}
		switch {
		case l.added:
			w.addLot(s, l)
		case now != l.row:
			w.changeLot(s, l)
		}
		if l.retaken {
			w.taken.begin()
			w.taken.id(s.account)
			w.taken.int64(l.number)
			w.taken.int64(int64(l.taken))
			w.taken.end()
		}
	}
}

func (w *writer) addLot(s *state, l *lot) {
	r := &w.lots
	r.begin()
	r.id(s.account)
	r.int64(l.number)
	r.int16(int16(l.kind))
	r.int64(int64(l.amount))
	r.int64(int64(l.remaining))
	r.int64(int64(l.held))
	r.int16(l.kind.priority())
	r.time(l.effectiveAt)
	r.time(l.expiresAt)
	r.bool(l.frozen)
	r.bool(l.revoked)
	r.bool(l.remaining > 0)
	r.text(l.source)
	r.end()
}

func (w *writer) changeLot(s *state, l *lot) {
	r := &w.lotChanges
	r.begin()
	r.id(s.account)
	r.int64(l.number)
	r.int64(int64(l.remaining))
	r.int64(int64(l.held))
	r.bool(l.frozen)
	r.bool(l.revoked)
	r.bool(l.remaining > 0)
	r.end()
}

func (w *writer) addEntry(e *Entry) {
	r := &w.entries
	if e.lastSeq > 0 {
		r = &w.spans
	}
	r.begin()
	r.id(e.Account)
	r.int64(e.Seq)
	r.time(e.At)
	r.int16(int16(e.Kind))
	r.int64(int64(e.Amount))
	r.int64(int64(e.HeldDelta))
	r.int64(int64(e.BalanceAfter))
	r.int64(int64(e.HeldAfter))
	r.int64(int64(e.SpendableAfter))
	r.int16(int16(e.Contra))
	r.int16(int16(e.LotKind))
	r.text(e.Feature)
	r.text(e.Agent)
	r.int64(e.Quantity)
	r.int64(int64(e.UnitPrice))
	r.text(e.CatalogVersion)
	r.text(e.Reference)
	r.int64(e.About)
	r.day(e.Day)
	if len(e.Parts) == 1 && e.Parts[0].Amount == e.moved() {
		r.int64(e.Parts[0].Lot)
		r.noParts()
	} else {
		r.int64(0)
		r.parts(e.Parts)
	}
	if e.key == "" {
		r.textOrNull("")
		r.noBytes()
	} else {
		r.text(e.key)
		r.bytes(e.fingerprint.appendTo)
	}
	if e.lastSeq > 0 {
		r.int64(e.lastSeq)
	}
	r.end()
}

func (w *writer) addNote(e *Entry) {
	if e.note.empty() {
		return
	}
	r := &w.notes
	r.begin()
	r.id(e.Account)
	r.int64(e.Seq)
	r.text(e.note.Reason)
	r.textOrNull(metadataText(e.note.Metadata))
	r.end()
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

func (w *writer) addHolds(s *state) {
	for i := range s.holds {
		h := &s.holds[i]
		if h.added {
			w.addHold(s, h)
		}
		if h.changed {
			w.holdEnds.begin()
			w.holdEnds.id(s.account)
			w.holdEnds.int64(h.number)
			w.holdEnds.int16(int16(h.outcome))
			w.holdEnds.end()
		}
	}
}

func (w *writer) addHold(s *state, h *hold) {
	r := &w.holds
	r.begin()
	r.id(s.account)
	r.int64(h.number)
	r.int64(int64(h.amount))
	r.time(h.expiresAt)
	r.text(h.work.feature)
	r.text(h.work.agent)
	r.int64(h.work.quantity)
	r.int64(int64(h.work.unitPrice))
	r.text(h.work.version)
	r.parts(h.parts)
	r.text(h.work.reference)
	r.end()
}

func (w *writer) addExtension(s *state, x *extension) {
	r := &w.extensions
	r.begin()
	r.id(s.account)
	r.text(x.key)
	r.bytes(x.fingerprint.appendTo)
	r.int64(x.hold)
	r.time(x.at)
	r.time(x.expiresAt)
	r.end()
}

// addRare notes what only few requests bring about.
func (w *writer) addRare(s *state) {
	for _, ref := range s.refs {
		w.references.begin()
		w.references.id(s.account)
		w.references.text(ref.scope)
		w.references.text(ref.reference)
		w.references.int64(ref.seq)
		w.references.end()
	}
	for seq, r := range s.reversals {
		w.reversals.begin()
		w.reversals.id(s.account)
		w.reversals.int64(seq)
		w.reversals.int64(int64(r.amount))
		w.reversals.int64(int64(r.lapsed))
		w.reversals.end()
	}
	for _, u := range s.usageSums() {
		w.addUsage(s, u)
	}
	for _, d := range s.declined {
		w.addDeclined(s, d)
	}
	for i := range s.agents {
		if a := &s.agents[i]; a.added || a.present() != a.row {
			w.addAgent(s, a)
		}
	}
	for i := range s.events {
		w.addEvent(s, &s.events[i])
	}
	for _, x := range s.extensions {
		w.addExtension(s, x)
	}
}

func (w *writer) addGuards(s *state) {
	if s.guards == s.guardsBefore {
		return
	}
	r := &w.guards
	r.begin()
	r.id(s.account)
	r.int16(int16(s.level))
	r.int32(int32(s.agentCount))
	r.int32(int32(s.pausedAgents))
	r.bool(s.guarded)
	r.int64(int64(s.reserved))
	r.amountOrNull(s.lowThreshold)
	r.int64(s.eventSeq)
	r.end()
}

func (w *writer) addAgent(s *state, a *agent) {
	now := a.present()
	r := &w.agents
	r.begin()
	r.id(s.account)
	r.text(a.id)
	r.text(a.name)
	r.text(a.feature)
	r.int16(int16(a.state))
	r.time(a.pausedSince)
	r.int64(a.turnedAway)
	r.int64(int64(a.unit))
	r.amountOrNull(now.budget)
	r.int64(int64(a.reserve))
	r.time(a.resumedAt)
	r.int64(a.missed)
	r.end()
}

func (w *writer) addEvent(s *state, e *Event) {
	r := &w.outbox
	r.begin()
	r.id(s.account)
	r.int64(e.Seq)
	r.time(e.At)
	r.text(e.Kind)
	r.text(string(e.Data))
	r.end()
}

func (w *writer) addUsage(s *state, u dayUsage) {
	r := &w.usage
	r.begin()
	r.id(s.account)
	r.day(u.day)
	r.text(u.Feature)
	r.text(u.Agent)
	r.int64(int64(u.Amount))
	r.int64(u.Quantity)
	r.int64(u.Count)
	r.int64(int64(u.Returned))
	r.end()
}

func (w *writer) addDeclined(s *state, d Declined) {
	r := &w.declined
	r.begin()
	r.id(s.account)
	r.day(d.Day)
	r.int32(int32(d.Number))
	r.time(d.At)
	r.text(d.Feature)
	r.text(d.Agent)
	r.int64(int64(d.Required))
	r.int64(int64(d.Spendable))
	r.end()
}
