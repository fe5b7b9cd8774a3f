package ledger_test

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
	var r result
	a.meanwhile(now, w.prices, func() { r = decide(a, now) })
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
			Day: date, Number: number, At: at, Feature: feature, Agent: agent, Required: required, Spendable: spendable,
		})
	}
}

func (w *twin) charge(id uuid.UUID, key string, c ledger.Charge, now time.Time) result {
	reference := ""
	if c.UniqueReference {
		reference = "charge " + c.Reference
	}
	return w.do(id, key, fmt.Sprint("charge", c.Feature, show(c.Quantity), show(c.Amount), c.Agent, c.Reference, c.UniqueReference, c.KeepAgentOn, c.Metadata), reference, now,
		func(a *twinAccount, now time.Time) result {
			price, err := w.cost(c.Feature, c.Quantity, c.Amount)
			if err != nil {
				return refused(err)
			}
			if no := a.afford(c.Feature, c.Agent, price.Amount, c.KeepAgentOn, now, w.prices); no != nil {
				return refused(no)
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
	request := fmt.Sprint("hold", h.Feature, show(h.Quantity), show(h.Amount), h.Agent, h.Reference, h.ExpiresIn, h.KeepAgentOn)
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
		if no := a.afford(h.Feature, h.Agent, price.Amount, h.KeepAgentOn, now, w.prices); no != nil {
			return refused(no)
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
