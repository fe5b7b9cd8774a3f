package ledgertest

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Cost is the price of a request, or why it has none.
func (m *Model) Cost(feature string, quantity *int64, amount *tokens.Amount) (catalog.Price, error) {
	for _, f := range m.prices.Features {
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

// Result is the answer to a request: an entry, which an earlier request may have written, or an error.
type Result struct {
	Entry    ledger.Entry
	Note     ledger.Note
	Balance  ledger.Balance // once all that the request did was done
	Until    time.Time      // the end of a hold that was extended
	Replayed bool
	Err      *problem.Error
}

func refusedWith(err error) Result { return Result{Err: problem.Of(err)} }

// execute runs a request. A known key replays its answer, and a used reference replays or refuses. Otherwise everything
// that is due is settled, and then the request is decided. Only success binds the key and the reference.
func (m *Model) execute(id uuid.UUID, key, request, reference string, now time.Time,
	decide func(a *modelAccount, now time.Time) Result,
) Result {
	a := m.accounts[id]
	if a == nil {
		return refusedWith(errNoAccount)
	}
	if known, ok := a.keys[key]; ok && key != "" {
		if known.request != request {
			return refusedWith(refusal(problem.Unprocessable, "idempotency_key_reused"))
		}
		if !known.until.IsZero() {
			return Result{Until: known.until, Replayed: true}
		}
		return a.replay(known.seq, true)
	}
	if seq, ok := a.references[reference]; ok && reference != "" {
		if reference[0] == 'p' {
			return a.replay(seq, true)
		}
		return refusedWith(refusal(problem.Conflict, "reference_used"))
	}
	if now.Before(a.last) {
		now = a.last
	}
	a.settle(now, m.prices)
	var r Result
	a.applyThenReact(now, m.prices, func() { r = decide(a, now) })
	if r.Err != nil || (r.Entry.Seq == 0 && r.Until.IsZero()) {
		return r
	}
	if key != "" {
		a.keys[key] = modelKey{request, r.Entry.Seq, r.Until}
	}
	if !r.Until.IsZero() {
		return r
	}
	if reference != "" {
		a.references[reference] = r.Entry.Seq
	}
	a.balances[r.Entry.Seq] = ledger.Balance{
		Spendable: a.spendable(a.last),
		Held:      a.held(),
		Total:     a.balance(),
	}
	return a.replay(r.Entry.Seq, false)
}

// replay is the answer of the request that wrote an entry.
func (a *modelAccount) replay(seq int64, replayed bool) Result {
	return Result{
		Entry:    a.entries[seq-1],
		Note:     a.notes[seq],
		Balance:  a.balances[seq],
		Replayed: replayed,
	}
}

func firstNonEmpty(said, inherited string) string {
	if said != "" {
		return said
	}
	return inherited
}

// inherit keeps the reason and metadata of an entry. What the request leaves empty comes from another entry.
func (a *modelAccount) inherit(seq, from int64, reason string, metadata map[string]string) {
	if len(metadata) == 0 {
		metadata = a.notes[from].Metadata
	}
	a.notes[seq] = ledger.Note{Reason: firstNonEmpty(reason, a.notes[from].Reason), Metadata: metadata}
}

// recordDeclined records an attempt that lacked tokens. Up to 200 a day are kept.
func (a *modelAccount) recordDeclined(feature, agent string, required, spendable tokens.Amount, at time.Time) {
	a.last = at
	year, month, day := at.In(a.zone).Date()
	date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	number := 1
	for _, d := range a.declined {
		if d.Day.Equal(date) {
			number++
		}
	}
	a.declinedCount++
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

// Charge models engine.Charge.
func (m *Model) Charge(id uuid.UUID, key string, c ledger.Charge, now time.Time) Result {
	reference := ""
	if c.UniqueReference {
		reference = "charge " + c.Reference
	}
	request := fmt.Sprint("charge", c.Feature, optionalText(c.Quantity), optionalText(c.Amount), c.Agent, c.Reference,
		c.UniqueReference, c.KeepAgentOn, c.Metadata, c.Reason)
	return m.execute(id, key, request, reference, now,
		func(a *modelAccount, now time.Time) Result {
			if a.isClosed() {
				return refusedWith(errClosed)
			}
			price, err := m.Cost(c.Feature, c.Quantity, c.Amount)
			if err != nil {
				return refusedWith(err)
			}
			if no := a.refusalOf(c.Feature, c.Agent, price.Amount, c.KeepAgentOn, now, m.prices); no != nil {
				return refusedWith(no)
			}
			e := a.write(ledger.Entry{
				Kind:           ledger.KindCharge,
				Amount:         -price.Amount,
				Contra:         ledger.ContraSpent,
				Feature:        c.Feature,
				Agent:          c.Agent,
				Quantity:       price.Quantity,
				UnitPrice:      price.Unit,
				CatalogVersion: m.prices.Version,
				Reference:      c.Reference,
				Parts:          negated(a.pay(price.Amount, now)),
			}, now)
			a.notes[e.Seq] = ledger.Note{Reason: c.Reason, Metadata: c.Metadata}
			return Result{Entry: e}
		})
}

func optionalText[T any](p *T) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprint(" ", *p, " ")
}

// Hold models engine.Hold.
func (m *Model) Hold(id uuid.UUID, key string, h ledger.Hold, now time.Time) Result {
	request := fmt.Sprint(
		"hold",
		h.Feature,
		optionalText(h.Quantity),
		optionalText(h.Amount),
		h.Agent,
		h.Reference,
		h.ExpiresIn,
		h.KeepAgentOn,
		h.Reason,
		h.Metadata,
	)
	return m.execute(id, key, request, "", now, func(a *modelAccount, now time.Time) Result {
		if a.isClosed() {
			return refusedWith(errClosed)
		}
		price, err := m.Cost(h.Feature, h.Quantity, h.Amount)
		if err != nil {
			return refusedWith(err)
		}
		life := h.ExpiresIn
		if life == 0 {
			life = 15 * time.Minute
		}
		if life < time.Second || life > 24*time.Hour {
			return refusedWith(invalid("expires_in"))
		}
		if no := a.refusalOf(h.Feature, h.Agent, price.Amount, h.KeepAgentOn, now, m.prices); no != nil {
			return refusedWith(no)
		}
		e := a.write(ledger.Entry{
			Kind:           ledger.KindHold,
			HeldDelta:      price.Amount,
			Feature:        h.Feature,
			Agent:          h.Agent,
			Quantity:       price.Quantity,
			UnitPrice:      price.Unit,
			CatalogVersion: m.prices.Version,
			Reference:      h.Reference,
			Parts:          a.pay(price.Amount, now),
		}, now)
		a.notes[e.Seq] = ledger.Note{Reason: h.Reason, Metadata: h.Metadata}
		a.holds = append(a.holds, modelHold{entry: e, expires: e.At.Add(life)})
		return Result{Entry: e}
	})
}

func (a *modelAccount) isClosed() bool { return !a.closed.IsZero() }

// Claim binds a key to a request that writes no entry.
func (m *Model) Claim(id uuid.UUID, key, request string) Result {
	a := m.accounts[id]
	if a == nil {
		return refusedWith(errNoAccount)
	}
	known, ok := a.keys[key]
	if ok && known.request != request {
		return refusedWith(refusal(problem.Unprocessable, "idempotency_key_reused"))
	}
	a.keys[key] = modelKey{request: request}
	return Result{Replayed: ok}
}

// Close closes an account and releases its holds.
func (m *Model) Close(id uuid.UUID, now time.Time) Result {
	return m.execute(id, "", "", "", now, func(a *modelAccount, now time.Time) Result {
		if a.isClosed() {
			return Result{}
		}
		for i := range a.holds {
			if a.holds[i].outcome == "" {
				a.endHold(&a.holds[i], "hold_released", ledger.Release{}, now)
			}
		}
		a.closed, a.next = now, ""
		return Result{}
	})
}

// openHold finds a hold that has not ended.
func (a *modelAccount) openHold(number int64) (*modelHold, error) {
	for i := range a.holds {
		if h := &a.holds[i]; h.entry.Seq == number {
			if h.outcome != "" {
				return nil, refusal(problem.Conflict, h.outcome)
			}
			return h, nil
		}
	}
	return nil, refusal(problem.NotFound, "hold_not_found")
}

// Capture models engine.Capture.
func (m *Model) Capture(id uuid.UUID, key string, c ledger.Capture, now time.Time) Result {
	request := fmt.Sprint("capture", c.Hold, optionalText(c.Amount), c.Reference, "|", c.Reason, c.Metadata)
	return m.execute(id, key, request, "", now, func(a *modelAccount, now time.Time) Result {
		if a.isClosed() {
			return refusedWith(errClosed)
		}
		h, err := a.openHold(c.Hold)
		if err != nil {
			return refusedWith(err)
		}
		amount := h.entry.HeldDelta
		if c.Amount != nil {
			amount = *c.Amount
		}
		if amount < 1 {
			return refusedWith(invalid("amount"))
		}
		more := max(0, amount-h.entry.HeldDelta)
		if more > 0 {
			if no := a.refusalOf(h.entry.Feature, h.entry.Agent, more, false, now, m.prices); no != nil {
				return refusedWith(no)
			}
		}
		parts := a.payCapture(h, amount-more, more, now)
		h.outcome = "hold_captured"
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
			Reference:      firstNonEmpty(c.Reference, h.entry.Reference),
		}, now)
		a.inherit(e.Seq, h.entry.Seq, c.Reason, c.Metadata)
		a.afterHold(h, now)
		return Result{Entry: e}
	})
}

// payCapture is what each lot pays of a capture, in burn order: its part of the hold and its part of what exceeds the
// hold.
func (a *modelAccount) payCapture(h *modelHold, held, more tokens.Amount, at time.Time) (parts []ledger.Part) {
	pays := map[int64]tokens.Amount{}
	for _, p := range h.entry.Parts {
		part := min(p.Amount, held)
		pays[p.Lot] += part
		held -= part
	}
	for _, p := range a.pay(more, at) {
		pays[p.Lot] += p.Amount
	}
	for _, l := range a.burnOrder() {
		if pays[l.number] > 0 {
			parts = append(parts, ledger.Part{Lot: l.number, Amount: -pays[l.number]})
		}
	}
	return parts
}

// Extend moves a hold's expiry later, never earlier.
func (m *Model) Extend(id uuid.UUID, key string, x ledger.Extend, now time.Time) Result {
	return m.execute(id, key, fmt.Sprint("extend", x.Hold, x.ExpiresIn), "", now,
		func(a *modelAccount, now time.Time) Result {
			if a.isClosed() {
				return refusedWith(errClosed)
			}
			h, err := a.openHold(x.Hold)
			if err != nil {
				return refusedWith(err)
			}
			if x.ExpiresIn < time.Second || x.ExpiresIn > 24*time.Hour {
				return refusedWith(invalid("expires_in"))
			}
			if until := now.Add(x.ExpiresIn); h.expires.Before(until) {
				h.expires = until
			}
			a.last = now
			return Result{Until: h.expires}
		})
}

// Release models engine.Release.
func (m *Model) Release(id uuid.UUID, key string, r ledger.Release, now time.Time) Result {
	return m.execute(id, key, fmt.Sprint("release", r.Hold, r.Reference, "|", r.Reason, r.Metadata), "", now,
		func(a *modelAccount, now time.Time) Result {
			h, err := a.openHold(r.Hold)
			if err != nil {
				return refusedWith(err)
			}
			return Result{Entry: a.endHold(h, "hold_released", r, now)}
		})
}
