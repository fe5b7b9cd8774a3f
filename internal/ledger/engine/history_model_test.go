package engine_test

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// asked is the input of an operation of a history: a deed, or the balance when it has no key.
type asked struct{ ledgertest.Request }

// told is its output.
type told struct {
	unknown   bool // no answer: it may or may not have happened, or may happen later
	code      string
	seq       int64
	spendable tokens.Amount // afterwards; of a refusal for want of tokens: what there is
	held      tokens.Amount
	total     tokens.Amount
	replayed  bool
}

func toldOf(r ledger.Receipt, err error) told {
	if err == nil {
		return told{
			seq:       r.Seq,
			spendable: r.Balance.Spendable,
			held:      r.Balance.Held,
			total:     r.Balance.Total,
			replayed:  r.Replayed,
		}
	}
	p := problem.Of(err)
	if p.Kind == problem.KindUnavailable {
		return told{unknown: true}
	}
	spendable, _ := p.Details["spendable"].(tokens.Amount)
	return told{code: p.Code, spendable: spendable}
}

// row is an entry of the sequential books: as simple as it can be.
type row struct {
	ledgertest.Request
	amount, held tokens.Amount // signed
}

// rows are the sequential books of one account, never changed but copied.
type rows []row

// opened is an account on the star plan.
func opened() rows { return rows{{amount: 1_000 * tokens.One}} }

func (b rows) sums() (spendable, held, total tokens.Amount) {
	for _, r := range b {
		total += r.amount
		held += r.held
	}
	return total - held, held, total
}

func (b rows) told() told {
	spendable, held, total := b.sums()
	return told{
		seq:       int64(len(b)),
		spendable: spendable,
		held:      held,
		total:     total,
	}
}

// add is what every accepted deed does.
func (b rows) add(req ledgertest.Request, amount, held tokens.Amount) (rows, told) {
	after := append(slices.Clip(b), row{req, amount, held})
	return after, after.told()
}

// do carries a deed out on the sequential books.
func (b rows) do(req ledgertest.Request) (rows, told) {
	if req.Key == "" {
		return b, b.told()
	}
	for i, r := range b {
		switch {
		case r.Key != req.Key:
		case r.Request != req:
			return b, told{code: "idempotency_key_reused"}
		default:
			known := b[:i+1].told()
			known.replayed = true
			return b, known
		}
	}
	spendable, _, _ := b.sums()
	switch {
	case req.Kind == ledger.KindGrant:
		return b.add(req, req.Amount, 0)
	case req.Kind == ledger.KindCapture || req.Kind == ledger.KindRelease:
		return b.endHold(req)
	case req.Kind == ledger.KindRefund:
		return b.refund(req)
	case spendable < req.Amount:
		return b, told{code: "insufficient_tokens", spendable: spendable}
	case req.Kind == ledger.KindHold:
		return b.add(req, 0, req.Amount)
	default:
		return b.add(req, -req.Amount, 0)
	}
}

func (b rows) endHold(req ledgertest.Request) (rows, told) {
	if req.About < 1 || req.About > int64(len(b)) || b[req.About-1].Kind != ledger.KindHold {
		return b, told{code: "hold_not_found"}
	}
	for _, r := range b {
		switch {
		case r.About != req.About:
		case r.Kind == ledger.KindCapture:
			return b, told{code: "hold_captured"}
		case r.Kind == ledger.KindRelease:
			return b, told{code: "hold_released"}
		}
	}
	held := b[req.About-1].held
	if req.Kind == ledger.KindRelease {
		return b.add(req, 0, -held)
	}
	if spendable, _, _ := b.sums(); req.Amount-held > spendable {
		return b, told{code: "insufficient_tokens", spendable: spendable}
	}
	return b.add(req, -req.Amount, -held)
}

func (b rows) refund(req ledgertest.Request) (rows, told) {
	if req.About < 1 || req.About > int64(len(b)) ||
		(b[req.About-1].Kind != ledger.KindCharge && b[req.About-1].Kind != ledger.KindCapture) {
		return b, told{code: "charge_not_found"}
	}
	left := -b[req.About-1].amount
	for _, r := range b {
		if r.Kind == ledger.KindRefund && r.About == req.About {
			left -= r.amount
		}
	}
	switch {
	case left == 0:
		return b, told{code: "already_refunded"}
	case req.Amount > left:
		return b, told{code: "invalid_field"}
	}
	return b.add(req, req.Amount, 0)
}

// sequential says what an account may answer if its requests came one after the other. An unknown
// outcome is open: it takes effect at some moment after its call, or so late that nobody sees it.
var sequential = porcupine.Model{
	Init: func() any { return opened() },
	Step: func(state, input, output any) (bool, any) {
		got := output.(told)
		after, want := state.(rows).do(input.(asked).Request)
		if got.unknown {
			return true, after
		}
		if got.replayed && !want.replayed {
			want.replayed = true // a lane whose COMMIT was lost finds its own work
		}
		return got == want, after
	},
	Equal: func(a, b any) bool { return slices.Equal(a.(rows), b.(rows)) },
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byAccount := map[uuid.UUID][]porcupine.Operation{}
		for _, op := range history {
			id := op.Input.(asked).Account
			byAccount[id] = append(byAccount[id], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byAccount {
			parts = append(parts, part)
		}
		return parts
	},
}

// tell writes a history down, one operation a line, in order of its calls.
func tell(history []porcupine.Operation) string {
	history = slices.Clone(history)
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	text := ""
	for _, op := range history {
		d, out := op.Input.(asked), op.Output.(told)
		what := "balance"
		if d.Key != "" {
			what = fmt.Sprintf("%s %s %v about %d", d.Key, d.Kind, d.Amount, d.About)
		}
		text += fmt.Sprintf("%v client %d [%d, %d] %s: %+v\n", d.Account, op.ClientId, op.Call, op.Return, what, out)
	}
	return text
}
