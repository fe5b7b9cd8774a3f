package ledger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// memoryStore is an in-memory store for one account. Each batch gets from it what the engine would load and
// stores what the engine would write. It also rebuilds the account from the entries alone and compares both
// after every request.
type memoryStore struct {
	t    *testing.T
	seed uint64

	row        AccountRow // what the account's row carries
	todayUsage []byte

	lots        map[int64]Lot
	holds       map[int64]HoldRow
	entries     []Entry
	reversals   map[int64]Reversal
	usage       map[usageDay]UsageLine
	refs        map[PermanentReference]bool
	declined    map[declinedID]bool
	declines    int64
	agents      map[string]AgentRow
	events      int64
	eventStates map[string]AgentState // each agent's state according to the events
	eventLow    bool                  // the level according to the events

	// What the entries add up to.
	balance, held tokens.Amount
	lotRemaining  map[int64]tokens.Amount
	lotHeld       map[int64]tokens.Amount
	contra        map[Contra]tokens.Amount
	spent         map[usageDay]UsageLine
	refunded      map[int64]tokens.Amount
	checked       int // entries added up so far
	seen          []Entry
}

type usageDay struct {
	day            time.Time
	feature, agent string
}

type declinedID struct {
	day    time.Time
	number int
}

func newMemoryStore(t *testing.T, seed uint64, id uuid.UUID) *memoryStore {
	return &memoryStore{
		t:    t,
		seed: seed,
		row: AccountRow{
			AccountID:    id,
			Period:       -1,
			Zone:         time.UTC,
			AgentSummary: AgentSummary{LowThreshold: NoThreshold},
		},
		agents:       map[string]AgentRow{},
		eventStates:  map[string]AgentState{},
		lots:         map[int64]Lot{},
		holds:        map[int64]HoldRow{},
		reversals:    map[int64]Reversal{},
		usage:        map[usageDay]UsageLine{},
		refs:         map[PermanentReference]bool{},
		declined:     map[declinedID]bool{},
		lotRemaining: map[int64]tokens.Amount{},
		lotHeld:      map[int64]tokens.Amount{},
		contra:       map[Contra]tokens.Amount{},
		spent:        map[usageDay]UsageLine{},
		refunded:     map[int64]tokens.Amount{},
	}
}

func (p *memoryStore) fatalf(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("seed %d, after %d entries: %s", p.seed, len(p.entries), fmt.Sprintf(format, args...))
}

// partial opens the state from the account's row alone; nil if there is no open lot.
func (p *memoryStore) partial() *State {
	snap := p.snapshot()
	if snap.Account.OpenLot == 0 || snap.Account.AgentRules {
		return nil
	}
	return Open(snap)
}

// whole opens the complete state, with the earlier entries that requests refer to.
func (p *memoryStore) complete(about ...int64) *State {
	snap := p.snapshot()
	snap.Complete = true
	snap.Agents = p.completeAgents()
	wanted := map[int64]bool{}
	for _, seq := range about {
		if seq < 1 || seq > int64(len(p.entries)) {
			continue
		}
		e := p.entries[seq-1]
		before := &PastEntry{
			Entry:    e,
			Reversed: p.reversals[seq].Amount,
			Lapsed:   p.reversals[seq].Lapsed,
		}
		for _, x := range p.entries {
			if x.Kind == KindExpiry && x.LotKind == LotPurchase && x.Reference == e.Reference {
				before.Expired -= x.Amount
			}
		}
		if h, ok := p.holds[seq]; ok {
			before.Hold = &HoldRow{Number: seq, Outcome: h.Outcome}
		}
		if snap.Past == nil {
			snap.Past = map[int64]*PastEntry{}
		}
		snap.Past[seq] = before
		for _, part := range e.Parts {
			wanted[part.Lot] = true
		}
	}
	for number, l := range p.lots {
		if l.Remaining > 0 || wanted[number] {
			snap.Lots = append(snap.Lots, l)
		}
	}
	for _, h := range p.holds {
		if h.open() {
			snap.Holds = append(snap.Holds, h)
		}
	}
	return Open(snap)
}

func (p *memoryStore) snapshot() *Snapshot {
	snap := &Snapshot{Account: p.row}
	var err error
	if snap.Account.Today.Lines, err = DecodeToday(p.todayUsage); err != nil {
		p.fatalf("%v", err)
	}
	return snap
}

// file stores the changes of a state, as the engine's writer does.
func (p *memoryStore) save(s *State, now time.Time) {
	if !s.changed {
		if len(s.entries)+len(s.refs)+len(s.declined)+len(s.usage)+len(s.reversals) > 0 {
			p.fatalf("a state that says nothing changed has something to write")
		}
		return
	}
	var c Changes
	s.Changes(now, &c)
	for _, u := range c.Usage {
		key := usageDay{u.Day, u.Feature, u.Agent}
		p.usage[key] = sumLines(p.usage[key], u.UsageLine)
	}
	p.saveLots(s)
	for _, h := range s.holds {
		p.holds[h.Number] = h.HoldRow
	}
	for seq, r := range s.reversals {
		sum := p.reversals[seq]
		p.reversals[seq] = Reversal{sum.Amount + r.Amount, sum.Lapsed + r.Lapsed}
	}
	for _, a := range s.agents {
		p.agents[a.ID] = a.AgentRow
	}
	for _, e := range s.events {
		p.recordEvent(e)
	}
	p.checkAgents(s)
	for _, r := range s.refs {
		key := PermanentReference{Scope: r.Scope, Reference: r.Reference}
		if p.refs[key] {
			p.fatalf("the permanent reference %q %q is used twice", r.Scope, r.Reference)
		}
		p.refs[key] = true
	}
	for _, d := range s.declined {
		key := declinedID{d.Day, d.Number}
		if p.declined[key] || d.Number > maxDeclined {
			p.fatalf("declined attempt %d of %v is there already, or one too many", d.Number, d.Day)
		}
		p.declined[key] = true
	}
	for _, e := range s.entries {
		p.entries = append(p.entries, *e)
	}
	p.row, p.todayUsage = s.AccountRow, s.Today.AppendTo(nil)
	if p.row.Unusable < 0 || p.row.Unusable > p.row.Balance-p.row.Held {
		p.fatalf("unusable is %v of %v", p.row.Unusable, p.row.Balance)
	}
}

// fileLots stores the lots; the open lot's remainder is in the account's row.
func (p *memoryStore) saveLots(s *State) {
	for _, l := range s.lots {
		if s.complete {
			p.lots[l.Number] = l.Lot
			continue
		}
		known := p.lots[l.Number]
		known.Remaining, known.Held = l.Remaining, l.Held
		p.lots[l.Number] = known
	}
}

func sumLines(a, b UsageLine) UsageLine {
	return UsageLine{
		b.Feature, b.Agent, a.Amount + b.Amount, a.Quantity + b.Quantity, a.Count + b.Count,
		a.Returned + b.Returned,
	}
}

// check compares a state after a request with all of its entries. from is the number of entries added up
// before.
func (p *memoryStore) check(s *State, now time.Time, from int) {
	now = Later(now, s.LastAt)
	for i := from; i < len(s.entries); i++ {
		p.apply(s.entries[i])
	}
	if s.Balance != p.balance || s.Held != p.held || s.Balance < 0 || s.Held < 0 || s.Owed < 0 {
		p.fatalf("balance %v and held %v, the entries say %v and %v; owed %v", s.Balance, s.Held, p.balance,
			p.held, s.Owed)
	}
	var contra tokens.Amount
	for _, sum := range p.contra {
		contra -= sum
	}
	if contra+s.Balance != 0 {
		p.fatalf("the contra accounts and the balance add up to %v", contra+s.Balance)
	}
	if spendable := s.spendable(now); spendable < 0 || spendable > s.Balance-s.Held {
		p.fatalf("spendable is %v of %v", spendable, s.Balance)
	}
	var newest int64
	for number := range p.lotRemaining {
		newest = max(newest, number)
	}
	if s.NewestLot != newest {
		p.fatalf("the newest lot is %d, the entries say %d", s.NewestLot, newest)
	}
	if s.complete {
		p.checkComplete(s, now)
	}
	var today, spent tokens.Amount
	for _, l := range s.Today.Lines {
		today += l.net()
	}
	for _, u := range s.usage {
		today += u.net()
	}
	for _, l := range p.usage {
		today += l.net()
	}
	for _, l := range p.spent {
		spent += l.net()
	}
	if today != spent {
		p.fatalf("the rollup says %v, the entries %v", today, spent)
	}
}

func (p *memoryStore) apply(e *Entry) {
	p.checked++
	p.seen = append(p.seen, *e)
	p.balance += e.Amount
	p.held += e.HeldDelta
	if e.Seq != int64(p.checked) || e.BalanceAfter != p.balance || e.HeldAfter != p.held {
		p.fatalf("entry %d is not next in the chain: %+v", p.checked, e)
	}
	if e.SpendableAfter < 0 || e.SpendableAfter > e.BalanceAfter-e.HeldAfter {
		p.fatalf("spendable after: %+v", e)
	}
	if (e.Contra == 0) != (e.Kind == KindHold || e.Kind == KindRelease) {
		p.fatalf("contra of %+v", e)
	}
	p.contra[e.Contra] += e.Amount
	var sum tokens.Amount
	for _, part := range e.Parts {
		sum += part.Amount
		if e.Kind == KindHold || e.Kind == KindRelease {
			p.lotHeld[part.Lot] += part.Amount
		} else {
			p.lotRemaining[part.Lot] += part.Amount
		}
	}
	if sum != e.Moved() {
		p.fatalf("the parts of %+v do not add up", e)
	}
	switch e.Kind {
	case KindCapture:
		h := p.entry(e.About)
		for _, part := range h.Parts {
			p.lotHeld[part.Lot] -= part.Amount
		}
	case KindRefund:
		p.refunded[e.About] += e.Amount
		if about := p.entry(e.About); p.refunded[e.About] > -about.Amount || about.Contra != ContraSpent {
			p.fatalf("refunded %v of %+v", p.refunded[e.About], about)
		}
	default:
	}
	if e.Contra == ContraSpent {
		key := usageDay{DayIn(e.At, p.row.Zone), e.Feature, e.Agent}
		line := UsageLine{e.Feature, e.Agent, -e.Amount, e.Quantity, 1, 0}
		if e.Kind == KindRefund {
			work := p.entry(e.About)
			key = usageDay{DayIn(work.At, p.row.Zone), work.Feature, work.Agent}
			line = UsageLine{
				Feature:  work.Feature,
				Agent:    work.Agent,
				Returned: e.Amount,
			}
		}
		p.spent[key] = sumLines(p.spent[key], line)
	}
}

func (p *memoryStore) entry(seq int64) Entry {
	if seq < 1 || seq > int64(len(p.seen)) {
		p.fatalf("an entry is about %d", seq)
	}
	return p.seen[seq-1]
}

func (p *memoryStore) checkComplete(s *State, now time.Time) {
	var remaining, held, spendable tokens.Amount
	for i, l := range s.lots {
		if l.Remaining != p.lotRemaining[l.Number] || l.Held != p.lotHeld[l.Number] || l.Held < 0 ||
			l.Held > l.Remaining || l.Remaining > l.Amount {
			p.fatalf("lot %+v; the entries say %v, held %v", l, p.lotRemaining[l.Number], p.lotHeld[l.Number])
		}
		if l.expired(now) && l.Remaining > l.Held {
			p.fatalf("%+v is over since %v and still there at %v", l, l.ExpiresAt, now)
		}
		if i > 0 && burnOrder(&s.lots[i-1].Lot, &l.Lot) >= 0 {
			p.fatalf("lots %d and %d are not in burn order", s.lots[i-1].Number, l.Number)
		}
		remaining += l.Remaining
		held += l.Held
		if !l.Frozen && (l.ExpiresAt.IsZero() || now.Before(l.ExpiresAt)) {
			spendable += l.Remaining - l.Held
		}
	}
	if remaining != s.Balance || held != s.Held || spendable != s.spendable(now) {
		p.fatalf("lots: remaining %v, held %v, spendable %v; state: %v, %v, %v", remaining, held, spendable,
			s.Balance, s.Held, s.spendable(now))
	}
	var holds tokens.Amount
	for i := range s.holds {
		if h := &s.holds[i]; h.open() {
			holds += h.Amount
			if !h.ExpiresAt.After(now) {
				p.fatalf("hold %+v is over at %v", h, now)
			}
		}
	}
	if holds != s.Held {
		p.fatalf("holds are %v, held %v", holds, s.Held)
	}
	if due := s.nextDue(); s.Exists() && !due.IsZero() && !due.After(now) {
		p.fatalf("settled to %v, and due at %v", now, due)
	}
}

// checkAtEnd compares the rollup by day, feature and agent.
func (p *memoryStore) checkAtEnd() {
	sums := map[usageDay]UsageLine{}
	for key, line := range p.usage {
		sums[key] = line
	}
	lines, err := DecodeToday(p.todayUsage)
	if err != nil {
		p.fatalf("%v", err)
	}
	for _, line := range lines {
		key := usageDay{p.row.Today.Day, line.Feature, line.Agent}
		sums[key] = sumLines(sums[key], line)
	}
	if !reflect.DeepEqual(sums, p.spent) {
		p.fatalf("the rollup says %v, the entries %v", sums, p.spent)
	}
	if p.row.DeclinedEver != p.declines {
		p.fatalf("%d attempts were declined, counted %d", p.declines, p.row.DeclinedEver)
	}
}

// generator makes random requests.
type generator struct {
	*rand.Rand
	store    *memoryStore
	now      time.Time
	partials int // requests decided on both the partial and the complete state
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// move advances the clock: usually a little, sometimes to the instant at which something is due, and
// sometimes backwards, as between two servers.
func (r *generator) move() {
	due := r.store.row.DueAt
	switch n := r.IntN(100); {
	case n < 30:
	case n < 75:
		r.now = r.now.Add(time.Duration(r.Int64N(int64(10 * time.Minute))).Truncate(time.Microsecond))
	case n < 85 && !due.IsZero():
		r.now = due
	case n < 88 && !due.IsZero():
		r.now = due.Add(-time.Microsecond)
	case n < 93:
		r.now = r.now.Add(-time.Duration(r.IntN(5)) * time.Second)
	case n < 96: // about midnight
		next := DayIn(r.now, r.store.row.Zone).AddDate(0, 0, 1)
		r.now = time.Date(next.Year(), next.Month(), next.Day(), 0, 0, r.IntN(3)-1, 0, r.store.row.Zone).UTC()
	case n < 98:
		r.now = r.now.Add(time.Duration(r.IntN(30)) * time.Hour)
	default:
		r.now = r.now.Add(time.Duration(r.IntN(70*24)) * time.Hour)
	}
}

// amount is a part of what is available, all of it, or slightly more.
func (r *generator) amount(of tokens.Amount) tokens.Amount {
	switch n := r.IntN(20); {
	case n == 0:
		return of
	case n == 1:
		return of + 1
	case n < 10:
		return 1 + tokens.Amount(r.Int64N(int64(tokens.One)))
	}
	return 1 + tokens.Amount(r.Int64N(int64(max(of/4, 1))))
}

// earlier picks an entry of a kind, mostly a recent one; sometimes of any kind, or none.
func (r *generator) earlier(kinds ...Kind) int64 {
	entries := r.store.entries
	if len(entries) == 0 || r.IntN(50) == 0 {
		return r.Int64N(int64(len(entries) + 3))
	}
	from := r.IntN(len(entries))
	if r.IntN(3) > 0 {
		from = len(entries) - 1
	}
	for i := from; i >= 0; i-- {
		if slices.Contains(kinds, entries[i].Kind) && r.IntN(3) > 0 {
			return entries[i].Seq
		}
	}
	return 1
}

func (r *generator) purchase() int64 {
	for range 10 {
		if seq := r.earlier(KindGrant); seq > 0 && seq <= int64(len(r.store.entries)) &&
			r.store.entries[seq-1].LotKind == LotPurchase {
			return seq
		}
	}
	return 1
}

func (r *generator) charge(s *State) *Charge {
	c := &Charge{Feature: "auto_selling", Agent: pick(r.Rand, "", "a", "b")}
	if r.IntN(8) == 0 {
		c.Feature = pick(r.Rand, "lip_sync", "image_generation", "social_comment_reply", "free", "nothing")
		return c
	}
	amount := r.amount(s.spendable(r.now))
	c.Amount = &amount
	return c
}

func (r *generator) optional(of tokens.Amount) *tokens.Amount {
	if r.IntN(2) == 0 {
		return nil
	}
	amount := r.amount(of)
	return &amount
}

func (r *generator) request(s *State) Operation {
	switch n := r.IntN(112); {
	case n >= 100:
		return r.agentRequest(s)
	case n < 40:
		return r.charge(s)
	case n < 54:
		amount := r.amount(s.spendable(r.now))
		return &Hold{
			Feature:   "auto_selling",
			Amount:    &amount,
			Agent:     pick(r.Rand, "h", "a", ""),
			ExpiresIn: pick(r.Rand, 0, time.Second, time.Hour, MaxHold, MaxHold+1),
		}
	case n < 62:
		seq := r.earlier(KindHold)
		if r.IntN(3) == 0 {
			more := r.store.holds[seq].Amount + r.amount(s.spendable(r.now))
			return &Capture{Hold: seq, Amount: &more}
		}
		return &Capture{Hold: seq, Amount: r.optional(r.store.holds[seq].Amount)}
	case n < 64:
		return &Extend{
			Hold:      r.earlier(KindHold),
			ExpiresIn: pick(r.Rand, 0, time.Second, time.Hour, MaxHold, MaxHold+1),
		}
	case n < 66:
		return &Release{Hold: r.earlier(KindHold)}
	case n < 76:
		return &Refund{Entry: r.earlier(KindCharge, KindCapture), Amount: r.optional(s.spendable(r.now))}
	case n < 83:
		g := &Grant{Kind: pick(r.Rand, LotPromo, LotAdjustment), Amount: r.amount(50 * tokens.One)}
		if r.IntN(2) == 0 {
			g.ExpiresAt = r.now.Add(time.Duration(r.IntN(40*24)) * time.Hour)
		}
		return g
	case n < 86:
		g := &Grant{
			Kind:   LotPurchase,
			Amount: 100 * tokens.One,
			Source: "pack",
		}
		if r.IntN(3) == 0 {
			g.ExpiresAt = r.now.AddDate(0, 0, 1+r.IntN(20))
		}
		return g
	case n < 89:
		return &Revoke{Lot: r.purchase(), Total: tokens.One * pick(r.Rand, tokens.Amount(1), 40, 70, 100, 101)}
	case n < 93:
		return &Freeze{Lot: r.purchase(), Frozen: r.IntN(2) == 0}
	case n < 94:
		return &TakeBack{
			Amount: r.amount(s.spendable(r.now) / 8),
			Lot:    pick(r.Rand, 0, 0, r.earlier(KindGrant)),
			Reason: pick(r.Rand, "a mistake", "a mistake", ""),
		}
	case n < 97:
		if len(r.store.entries) > 400 && r.IntN(12) == 0 {
			return CloseAccount{}
		}
		return &SetPlan{
			Plan:   pick(r.Rand, "starter", "pro", "star", "gold"),
			Status: pick(r.Rand, "", "", PlanActive, PlanActive, PlanPastDue, PlanCanceled),
			Stay:   r.IntN(4) == 0,
		}
	}
	return &SetPlan{Status: PlanActive}
}

// play decides one batch of requests on a state loaded as the engine would, then stores it.
func (r *generator) run(prices *catalog.Catalog) (steps int) {
	p := r.store
	r.move()
	size := 1 + r.IntN(4)
	if r.runPartial(prices) {
		return 1
	}
	var about []int64
	s := p.complete()
	ops := make([]Operation, size)
	for i := range ops {
		ops[i] = r.request(s)
		about = append(about, ops[i].Needs(prices).RefersTo)
	}
	s = p.complete(about...)
	for _, op := range ops {
		from := len(s.entries)
		if _, err := s.Apply(Settle{}, r.now, prices); err != nil && !errors.Is(err, ErrNoAccount) {
			p.fatalf("settling: %v", err)
		}
		before := fmt.Sprint(s.Balance, s.Held, s.Owed, s.Seq, s.lots, s.holds, s.reversals, s.Plan, s.NextPlan,
			s.Period, s.refs)
		off := turnedOff(s)
		_, err := s.Apply(op, r.now, prices)
		p.checkTurnedOff(s, op, off)
		if after := fmt.Sprint(s.Balance, s.Held, s.Owed, s.Seq, s.lots, s.holds, s.reversals, s.Plan, s.NextPlan,
			s.Period, s.refs); err != nil && before != after {
			p.fatalf("%T was refused (%v) and changed\n%s\nto\n%s", op, err, before, after)
		}
		if kind, ok := errors.AsType[*problem.Error](err); ok && kind.Code == "insufficient_tokens" {
			p.declines++
			p.checkLacking(s, op, kind)
		}
		p.check(s, r.now, from)
		if err == nil {
			p.checkLimits(s, op, r.now)
		}
	}
	p.save(s, r.now)
	return size
}

// playPartial makes a charge that the open lot can pay, or that exceeds the balance, on both the partial
// and the complete state. Results and changes must be equal. It returns false if there is no such charge.
func (r *generator) runPartial(prices *catalog.Catalog) bool {
	p := r.store
	s := p.partial()
	if s == nil || (!s.DueAt.IsZero() && !s.DueAt.After(r.now)) {
		return false
	}
	c := r.charge(s)
	if a, ok := p.agents[c.Agent]; ok {
		a.Month = MonthSpend{} // nobody needs it
		s.agents = []agent{{AgentRow: a}}
	}
	if free := s.lots[0].Remaining - s.lots[0].Held; c.Needs(prices).Spend > free &&
		c.Needs(prices).Spend <= free+s.unloadedFree {
		if free == 0 || c.Amount == nil {
			return false
		}
		c.Amount = &free
	}
	w := p.complete()
	got, err := s.Apply(c, r.now, prices)
	want, wantErr := w.Apply(c, r.now, prices)
	if !reflect.DeepEqual(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
		p.fatalf("the open lot alone answers\n%+v (%v), the whole state\n%+v (%v)", got, err, want, wantErr)
	}
	if !reflect.DeepEqual(s.entries, w.entries) || !reflect.DeepEqual(s.Today, w.Today) ||
		!reflect.DeepEqual(s.usageSums(), w.usageSums()) ||
		!reflect.DeepEqual(s.declined, w.declined) || s.DeclinedEver != w.DeclinedEver ||
		s.AgentSummary != w.AgentSummary || !reflect.DeepEqual(s.events, w.events) ||
		s.agentRowOf(c.Agent) != w.agentRowOf(c.Agent) ||
		s.Balance != w.Balance || s.Held != w.Held || s.Owed != w.Owed || !s.LastAt.Equal(w.LastAt) ||
		s.changed != w.changed {
		p.fatalf("the open lot alone leaves\n%+v, the whole state\n%+v", s, w)
	}
	p.check(w, r.now, 0)
	if due := w.nextDue(); !due.IsZero() && (s.DueAt.IsZero() || due.Before(s.DueAt)) {
		p.fatalf("the open lot alone wakes at %v, the whole state is due at %v", s.DueAt, due)
	}
	if lacking, ok := errors.AsType[*problem.Error](err); ok && lacking.Code == "insufficient_tokens" {
		p.declines++
	}
	p.save(s, r.now)
	r.partials++
	return true
}

// Random lives of accounts, with all invariants checked after every request. A failure prints the seed that
// replays it.
func TestTheCoreKeepsItsInvariants(t *testing.T) {
	t.Parallel()
	steps, partials := 0, 0
	for seed := range uint64(420) {
		n, m := live(t, seed, 150)
		steps, partials = steps+n, partials+m
	}
	if steps < 100_000 || partials < 10_000 {
		t.Errorf("only %d requests were made, %d of them on the open lot alone", steps, partials)
	}
	t.Logf("%d requests, %d of them on the open lot alone", steps, partials)
}

// live runs one account for some batches and returns the number of requests, and of those decided on both
// states.
func live(t *testing.T, seed uint64, batches int) (steps, partials int) {
	t.Helper()
	r := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), now: time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)}
	r.store = newMemoryStore(t, seed, uuid.UUID{byte(seed), byte(seed >> 8)})
	prices := catalogs()
	s := r.store.complete()
	plan := &SetPlan{
		Plan:   "starter",
		Zone:   cycleZones[seed%uint64(len(cycleZones))],
		Anchor: r.now.Add(-time.Duration(r.IntN(1000)) * time.Hour),
	}
	if _, err := s.Apply(plan, r.now, prices[0]); err != nil {
		t.Fatal(err)
	}
	r.store.row.Zone = s.Zone
	r.store.check(s, r.now, 0)
	r.store.save(s, r.now)
	for i := range batches {
		steps += r.run(prices[i*len(prices)/batches])
	}
	r.store.checkAtEnd()
	return steps, r.partials
}

// catalogs are successive catalogs: the operator raises an allowance, and more.
func catalogs() []*catalog.Catalog {
	first, second, third := catalog.Builtin(), catalog.Builtin(), catalog.Builtin()
	for _, c := range []*catalog.Catalog{first, second, third} {
		c.Features = append(c.Features, catalog.Feature{ID: "free", Pricing: catalog.Fixed})
	}
	second.Version, third.Version = "second", "third"
	for i := range second.Plans {
		second.Plans[i].Allowance += 100 * tokens.One
		third.Plans[i].Allowance += 150 * tokens.One
	}
	third.RefundGraceDays = 7
	return []*catalog.Catalog{first, second, third}
}

// The limit of a thousand open holds does not count those that ended in the same batch.
func TestOnlyOpenHoldsCount(t *testing.T) {
	t.Parallel()
	now, prices := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC), catalog.Builtin()
	s := &State{
		complete: true,
		AccountRow: AccountRow{
			AccountID: uuid.UUID{1},
			Period:    -1,
			Zone:      time.UTC,
		},
	}
	if _, err := s.Apply(&SetPlan{Plan: "star"}, now, prices); err != nil {
		t.Fatal(err)
	}
	amount := tokens.One / 100
	for range maxOpenHolds + 1 {
		e, err := s.Apply(&Hold{Feature: "auto_selling", Amount: &amount}, now, prices)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Apply(&Release{Hold: e.Entry.Seq}, now, prices); err != nil {
			t.Fatal(err)
		}
	}
	for range maxOpenHolds {
		if _, err := s.Apply(&Hold{Feature: "auto_selling", Amount: &amount}, now, prices); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Apply(&Hold{Feature: "auto_selling", Amount: &amount}, now, prices); problem.Of(err).Code !=
		"too_many_holds" {
		t.Errorf("one hold more: %v", err)
	}
}
