package engine_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

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
		return catalog.Price{
			Quantity: n,
			Unit:     f.Price,
			Amount:   f.Price * tokens.Amount(n),
		}, nil
	}
	return catalog.Price{}, &problem.Error{
		Kind:  problem.Unprocessable,
		Code:  "unknown_feature",
		Field: "feature",
	}
}

// result is an answer: an entry, possibly an old one, or why not.
type result struct {
	entry    ledger.Entry
	note     ledger.Note
	balance  ledger.Balance // once all that the request did was done
	until    time.Time      // the end of a hold that was extended
	replayed bool
	err      *problem.Error
}

func refused(err error) result { return result{err: problem.Of(err)} }

// do is the way of every request: a known key answers what it answered, a used reference too or
// refuses, then everything due happens, then the request is decided. Only success binds the key and
// the reference.
func (w *twin) do(id uuid.UUID, key, request, reference string, now time.Time,
	decide func(a *twinAccount, now time.Time) result,
) result {
	a := w.accounts[id]
	if a == nil {
		return refused(errNoTwin)
	}
	if known, ok := a.keys[key]; ok && key != "" {
		if known.request != request {
			return refused(refusal(problem.Unprocessable, "idempotency_key_reused"))
		}
		if !known.until.IsZero() {
			return result{until: known.until, replayed: true}
		}
		return a.answered(known.seq, true)
	}
	if seq, ok := a.references[reference]; ok && reference != "" {
		if reference[0] == 'p' {
			return a.answered(seq, true)
		}
		return refused(refusal(problem.Conflict, "reference_used"))
	}
	if now.Before(a.last) {
		now = a.last
	}
	a.settle(now, w.prices)
	var r result
	a.meanwhile(now, w.prices, func() { r = decide(a, now) })
	if r.err != nil || (r.entry.Seq == 0 && r.until.IsZero()) {
		return r
	}
	if key != "" {
		a.keys[key] = twinKey{request, r.entry.Seq, r.until}
	}
	if !r.until.IsZero() {
		return r
	}
	if reference != "" {
		a.references[reference] = r.entry.Seq
	}
	a.after[r.entry.Seq] = ledger.Balance{
		Spendable: a.spendable(a.last),
		Held:      a.held(),
		Total:     a.balance(),
	}
	return a.answered(r.entry.Seq, false)
}

// answered is the answer of the request that wrote an entry.
func (a *twinAccount) answered(seq int64, replayed bool) result {
	return result{
		entry:    a.entries[seq-1],
		note:     a.notes[seq],
		balance:  a.after[seq],
		replayed: replayed,
	}
}

// given is what the request says, or else what it inherits.
func given(said, inherited string) string {
	if said != "" {
		return said
	}
	return inherited
}

// inherit notes what a request said about its entry; what it left open is said by another entry.
func (a *twinAccount) inherit(seq, from int64, reason string, metadata map[string]string) {
	if len(metadata) == 0 {
		metadata = a.notes[from].Metadata
	}
	a.notes[seq] = ledger.Note{Reason: given(reason, a.notes[from].Reason), Metadata: metadata}
}

// lacking notes an attempt that lacked tokens.
func (a *twinAccount) lacking(feature, agent string, required, spendable tokens.Amount, at time.Time) {
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
			Day:       date,
			Number:    number,
			At:        at,
			Feature:   feature,
			Agent:     agent,
			Required:  required,
			Spendable: spendable,
		})
	}
}

func (w *twin) charge(id uuid.UUID, key string, c ledger.Charge, now time.Time) result {
	reference := ""
	if c.UniqueReference {
		reference = "charge " + c.Reference
	}
	request := fmt.Sprint("charge", c.Feature, show(c.Quantity), show(c.Amount), c.Agent, c.Reference,
		c.UniqueReference, c.KeepAgentOn, c.Metadata, c.Reason)
	return w.do(id, key, request, reference, now,
		func(a *twinAccount, now time.Time) result {
			if a.over() {
				return refused(errTwinClosed)
			}
			price, err := w.cost(c.Feature, c.Quantity, c.Amount)
			if err != nil {
				return refused(err)
			}
			if no := a.afford(c.Feature, c.Agent, price.Amount, c.KeepAgentOn, now, w.prices); no != nil {
				return refused(no)
			}
			e := a.write(ledger.Entry{
				Kind:           ledger.KindCharge,
				Amount:         -price.Amount,
				Contra:         ledger.ContraSpent,
				Feature:        c.Feature,
				Agent:          c.Agent,
				Quantity:       price.Quantity,
				UnitPrice:      price.Unit,
				CatalogVersion: w.prices.Version,
				Reference:      c.Reference,
				Parts:          negative(a.pay(price.Amount, now)),
			}, now)
			a.notes[e.Seq] = ledger.Note{Reason: c.Reason, Metadata: c.Metadata}
			return result{entry: e}
		})
}

func show[T any](p *T) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprint(" ", *p, " ")
}

func (w *twin) hold(id uuid.UUID, key string, h ledger.Hold, now time.Time) result {
	request := fmt.Sprint("hold", h.Feature, show(h.Quantity), show(h.Amount), h.Agent, h.Reference, h.ExpiresIn,
		h.KeepAgentOn, h.Reason, h.Metadata)
	return w.do(id, key, request, "", now, func(a *twinAccount, now time.Time) result {
		if a.over() {
			return refused(errTwinClosed)
		}
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
		if no := a.afford(h.Feature, h.Agent, price.Amount, h.KeepAgentOn, now, w.prices); no != nil {
			return refused(no)
		}
		e := a.write(ledger.Entry{
			Kind:           ledger.KindHold,
			HeldDelta:      price.Amount,
			Feature:        h.Feature,
			Agent:          h.Agent,
			Quantity:       price.Quantity,
			UnitPrice:      price.Unit,
			CatalogVersion: w.prices.Version,
			Reference:      h.Reference,
			Parts:          a.pay(price.Amount, now),
		}, now)
		a.notes[e.Seq] = ledger.Note{Reason: h.Reason, Metadata: h.Metadata}
		a.holds = append(a.holds, twinHold{entry: e, expires: e.At.Add(life)})
		return result{entry: e}
	})
}

// over says whether the account was closed.
func (a *twinAccount) over() bool { return !a.closed.IsZero() }

// claim binds a key to a request that writes no entry.
func (w *twin) claim(id uuid.UUID, key, request string) result {
	a := w.accounts[id]
	if a == nil {
		return refused(errNoTwin)
	}
	known, ok := a.keys[key]
	if ok && known.request != request {
		return refused(refusal(problem.Unprocessable, "idempotency_key_reused"))
	}
	a.keys[key] = twinKey{request: request}
	return result{replayed: ok}
}

// close ends an account: its jobs are let go, and nothing new begins.
func (w *twin) close(id uuid.UUID, now time.Time) result {
	return w.do(id, "", "", "", now, func(a *twinAccount, now time.Time) result {
		if a.over() {
			return result{}
		}
		for i := range a.holds {
			if a.holds[i].ended == "" {
				a.letGo(&a.holds[i], "hold_released", ledger.Release{}, now)
			}
		}
		a.closed, a.next = now, ""
		return result{}
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
	request := fmt.Sprint("capture", c.Hold, show(c.Amount), c.Reference, "|", c.Reason, c.Metadata)
	return w.do(id, key, request, "", now, func(a *twinAccount, now time.Time) result {
		if a.over() {
			return refused(errTwinClosed)
		}
		h, err := a.openHold(c.Hold)
		if err != nil {
			return refused(err)
		}
		amount := h.entry.HeldDelta
		if c.Amount != nil {
			amount = *c.Amount
		}
		if amount < 1 {
			return refused(invalid("amount"))
		}
		more := max(0, amount-h.entry.HeldDelta)
		if more > 0 {
			if no := a.afford(h.entry.Feature, h.entry.Agent, more, false, now, w.prices); no != nil {
				return refused(no)
			}
		}
		parts := a.payCapture(h, amount-more, more, now)
		h.ended = "hold_captured"
		e := a.write(ledger.Entry{
			Kind:           ledger.KindCapture,
			Amount:         -amount,
			HeldDelta:      -h.entry.HeldDelta,
			Contra:         ledger.ContraSpent,
			Feature:        h.entry.Feature,
			Agent:          h.entry.Agent,
			Quantity:       h.entry.Quantity,
			UnitPrice:      h.entry.UnitPrice,
			CatalogVersion: h.entry.CatalogVersion,
			About:          h.entry.Seq,
			Parts:          parts,
			Reference:      given(c.Reference, h.entry.Reference),
		}, now)
		a.inherit(e.Seq, h.entry.Seq, c.Reason, c.Metadata)
		a.afterHold(h, now)
		return result{entry: e}
	})
}

// payCapture is what each lot pays of a capture, in the order in which lots burn: what the job held
// of it, and its share of what comes on top.
func (a *twinAccount) payCapture(h *twinHold, held, more tokens.Amount, at time.Time) (parts []ledger.Part) {
	pays := map[int64]tokens.Amount{}
	for _, p := range h.entry.Parts {
		part := min(p.Amount, held)
		pays[p.Lot] += part
		held -= part
	}
	for _, p := range a.pay(more, at) {
		pays[p.Lot] += p.Amount
	}
	for _, l := range a.burning() {
		if pays[l.number] > 0 {
			parts = append(parts, ledger.Part{Lot: l.number, Amount: -pays[l.number]})
		}
	}
	return parts
}

// extend lets a job go on for longer, never for shorter.
func (w *twin) extend(id uuid.UUID, key string, x ledger.Extend, now time.Time) result {
	return w.do(id, key, fmt.Sprint("extend", x.Hold, x.ExpiresIn), "", now,
		func(a *twinAccount, now time.Time) result {
			if a.over() {
				return refused(errTwinClosed)
			}
			h, err := a.openHold(x.Hold)
			if err != nil {
				return refused(err)
			}
			if x.ExpiresIn < time.Second || x.ExpiresIn > 24*time.Hour {
				return refused(invalid("expires_in"))
			}
			if until := now.Add(x.ExpiresIn); h.expires.Before(until) {
				h.expires = until
			}
			a.last = now
			return result{until: h.expires}
		})
}

func (w *twin) release(id uuid.UUID, key string, r ledger.Release, now time.Time) result {
	return w.do(id, key, fmt.Sprint("release", r.Hold, r.Reference, "|", r.Reason, r.Metadata), "", now,
		func(a *twinAccount, now time.Time) result {
			h, err := a.openHold(r.Hold)
			if err != nil {
				return refused(err)
			}
			return result{entry: a.letGo(h, "hold_released", r, now)}
		})
}
