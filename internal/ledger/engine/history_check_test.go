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
	"pop.store/credits/internal/tokens"
)

// Whatever clients of three servers see while they work on the same accounts at once, there is an
// order of their requests, each between its call and its return, in which a single-minded
// bookkeeper would have said the same. Some clients leave before they are answered, some
// connections break around COMMIT. CREDITS_HISTORIES=1000 (and -timeout 0) is the drill.
func TestHistoriesAreLinearizable(t *testing.T) {
	t.Parallel()
	n := onRequest(t, "CREDITS_HISTORIES", 50)
	database := testdb.Open(t)
	b := booksOn(t, database.AppURL)
	var c cutter
	c.chance.Store(15)
	ledgers := []*engine.Engine{
		b.Engine, ledgerOn(t, poolOn(t, database.AppURL, nil), quiet),
		ledgerOn(t, poolOn(t, database.AppURL, c.configure), quiet),
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
			ids:     []uuid.UUID{b.open("star"), b.open("star"), b.open("star")},
			past:    &past{},
			holds:   map[uuid.UUID][]deed{},
			charges: map[uuid.UUID][]deed{},
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
	b.checkInvariants()
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
		switch porcupine.CheckOperationsTimeout(sequential, part, hang) {
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
	holds, charges map[uuid.UUID][]deed // that some client was told of, each with its seq as what it is about
	past           *past
}

func (r *recorder) record(ctx context.Context) []porcupine.Operation {
	const clients, each = 8, 14
	var working sync.WaitGroup
	for client := range clients {
		random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
		name := r.name + strconv.Itoa(client) + "-"
		working.Go(func() {
			for i := range each {
				d := r.choose(random, name+strconv.Itoa(i))
				for r.ask(ctx, client, random, d) && random.IntN(2) == 0 {
				}
			}
		})
	}
	working.Wait()
	return r.history
}

// ask sends a deed to one of the servers, or reads the balance there, and says whether the outcome
// is unknown.
func (r *recorder) ask(ctx context.Context, client int, random *rand.Rand, d deed) bool {
	if random.IntN(8) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(4_000))*time.Microsecond)
		defer cancel()
	}
	l := r.ledgers[random.IntN(len(r.ledgers))]
	op := porcupine.Operation{
		ClientId: client,
		Input:    asked{d},
		Call:     time.Since(r.began).Nanoseconds(),
	}
	var out told
	if d.Key == "" {
		a, err := l.Account(ctx, d.Account)
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
		out = toldOf(local{l}.carryOut(ctx, d))
	}
	op.Return, op.Output = time.Since(r.began).Nanoseconds(), out
	if out.unknown {
		op.Return = math.MaxInt64
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, op)
	d.About = out.seq
	switch {
	case out.unknown || out.code != "" || d.Key == "":
	case d.Kind == ledger.KindHold:
		r.holds[d.Account] = append(r.holds[d.Account], d)
	case d.Kind == ledger.KindCharge || d.Kind == ledger.KindCapture:
		r.charges[d.Account] = append(r.charges[d.Account], d)
	}
	return out.unknown
}

// choose makes up what to ask next: often about the same holds and charges as others do at the moment.
func (r *recorder) choose(random *rand.Rand, key string) deed {
	id := r.ids[random.IntN(len(r.ids))]
	if random.IntN(4) == 0 {
		return deed{Account: id}
	}
	if old, ok := r.past.any(random); ok && random.IntN(8) == 0 {
		return old
	}
	d := deed{
		Account: id,
		Key:     key,
		Kind:    ledger.KindCharge,
		Amount:  tokens.Amount(1+random.IntN(250)) * tokens.One,
	}
	r.mu.Lock()
	holds, charges := r.holds[id], r.charges[id]
	r.mu.Unlock()
	newest := func(deeds []deed) deed { return deeds[len(deeds)-1-random.IntN(min(2, len(deeds)))] }
	switch dice := random.IntN(100); {
	case dice < 20:
		d.Kind = ledger.KindHold
	case dice < 36 && len(holds) > 0:
		d.Kind, d.About, d.Amount = ledger.KindCapture, newest(holds).About, d.Amount/4+1
		if dice < 26 {
			d.Kind, d.Amount = ledger.KindRelease, 0
		}
	case dice < 54 && len(charges) > 0:
		charge := newest(charges)
		d.Kind, d.About = ledger.KindRefund, charge.About
		if dice%3 > 0 {
			d.Amount = charge.Amount
		}
	case dice < 60:
		d.Kind, d.Amount = ledger.KindGrant, d.Amount/4+1
	}
	r.past.add(d)
	return d
}

// happened is an operation of a history that a test makes up.
func happened(call, back int64, d deed, out told) porcupine.Operation {
	if out.unknown {
		back = math.MaxInt64
	}
	return porcupine.Operation{
		Input:  asked{d},
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
	charge := func(key string, amount tokens.Amount) deed {
		return deed{
			Key:    key,
			Kind:   ledger.KindCharge,
			Amount: amount * one,
		}
	}
	hold := deed{
		Key:    "h",
		Kind:   ledger.KindHold,
		Amount: 400 * one,
	}
	capture := func(key string) deed {
		return deed{
			Key:    key,
			Kind:   ledger.KindCapture,
			About:  2,
			Amount: 400 * one,
		}
	}
	refund := func(key string) deed {
		return deed{
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
	read := deed{}
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
			happened(2, 3, deed{
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
