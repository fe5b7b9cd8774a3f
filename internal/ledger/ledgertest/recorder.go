package ledgertest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
)

// attempt is one request and its outcome. It may be sent several times.
type attempt struct {
	Request
	receipt  *ledger.Receipt // of the first acknowledgement
	applied  int             // acknowledgements that were no replays
	unknowns int             // answers that leave the outcome unknown
	open     bool            // the outcome is not known yet
}

// Recorder sends requests and records the answers, to compare them with what the ledger has written. It counts what
// was acknowledged, refused, left unknown and replayed. Its methods may be called concurrently.
type Recorder struct {
	f *Fixture
	t *testing.T

	Acked, Refused, Unknown, Replayed atomic.Int64

	mu       sync.Mutex
	attempts map[string]*attempt // by key
	order    []*attempt
	opening  map[uuid.UUID]ledger.Account // the accounts before the first request
}

// NewRecorder makes a recorder that checks its answers against the fixture's database.
func NewRecorder(f *Fixture) *Recorder {
	return &Recorder{
		f:        f,
		t:        f.T,
		attempts: map[string]*attempt{},
		opening:  map[uuid.UUID]ledger.Account{},
	}
}

// pending is a request that was sent, with what was known of its attempt at that moment.
type pending struct {
	*attempt
	unknowns int
	acked    bool
}

func (rec *Recorder) begin(req Request) pending {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	att, ok := rec.attempts[req.Key]
	if !ok {
		att = &attempt{Request: req, open: true}
		rec.attempts[req.Key] = att
		rec.order = append(rec.order, att)
	}
	return pending{att, att.unknowns, att.receipt != nil}
}

// end records an answer. It returns whether the outcome is known.
func (rec *Recorder) end(p pending, r ledger.Receipt, err error) bool {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	switch kind := problem.Of(err).Kind; {
	case err == nil:
		rec.recordReceipt(p.attempt, r)
	case kind == problem.KindUnavailable:
		rec.Unknown.Add(1)
		p.attempt.unknowns++
		p.open = p.receipt == nil
		return false
	case kind == problem.Internal:
		rec.t.Errorf("%+v: %v", p.Request, err)
	default:
		rec.Refused.Add(1)
		p.open = p.open && p.attempt.unknowns != p.unknowns // another sender waits for its answer still
		if p.acked {
			rec.t.Errorf("%+v was acknowledged and then refused: %v", p.Request, err)
		}
	}
	return true
}

// Send sends a request and records the answer. It returns whether the outcome is known.
func (rec *Recorder) Send(ctx context.Context, server Server, req Request) (ledger.Receipt, bool) {
	p := rec.begin(req)
	r, err := server.Do(ctx, req)
	return r, rec.end(p, r, err)
}

// recordReceipt compares an acknowledgement with the request and with the first acknowledgement.
func (rec *Recorder) recordReceipt(att *attempt, r ledger.Receipt) {
	att.open = false
	if r.Replayed {
		rec.Replayed.Add(1)
	} else {
		att.applied++
	}
	if att.receipt == nil {
		rec.Acked.Add(1)
		att.receipt = &r
	} else if !SameEntry(r.Entry, att.receipt.Entry) {
		rec.t.Errorf("two answers to %+v: %+v and %+v", att.Request, *att.receipt, r)
	}
	if att.applied > 1 {
		rec.t.Errorf("%+v was applied %d times", att.Request, att.applied)
	}
	if r.AccountID != att.Account || r.Kind != att.Kind || r.SpendableAfter < 0 || r.BalanceAfter < 0 {
		rec.t.Errorf("%+v was answered %+v", att.Request, r)
	}
}

// SameEntry compares what an entry says about amounts, balances and time.
func SameEntry(a, b ledger.Entry) bool {
	return a.AccountID == b.AccountID && a.Seq == b.Seq && a.Kind == b.Kind && a.Amount == b.Amount &&
		a.HeldDelta == b.HeldDelta &&
		a.BalanceAfter == b.BalanceAfter && a.HeldAfter == b.HeldAfter && a.SpendableAfter == b.SpendableAfter &&
		a.At.Equal(b.At)
}

// Resolve sends every request whose outcome is unknown again until it is known, and then a second time: the outcome
// must not change.
func (rec *Recorder) Resolve(server Server) {
	rec.t.Helper()
	open := make(chan *attempt)
	var working sync.WaitGroup
	for range 16 {
		working.Go(func() {
			for att := range open {
				rec.resolveOne(server, att)
			}
		})
	}
	n := 0
	for _, att := range rec.order {
		if att.open {
			open <- att
			n++
		}
	}
	close(open)
	working.Wait()
	rec.t.Logf("%d acknowledged, %d refused, %d replayed; %d answers unknown, %d requests resolved at the end",
		rec.Acked.Load(), rec.Refused.Load(), rec.Replayed.Load(), rec.Unknown.Load(), n)
}

func (rec *Recorder) resolveOne(server Server, att *attempt) {
	ctx, cancel := context.WithTimeout(context.Background(), MaxWait)
	defer cancel()
	for known := false; !known; {
		if ctx.Err() != nil {
			rec.t.Errorf("%+v was not resolved in time", att.Request)
			return
		}
		if _, known = rec.Send(ctx, server, att.Request); !known {
			time.Sleep(2 * time.Millisecond)
		}
	}
	if att.receipt != nil {
		if r, known := rec.Send(ctx, server, att.Request); known && !r.Replayed {
			rec.t.Errorf("%+v was applied again after it was resolved", att.Request)
		}
	}
}

// sendAll sends charges in bulk and records the answers.
func (rec *Recorder) sendAll(ctx context.Context, l *engine.Engine, requests []Request) {
	charges, sent := make([]ledger.BulkCharge, len(requests)), make([]pending, len(requests))
	for i := range requests {
		req := &requests[i]
		sent[i] = rec.begin(*req)
		charges[i] = ledger.BulkCharge{
			AccountID: req.Account,
			Key:       req.Key,
			Charge:    ledger.Charge{Feature: "auto_selling", Amount: &req.Amount},
		}
	}
	for i, r := range l.ChargeAll(ctx, charges) {
		rec.end(sent[i], r.Receipt, r.Err)
	}
}
