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

// Whatever clients of three servers see while they work on the same accounts at once, there is an
// order of their requests, each between its call and its return, in which a single-minded
// bookkeeper would have said the same. Some clients leave before they are answered, some
// connections break around COMMIT. CREDITS_HISTORIES=1000 (and -timeout 0) is the drill.
func TestHistoriesAreLinearizable(t *testing.T) {
	t.Parallel()
	n := ledgertest.DrillSize(t, "CREDITS_HISTORIES", 50)
	database := testdb.Open(t)
	f := fixtureOn(t, database.AppURL)
	var c ledgertest.CommitCutter
	c.Chance.Store(15)
	ledgers := []*engine.Engine{
		f.Engine, ledgertest.NewEngine(t, ledgertest.NewPool(t, database.AppURL, nil), ledgertest.DiscardLog),
		ledgertest.NewEngine(t, ledgertest.NewPool(t, database.AppURL, c.Configure), ledgertest.DiscardLog),
	}
	var mu sync.Mutex
	counts := map[string]int{}
	var working sync.WaitGroup
	recorders := make(chan *recorder)
	for range 4 {
		working.Go(func() {
			for r := range recorders {
				history := r.record(t.Context())
				explained(t, history)
				mu.Lock()
				count(counts, history)
				mu.Unlock()
			}
		})
	}
	for i := 0; i < n && !t.Failed(); i++ {
		recorders <- &recorder{
			name:    strconv.Itoa(i) + "-",
			began:   time.Now(),
			ledgers: ledgers,
			ids:     []uuid.UUID{f.MustOpen("star"), f.MustOpen("star"), f.MustOpen("star")},
			past:    &ledgertest.SentRequests{},
			holds:   map[uuid.UUID][]ledgertest.Request{},
			charges: map[uuid.UUID][]ledgertest.Request{},
		}
	}
	close(recorders)
	working.Wait()
	t.Log(counts)
	for _, outcome := range []string{
		"", "unknown", "replayed", "insufficient_tokens", "hold_captured",
		"already_refunded",
	} {
		if counts[outcome] == 0 {
			t.Errorf("no operation came out %q; the test tests less than it should", outcome)
		}
	}
	f.CheckInvariants()
}

// count tells how the operations of a history came out.
func count(counts map[string]int, history []porcupine.Operation) {
	for _, op := range history {
		switch out := op.Output.(told); {
		case out.unknown:
			counts["unknown"]++
		case out.replayed:
			counts["replayed"]++
		default:
			counts[out.code]++
		}
	}
}

// explained checks a history, one account after the other.
func explained(t *testing.T, history []porcupine.Operation) {
	t.Helper()
	for _, part := range sequential.Partition(history) {
		switch porcupine.CheckOperationsTimeout(sequential, part, ledgertest.MaxWait) {
		case porcupine.Ok:
		case porcupine.Illegal:
			t.Errorf("no order explains this history:\n%s", tell(part))
		default:
			t.Errorf("a history is too hard to check:\n%s", tell(part))
		}
	}
}

// recorder lets clients loose on a few accounts and writes down what they see.
type recorder struct {
	name    string
	began   time.Time
	ledgers []*engine.Engine
	ids     []uuid.UUID

	mu             sync.Mutex
	history        []porcupine.Operation
	holds, charges map[uuid.UUID][]ledgertest.Request // that some client was told of, each with its seq as what it is about
	past           *ledgertest.SentRequests
}

func (r *recorder) record(ctx context.Context) []porcupine.Operation {
	const clients, each = 8, 14
	var working sync.WaitGroup
	for client := range clients {
		random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
		name := r.name + strconv.Itoa(client) + "-"
		working.Go(func() {
			for i := range each {
				req := r.choose(random, name+strconv.Itoa(i))
				for r.ask(ctx, client, random, req) && random.IntN(2) == 0 {
				}
			}
		})
	}
	working.Wait()
	return r.history
}

// ask sends a deed to one of the servers, or reads the balance there, and says whether the outcome
// is unknown.
func (r *recorder) ask(ctx context.Context, client int, random *rand.Rand, req ledgertest.Request) bool {
	if random.IntN(8) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(4_000))*time.Microsecond)
		defer cancel()
	}
	l := r.ledgers[random.IntN(len(r.ledgers))]
	op := porcupine.Operation{
		ClientId: client,
		Input:    asked{req},
		Call:     time.Since(r.began).Nanoseconds(),
	}
	var out told
	if req.Key == "" {
		a, err := l.Account(ctx, req.Account)
		if err != nil {
			return false // a read that fails says nothing
		}
		out = told{
			seq:       a.Seq,
			spendable: a.Spendable,
			held:      a.Held,
			total:     a.Total,
		}
	} else {
		out = toldOf(ledgertest.InProcess(l).Do(ctx, req))
	}
	op.Return, op.Output = time.Since(r.began).Nanoseconds(), out
	if out.unknown {
		op.Return = math.MaxInt64
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, op)
	req.About = out.seq
	switch {
	case out.unknown || out.code != "" || req.Key == "":
	case req.Kind == ledger.KindHold:
		r.holds[req.Account] = append(r.holds[req.Account], req)
	case req.Kind == ledger.KindCharge || req.Kind == ledger.KindCapture:
		r.charges[req.Account] = append(r.charges[req.Account], req)
	}
	return out.unknown
}

// choose makes up what to ask next: often about the same holds and charges as others do at the moment.
func (r *recorder) choose(random *rand.Rand, key string) ledgertest.Request {
	id := r.ids[random.IntN(len(r.ids))]
	if random.IntN(4) == 0 {
		return ledgertest.Request{Account: id}
	}
	if old, ok := r.past.Recent(random); ok && random.IntN(8) == 0 {
		return old
	}
	req := ledgertest.Request{
		Account: id,
		Key:     key,
		Kind:    ledger.KindCharge,
		Amount:  tokens.Amount(1+random.IntN(250)) * tokens.One,
	}
	r.mu.Lock()
	holds, charges := r.holds[id], r.charges[id]
	r.mu.Unlock()
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
	r.past.Add(req)
	return req
}

// happened is an operation of a history that a test makes up.
func happened(call, back int64, req ledgertest.Request, out told) porcupine.Operation {
	if out.unknown {
		back = math.MaxInt64
	}
	return porcupine.Operation{
		Input:  asked{req},
		Call:   call,
		Output: out,
		Return: back,
	}
}

// The checker accepts what is right and refuses what is wrong: a history is only as good as the one
// who reads it.
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
	after := func(seq int64, spendable, held tokens.Amount) told {
		return told{
			seq:       seq,
			spendable: spendable * one,
			held:      held * one,
			total:     (spendable + held) * one,
		}
	}
	replay := func(o told) told { o.replayed = true; return o }
	lacking := func(spendable tokens.Amount) told {
		return told{code: "insufficient_tokens", spendable: spendable * one}
	}
	unknown := told{unknown: true}
	read := ledgertest.Request{}
	for name, c := range map[string]struct {
		right   bool
		history []porcupine.Operation
	}{
		"one after the other": {true, []porcupine.Operation{
			happened(0, 1, charge("a", 600), after(2, 400, 0)),
			happened(2, 3, charge("b", 600), lacking(400)),
		}},
		"at once, in either order": {true, []porcupine.Operation{
			happened(0, 9, charge("a", 600), lacking(400)), happened(1, 8, charge("b", 600), after(2, 400, 0)),
		}},
		"a lost update": {false, []porcupine.Operation{
			happened(0, 9, charge("a", 1), after(2, 999, 0)),
			happened(1, 8, charge("b", 1), after(2, 999, 0)),
		}},
		"spent twice": {false, []porcupine.Operation{
			happened(0, 9, charge("a", 600), after(2, 400, 0)),
			happened(1, 8, charge("b", 600), after(3, -200, 0)),
		}},
		"a stale read": {false, []porcupine.Operation{
			happened(0, 1, charge("a", 1), after(2, 999, 0)),
			happened(2, 3, read, after(1, 1000, 0)),
		}},
		"an early read": {false, []porcupine.Operation{
			happened(0, 1, read, after(2, 999, 0)),
			happened(2, 3, charge("a", 1), after(2, 999, 0)),
		}},
		"a read at once": {true, []porcupine.Operation{
			happened(0, 9, charge("a", 1), after(2, 999, 0)),
			happened(2, 3, read, after(1, 1000, 0)),
		}},
		"a stale refusal": {false, []porcupine.Operation{
			happened(0, 1, charge("a", 900), after(2, 100, 0)),
			happened(2, 3, ledgertest.Request{
				Key:    "r",
				Kind:   ledger.KindRefund,
				About:  2,
				Amount: 900 * one,
			}, after(3, 1000, 0)), happened(4, 5, charge("b", 500), lacking(100)),
		}},
		"charged twice under one key": {
			false,
			[]porcupine.Operation{
				happened(0, 1, charge("a", 1), after(2, 999, 0)),
				happened(2, 3, charge("a", 1), after(3, 998, 0)),
			},
		},
		"replayed": {
			true,
			[]porcupine.Operation{
				happened(0, 1, charge("a", 1), after(2, 999, 0)),
				happened(2, 3, charge("a", 1), replay(after(2, 999, 0))),
			},
		},
		"a lost acknowledgement": {
			false,
			[]porcupine.Operation{
				happened(0, 1, charge("a", 1), after(2, 999, 0)),
				happened(2, 3, charge("b", 1), after(2, 999, 0)),
			},
		},
		"captured twice": {false, []porcupine.Operation{
			happened(0, 1, hold, after(2, 600, 400)), happened(2, 9, capture("c"), after(3, 600, 0)),
			happened(3, 8, capture("d"), after(4, 600, -400)),
		}},
		"held tokens spent": {false, []porcupine.Operation{
			happened(0, 1, hold, after(2, 600, 400)),
			happened(2, 3, charge("a", 601), after(3, -1, 400)),
		}},
		"refunded twice": {false, []porcupine.Operation{
			happened(0, 1, charge("a", 600), after(2, 400, 0)), happened(2, 9, refund("r"), after(3, 1000, 0)),
			happened(3, 8, refund("s"), after(4, 1600, 0)),
		}},
		"unknown, and seen": {true, []porcupine.Operation{
			happened(0, 0, charge("a", 1), unknown),
			happened(2, 3, read, after(2, 999, 0)),
		}},
		"unknown, and seen late": {true, []porcupine.Operation{
			happened(0, 0, charge("a", 1), unknown), happened(2, 3, read, after(1, 1000, 0)),
			happened(4, 5, read, after(2, 999, 0)),
		}},
		"unknown, and never seen": {
			true,
			[]porcupine.Operation{happened(0, 0, charge("a", 1), unknown), happened(2, 3, read, after(1, 1000, 0))},
		},
		"unknown, and undone": {false, []porcupine.Operation{
			happened(0, 0, charge("a", 1), unknown), happened(2, 3, read, after(2, 999, 0)),
			happened(4, 5, read, after(1, 1000, 0)),
		}},
		"unknown, and seen too early": {
			false,
			[]porcupine.Operation{happened(0, 1, read, after(2, 999, 0)), happened(2, 0, charge("a", 1), unknown)},
		},
		"unknown, asked again, and done twice": {false, []porcupine.Operation{
			happened(0, 0, charge("a", 1), unknown), happened(2, 3, read, after(2, 999, 0)),
			happened(4, 5, charge("a", 1), after(3, 998, 0)),
		}},
	} {
		if right := porcupine.CheckOperations(sequential, c.history); right != c.right {
			t.Errorf("%s: judged right is %v, want %v", name, right, c.right)
		}
	}
}
