package engine

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
)

// writer encodes the rows of a batch by table. It is reused by the next batch.
type writer struct {
	ids                                                   idList // of the changed accounts
	accounts, plans, summaries, lots, lotChanges, entries records
	references, holds, holdEnds, reversals, notes, usage  records
	declined, agents, outbox, closings, taken             records
	spans, extensions                                     records

	changes ledger.Changes // of the current account
}

func (w *writer) reset() {
	w.ids = w.ids[:0]
	for _, r := range []*records{
		&w.accounts, &w.plans, &w.lots, &w.lotChanges, &w.entries, &w.references, &w.holds, &w.holdEnds,
		&w.reversals, &w.notes, &w.usage, &w.declined,
		&w.agents, &w.summaries, &w.outbox, &w.closings, &w.taken, &w.spans, &w.extensions,
	} {
		r.reset()
	}
}

// put queues the statements; a hold is inserted before it is ended. Updates also filter by account, for
// Citus.
func (w *writer) put(pgxBatch *pgx.Batch) {
	w.accounts.queue(pgxBatch, sqlUpdateAccounts, w.ids)
	w.plans.queue(pgxBatch, sqlUpdatePlans, w.ids)
	w.closings.queue(pgxBatch, sqlCloseAccounts, w.ids)
	w.summaries.queue(pgxBatch, sqlUpdateGuards, w.ids)
	w.lots.queue(pgxBatch, sqlInsertLots)
	w.lotChanges.queue(pgxBatch, sqlUpdateLots, w.ids)
	w.taken.queue(pgxBatch, sqlUpdateTaken, w.ids)
	w.entries.queue(pgxBatch, sqlInsertEntries)
	w.spans.queue(pgxBatch, sqlInsertSpans)
	w.holds.queue(pgxBatch, sqlInsertHolds)
	w.extensions.queue(pgxBatch, sqlExtendHolds, w.ids)
	w.extensions.queue(pgxBatch, sqlMarkExtended, w.ids)
	w.extensions.queue(pgxBatch, sqlInsertExtensions)
	w.holdEnds.queue(pgxBatch, sqlEndHolds, w.ids)
	w.references.queue(pgxBatch, sqlInsertReferences)
	w.reversals.queue(pgxBatch, sqlAddReversals)
	w.notes.queue(pgxBatch, sqlInsertNotes)
	w.usage.queue(pgxBatch, sqlAddUsage)
	w.declined.queue(pgxBatch, sqlInsertDeclined)
	w.agents.queue(pgxBatch, sqlPutAgents)
	w.outbox.queue(pgxBatch, sqlInsertOutbox)
}

func (w *writer) add(s *ledger.State, now time.Time) {
	c := &w.changes
	s.Changes(now, c)
	a := c.Account
	w.addAccount(a)
	if c.Plan {
		w.addPlan(a)
	}
	if c.Closed {
		w.addClosing(a)
	}
	if c.Summary {
		w.addSummary(a)
	}
	for _, l := range c.NewLots {
		w.addLot(a.AccountID, l)
	}
	for _, l := range c.ChangedLots {
		w.changeLot(a.AccountID, l)
	}
	for _, l := range c.TakenBack {
		w.addTaken(a.AccountID, l)
	}
	for _, e := range c.Entries {
		w.addEntry(e)
		w.addNote(e)
	}
	for _, h := range c.NewHolds {
		w.addHold(a.AccountID, h)
	}
	for _, h := range c.EndedHolds {
		w.addHoldEnd(a.AccountID, h)
	}
	w.addRare(a.AccountID, c)
}

func (w *writer) addAccount(a *ledger.AccountRow) {
	w.ids = append(w.ids, a.AccountID)
	r := &w.accounts
	r.begin()
	r.id(a.AccountID)
	r.int64(a.Version)
	r.int64(int64(a.Balance))
	r.int64(int64(a.Held))
	r.int64(int64(a.Unusable))
	r.int64(int64(a.Owed))
	r.int64(a.Seq)
	r.time(a.LastAt)
	r.time(a.DueAt)
	r.int64(a.NewestLot)
	r.int64(a.OpenLot)
	r.int64(int64(a.OpenRemaining))
	r.int64(int64(a.OpenHeld))
	r.day(a.Today.Day)
	r.bytes(a.Today.AppendTo)
	r.int32(int32(a.Today.Declined))
	r.int64(a.DeclinedEver)
	r.end()
}

func (w *writer) addPlan(a *ledger.AccountRow) {
	r := &w.plans
	r.begin()
	r.id(a.AccountID)
	r.text(a.Plan)
	r.text(a.NextPlan)
	r.text(string(a.PlanStatus))
	r.time(a.Anchor)
	r.text(a.Zone.String())
	r.int32(int32(a.Period))
	r.int64(int64(a.PeriodGranted))
	r.end()
}

func (w *writer) addClosing(a *ledger.AccountRow) {
	w.closings.begin()
	w.closings.id(a.AccountID)
	w.closings.time(a.ClosedAt)
	w.closings.end()
}

func (w *writer) addTaken(account uuid.UUID, l *ledger.Lot) {
	w.taken.begin()
	w.taken.id(account)
	w.taken.int64(l.Number)
	w.taken.int64(int64(l.TakenBack))
	w.taken.end()
}

func (w *writer) addLot(account uuid.UUID, l *ledger.Lot) {
	r := &w.lots
	r.begin()
	r.id(account)
	r.int64(l.Number)
	r.int16(int16(l.Kind))
	r.int64(int64(l.Amount))
	r.int64(int64(l.Remaining))
	r.int64(int64(l.Held))
	r.int16(l.Kind.Priority())
	r.time(l.EffectiveAt)
	r.time(l.ExpiresAt)
	r.bool(l.Frozen)
	r.bool(l.Revoked)
	r.bool(l.Remaining > 0)
	r.text(l.Source)
	r.end()
}

func (w *writer) changeLot(account uuid.UUID, l *ledger.Lot) {
	r := &w.lotChanges
	r.begin()
	r.id(account)
	r.int64(l.Number)
	r.int64(int64(l.Remaining))
	r.int64(int64(l.Held))
	r.bool(l.Frozen)
	r.bool(l.Revoked)
	r.bool(l.Remaining > 0)
	r.end()
}

func (w *writer) addEntry(e *ledger.Entry) {
	r := &w.entries
	if e.LastSeq > 0 {
		r = &w.spans
	}
	r.begin()
	r.id(e.AccountID)
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
	if len(e.Parts) == 1 && e.Parts[0].Amount == e.Moved() {
		r.int64(e.Parts[0].Lot)
		r.noParts()
	} else {
		r.int64(0)
		r.parts(e.Parts)
	}
	if e.Key == "" {
		r.textOrNull("")
		r.noBytes()
	} else {
		r.text(e.Key)
		r.bytes(e.Fingerprint.AppendTo)
	}
	if e.LastSeq > 0 {
		r.int64(e.LastSeq)
	}
	r.end()
}

func (w *writer) addNote(e *ledger.Entry) {
	if e.Note.Empty() {
		return
	}
	r := &w.notes
	r.begin()
	r.id(e.AccountID)
	r.int64(e.Seq)
	r.text(e.Note.Reason)
	r.textOrNull(metadataText(e.Note.Metadata))
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

func (w *writer) addHoldEnd(account uuid.UUID, h *ledger.HoldRow) {
	w.holdEnds.begin()
	w.holdEnds.id(account)
	w.holdEnds.int64(h.Number)
	w.holdEnds.int16(int16(h.Outcome))
	w.holdEnds.end()
}

func (w *writer) addHold(account uuid.UUID, h *ledger.HoldRow) {
	r := &w.holds
	r.begin()
	r.id(account)
	r.int64(h.Number)
	r.int64(int64(h.Amount))
	r.time(h.ExpiresAt)
	r.text(h.Feature)
	r.text(h.Agent)
	r.int64(h.Quantity)
	r.int64(int64(h.UnitPrice))
	r.text(h.CatalogVersion)
	r.parts(h.Parts)
	r.text(h.Reference)
	r.end()
}

func (w *writer) addExtension(account uuid.UUID, x *ledger.ExtensionRow) {
	r := &w.extensions
	r.begin()
	r.id(account)
	r.text(x.Key)
	r.bytes(x.Fingerprint.AppendTo)
	r.int64(x.Hold)
	r.time(x.At)
	r.time(x.ExpiresAt)
	r.end()
}

// addRare adds the rows that few requests write.
func (w *writer) addRare(account uuid.UUID, c *ledger.Changes) {
	for _, ref := range c.References {
		w.references.begin()
		w.references.id(account)
		w.references.text(ref.Scope)
		w.references.text(ref.Reference)
		w.references.int64(ref.Seq)
		w.references.end()
	}
	for seq, r := range c.Reversals {
		w.reversals.begin()
		w.reversals.id(account)
		w.reversals.int64(seq)
		w.reversals.int64(int64(r.Amount))
		w.reversals.int64(int64(r.Lapsed))
		w.reversals.end()
	}
	for _, u := range c.Usage {
		w.addUsage(account, u)
	}
	for _, d := range c.Declined {
		w.addDeclined(account, d)
	}
	for _, a := range c.Agents {
		w.addAgent(account, a)
	}
	for i := range c.Events {
		w.addEvent(account, &c.Events[i])
	}
	for _, x := range c.Extensions {
		w.addExtension(account, x)
	}
}

func (w *writer) addSummary(a *ledger.AccountRow) {
	r := &w.summaries
	r.begin()
	r.id(a.AccountID)
	r.int16(int16(a.Level))
	r.int32(int32(a.AgentCount))
	r.int32(int32(a.PausedAgents))
	r.bool(a.AgentRules)
	r.int64(int64(a.Reserved))
	r.amountOrNull(a.LowThreshold)
	r.int64(a.EventSeq)
	r.end()
}

func (w *writer) addAgent(account uuid.UUID, a *ledger.AgentRow) {
	r := &w.agents
	r.begin()
	r.id(account)
	r.text(a.ID)
	r.text(a.Name)
	r.text(a.Feature)
	r.int16(int16(a.State))
	r.time(a.PausedSince)
	r.int64(a.TurnedAway)
	r.int64(int64(a.Unit))
	if a.Budget == nil {
		r.noInt64()
	} else {
		r.int64(int64(*a.Budget))
	}
	r.int64(int64(a.Reserve))
	r.time(a.ResumedAt)
	r.int64(a.Missed)
	r.end()
}

func (w *writer) addEvent(account uuid.UUID, e *ledger.Event) {
	r := &w.outbox
	r.begin()
	r.id(account)
	r.int64(e.Seq)
	r.time(e.At)
	r.text(e.Kind)
	r.text(string(e.Data))
	r.end()
}

func (w *writer) addUsage(account uuid.UUID, u ledger.DayUsage) {
	r := &w.usage
	r.begin()
	r.id(account)
	r.day(u.Day)
	r.text(u.Feature)
	r.text(u.Agent)
	r.int64(int64(u.Amount))
	r.int64(u.Quantity)
	r.int64(u.Count)
	r.int64(int64(u.Returned))
	r.end()
}

func (w *writer) addDeclined(account uuid.UUID, d ledger.Declined) {
	r := &w.declined
	r.begin()
	r.id(account)
	r.day(d.Day)
	r.int32(int32(d.Number))
	r.time(d.At)
	r.text(d.Feature)
	r.text(d.Agent)
	r.int64(int64(d.Required))
	r.int64(int64(d.Spendable))
	r.end()
}
