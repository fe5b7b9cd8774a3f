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

// opInput is a request, or a read of the balance if it has no key.
type opInput struct{ ledgertest.Request }

// opOutput is an answer.
type opOutput struct {
	unknown   bool // no answer: it may have been applied, or may be later
	code      string
	seq       int64
	spendable tokens.Amount // afterwards; if tokens are missing: what there is
	held      tokens.Amount
	total     tokens.Amount
	replayed  bool
}

func outputOf(r ledger.Receipt, err error) opOutput {
	if err == nil {
		return opOutput{
			seq:       r.Seq,
			spendable: r.Balance.Spendable,
			held:      r.Balance.Held,
			total:     r.Balance.Total,
			replayed:  r.Replayed,
		}
	}
	p := problem.Of(err)
	if p.Kind == problem.KindUnavailable {
		return opOutput{unknown: true}
	}
	spendable, _ := p.Details["spendable"].(tokens.Amount)
	return opOutput{code: p.Code, spendable: spendable}
}

// modelRow is an entry of the sequential model.
type modelRow struct {
	ledgertest.Request
	amount, held tokens.Amount // signed
}

// modelRows are the entries of one account. They are copied, never changed.
type modelRows []modelRow

func newAccount() modelRows { return modelRows{{amount: 1_000 * tokens.One}} }

func (rows modelRows) balances() (spendable, held, total tokens.Amount) {
	for _, r := range rows {
		total += r.amount
		held += r.held
	}
	return total - held, held, total
}

func (rows modelRows) output() opOutput {
	spendable, held, total := rows.balances()
	return opOutput{
		seq:       int64(len(rows)),
		spendable: spendable,
		held:      held,
		total:     total,
	}
}

// add appends an accepted request.
func (rows modelRows) add(req ledgertest.Request, amount, held tokens.Amount) (modelRows, opOutput) {
	after := append(slices.Clip(rows), modelRow{req, amount, held})
	return after, after.output()
}

// apply decides a request.
func (rows modelRows) apply(req ledgertest.Request) (modelRows, opOutput) {
	if req.Key == "" {
		return rows, rows.output()
	}
	for i, r := range rows {
		switch {
		case r.Key != req.Key:
		case r.Request != req:
			return rows, opOutput{code: "idempotency_key_reused"}
		default:
			known := rows[:i+1].output()
			known.replayed = true
			return rows, known
		}
	}
	spendable, _, _ := rows.balances()
	switch {
	case req.Kind == ledger.KindGrant:
		return rows.add(req, req.Amount, 0)
	case req.Kind == ledger.KindCapture || req.Kind == ledger.KindRelease:
		return rows.endHold(req)
	case req.Kind == ledger.KindRefund:
		return rows.refund(req)
	case spendable < req.Amount:
		return rows, opOutput{code: "insufficient_tokens", spendable: spendable}
	case req.Kind == ledger.KindHold:
		return rows.add(req, 0, req.Amount)
	default:
		return rows.add(req, -req.Amount, 0)
	}
}

func (rows modelRows) endHold(req ledgertest.Request) (modelRows, opOutput) {
	if req.About < 1 || req.About > int64(len(rows)) || rows[req.About-1].Kind != ledger.KindHold {
		return rows, opOutput{code: "hold_not_found"}
	}
	for _, r := range rows {
		switch {
		case r.About != req.About:
		case r.Kind == ledger.KindCapture:
			return rows, opOutput{code: "hold_captured"}
		case r.Kind == ledger.KindRelease:
			return rows, opOutput{code: "hold_released"}
		}
	}
	held := rows[req.About-1].held
	if req.Kind == ledger.KindRelease {
		return rows.add(req, 0, -held)
	}
	if spendable, _, _ := rows.balances(); req.Amount-held > spendable {
		return rows, opOutput{code: "insufficient_tokens", spendable: spendable}
	}
	return rows.add(req, -req.Amount, -held)
}

func (rows modelRows) refund(req ledgertest.Request) (modelRows, opOutput) {
	if req.About < 1 || req.About > int64(len(rows)) ||
		(rows[req.About-1].Kind != ledger.KindCharge && rows[req.About-1].Kind != ledger.KindCapture) {
		return rows, opOutput{code: "charge_not_found"}
	}
	left := -rows[req.About-1].amount
	for _, r := range rows {
		if r.Kind == ledger.KindRefund && r.About == req.About {
			left -= r.amount
		}
	}
	switch {
	case left == 0:
		return rows, opOutput{code: "already_refunded"}
	case req.Amount > left:
		return rows, opOutput{code: "invalid_field"}
	}
	return rows.add(req, req.Amount, 0)
}

// sequential describes the answers of an account to requests one after the other. A request with an unknown outcome may
// take effect at any time after its call, or never as far as others can see.
var sequential = porcupine.Model{
	Init: func() any { return newAccount() },
	Step: func(state, in, out any) (bool, any) {
		got := out.(opOutput)
		after, want := state.(modelRows).apply(in.(opInput).Request)
		if got.unknown {
			return true, after
		}
		if got.replayed && !want.replayed {
			want.replayed = true // a lane whose COMMIT was lost finds its own work
		}
		return got == want, after
	},
	Equal: func(a, b any) bool { return slices.Equal(a.(modelRows), b.(modelRows)) },
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byAccount := map[uuid.UUID][]porcupine.Operation{}
		for _, op := range history {
			id := op.Input.(opInput).Account
			byAccount[id] = append(byAccount[id], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byAccount {
			parts = append(parts, part)
		}
		return parts
	},
}

// historyText lists a history, one operation a line, in order of the calls.
func historyText(history []porcupine.Operation) string {
	history = slices.Clone(history)
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	text := ""
	for _, op := range history {
		d, out := op.Input.(opInput), op.Output.(opOutput)
		what := "balance"
		if d.Key != "" {
			what = fmt.Sprintf("%s %s %v about %d", d.Key, d.Kind, d.Amount, d.About)
		}
		text += fmt.Sprintf("%v client %d [%d, %d] %s: %+v\n", d.Account, op.ClientId, op.Call, op.Return, what, out)
	}
	return text
}
