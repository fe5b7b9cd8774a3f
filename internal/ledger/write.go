package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pop.store/credits/internal/tokens"
)

// errUnknownCommit means that the connection broke around COMMIT: the batch may or may not be in the books.
var errUnknownCommit = errors.New("the outcome of COMMIT is unknown")

// write puts everything that the batch changed into the books and commits, in one round trip. When nothing changed it only ends the
// transaction, which frees the locks.
func (l *loaded) write(ctx context.Context, conn *pgx.Conn, now time.Time) error {
	batch := &pgx.Batch{}
	if !l.began {
		batch.Queue("begin")
	}
	states := l.inOrder()
	queueAccounts(batch, states, now)
	queuePlans(batch, states)
	queueLots(batch, states)
	queueEntries(batch, states)
	queueHolds(batch, states)
	queueRare(batch, states)
	if batch.Len() == 1 && !l.began {
		return nil // decided from memory, and nothing to write
	}
	batch.Queue("commit")
	return commitError(conn.SendBatch(ctx, batch).Close())
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

func queueAccounts(batch *pgx.Batch, states []*state, now time.Time) {
	n := len(states)
	ids, numbers := make([]rowID, 0, n), make([][]int64, 10)
	for i := range numbers {
		numbers[i] = make([]int64, 0, n)
	}
	lastAt, due, today := make([]time.Time, 0, n), make([]*time.Time, 0, n), make([]time.Time, 0, n)
	usage, declined := make([][]byte, 0, n), make([]int32, 0, n)
	for _, s := range states {
		at := later(now, s.lastAt)
		s.chooseOpenLot(at)
		if len(s.today.lines) > maxTodayLines {
			s.flushToday()
		}
		remaining, held := s.openAmounts()
		ids = append(ids, toRow(s.account))
		for i, number := range [...]int64{
			int64(s.balance), int64(s.held), int64(s.unusable), int64(s.owed), s.seq, s.openLot, remaining, held, s.declinedEver, s.version,
		} {
			numbers[i] = append(numbers[i], number)
		}
		lastAt, due, today = append(lastAt, s.lastAt), append(due, orNull(s.wakeAt(at))), append(today, s.today.day)
		usage, declined = append(usage, s.today.encode()), append(declined, int32(s.today.declined))
	}
	if len(ids) > 0 {
		batch.Queue(sqlUpdateAccounts, ids, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], lastAt, due, numbers[5], numbers[6], numbers[7],
			today, usage, declined, numbers[8], numbers[9])
	}
}

// openAmounts is what the account's row carries for its open lot.
func (s *state) openAmounts() (remaining, held int64) {
	if l := s.lot(s.openLot); l != nil && s.openLot != 0 {
		return int64(l.remaining), int64(l.held)
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
	var ids []rowID
	var names, nexts, statuses, zones []string
	var anchors []time.Time
	var periods []int32
	var granted []int64
	for _, s := range states {
		if s.before == (plan{s.plan, s.nextPlan, s.status, s.period, s.periodGranted}) {
			continue
		}
		ids, names, nexts, statuses = append(ids, toRow(s.account)), append(names, s.plan), append(nexts, s.nextPlan), append(statuses, string(s.status))
		anchors, zones = append(anchors, s.anchor), append(zones, s.zone.String())
		periods, granted = append(periods, int32(s.period)), append(granted, int64(s.periodGranted))
	}
	if len(ids) > 0 {
		batch.Queue(sqlUpdatePlans, ids, names, nexts, statuses, anchors, zones, periods, granted)
	}
}

// lotColumnsOf are the columns of lots to insert or update.
type lotColumnsOf struct {
	account                         []rowID
	number, amount, remaining, held []int64
	kind, priority                  []int16
	effective                       []time.Time
	expires                         []*time.Time
	frozen, revoked, open           []bool
	source                          []string
}

func (r *lotColumnsOf) add(account uuid.UUID, l *lot) {
	r.account, r.number = append(r.account, toRow(account)), append(r.number, l.number)
	r.amount, r.remaining, r.held = append(r.amount, int64(l.amount)), append(r.remaining, int64(l.remaining)), append(r.held, int64(l.held))
	r.kind, r.priority = append(r.kind, int16(l.kind)), append(r.priority, l.kind.priority())
	r.effective, r.expires = append(r.effective, l.effectiveAt), append(r.expires, orNull(l.expiresAt))
	r.frozen, r.revoked, r.open = append(r.frozen, l.frozen), append(r.revoked, l.revoked), append(r.open, l.remaining > 0)
	r.source = append(r.source, l.source)
}

// queueLots writes the lots that are not the open one: the open lot's remainder is in the account's row until another one takes its
// place.
func queueLots(batch *pgx.Batch, states []*state) {
	var added, changed lotColumnsOf
	for _, s := range states {
		for i := range s.lots {
			l := &s.lots[i]
			now := l.present()
			if l.number == s.openLot {
				now.remaining, now.held = l.row.remaining, l.row.held
			}
			switch {
			case l.added:
				added.add(s.account, l)
			case now != l.row:
				changed.add(s.account, l)
			}
		}
	}
	if a := &added; len(a.account) > 0 {
		batch.Queue(sqlInsertLots, a.account, a.number, a.kind, a.amount, a.remaining, a.held, a.priority, a.effective, a.expires, a.frozen, a.revoked,
			a.open, a.source)
	}
	if c := &changed; len(c.account) > 0 {
		batch.Queue(sqlUpdateLots, c.account, c.number, c.remaining, c.held, c.frozen, c.revoked, c.open)
	}
}

// entryColumnsOf are the columns of entries to insert.
type entryColumnsOf struct {
	account                                          []rowID
	seq, amount, heldDelta, balance, held, spendable []int64
	quantity, price, about, lot                      []int64
	at, day                                          []time.Time
	kind, contra, lotKind                            []int16
	feature, agent, version, reference               []string
	lots, lotAmounts, key                            []*string
	fingerprint                                      [][]byte
}

func newEntryColumns(n int) *entryColumnsOf {
	r := &entryColumnsOf{account: make([]rowID, 0, n), fingerprint: make([][]byte, 0, n)}
	for _, column := range []*[]int64{&r.seq, &r.amount, &r.heldDelta, &r.balance, &r.held, &r.spendable, &r.quantity, &r.price, &r.about, &r.lot} {
		*column = make([]int64, 0, n)
	}
	for _, column := range []*[]string{&r.feature, &r.agent, &r.version, &r.reference} {
		*column = make([]string, 0, n)
	}
	for _, column := range []*[]*string{&r.lots, &r.lotAmounts, &r.key} {
		*column = make([]*string, 0, n)
	}
	for _, column := range []*[]int16{&r.kind, &r.contra, &r.lotKind} {
		*column = make([]int16, 0, n)
	}
	for _, column := range []*[]time.Time{&r.at, &r.day} {
		*column = make([]time.Time, 0, n)
	}
	return r
}

func (r *entryColumnsOf) add(e *Entry) {
	r.account, r.seq, r.at, r.day = append(r.account, toRow(e.Account)), append(r.seq, e.Seq), append(r.at, e.At), append(r.day, e.Day)
	r.kind, r.contra, r.lotKind = append(r.kind, int16(e.Kind)), append(r.contra, int16(e.Contra)), append(r.lotKind, int16(e.LotKind))
	r.amount, r.heldDelta = append(r.amount, int64(e.Amount)), append(r.heldDelta, int64(e.HeldDelta))
	r.balance, r.held = append(r.balance, int64(e.BalanceAfter)), append(r.held, int64(e.HeldAfter))
	r.spendable, r.about = append(r.spendable, int64(e.SpendableAfter)), append(r.about, e.About)
	r.feature, r.agent, r.reference = append(r.feature, e.Feature), append(r.agent, e.Agent), append(r.reference, e.Reference)
	r.quantity, r.price, r.version = append(r.quantity, e.Quantity), append(r.price, int64(e.UnitPrice)), append(r.version, e.CatalogVersion)
	r.fingerprint = append(r.fingerprint, e.fingerprint)
	var key, lots, amounts *string
	if e.key != "" {
		key = &e.key
	}
	one := int64(0)
	if len(e.Parts) == 1 && e.Parts[0].Amount == e.moved() {
		one = e.Parts[0].Lot
	} else {
		l, a := arrayText(e.Parts)
		lots, amounts = &l, &a
	}
	r.key, r.lot, r.lots, r.lotAmounts = append(r.key, key), append(r.lot, one), append(r.lots, lots), append(r.lotAmounts, amounts)
}

func queueEntries(batch *pgx.Batch, states []*state) {
	n := 0
	for _, s := range states {
		n += len(s.entries)
	}
	if n == 0 {
		return
	}
	r := newEntryColumns(n)
	for _, s := range states {
		for i := range s.entries {
			r.add(&s.entries[i])
		}
	}
	batch.Queue(sqlInsertEntries, r.values()...)
}

// values are the columns in the order of sqlInsertEntries.
func (r *entryColumnsOf) values() []any {
	return []any{
		r.account, r.seq, r.at, r.kind, r.amount, r.heldDelta, r.balance, r.held, r.spendable, r.contra, r.lotKind, r.feature, r.agent, r.quantity,
		r.price, r.version, r.reference, r.about, r.day, r.lot, r.lots, r.lotAmounts, r.key, r.fingerprint,
	}
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
	var accounts, endedAccounts []rowID
	var numbers, amounts, quantities, prices, ended []int64
	var features, agents, versions, lots, lotAmounts []string
	var expires []time.Time
	var outcomes []int16
	for _, s := range states {
		for i := range s.holds {
			h := &s.holds[i]
			if h.added {
				l, a := arrayText(h.parts)
				accounts, numbers, amounts, expires = append(accounts, toRow(s.account)), append(numbers, h.number), append(amounts, int64(h.amount)), append(expires, h.expiresAt)
				features, agents, versions = append(features, h.work.feature), append(agents, h.work.agent), append(versions, h.work.version)
				quantities, prices = append(quantities, h.work.quantity), append(prices, int64(h.work.unitPrice))
				lots, lotAmounts = append(lots, l), append(lotAmounts, a)
			}
			if h.changed {
				endedAccounts, ended, outcomes = append(endedAccounts, toRow(s.account)), append(ended, h.number), append(outcomes, int16(h.outcome))
			}
		}
	}
	if len(accounts) > 0 {
		batch.Queue(sqlInsertHolds, accounts, numbers, amounts, expires, features, agents, quantities, prices, versions, lots, lotAmounts)
	}
	if len(endedAccounts) > 0 {
		batch.Queue(sqlEndHolds, endedAccounts, ended, outcomes)
	}
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
	var accounts []rowID
	var scopes, references []string
	var seqs []int64
	for _, s := range states {
		for _, r := range s.refs {
			accounts, seqs = append(accounts, toRow(s.account)), append(seqs, r.seq)
			scopes, references = append(scopes, r.scope), append(references, r.reference)
		}
	}
	if len(accounts) > 0 {
		batch.Queue(sqlInsertReferences, accounts, scopes, references, seqs)
	}
}

func queueReversals(batch *pgx.Batch, states []*state) {
	var accounts []rowID
	var seqs, amounts []int64
	for _, s := range states {
		for seq, amount := range s.reversals {
			accounts, seqs, amounts = append(accounts, toRow(s.account)), append(seqs, seq), append(amounts, int64(amount))
		}
	}
	if len(accounts) > 0 {
		batch.Queue(sqlAddReversals, accounts, seqs, amounts)
	}
}

func queueNotes(batch *pgx.Batch, states []*state) {
	var accounts []rowID
	var seqs []int64
	var reasons []string
	var metadata []*string
	for _, s := range states {
		for i := range s.entries {
			n := s.entries[i].note
			if n.empty() {
				continue
			}
			accounts, seqs = append(accounts, toRow(s.account)), append(seqs, s.entries[i].Seq)
			reasons, metadata = append(reasons, n.Reason), append(metadata, metadataText(n.Metadata))
		}
	}
	if len(accounts) > 0 {
		batch.Queue(sqlInsertNotes, accounts, seqs, reasons, metadata)
	}
}

func metadataText(metadata map[string]string) *string {
	if len(metadata) == 0 {
		return nil
	}
	raw, err := json.Marshal(metadata)
	if err != nil {
		panic(err) // a map of strings always has a JSON form
	}
	text := string(raw)
	return &text
}

func queueUsage(batch *pgx.Batch, states []*state) {
	var accounts []rowID
	var days []time.Time
	var features, agents []string
	var amounts, quantities, counts []int64
	for _, s := range states {
		for _, u := range s.usageSums() {
			accounts, days = append(accounts, toRow(s.account)), append(days, u.day)
			features, agents = append(features, u.feature), append(agents, u.agent)
			amounts, quantities, counts = append(amounts, int64(u.amount)), append(quantities, u.quantity), append(counts, u.count)
		}
	}
	if len(accounts) > 0 {
		batch.Queue(sqlAddUsage, accounts, days, features, agents, amounts, quantities, counts)
	}
}

func queueDeclined(batch *pgx.Batch, states []*state) {
	var accounts []rowID
	var days, times []time.Time
	var numbers []int32
	var features, agents []string
	var required, spendable []int64
	for _, s := range states {
		for _, d := range s.declined {
			accounts, days, times, numbers = append(accounts, toRow(s.account)), append(days, d.Day), append(times, d.At), append(numbers, int32(d.Number))
			features, agents = append(features, d.Feature), append(agents, d.Agent)
			required, spendable = append(required, int64(d.Required)), append(spendable, int64(d.Spendable))
		}
	}
	if len(accounts) > 0 {
		batch.Queue(sqlInsertDeclined, accounts, days, numbers, times, features, agents, required, spendable)
	}
}
