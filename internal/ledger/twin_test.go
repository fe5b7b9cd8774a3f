package ledger_test

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// twin is the ledger once more, written from the specification alone and as plainly as possible: lists of everything that ever was, and every figure
// added up anew whenever it is asked for. It shares no rule with the ledger; the types of requests and answers are all that it knows of it.
type twin struct {
	prices   *catalog.Catalog
	accounts map[uuid.UUID]*twinAccount
}

type twinAccount struct {
	id           uuid.UUID
	plan, next   string
	status       ledger.PlanStatus
	anchor       time.Time
	zone         *time.Location
	period       int // the newest that began; -1: none
	granted      tokens.Amount
	owed         tokens.Amount
	last         time.Time
	entries      []ledger.Entry
	reasons      map[int64]string
	lots         []twinLot
	holds        []twinHold
	keys         map[string]twinKey
	references   map[string]int64 // used for ever, and by which entry
	declined     []ledger.Declined
	declinedEver int
}

type twinLot struct {
	number             int64
	kind               ledger.LotKind
	amount             tokens.Amount
	effective, expires time.Time // zero: never
	frozen, revoked    bool
	source             string
}

type twinHold struct {
	entry   ledger.Entry
	expires time.Time
	ended   string // how; empty while open
}

type twinKey struct {
	request string
	seq     int64
}

func newTwin(prices *catalog.Catalog) *twin {
	return &twin{prices: prices, accounts: map[uuid.UUID]*twinAccount{}}
}

func refusal(kind problem.Kind, code string) *problem.Error {
	return &problem.Error{Kind: kind, Code: code}
}

func invalid(field string) *problem.Error {
	return &problem.Error{Kind: problem.Meaning, Code: "invalid_field", Field: field}
}

var errNoTwin = refusal(problem.NotFound, "account_not_found")

// copied is an account of its own: what is done to it leaves the original alone.
func (a *twinAccount) copied() *twinAccount {
	c := *a
	c.entries, c.lots, c.holds = slices.Clone(a.entries), slices.Clone(a.lots), slices.Clone(a.holds)
	c.references = map[string]int64{}
	for reference, seq := range a.references {
		c.references[reference] = seq
	}
	return &c
}

func (a *twinAccount) balance() (sum tokens.Amount) {
	for _, e := range a.entries {
		sum += e.Amount
	}
	return sum
}

func (a *twinAccount) held() (sum tokens.Amount) {
	for _, h := range a.holds {
		if h.ended == "" {
			sum += h.entry.HeldDelta
		}
	}
	return sum
}

func (a *twinAccount) remaining(lot int64) (sum tokens.Amount) {
	for _, e := range a.entries {
		for _, p := range e.Parts {
			if p.Lot == lot && e.Kind != ledger.KindHold && e.Kind != ledger.KindRelease {
				sum += p.Amount
			}
		}
	}
	return sum
}

func (a *twinAccount) heldOf(lot int64) (sum tokens.Amount) {
	for _, h := range a.holds {
		for _, p := range h.entry.Parts {
			if h.ended == "" && p.Lot == lot {
				sum += p.Amount
			}
		}
	}
	return sum
}

func (l *twinLot) over(at time.Time) bool { return !l.expires.IsZero() && !at.Before(l.expires) }

// spendable of a lot: effective, not expired, not frozen; what remains less what is held.
func (a *twinAccount) spendableOf(l *twinLot, at time.Time) tokens.Amount {
	if l.frozen || l.over(at) || at.Before(l.effective) {
		return 0
	}
	return a.remaining(l.number) - a.heldOf(l.number)
}

func (a *twinAccount) spendable(at time.Time) (sum tokens.Amount) {
	for i := range a.lots {
		sum += a.spendableOf(&a.lots[i], at)
	}
	return sum
}

// burning lists the lots in the order in which they burn: bought ones last, then soonest expiry, then older.
func (a *twinAccount) burning() []*twinLot {
	var list []*twinLot
	for i := range a.lots {
		list = append(list, &a.lots[i])
	}
	never := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	end := func(l *twinLot) time.Time {
		if l.expires.IsZero() {
			return never
		}
		return l.expires
	}
	slices.SortFunc(list, func(x, y *twinLot) int {
		if bought := cmp.Compare(bit(x.kind == ledger.LotPurchase), bit(y.kind == ledger.LotPurchase)); bought != 0 {
			return bought
		}
		if soonest := end(x).Compare(end(y)); soonest != 0 {
			return soonest
		}
		return cmp.Compare(x.number, y.number)
	})
	return list
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (a *twinAccount) lot(number int64) *twinLot {
	for i := range a.lots {
		if a.lots[i].number == number {
			return &a.lots[i]
		}
	}
	return nil
}

// pay picks what each lot gives towards an amount.
func (a *twinAccount) pay(amount tokens.Amount, at time.Time) (parts []ledger.Part) {
	for _, l := range a.burning() {
		if part := min(amount, a.spendableOf(l, at)); part > 0 {
			parts = append(parts, ledger.Part{Lot: l.number, Amount: part})
			amount -= part
		}
	}
	return parts
}

func negative(parts []ledger.Part) []ledger.Part {
	out := slices.Clone(parts)
	for i := range out {
		out[i].Amount = -out[i].Amount
	}
	return out
}

// write adds an entry to the books.
func (a *twinAccount) write(e ledger.Entry, at time.Time) ledger.Entry {
	if a.last.Before(at) {
		a.last = at
	}
	e.Account, e.Seq, e.At = a.id, int64(len(a.entries)+1), a.last
	year, month, day := e.At.In(a.zone).Date()
	e.Day = time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	a.entries = append(a.entries, e)
	w := &a.entries[len(a.entries)-1]
	w.BalanceAfter, w.HeldAfter = a.balance(), a.held()
	if w.Kind == ledger.KindHold {
		w.HeldAfter += w.HeldDelta // the hold itself is listed only afterwards
		w.SpendableAfter = a.spendable(w.At) - w.HeldDelta
		return *w
	}
	w.SpendableAfter = a.spendable(w.At)
	return *w
}

// month is the k-th boundary: as many months after the anchor, on its day or the month's last, at its local time.
func (a *twinAccount) month(k int) time.Time {
	l := a.anchor.In(a.zone)
	year, month := l.Year(), int(l.Month())+k
	for month > 12 {
		year, month = year+1, month-12
	}
	for month < 1 {
		year, month = year-1, month+12
	}
	for day := l.Day(); ; day-- {
		if at := time.Date(year, time.Month(month), day, l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), a.zone); at.Day() == day {
			return at.UTC()
		}
	}
}

// settle lets everything happen that is due, one thing after the other: at one instant holds time out, then lots end, then a period begins.
func (a *twinAccount) settle(now time.Time, prices *catalog.Catalog) {
	for {
		var at time.Time
		var happen func()
		consider := func(due time.Time, f func()) {
			if !due.After(now) && (happen == nil || due.Before(at)) {
				at, happen = due, f
			}
		}
		for i := range a.holds {
			if h := &a.holds[i]; h.ended == "" {
				consider(h.expires, func() { a.letGo(h, "hold_expired", h.expires) })
			}
		}
		for _, l := range a.burning() {
			if free := a.remaining(l.number) - a.heldOf(l.number); !l.expires.IsZero() && free > 0 {
				consider(l.expires, func() { a.end(l, l.expires) })
			}
		}
		if a.status == ledger.PlanActive && a.period >= 0 {
			due := a.month(a.period + 1)
			consider(due, func() { a.begin(a.period+1, due, prices) })
		}
		if happen == nil {
			return
		}
		happen()
	}
}

// end expires what is free of a lot.
func (a *twinAccount) end(l *twinLot, at time.Time) {
	free := a.remaining(l.number) - a.heldOf(l.number)
	a.write(ledger.Entry{
		Kind: ledger.KindExpiry, Amount: -free, Contra: ledger.ContraExpired, LotKind: l.kind, Reference: l.source,
		Parts: []ledger.Part{{Lot: l.number, Amount: -free}},
	}, at)
}

// letGo releases a hold.
func (a *twinAccount) letGo(h *twinHold, how string, at time.Time) ledger.Entry {
	h.ended = how
	e := a.write(ledger.Entry{
		Kind: ledger.KindRelease, HeldDelta: -h.entry.HeldDelta, Feature: h.entry.Feature, Agent: h.entry.Agent, Quantity: h.entry.Quantity,
		UnitPrice: h.entry.UnitPrice, CatalogVersion: h.entry.CatalogVersion, About: h.entry.Seq, Parts: negative(h.entry.Parts),
	}, at)
	a.afterHold(h, at)
	return e
}

// afterHold: what came free of an ended lot expires at once; what came free of a revoked one pays what is owed.
func (a *twinAccount) afterHold(h *twinHold, at time.Time) {
	for _, p := range h.entry.Parts {
		l := a.lot(p.Lot)
		if l.over(at) && a.remaining(l.number) > a.heldOf(l.number) {
			a.end(l, at)
		}
		if l.revoked {
			a.payOwed(l, a.remaining(l.number)-a.heldOf(l.number), at)
		}
	}
}

func (a *twinAccount) payOwed(l *twinLot, atMost tokens.Amount, at time.Time) {
	if amount := min(a.owed, atMost); amount > 0 {
		a.takeBack(l, amount, "", at)
	}
}

func (a *twinAccount) takeBack(l *twinLot, amount tokens.Amount, reason string, at time.Time) ledger.Entry {
	a.owed -= amount
	e := a.write(ledger.Entry{
		Kind: ledger.KindClawback, Amount: -amount, Contra: ledger.ContraReturned, LotKind: l.kind, Reference: l.source, About: l.number,
		Parts: []ledger.Part{{Lot: l.number, Amount: -amount}},
	}, at)
	a.reasons[e.Seq] = reason
	return e
}

// begin starts a period: a waiting plan comes into force, its allowance is granted until the next boundary.
func (a *twinAccount) begin(k int, at time.Time, prices *catalog.Catalog) {
	a.period, a.granted = k, 0
	if a.next != "" {
		a.plan, a.next = a.next, ""
	}
	a.topUp(at, prices)
}

// topUp grants what the plan gives above what was granted in this period.
func (a *twinAccount) topUp(at time.Time, prices *catalog.Catalog) {
	more := allowanceOf(prices, a.plan) - a.granted
	if more <= 0 {
		return
	}
	a.granted += more
	a.fill(twinLot{kind: ledger.LotPlan, amount: more, source: a.plan, expires: a.month(a.period + 1)}, ledger.ContraIssued, prices, at)
}

func allowanceOf(prices *catalog.Catalog, plan string) tokens.Amount {
	for _, p := range prices.Plans {
		if p.ID == plan {
			return p.Allowance
		}
	}
	return -1
}

// fill adds a lot and its entry.
func (a *twinAccount) fill(l twinLot, contra ledger.Contra, prices *catalog.Catalog, at time.Time) ledger.Entry {
	l.number, l.effective = int64(len(a.entries)+1), at
	a.lots = append(a.lots, l)
	return a.write(ledger.Entry{
		Kind: ledger.KindGrant, Amount: l.amount, Contra: contra, LotKind: l.kind, Reference: l.source, CatalogVersion: prices.Version,
		Parts: []ledger.Part{{Lot: l.number, Amount: l.amount}},
	}, at)
}

// cost is what a piece of work costs.
func (w *twin) cost(feature string, quantity *int64, amount *tokens.Amount) (catalog.Price, error) {
	for _, f := range w.prices.Features {
		if f.ID != feature {
			continue
		}
		n := int64(1)
		if quantity != nil {
			n = *quantity
		}
		switch {
		case n < 1 || n > 1_000_000_000:
			return catalog.Price{}, invalid("quantity")
		case amount != nil && (f.Pricing == catalog.Fixed || *amount <= 0):
			return catalog.Price{}, invalid("amount")
		case amount != nil:
			return catalog.Price{Quantity: n, Amount: *amount}, nil
		case f.Pricing == catalog.Metered:
			return catalog.Price{}, invalid("amount")
		}
		return catalog.Price{Quantity: n, Unit: f.Price, Amount: f.Price * tokens.Amount(n)}, nil
	}
	return catalog.Price{}, &problem.Error{Kind: problem.Meaning, Code: "unknown_feature", Field: "feature"}
}

// result is an answer: an entry, possibly an old one, or why not.
type result struct {
	entry    ledger.Entry
	replayed bool
	err      *problem.Error
}

func refused(err error) result { return result{err: problem.Of(err)} }

// do is the way of every request: a known key answers what it answered, a used reference too or refuses, then everything due happens, then
// the request is decided. Only success binds the key and the reference.
func (w *twin) do(id uuid.UUID, key, request, reference string, now time.Time, decide func(a *twinAccount, now time.Time) result) result {
	a := w.accounts[id]
	if a == nil {
		return refused(errNoTwin)
	}
	if known, ok := a.keys[key]; ok && key != "" {
		if known.request != request {
			return refused(refusal(problem.Meaning, "idempotency_key_reused"))
		}
		return result{entry: a.entries[known.seq-1], replayed: true}
	}
	if seq, ok := a.references[reference]; ok && reference != "" {
		if reference[0] == 'p' {
			return result{entry: a.entries[seq-1], replayed: true}
		}
		return refused(refusal(problem.Conflict, "reference_used"))
	}
	if now.Before(a.last) {
		now = a.last
	}
	a.settle(now, w.prices)
	r := decide(a, now)
	if r.err != nil || r.entry.Seq == 0 {
		return r
	}
	if key != "" {
		a.keys[key] = twinKey{request, r.entry.Seq}
	}
	if reference != "" {
		a.references[reference] = r.entry.Seq
	}
	return r
}

// lacking notes an attempt that lacked tokens.
func (a *twinAccount) lacking(feature, agent string, required tokens.Amount, at time.Time) result {
	spendable := a.spendable(at)
	a.last = at
	year, month, day := at.In(a.zone).Date()
	date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	number := 1
	for _, d := range a.declined {
		if d.Day.Equal(date) {
			number++
		}
	}
	a.declinedEver++
	if number <= 200 {
		a.declined = append(a.declined, ledger.Declined{
			Day: date, Number: number, At: at, Feature: feature, Agent: agent, Required: required, Spendable: spendable,
		})
	}
	err := refusal(problem.Insufficient, "insufficient_tokens")
	err.Details = map[string]any{"spendable": spendable, "required": required, "shortfall": required - spendable}
	return refused(err)
}

func (w *twin) charge(id uuid.UUID, key string, c ledger.Charge, now time.Time) result {
	reference := ""
	if c.UniqueReference {
		reference = "charge " + c.Reference
	}
	return w.do(id, key, fmt.Sprint("charge", c.Feature, show(c.Quantity), show(c.Amount), c.Agent, c.Reference, c.UniqueReference, c.Metadata), reference, now,
		func(a *twinAccount, now time.Time) result {
			price, err := w.cost(c.Feature, c.Quantity, c.Amount)
			if err != nil {
				return refused(err)
			}
			if a.spendable(now) < price.Amount {
				return a.lacking(c.Feature, c.Agent, price.Amount, now)
			}
			return result{entry: a.write(ledger.Entry{
				Kind: ledger.KindCharge, Amount: -price.Amount, Contra: ledger.ContraSpent, Feature: c.Feature, Agent: c.Agent,
				Quantity: price.Quantity, UnitPrice: price.Unit, CatalogVersion: w.prices.Version, Reference: c.Reference,
				Parts: negative(a.pay(price.Amount, now)),
			}, now)}
		})
}

func show[T any](p *T) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprint(" ", *p, " ")
}

func (w *twin) hold(id uuid.UUID, key string, h ledger.Hold, now time.Time) result {
	request := fmt.Sprint("hold", h.Feature, show(h.Quantity), show(h.Amount), h.Agent, h.Reference, h.ExpiresIn)
	return w.do(id, key, request, "", now, func(a *twinAccount, now time.Time) result {
		price, err := w.cost(h.Feature, h.Quantity, h.Amount)
		if err != nil {
			return refused(err)
		}
		life := h.ExpiresIn
		if life == 0 {
			life = 15 * time.Minute
		}
		if life < time.Second || life > 24*time.Hour {
			return refused(invalid("expires_in"))
		}
		if a.spendable(now) < price.Amount {
			return a.lacking(h.Feature, h.Agent, price.Amount, now)
		}
		e := a.write(ledger.Entry{
			Kind: ledger.KindHold, HeldDelta: price.Amount, Feature: h.Feature, Agent: h.Agent, Quantity: price.Quantity, UnitPrice: price.Unit,
			CatalogVersion: w.prices.Version, Reference: h.Reference, Parts: a.pay(price.Amount, now),
		}, now)
		a.holds = append(a.holds, twinHold{entry: e, expires: e.At.Add(life)})
		return result{entry: e}
	})
}

// openHold finds a hold that has not ended.
func (a *twinAccount) openHold(number int64) (*twinHold, error) {
	for i := range a.holds {
		if h := &a.holds[i]; h.entry.Seq == number {
			if h.ended != "" {
				return nil, refusal(problem.Conflict, h.ended)
			}
			return h, nil
		}
	}
	return nil, refusal(problem.NotFound, "hold_not_found")
}

func (w *twin) capture(id uuid.UUID, key string, c ledger.Capture, now time.Time) result {
	return w.do(id, key, fmt.Sprint("capture", c.Hold, show(c.Amount)), "", now, func(a *twinAccount, now time.Time) result {
		h, err := a.openHold(c.Hold)
		if err != nil {
			return refused(err)
		}
		amount := h.entry.HeldDelta
		if c.Amount != nil {
			amount = *c.Amount
		}
		if amount < 1 || amount > h.entry.HeldDelta {
			return refused(invalid("amount"))
		}
		var parts []ledger.Part
		rest := amount
		for _, p := range h.entry.Parts {
			if part := min(p.Amount, rest); part > 0 {
				parts = append(parts, ledger.Part{Lot: p.Lot, Amount: -part})
				rest -= part
			}
		}
		h.ended = "hold_captured"
		e := a.write(ledger.Entry{
			Kind: ledger.KindCapture, Amount: -amount, HeldDelta: -h.entry.HeldDelta, Contra: ledger.ContraSpent, Feature: h.entry.Feature,
			Agent: h.entry.Agent, Quantity: h.entry.Quantity, UnitPrice: h.entry.UnitPrice, CatalogVersion: h.entry.CatalogVersion,
			About: h.entry.Seq, Parts: parts,
		}, now)
		a.afterHold(h, now)
		return result{entry: e}
	})
}

func (w *twin) release(id uuid.UUID, key string, r ledger.Release, now time.Time) result {
	return w.do(id, key, fmt.Sprint("release", r.Hold), "", now, func(a *twinAccount, now time.Time) result {
		h, err := a.openHold(r.Hold)
		if err != nil {
			return refused(err)
		}
		return result{entry: a.letGo(h, "hold_released", now)}
	})
}

func (w *twin) refund(id uuid.UUID, key string, r ledger.Refund, now time.Time) result {
	return w.do(id, key, fmt.Sprint("refund", r.Entry, show(r.Amount), r.Reason), "", now, func(a *twinAccount, now time.Time) result {
		if r.Entry < 1 || r.Entry > int64(len(a.entries)) || a.entries[r.Entry-1].Contra != ledger.ContraSpent || a.entries[r.Entry-1].Amount > 0 {
			return refused(refusal(problem.NotFound, "charge_not_found"))
		}
		charge := a.entries[r.Entry-1]
		// What each lot got back so far is of no interest: tokens come back to the last lot first, so the sum says it all.
		var before tokens.Amount
		for _, e := range a.entries {
			if e.Kind == ledger.KindRefund && e.About == charge.Seq {
				before += e.Amount
			}
		}
		left := -charge.Amount - before
		amount := left
		if r.Amount != nil {
			amount = *r.Amount
		}
		if left == 0 {
			return refused(refusal(problem.Conflict, "already_refunded"))
		}
		if amount < 1 || amount > left {
			return refused(invalid("amount"))
		}
		return result{entry: a.giveBack(charge, before, amount, r.Reason, now, w.prices)}
	})
}

// giveBack walks the payment backwards, token by token as it were: those that came back before are passed over.
func (a *twinAccount) giveBack(charge ledger.Entry, before, amount tokens.Amount, reason string, now time.Time, prices *catalog.Catalog) ledger.Entry {
	var parts []ledger.Part
	var grace *twinLot
	var revokedGrace tokens.Amount
	for i := len(charge.Parts) - 1; i >= 0; i-- {
		paid := -charge.Parts[i].Amount
		passed := min(before, paid)
		before -= passed
		back := min(paid-passed, amount)
		amount -= back
		if back == 0 {
			continue
		}
		l := a.lot(charge.Parts[i].Lot)
		if !l.over(now) {
			parts = append(parts, ledger.Part{Lot: l.number, Amount: back})
			continue
		}
		if grace == nil {
			grace = &twinLot{number: int64(len(a.entries) + 1), effective: now, expires: now.AddDate(0, 0, prices.RefundGraceDays)}
		}
		grace.amount += back
		grace.kind, grace.source = l.kind, l.source
		if l.revoked {
			revokedGrace += back
		}
	}
	if grace != nil {
		a.lots = append(a.lots, *grace)
		parts = append(parts, ledger.Part{Lot: grace.number, Amount: grace.amount})
	}
	var sum tokens.Amount
	for _, p := range parts {
		sum += p.Amount
	}
	e := a.write(ledger.Entry{
		Kind: ledger.KindRefund, Amount: sum, Contra: ledger.ContraSpent, Feature: charge.Feature, Agent: charge.Agent, About: charge.Seq, Parts: parts,
	}, now)
	a.reasons[e.Seq] = reason
	for _, p := range parts {
		if l := a.lot(p.Lot); l.revoked {
			a.payOwed(l, a.remaining(l.number)-a.heldOf(l.number), now)
		}
	}
	if grace != nil {
		a.payOwed(a.lot(grace.number), revokedGrace, now)
	}
	return e
}

func (w *twin) grant(id uuid.UUID, key string, g ledger.Grant, now time.Time) result {
	contra, reference := ledger.ContraIssued, ""
	if g.Kind == ledger.LotPurchase {
		contra, reference = ledger.ContraSold, "purchase "+g.Source
	}
	return w.do(id, key, fmt.Sprint("grant", g.Kind, g.Amount, g.ExpiresAt, g.Source, g.Reason), reference, now, func(a *twinAccount, now time.Time) result {
		switch {
		case g.Amount < 1 || a.balance()+g.Amount > tokens.Max:
			return refused(invalid("amount"))
		case !g.ExpiresAt.IsZero() && !now.Before(g.ExpiresAt):
			return refused(invalid("expires_at"))
		}
		e := a.fill(twinLot{kind: g.Kind, amount: g.Amount, source: g.Source, expires: g.ExpiresAt}, contra, w.prices, now)
		a.reasons[e.Seq] = g.Reason
		if g.Kind == ledger.LotPurchase {
			a.payOwed(a.lot(e.Seq), g.Amount, now)
		}
		return result{entry: e}
	})
}

func (w *twin) revoke(id uuid.UUID, purchase string, total tokens.Amount, reason string, now time.Time) result {
	a := w.accounts[id]
	if a == nil || a.references["purchase "+purchase] == 0 {
		return refused(refusal(problem.NotFound, "purchase_not_found"))
	}
	return w.do(id, "", "", "", now, func(a *twinAccount, now time.Time) result {
		l := a.lot(a.references["purchase "+purchase])
		if total < 1 || total > l.amount {
			return refused(invalid("amount"))
		}
		l.revoked = true
		if total == l.amount {
			l.frozen = false
		}
		more := total - a.calledBack(purchase)
		if more <= 0 {
			return result{}
		}
		a.references["revoked "+purchase] += int64(more)
		a.owed += more
		return result{entry: a.takeBack(l, min(more, a.remaining(l.number)-a.heldOf(l.number)), reason, now)}
	})
}

// calledBack is how many of a purchase's tokens were called back so far.
func (a *twinAccount) calledBack(purchase string) tokens.Amount {
	return tokens.Amount(a.references["revoked "+purchase])
}

func (w *twin) freeze(id uuid.UUID, purchase string, frozen bool, now time.Time) result {
	a := w.accounts[id]
	if a == nil || a.references["purchase "+purchase] == 0 {
		return refused(refusal(problem.NotFound, "purchase_not_found"))
	}
	return w.do(id, "", "", "", now, func(a *twinAccount, _ time.Time) result {
		a.lot(a.references["purchase "+purchase]).frozen = frozen
		return result{}
	})
}

func (w *twin) setPlan(id uuid.UUID, p ledger.SetPlan, now time.Time) result {
	if p.Plan != "" && allowanceOf(w.prices, p.Plan) < 0 {
		return w.settleThen(id, now, refused(invalid("plan")))
	}
	if p.Status != "" && p.Status != ledger.PlanActive && p.Status != ledger.PlanPastDue {
		return w.settleThen(id, now, refused(invalid("plan_status")))
	}
	if w.accounts[id] == nil {
		return w.open(id, p, now)
	}
	return w.do(id, "", "", "", now, func(a *twinAccount, now time.Time) result {
		switch {
		case !p.Anchor.IsZero() && !p.Anchor.Equal(a.anchor):
			return refused(invalid("billing_anchor"))
		case p.Zone != "" && p.Zone != a.zone.String():
			return refused(invalid("billing_zone"))
		}
		switch {
		case p.Plan == "":
		case allowanceOf(w.prices, p.Plan) < allowanceOf(w.prices, a.plan):
			a.next = p.Plan
		default:
			a.plan, a.next = p.Plan, ""
		}
		if p.Status != "" {
			a.status = p.Status
		}
		a.present(now, w.prices)
		return result{}
	})
}

// settleThen: a request that is refused has been settled before all the same.
func (w *twin) settleThen(id uuid.UUID, now time.Time, r result) result {
	if w.accounts[id] == nil {
		return r
	}
	return w.do(id, "", "", "", now, func(*twinAccount, time.Time) result { return r })
}

func (w *twin) open(id uuid.UUID, p ledger.SetPlan, now time.Time) result {
	zone, err := time.LoadLocation(p.Zone)
	switch {
	case p.Plan == "":
		return refused(invalid("plan"))
	case err != nil:
		return refused(invalid("billing_zone"))
	case p.Anchor.After(now):
		return refused(invalid("billing_anchor"))
	}
	a := &twinAccount{
		id: id, plan: p.Plan, status: ledger.PlanActive, anchor: p.Anchor, zone: zone, period: -1, reasons: map[int64]string{},
		keys: map[string]twinKey{}, references: map[string]int64{},
	}
	if a.anchor.IsZero() {
		a.anchor = now
	}
	if p.Status != "" {
		a.status = p.Status
	}
	w.accounts[id] = a
	a.present(now, w.prices)
	return result{}
}

// present makes sure, while the plan is paid for, that the period that holds now has begun and its allowance is granted.
func (a *twinAccount) present(now time.Time, prices *catalog.Catalog) {
	if a.status != ledger.PlanActive {
		return
	}
	k := 0
	for !now.Before(a.month(k + 1)) {
		k++
	}
	if k > a.period {
		a.begin(k, now, prices)
		return
	}
	a.topUp(now, prices)
}

// settled is the account as it stands at an instant; nothing is written.
func (w *twin) settled(id uuid.UUID, now time.Time) (*twinAccount, time.Time) {
	a := w.accounts[id].copied()
	a.reasons = map[int64]string{}
	if now.Before(a.last) {
		now = a.last
	}
	a.settle(now, w.prices)
	return a, now
}

// view is what the account's page shows.
func (w *twin) view(id uuid.UUID, now time.Time) ledger.Account {
	a, now := w.settled(id, now)
	v := ledger.Account{
		ID: id, Plan: a.plan, NextPlan: a.next, PlanStatus: a.status, Anchor: a.anchor, Zone: a.zone,
		Spendable: a.spendable(now), Held: a.held(), Total: a.balance(), Owed: a.owed, Seq: int64(len(a.entries)), LastAt: a.last,
	}
	if a.status == ledger.PlanActive {
		v.NextReset = a.month(a.period + 1)
	}
	for _, l := range a.burning() {
		v.NewestLot = max(v.NewestLot, l.number)
		if remaining := a.remaining(l.number); remaining > 0 {
			v.Lots = append(v.Lots, ledger.Lot{
				Number: l.number, Kind: l.kind, Amount: l.amount, Remaining: remaining, Held: a.heldOf(l.number), EffectiveAt: l.effective,
				ExpiresAt: l.expires, Frozen: l.frozen, Source: l.source,
			})
		}
	}
	for _, l := range a.lots {
		v.NewestLot = max(v.NewestLot, l.number)
	}
	for _, h := range a.holds {
		v.Holds += bit(h.ended == "")
	}
	return v
}

// write settles for good, as a look into the history does.
func (w *twin) write(id uuid.UUID, now time.Time) *twinAccount {
	a := w.accounts[id]
	if now.Before(a.last) {
		now = a.last
	}
	a.settle(now, w.prices)
	return a
}

func (w *twin) history(id uuid.UUID, f ledger.Filter, now time.Time) (lines []ledger.Entry) {
	for _, e := range slices.Backward(w.write(id, now).entries) {
		if (f.Kinds == nil || slices.Contains(f.Kinds, e.Kind)) && (f.LotKinds == nil || slices.Contains(f.LotKinds, e.LotKind)) &&
			(f.Feature == "" || f.Feature == e.Feature) && (f.Agent == "" || f.Agent == e.Agent) &&
			!e.At.Before(f.From) && (f.To.IsZero() || e.At.Before(f.To)) {
			lines = append(lines, e)
		}
	}
	return lines
}

func (w *twin) balanceAt(id uuid.UUID, at, now time.Time) (b ledger.Balance) {
	for _, e := range w.write(id, now).entries {
		if e.At.Before(at) {
			b = ledger.Balance{Spendable: e.SpendableAfter, Held: e.HeldAfter, Total: e.BalanceAfter}
		}
	}
	return b
}

// usage adds up what was spent by day, feature and agent.
func (w *twin) usage(id uuid.UUID, from, to time.Time) []ledger.Usage {
	var list []ledger.Usage
	for _, e := range w.accounts[id].entries {
		if e.Contra != ledger.ContraSpent || e.Day.Before(from) || !e.Day.Before(to) {
			continue
		}
		i := slices.IndexFunc(list, func(u ledger.Usage) bool { return u.Day.Equal(e.Day) && u.Feature == e.Feature && u.Agent == e.Agent })
		if i < 0 {
			list = append(list, ledger.Usage{Day: e.Day, Feature: e.Feature, Agent: e.Agent})
			i = len(list) - 1
		}
		list[i].Amount -= e.Amount
		if e.Kind != ledger.KindRefund {
			list[i].Quantity += e.Quantity
			list[i].Count++
		}
	}
	slices.SortFunc(list, func(x, y ledger.Usage) int {
		return cmp.Or(x.Day.Compare(y.Day), cmp.Compare(x.Feature, y.Feature), cmp.Compare(x.Agent, y.Agent))
	})
	return list
}

func (w *twin) declinedOn(id uuid.UUID, day time.Time) (list []ledger.Declined) {
	for _, d := range slices.Backward(w.accounts[id].declined) {
		if d.Day.Equal(day) {
			list = append(list, d)
		}
	}
	return list
}
