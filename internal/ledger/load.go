package ledger

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/tokens"
)

// loaded is what a batch needs to know before it can decide: locked states, entries under known keys, and used references.
type loaded struct {
	states map[uuid.UUID]*state
	keys   map[accountKey]*Entry
	refs   map[accountReference]*Entry
	bound  []accountKey // keys that were bound in this batch
	began  bool         // a transaction is open on the connection

	doubtAccounts []rowID
	doubtKeys     []string
}

type accountKey struct {
	account uuid.UUID
	key     string
}

type accountReference struct {
	account          uuid.UUID
	scope, reference string
}

// want is what the calls of a batch need.
type want struct {
	accounts, opening []uuid.UUID // each once, in id order
	by                map[uuid.UUID]*wanted
	keyAccounts       []rowID
	keys              []string
	refAccounts       []rowID
	scopes, refs      []string
	pastAccounts      []rowID
	pastSeqs          []int64
}

// wanted is what they need of one account.
type wanted struct {
	spend   tokens.Amount // in all
	several bool          // more than one request
	whole   bool          // all lots and holds
	outside bool          // something that no state holds
}

func wantOf(calls []*call) *want {
	w := &want{by: make(map[uuid.UUID]*wanted, len(calls)), accounts: make([]uuid.UUID, 0, len(calls))}
	for _, c := range calls {
		a, n := w.by[c.account], &c.needs
		if a == nil {
			a = &wanted{}
			w.by[c.account] = a
			w.accounts = append(w.accounts, c.account)
		} else {
			a.several = true
		}
		// Clamping keeps the sum from overflowing, whatever is asked for.
		a.spend += min(n.spend, tokens.Max-a.spend)
		a.whole = a.whole || n.whole
		if n.opens || n.fresh || n.about != 0 || n.scope != "" {
			a.outside = true
			w.lookUp(c)
		}
	}
	slices.SortFunc(w.accounts, compareIDs)
	slices.SortFunc(w.opening, compareIDs)
	w.opening = slices.Compact(w.opening)
	return w
}

// lookUp notes what a request is about beyond its account's state.
func (w *want) lookUp(c *call) {
	n := &c.needs
	if n.opens {
		w.opening = append(w.opening, c.account)
	}
	if n.about != 0 {
		w.pastAccounts, w.pastSeqs = append(w.pastAccounts, toRow(c.account)), append(w.pastSeqs, n.about)
	}
	if n.scope != "" {
		w.refAccounts, w.scopes, w.refs = append(w.refAccounts, toRow(c.account)), append(w.scopes, n.scope), append(w.refs, n.reference)
	}
}

func compareIDs(a, b uuid.UUID) int { return cmp.Compare(string(a[:]), string(b[:])) }

// newLoaded begins a batch with what the lane remembers, and tells whether that is all it takes.
func newLoaded(w *want, calls []*call, c *cache, now time.Time) (l *loaded, complete bool) {
	l = &loaded{states: make(map[uuid.UUID]*state, len(w.accounts)), keys: make(map[accountKey]*Entry, len(calls)), refs: map[accountReference]*Entry{}}
	for _, id := range w.accounts {
		if s, ok := c.find(id, w.by[id], now); ok {
			l.states[id] = s
		}
	}
	for _, call := range calls {
		if call.unseen = false; call.key == "" {
			continue
		}
		key := accountKey{call.account, call.key}
		if e, ok := c.keys[key]; ok {
			l.keys[key] = e
		} else if l.states[call.account] == nil {
			w.keyAccounts, w.keys = append(w.keyAccounts, toRow(call.account)), append(w.keys, call.key)
		} else {
			call.unseen = true
		}
	}
	return l, len(l.states) == len(w.accounts)
}

// doubt notes a refusal that holds only if the call's key is not in the books: what went through once is answered again, whatever is there
// now. And it holds only if what the lane remembers is true: another server may have made possible what this one would refuse.
func (l *loaded) doubt(c *call) {
	l.doubtAccounts, l.doubtKeys = append(l.doubtAccounts, toRow(c.account)), append(l.doubtKeys, c.key)
}

// load begins the transaction, locks the accounts and reads what the lane does not know of them: one round trip, and a second one for accounts that
// need more than their row. It locks those that it knows as well: rows are locked in id order, all at once, or two servers could wait
// for each other.
func (l *loaded) load(ctx context.Context, conn *pgx.Conn, w *want, now time.Time, whole bool) error {
	remembered := l.states
	l.states, l.began = make(map[uuid.UUID]*state, len(w.accounts)), true
	batch := &pgx.Batch{}
	batch.Queue("begin")
	if len(w.opening) > 0 {
		batch.Queue(sqlEnsureAccounts, rowIDs(w.opening))
	}
	batch.Queue(sqlLockAccounts, rowIDs(w.accounts)).Query(l.readAccounts)
	if len(w.keys) > 0 {
		batch.Queue(sqlKnownKeys, w.keyAccounts, w.keys).Query(l.readKeys)
	}
	if len(w.refs) > 0 {
		batch.Queue(sqlKnownReferences, w.refAccounts, w.scopes, w.refs).Query(l.readReferences)
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	for id, s := range remembered {
		if read := l.states[id]; read == nil || read.version != s.version {
			return errStale
		}
		l.states[id] = s
	}
	return l.loadRest(ctx, conn, w, now, remembered, whole)
}

// loadRest loads all lots and holds where the open lot is not enough, or all are wanted, and what requests are about.
func (l *loaded) loadRest(ctx context.Context, conn *pgx.Conn, w *want, now time.Time, remembered map[uuid.UUID]*state, all bool) error {
	var whole []uuid.UUID
	for id, s := range l.states {
		if _, known := remembered[id]; !known && (all || s.needsWhole(w.by[id], now)) {
			s.forgetOpenLot()
			whole = append(whole, id)
		}
	}
	if len(whole) == 0 {
		return nil
	}
	batch, ids := &pgx.Batch{}, rowIDs(whole)
	batch.Queue(sqlOpenLots, ids).Query(l.readLots)
	batch.Queue(sqlOpenHolds, ids).Query(l.readHolds)
	if len(w.pastSeqs) > 0 {
		batch.Queue(sqlPast, w.pastAccounts, w.pastSeqs).Query(l.readPast)
		batch.Queue(sqlPastLots, w.pastAccounts, w.pastSeqs).Query(l.readLots)
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	for _, id := range whole {
		l.states[id].lotsAreComplete()
	}
	return nil
}

// forgetOpenLot prepares a state for being loaded whole: what the account's row says of its open lot waits in stash.
func (s *state) forgetOpenLot() {
	if s.openLot != 0 {
		s.stash = s.lots[0]
	}
	s.lots, s.rest, s.whole = nil, 0, true
}

// lotsAreComplete puts the open lot's true remainder in place of what its row says, the lots into burn order, and the holds into theirs.
func (s *state) lotsAreComplete() {
	if l := s.lot(s.openLot); l != nil && s.openLot != 0 {
		l.remaining, l.held = s.stash.remaining, s.stash.held
	}
	slices.SortFunc(s.lots, burnOrder)
	slices.SortFunc(s.holds, func(a, b hold) int { return cmp.Compare(a.number, b.number) }) // those of one instant time out in this order
}

func (l *loaded) readAccounts(rows pgx.Rows) error {
	for rows.Next() {
		s, err := scanState(rows)
		if err != nil {
			return err
		}
		l.states[s.account] = s
	}
	return rows.Err()
}

func (l *loaded) readKeys(rows pgx.Rows) error {
	for rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return err
		}
		l.keys[accountKey{e.Account, e.key}] = &e
	}
	return rows.Err()
}

func (l *loaded) readReferences(rows pgx.Rows) error {
	for rows.Next() {
		var scope, reference string
		e, err := scanEntry(rows, &scope, &reference)
		if err != nil {
			return err
		}
		l.refs[accountReference{e.Account, scope, reference}] = &e
	}
	return rows.Err()
}

func (l *loaded) readLots(rows pgx.Rows) error {
	for rows.Next() {
		var account uuid.UUID
		var t lot
		var expires *time.Time
		err := rows.Scan(scanID(&account), &t.number, &t.kind, &t.amount, &t.remaining, &t.held, &t.effectiveAt, &expires, &t.frozen, &t.revoked, &t.row.open,
			&t.source)
		if err != nil {
			return err
		}
		t.expiresAt, t.effectiveAt = instant(expires), t.effectiveAt.UTC()
		t.row = lotRow{remaining: t.remaining, held: t.held, frozen: t.frozen, revoked: t.revoked, open: t.row.open}
		if s := l.states[account]; s != nil {
			s.lots = append(s.lots, t)
		}
	}
	return rows.Err()
}

func (l *loaded) readHolds(rows pgx.Rows) error {
	for rows.Next() {
		var account uuid.UUID
		var h hold
		var lots, amounts []int64
		err := rows.Scan(scanID(&account), &h.number, &h.amount, &h.expiresAt, &h.outcome, &h.work.feature, &h.work.agent, &h.work.quantity, &h.work.unitPrice,
			&h.work.version, &lots, &amounts)
		if err != nil {
			return err
		}
		h.expiresAt, h.parts = h.expiresAt.UTC(), partsOf(lots, amounts)
		if s := l.states[account]; s != nil {
			s.holds = append(s.holds, h)
		}
	}
	return rows.Err()
}

func (l *loaded) readPast(rows pgx.Rows) error {
	for rows.Next() {
		var reversed tokens.Amount
		var outcome int16
		e, err := scanEntry(rows, &reversed, &outcome)
		if err != nil {
			return err
		}
		p := &past{entry: e, reversed: reversed}
		if outcome >= 0 {
			p.hold = &hold{number: e.Seq, outcome: Kind(outcome)}
		}
		s := l.states[e.Account]
		if s.past == nil {
			s.past = map[int64]*past{}
		}
		s.past[e.Seq] = p
	}
	return rows.Err()
}

// scanState reads accountColumns, and further columns into more. The state holds its open lot only: it is not whole. A row that was only
// just inserted has no plan and does not exist yet as an account.
func scanState(rows pgx.Rows, more ...any) (*state, error) {
	s := &state{}
	var zone string
	var due *time.Time
	var open lot
	var usage []byte
	columns := []any{
		scanID(&s.account), &s.balance, &s.held, &s.unusable, &s.owed, &s.seq, &s.lastAt, &due, &s.openLot, &open.remaining, &open.held,
		&s.today.day, &usage, &s.today.declined, &s.declinedEver, &s.plan, &s.nextPlan, &s.status, &s.anchor, &zone, &s.period, &s.periodGranted, &s.version,
		&s.newestLot,
	}
	if err := rows.Scan(append(columns, more...)...); err != nil {
		return nil, err
	}
	s.exists = s.plan != ""
	s.lastAt, s.anchor, s.dueAt, s.today.day = s.lastAt.UTC(), s.anchor.UTC(), instant(due), s.today.day.UTC()
	if s.openLot != 0 {
		open.number, open.row.open = s.openLot, true
		s.lots = []lot{open}
	}
	s.rest = s.balance - s.held - s.unusable - (open.remaining - open.held)
	s.before = plan{s.plan, s.nextPlan, s.status, s.period, s.periodGranted}
	var err error
	if s.zone, err = LoadZone(zone); err != nil {
		return nil, err
	}
	s.today.lines, err = decodeToday(usage)
	return s, err
}

// scanEntry reads entryColumns, after the columns before them into first.
func scanEntry(rows pgx.Rows, first ...any) (Entry, error) {
	var e Entry
	var lot int64
	var lots, amounts []int64
	columns := append(first, scanID(&e.Account), &e.Seq, &e.At, &e.Kind, &e.Amount, &e.HeldDelta, &e.BalanceAfter, &e.HeldAfter, &e.SpendableAfter, &e.Contra,
		&e.LotKind, &e.Feature, &e.Agent, &e.Quantity, &e.UnitPrice, &e.CatalogVersion, &e.Reference, &e.About, &e.Day, &lot, &lots, &amounts, &e.key,
		&e.fingerprint)
	if err := rows.Scan(columns...); err != nil {
		return Entry{}, err
	}
	e.At = e.At.UTC()
	e.Parts = partsOf(lots, amounts)
	if lot != 0 {
		e.Parts = []Part{{Lot: lot, Amount: e.moved()}}
	}
	return e, nil
}

func partsOf(lots, amounts []int64) []Part {
	parts := make([]Part, len(lots))
	for i := range lots {
		parts[i] = Part{Lot: lots[i], Amount: tokens.Amount(amounts[i])}
	}
	return parts
}

// instant turns a database time, null for never, into a time whose zero means never.
func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
