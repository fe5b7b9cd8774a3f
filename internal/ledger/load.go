package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// loaded is a batch and what it has to know before it can be decided: locked states, entries under
// known keys, and used references.
type loaded struct {
	calls      []*call
	parties    []*party // each account once, in id order
	cache      *cache
	known      map[accountKey]*Entry     // in the books, beside those in the cache
	extensions map[accountKey]*extension // in the books or made by this batch
	refs       map[accountReference]*Entry
	bound      []accountKey // keys that were bound in this batch
	doubts     []*call
	began      bool // a transaction is open on the connection

	claimed   map[accountKey]bool // keys of the batch that other calls have claimed
	unclaimed claimedKeys         // keys that are decided on from memory, of accounts with claims
}

// party is an account's part in a batch: what its calls need, and what is known of it.
type party struct {
	id         uuid.UUID
	state      *state        // nil until it is loaded, and for an account that is not there
	remembered bool          // the state is the lane's memory of it
	spend      tokens.Amount // in all
	several    bool          // more than one request
	whole      bool          // all lots and holds
	opens      bool          // a request may be the account's first
	outside    bool          // something that no state holds
	months     bool          // what its agents spent this month
	agents     []string      // those that want to spend
	stays      bool          // a request that others are likely to follow
}

type accountReference struct {
	account          uuid.UUID
	scope, reference string
}

// gather finds the parties of a batch and what the lane remembers of them.
func (l *lane) gather(calls []*call, prices *catalog.Catalog, now time.Time) *loaded {
	b := &loaded{
		calls:   calls,
		cache:   l.cache,
		parties: l.order[:0],
	}
	clear(l.byID)
	for _, c := range calls {
		p := l.byID[c.account]
		if p == nil {
			p = &l.parties[len(b.parties)]
			*p = party{id: c.account, agents: p.agents[:0]}
			l.byID[c.account] = p
			b.parties = append(b.parties, p)
		} else {
			p.several = true
		}
		c.party, c.needs = p, c.op.needs(prices)
		p.need(&c.needs)
	}
	slices.SortFunc(b.parties, func(x, y *party) int { return bytes.Compare(x.id[:], y.id[:]) })
	for _, p := range b.parties {
		p.state = l.cache.find(p, now)
		p.remembered = p.state != nil
	}
	return b
}

func (p *party) need(n *needs) {
	p.spend += min(n.spend, tokens.Max-p.spend) // clamped: a sum must not overflow, whatever is asked for
	p.whole = p.whole || n.whole
	p.opens = p.opens || n.opens
	p.months = p.months || n.months
	if n.agent != "" && !slices.Contains(p.agents, n.agent) {
		p.agents = append(p.agents, n.agent)
	}
	p.stays = p.stays || !n.passing
	p.outside = p.outside || n.opens || n.fresh || n.about != 0 || n.scope != ""
}

// remembers says whether the lane remembers some of the parties, and whether all.
func (l *loaded) remembers() (some, all bool) {
	all = true
	for _, p := range l.parties {
		some, all = some || p.remembered, all && p.remembered
	}
	return some, all
}

// load begins the transaction, locks the accounts and reads what the lane does not know of them:
// one round trip, and a second one for accounts that need more than their row. It locks those that
// it knows as well: rows are locked in id order, all at once, or two servers could wait for each
// other.
func (l *loaded) load(ctx context.Context, conn *pgx.Conn, now time.Time, whole bool, db laneDB) error {
	l.began = true
	batch := &pgx.Batch{}
	db.queueBegin(batch)
	if opening := l.ids(func(p *party) bool { return p.opens }); len(opening) > 0 {
		batch.Queue(sqlEnsureAccounts, opening)
	}
	batch.Queue(sqlLockAccounts, l.ids(func(*party) bool { return true })).Query(l.readAccounts)
	if accounts, agents := l.unknownAgents(); len(agents) > 0 {
		batch.Queue(sqlNamedAgents, accounts, agents).Query(l.readAgents)
	}
	l.queueLookUps(batch)
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	return l.loadRest(ctx, conn, now, whole)
}

// ids lists some of the parties' accounts, in id order.
func (l *loaded) ids(some func(p *party) bool) idList {
	list := make(idList, 0, len(l.parties))
	for _, p := range l.parties {
		if some(p) {
			list = append(list, p.id)
		}
	}
	return list
}

// unknownAgents lists the agents of accounts that the lane does not remember.
func (l *loaded) unknownAgents() (accounts idList, agents []string) {
	for _, p := range l.parties {
		if p.remembered {
			continue
		}
		for _, agent := range p.agents {
			accounts, agents = append(accounts, p.id), append(agents, agent)
		}
	}
	return accounts, agents
}

// queueLookUps asks for the keys of accounts that the lane does not remember, and for references.
func (l *loaded) queueLookUps(batch *pgx.Batch) {
	var keyAccounts, refAccounts idList
	var keys, scopes, refs []string
	for _, c := range l.calls {
		if c.key != "" && !c.party.remembered {
			keyAccounts, keys = append(keyAccounts, c.account), append(keys, c.key)
		}
		if c.needs.scope != "" {
			refAccounts, scopes, refs = append(refAccounts, c.account), append(scopes, c.needs.scope),
				append(refs, c.needs.reference)
		}
	}
	if len(keys) > 0 {
		batch.Queue(sqlKnownKeys, keyAccounts, keys).Query(l.readKeys)
	}
	if len(refs) > 0 {
		batch.Queue(sqlKnownReferences, refAccounts, scopes, refs).Query(l.readReferences)
	}
}

// loadRest loads all lots and holds where the open lot is not enough, or all are wanted, what
// requests are about, and which keys are claimed.
func (l *loaded) loadRest(ctx context.Context, conn *pgx.Conn, now time.Time, all bool) error {
	batch := &pgx.Batch{}
	l.queueClaims(batch)
	whole := l.ids(func(p *party) bool {
		return p.state != nil && !p.remembered && (all || p.state.needsWhole(p, now))
	})
	if len(whole) > 0 {
		l.queueWhole(batch, whole, now)
	}
	if accounts, keys := l.keysOfExtended(func(c *call) bool { return !c.party.remembered }); len(keys) > 0 {
		batch.Queue(sqlKnownExtensions, accounts, keys).Query(l.readExtensions)
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	for _, id := range whole {
		l.party(id).state.lotsAreComplete()
	}
	return nil
}

// queueWhole asks for all lots, holds and agents of some accounts, and for what requests are about.
func (l *loaded) queueWhole(batch *pgx.Batch, whole idList, now time.Time) {
	latest := now // no account settles later than this
	for _, id := range whole {
		s := l.party(id).state
		s.forgetOpenLot()
		latest = later(latest, s.lastAt)
	}
	if slices.ContainsFunc(l.calls, func(c *call) bool { return c.needs.endsHolds }) {
		latest = now.Add(2 * MaxHold) // no hold lasts so long: all notes are read
	}
	batch.Queue(sqlOpenLots, whole).Query(l.readLots)
	batch.Queue(sqlOpenHolds, whole, latest).Query(l.readHolds)
	batch.Queue(sqlAgents, whole).Query(l.readAgents)
	if months := l.ids(func(p *party) bool {
		return p.state != nil && p.state.whole && (p.months || p.state.guarded)
	}); len(months) > 0 {
		batch.Queue(sqlAgentMonths, months).Query(l.readMonths)
	}
	if accounts, seqs := l.past(); len(seqs) > 0 {
		batch.Queue(sqlPast, accounts, seqs).Query(l.readPast)
		batch.Queue(sqlPastLots, accounts, seqs).Query(l.readLots)
	}
}

// keysOfExtended lists the keys of calls about accounts whose holds were extended: an extension may
// have bound one of them.
func (l *loaded) keysOfExtended(some func(c *call) bool) (accounts idList, keys []string) {
	for _, c := range l.calls {
		if s := c.party.state; s != nil && s.hasExtensions && c.key != "" && some(c) {
			accounts, keys = append(accounts, c.account), append(keys, c.key)
		}
	}
	return accounts, keys
}

func (l *loaded) readExtensions(rows pgx.Rows) error {
	for rows.Next() {
		var account uuid.UUID
		var mark []byte
		x := &extension{}
		if err := rows.Scan(&account, &x.key, &mark, &x.hold, &x.at, &x.expiresAt); err != nil {
			return err
		}
		x.at, x.expiresAt = x.at.UTC(), x.expiresAt.UTC()
		copy(x.fingerprint[:], mark)
		l.rememberExtension(account, x)
	}
	return rows.Err()
}

// past lists the earlier entries that requests are about.
func (l *loaded) past() (accounts idList, seqs []int64) {
	for _, c := range l.calls {
		if c.needs.about != 0 {
			accounts, seqs = append(accounts, c.account), append(seqs, c.needs.about)
		}
	}
	return accounts, seqs
}

// party finds an account's part in the batch.
func (l *loaded) party(id uuid.UUID) *party {
	at, found := slices.BinarySearchFunc(l.parties, id, func(p *party, id uuid.UUID) int {
		return bytes.Compare(p.id[:], id[:])
	})
	if !found {
		return nil
	}
	return l.parties[at]
}

// forgetOpenLot prepares a state for being loaded whole: what the account's row says of its open
// lot waits in stash.
func (s *state) forgetOpenLot() {
	if s.openLot != 0 {
		s.stash = s.lots[0]
	}
	s.lots, s.agents, s.rest, s.whole = nil, nil, 0, true
}

// lotsAreComplete puts the open lot's true remainder in place of what its row says, the lots into
// burn order, and the holds and agents into theirs.
func (s *state) lotsAreComplete() {
	if l := s.lot(s.openLot); l != nil && s.openLot != 0 {
		l.remaining, l.held = s.stash.remaining, s.stash.held
	}
	slices.SortFunc(s.lots, burnOrder)
	sortAgents(s.agents)
	// those of one instant time out in this order
	slices.SortFunc(s.holds, func(a, b hold) int { return cmp.Compare(a.number, b.number) })
}

// stateOf is the state of an account of the batch; nil when it is not there.
func (l *loaded) stateOf(id uuid.UUID) *state {
	if p := l.party(id); p != nil {
		return p.state
	}
	return nil
}

func (l *loaded) useReference(r accountReference, e *Entry) {
	if l.refs == nil {
		l.refs = map[accountReference]*Entry{}
	}
	l.refs[r] = e
}

func (l *loaded) readAccounts(rows pgx.Rows) error {
	for rows.Next() {
		s, err := scanState(rows)
		if err != nil {
			return err
		}
		p := l.party(s.account)
		switch {
		case !p.remembered:
			p.state = s
		case p.state.version != s.version:
			return errStale
		}
	}
	return rows.Err()
}

func (l *loaded) readKeys(rows pgx.Rows) error {
	for rows.Next() {
		e, err := scanSettled(rows)
		if err != nil {
			return err
		}
		if l.known == nil {
			l.known = map[accountKey]*Entry{}
		}
		l.known[accountKey{e.Account, e.key}] = &e
	}
	return rows.Err()
}

func (l *loaded) readReferences(rows pgx.Rows) error {
	for rows.Next() {
		var scope, reference string
		e, err := scanSettled(rows, &scope, &reference)
		if err != nil {
			return err
		}
		l.useReference(accountReference{e.Account, scope, reference}, &e)
	}
	return rows.Err()
}

func (l *loaded) readLots(rows pgx.Rows) error {
	for rows.Next() {
		var account uuid.UUID
		var t lot
		var expires *time.Time
		err := rows.Scan(&account, &t.number, &t.kind, &t.amount, &t.remaining, &t.held, &t.effectiveAt, &expires,
			&t.frozen, &t.revoked, &t.row.open,
			&t.source, &t.taken)
		if err != nil {
			return err
		}
		t.expiresAt, t.effectiveAt = instant(expires), t.effectiveAt.UTC()
		t.row = lotRow{
			remaining: t.remaining,
			held:      t.held,
			frozen:    t.frozen,
			revoked:   t.revoked,
			open:      t.row.open,
		}
		if s := l.stateOf(account); s != nil {
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
		err := rows.Scan(&account, &h.number, &h.amount, &h.expiresAt, &h.outcome, &h.work.feature, &h.work.agent,
			&h.work.quantity, &h.work.unitPrice,
			&h.work.version, &h.work.reference, &lots, &amounts, &h.note.Reason, &h.note.Metadata)
		if err != nil {
			return err
		}
		h.expiresAt, h.parts = h.expiresAt.UTC(), partsOf(lots, amounts)
		if s := l.stateOf(account); s != nil {
			s.holds = append(s.holds, h)
		}
	}
	return rows.Err()
}

func (l *loaded) readAgents(rows pgx.Rows) error {
	for rows.Next() {
		var account uuid.UUID
		var a agent
		if err := scanAgent(rows, &account, &a); err != nil {
			return err
		}
		if s := l.stateOf(account); s != nil {
			s.agents = append(s.agents, a)
		}
	}
	return rows.Err()
}

// scanAgent reads agentColumns.
func scanAgent(rows pgx.Rows, account *uuid.UUID, a *agent) error {
	var since, resumed *time.Time
	var budget *int64
	err := rows.Scan(account, &a.id, &a.name, &a.feature, &a.state, &since, &a.turnedAway, &a.unit, &budget,
		&a.reserve, &resumed, &a.missed)
	if err != nil {
		return err
	}
	a.pausedSince, a.resumedAt, a.budget = instant(since), instant(resumed), (*tokens.Amount)(budget)
	a.row = a.present()
	return nil
}

func (l *loaded) readMonths(rows pgx.Rows) error {
	for rows.Next() {
		var account uuid.UUID
		var agent string
		var m monthSpend
		if err := rows.Scan(&account, &agent, &m.month, &m.amount); err != nil {
			return err
		}
		s := l.stateOf(account)
		if s == nil {
			continue
		}
		if a := s.agent(agent); a != nil {
			a.before = m
		}
	}
	return rows.Err()
}

func (l *loaded) readPast(rows pgx.Rows) error {
	for rows.Next() {
		p := &past{}
		var outcome int16
		e, err := scanEntry(rows, &p.reversed, &p.lapsed, &p.expired, &outcome, &p.note.Reason, &p.note.Metadata)
		if err != nil {
			return err
		}
		p.entry = e
		if outcome >= 0 {
			p.hold = &hold{number: e.Seq, outcome: Kind(outcome)}
		}
		s := l.stateOf(e.Account)
		if s.past == nil {
			s.past = map[int64]*past{}
		}
		s.past[e.Seq] = p
	}
	return rows.Err()
}

// scanState reads accountColumns, and further columns into more. The state holds its open lot only:
// it is not whole. A row that was only just inserted has no plan and does not exist yet as an
// account.
func scanState(rows pgx.Rows, more ...any) (*state, error) {
	s := &state{}
	var zone string
	var due, closed *time.Time
	var open lot
	var usage []byte
	var threshold *int64
	columns := []any{
		&s.account, &s.balance, &s.held, &s.unusable, &s.owed, &s.seq, &s.lastAt, &due, &s.openLot,
		&open.remaining, &open.held,
		&s.today.day, &usage, &s.today.declined, &s.declinedEver, &s.plan, &s.nextPlan, &s.status, &s.anchor,
		&zone, &s.period, &s.periodGranted, &s.version,
		&s.newestLot, &s.level, &s.agentCount, &s.pausedAgents, &s.guarded, &s.reserved, &threshold, &s.eventSeq,
		&s.claims, &closed, &s.hasExtensions,
	}
	if err := rows.Scan(append(columns, more...)...); err != nil {
		return nil, err
	}
	s.exists = s.plan != ""
	s.lastAt, s.anchor, s.dueAt, s.today.day = s.lastAt.UTC(), s.anchor.UTC(), instant(due), s.today.day.UTC()
	s.closedAt = instant(closed)
	if s.openLot != 0 {
		open.number, open.row.open = s.openLot, true
		s.lots = []lot{open}
	}
	s.rest = s.balance - s.held - s.unusable - (open.remaining - open.held)
	s.before = s.presentPlan()
	if s.lowThreshold = noThreshold; threshold != nil {
		s.lowThreshold = tokens.Amount(*threshold)
	}
	s.guardsBefore = s.guards
	var err error
	if s.zone, err = LoadZone(zone); err == nil {
		s.today.lines, err = DecodeToday(usage)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: account %s: %w", errUnreadable, s.account, err)
	}
	return s, nil
}

// errUnreadable is about one account, and no reason to refuse others.
var errUnreadable = errors.New("the account's row makes no sense to this server")

// scanEntry reads entryColumns, after the columns before them into first.
func scanEntry(rows pgx.CollectableRow, first ...any) (Entry, error) {
	var e Entry
	var lot int64
	var mark []byte
	var lots, amounts []int64
	columns := append(first, &e.Account, &e.Seq, &e.At, &e.Kind, &e.Amount, &e.HeldDelta, &e.BalanceAfter,
		&e.HeldAfter, &e.SpendableAfter, &e.Contra,
		&e.LotKind, &e.Feature, &e.Agent, &e.Quantity, &e.UnitPrice, &e.CatalogVersion, &e.Reference, &e.About,
		&e.Day, &lot, &lots, &amounts, &e.key,
		&mark)
	if err := rows.Scan(columns...); err != nil {
		return Entry{}, err
	}
	e.At = e.At.UTC()
	copy(e.fingerprint[:], mark)
	e.Parts = partsOf(lots, amounts)
	if lot != 0 {
		e.Parts = []Part{{Lot: lot, Amount: e.moved()}}
	}
	e.settled = e.balance()
	return e, nil
}

// scanSettled reads settledColumns and entryColumns, after the columns before them into first.
func scanSettled(rows pgx.Rows, first ...any) (Entry, error) {
	var b Balance
	e, err := scanEntry(rows, append(first, &b.Spendable, &b.Held, &b.Total)...)
	e.settled = b
	return e, err
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
