package engine_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/tokens"
)

// Histories of clients of three servers, which work on the same accounts at once, are linearizable: there is an order
// of the requests, each between its call and its return, that explains all answers. Some clients leave before they get
// an answer, and some connections break around COMMIT. CREDITS_HISTORIES=1000 (and -timeout 0) is the drill.
func TestHistoriesAreLinearizable(t *testing.T) {
	t.Parallel()
	n := ledgertest.DrillSize(t, "CREDITS_HISTORIES", 50)
	database := testdb.Open(t)
	f := fixtureOn(t, database.AppURL)
	var c ledgertest.CommitCutter
	c.Chance.Store(15)
	engines := []*engine.Engine{
		f.Engine, ledgertest.NewEngine(t, ledgertest.NewPool(t, database.AppURL, nil), ledgertest.DiscardLog),
		ledgertest.NewEngine(t, ledgertest.NewPool(t, database.AppURL, c.Configure), ledgertest.DiscardLog),
	}
	var mu sync.Mutex
	counts := map[string]int{}
	var working sync.WaitGroup
	histories := make(chan *clientHistory)
	for range 4 {
		working.Go(func() {
			for h := range histories {
				history := h.record(t.Context())
				checkLinearizable(t, history)
				mu.Lock()
				countOutcomes(counts, history)
				mu.Unlock()
			}
		})
	}
	for i := 0; i < n && !t.Failed(); i++ {
		histories <- &clientHistory{
			name:    strconv.Itoa(i) + "-",
			began:   time.Now(),
			engines: engines,
			ids:     []uuid.UUID{f.MustOpen("star"), f.MustOpen("star"), f.MustOpen("star")},
			sent:    &ledgertest.SentRequests{},
			holds:   map[uuid.UUID][]ledgertest.Request{},
			charges: map[uuid.UUID][]ledgertest.Request{},
		}
	}
	close(histories)
	working.Wait()
	t.Log(counts)
	for _, outcome := range []string{
		"", "unknown", "replayed", "insufficient_tokens", "hold_captured",
		"already_refunded",
	} {
		if counts[outcome] == 0 {
			t.Errorf("no operation ended as %q; the test tests less than it should", outcome)
		}
	}
	f.CheckInvariants()
}

// countOutcomes counts the operations of a history by outcome.
func countOutcomes(counts map[string]int, history []porcupine.Operation) {
	for _, op := range history {
		switch out := op.Output.(opOutput); {
		case out.unknown:
			counts["unknown"]++
		case out.replayed:
			counts["replayed"]++
		default:
			counts[out.code]++
		}
	}
}

// checkLinearizable checks the history of each account.
func checkLinearizable(t *testing.T, history []porcupine.Operation) {
	t.Helper()
	for _, part := range sequential.Partition(history) {
		switch porcupine.CheckOperationsTimeout(sequential, part, ledgertest.MaxWait) {
		case porcupine.Ok:
		case porcupine.Illegal:
			t.Errorf("no order explains this history:\n%s", historyText(part))
		default:
			t.Errorf("a history is too hard to check:\n%s", historyText(part))
		}
	}
}

// clientHistory runs clients on a few accounts and records their operations.
type clientHistory struct {
	name    string
	began   time.Time
	engines []*engine.Engine
	ids     []uuid.UUID

	mu             sync.Mutex
	history        []porcupine.Operation
	holds, charges map[uuid.UUID][]ledgertest.Request // acknowledged; About is their seq
	sent           *ledgertest.SentRequests
}

func (h *clientHistory) record(ctx context.Context) []porcupine.Operation {
	const clients, each = 8, 14
	var working sync.WaitGroup
	for client := range clients {
		random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
		name := h.name + strconv.Itoa(client) + "-"
		working.Go(func() {
			for i := range each {
				req := h.nextRequest(random, name+strconv.Itoa(i))
				for h.send(ctx, client, random, req) && random.IntN(2) == 0 {
				}
			}
		})
	}
	working.Wait()
	return h.history
}

// send sends a request to one of the servers, or reads the balance there. It returns whether the outcome is unknown.
func (h *clientHistory) send(ctx context.Context, client int, random *rand.Rand, req ledgertest.Request) bool {
	if random.IntN(8) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(4_000))*time.Microsecond)
		defer cancel()
	}
	e := h.engines[random.IntN(len(h.engines))]
	op := porcupine.Operation{
		ClientId: client,
		Input:    opInput{req},
		Call:     time.Since(h.began).Nanoseconds(),
	}
	var out opOutput
	if req.Key == "" {
		a, err := e.Account(ctx, req.Account)
		if err != nil {
			return false // a failed read leaves nothing to check
		}
		out = opOutput{
			seq:       a.Seq,
			spendable: a.Spendable,
			held:      a.Held,
			total:     a.Total,
		}
	} else {
		out = outputOf(ledgertest.InProcess(e).Do(ctx, req))
	}
	op.Return, op.Output = time.Since(h.began).Nanoseconds(), out
	if out.unknown {
		op.Return = math.MaxInt64
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.history = append(h.history, op)
	req.About = out.seq
	switch {
	case out.unknown || out.code != "" || req.Key == "":
	case req.Kind == ledger.KindHold:
		h.holds[req.Account] = append(h.holds[req.Account], req)
	case req.Kind == ledger.KindCharge || req.Kind == ledger.KindCapture:
		h.charges[req.Account] = append(h.charges[req.Account], req)
	}
	return out.unknown
}

// nextRequest is a random request, often for the same holds and charges as those of other clients at that moment.
func (h *clientHistory) nextRequest(random *rand.Rand, key string) ledgertest.Request {
	id := h.ids[random.IntN(len(h.ids))]
	if random.IntN(4) == 0 {
		return ledgertest.Request{Account: id}
	}
	if old, ok := h.sent.Recent(random); ok && random.IntN(8) == 0 {
		return old
	}
	req := ledgertest.Request{
		Account: id,
		Key:     key,
		Kind:    ledger.KindCharge,
		Amount:  tokens.Amount(1+random.IntN(250)) * tokens.One,
	}
	h.mu.Lock()
	holds, charges := h.holds[id], h.charges[id]
	h.mu.Unlock()
	newest := func(requests []ledgertest.Request) ledgertest.Request {
		return requests[len(requests)-1-random.IntN(min(2, len(requests)))]
	}
	switch dice := random.IntN(100); {
	case dice < 20:
		req.Kind = ledger.KindHold
	case dice < 36 && len(holds) > 0:
		req.Kind, req.About, req.Amount = ledger.KindCapture, newest(holds).About, req.Amount/4+1
		if dice < 26 {
			req.Kind, req.Amount = ledger.KindRelease, 0
		}
	case dice < 54 && len(charges) > 0:
		charge := newest(charges)
		req.Kind, req.About = ledger.KindRefund, charge.About
		if dice%3 > 0 {
			req.Amount = charge.Amount
		}
	case dice < 60:
		req.Kind, req.Amount = ledger.KindGrant, req.Amount/4+1
	}
	h.sent.Add(req)
	return req
}

// operation makes an operation of a history.
func operation(call, back int64, req ledgertest.Request, out opOutput) porcupine.Operation {
	if out.unknown {
		back = math.MaxInt64
	}
	return porcupine.Operation{
		Input:  opInput{req},
		Call:   call,
		Output: out,
		Return: back,
	}
}

// The checker accepts correct histories and refuses incorrect ones.
func TestTheCheckerRefusesWrongHistories(t *testing.T) {
	t.Parallel()
	const one = tokens.One
	charge := func(key string, amount tokens.Amount) ledgertest.Request {
		return ledgertest.Request{
			Key:    key,
			Kind:   ledger.KindCharge,
			Amount: amount * one,
		}
	}
	hold := ledgertest.Request{
		Key:    "h",
		Kind:   ledger.KindHold,
		Amount: 400 * one,
	}
	capture := func(key string) ledgertest.Request {
		return ledgertest.Request{
			Key:    key,
			Kind:   ledger.KindCapture,
			About:  2,
			Amount: 400 * one,
		}
	}
	refund := func(key string) ledgertest.Request {
		return ledgertest.Request{
			Key:    key,
			Kind:   ledger.KindRefund,
			About:  2,
			Amount: 600 * one,
		}
	}
	after := func(seq int64, spendable, held tokens.Amount) opOutput {
		return opOutput{
			seq:       seq,
			spendable: spendable * one,
			held:      held * one,
			total:     (spendable + held) * one,
		}
	}
	replay := func(o opOutput) opOutput { o.replayed = true; return o }
	lacking := func(spendable tokens.Amount) opOutput {
		return opOutput{code: "insufficient_tokens", spendable: spendable * one}
	}
	unknown := opOutput{unknown: true}
	read := ledgertest.Request{}
	for name, c := range map[string]struct {
		right   bool
		history []porcupine.Operation
	}{
		"one after the other": {true, []porcupine.Operation{
			operation(0, 1, charge("a", 600), after(2, 400, 0)),
			operation(2, 3, charge("b", 600), lacking(400)),
		}},
		"at once, in either order": {true, []porcupine.Operation{
			operation(0, 9, charge("a", 600), lacking(400)), operation(1, 8, charge("b", 600), after(2, 400, 0)),
		}},
		"a lost update": {false, []porcupine.Operation{
			operation(0, 9, charge("a", 1), after(2, 999, 0)),
			operation(1, 8, charge("b", 1), after(2, 999, 0)),
		}},
		"spent twice": {false, []porcupine.Operation{
			operation(0, 9, charge("a", 600), after(2, 400, 0)),
			operation(1, 8, charge("b", 600), after(3, -200, 0)),
		}},
		"a stale read": {false, []porcupine.Operation{
			operation(0, 1, charge("a", 1), after(2, 999, 0)),
			operation(2, 3, read, after(1, 1000, 0)),
		}},
		"an early read": {false, []porcupine.Operation{
			operation(0, 1, read, after(2, 999, 0)),
			operation(2, 3, charge("a", 1), after(2, 999, 0)),
		}},
		"a read at once": {true, []porcupine.Operation{
			operation(0, 9, charge("a", 1), after(2, 999, 0)),
			operation(2, 3, read, after(1, 1000, 0)),
		}},
		"a stale refusal": {false, []porcupine.Operation{
			operation(0, 1, charge("a", 900), after(2, 100, 0)),
			operation(2, 3, ledgertest.Request{
				Key:    "r",
				Kind:   ledger.KindRefund,
				About:  2,
				Amount: 900 * one,
			}, after(3, 1000, 0)), operation(4, 5, charge("b", 500), lacking(100)),
		}},
		"charged twice under one key": {
			false,
			[]porcupine.Operation{
				operation(0, 1, charge("a", 1), after(2, 999, 0)),
				operation(2, 3, charge("a", 1), after(3, 998, 0)),
			},
		},
		"replayed": {
			true,
			[]porcupine.Operation{
				operation(0, 1, charge("a", 1), after(2, 999, 0)),
				operation(2, 3, charge("a", 1), replay(after(2, 999, 0))),
			},
		},
		"a lost acknowledgement": {
			false,
			[]porcupine.Operation{
				operation(0, 1, charge("a", 1), after(2, 999, 0)),
				operation(2, 3, charge("b", 1), after(2, 999, 0)),
			},
		},
		"captured twice": {false, []porcupine.Operation{
			operation(0, 1, hold, after(2, 600, 400)), operation(2, 9, capture("c"), after(3, 600, 0)),
			operation(3, 8, capture("d"), after(4, 600, -400)),
		}},
		"held tokens spent": {false, []porcupine.Operation{
			operation(0, 1, hold, after(2, 600, 400)),
			operation(2, 3, charge("a", 601), after(3, -1, 400)),
		}},
		"refunded twice": {false, []porcupine.Operation{
			operation(0, 1, charge("a", 600), after(2, 400, 0)), operation(2, 9, refund("r"), after(3, 1000, 0)),
			operation(3, 8, refund("s"), after(4, 1600, 0)),
		}},
		"unknown, and seen": {true, []porcupine.Operation{
			operation(0, 0, charge("a", 1), unknown),
			operation(2, 3, read, after(2, 999, 0)),
		}},
		"unknown, and seen late": {true, []porcupine.Operation{
			operation(0, 0, charge("a", 1), unknown), operation(2, 3, read, after(1, 1000, 0)),
			operation(4, 5, read, after(2, 999, 0)),
		}},
		"unknown, and never seen": {
			true,
			[]porcupine.Operation{operation(0, 0, charge("a", 1), unknown), operation(2, 3, read, after(1, 1000, 0))},
		},
		"unknown, and undone": {false, []porcupine.Operation{
			operation(0, 0, charge("a", 1), unknown), operation(2, 3, read, after(2, 999, 0)),
			operation(4, 5, read, after(1, 1000, 0)),
		}},
		"unknown, and seen too early": {
			false,
			[]porcupine.Operation{operation(0, 1, read, after(2, 999, 0)), operation(2, 0, charge("a", 1), unknown)},
		},
		"unknown, sent again, and applied twice": {false, []porcupine.Operation{
			operation(0, 0, charge("a", 1), unknown), operation(2, 3, read, after(2, 999, 0)),
			operation(4, 5, charge("a", 1), after(3, 998, 0)),
		}},
	} {
		if right := porcupine.CheckOperations(sequential, c.history); right != c.right {
			t.Errorf("%s: judged right is %v, want %v", name, right, c.right)
		}
	}
}
