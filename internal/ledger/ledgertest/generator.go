package ledgertest

import (
	"math/rand/v2"
	"strconv"
	"sync"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// Generator makes random requests for some accounts. It refers to holds and charges that were acknowledged before.
type Generator struct {
	name    string
	Random  *rand.Rand
	ids     []uuid.UUID
	made    int
	holds   []ledger.Entry // acknowledged and not ended
	charges []ledger.Entry
	Sent    *SentRequests
}

// SentRequests keeps requests that were sent, to be sent again. Generators may share it.
type SentRequests struct {
	mu       sync.Mutex
	requests []Request
}

// Add keeps a request.
func (s *SentRequests) Add(req Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, req)
}

// Recent returns one of the newest 1,000 requests, false if there is none.
func (s *SentRequests) Recent(random *rand.Rand) (Request, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.requests), 1_000)
	if n == 0 {
		return Request{}, false
	}
	return s.requests[len(s.requests)-1-random.IntN(n)], true
}

// NewGenerator makes a generator whose keys begin with its name.
func NewGenerator(name string, ids []uuid.UUID) *Generator {
	return &Generator{
		name:   name,
		Random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		ids:    ids,
		Sent:   &SentRequests{},
	}
}

// Next is the next request. One in five was sent before.
func (g *Generator) Next() Request {
	if g.Random.IntN(5) == 0 {
		if req, ok := g.Sent.Recent(g.Random); ok {
			return req
		}
	}
	req := g.newRequest()
	g.Sent.Add(req)
	return req
}

func (g *Generator) newRequest() Request {
	g.made++
	req := Request{
		Account: g.ids[g.Random.IntN(len(g.ids))],
		Key:     g.name + "-" + strconv.Itoa(g.made),
		Kind:    ledger.KindCharge,
	}
	req.Amount = tokens.Amount(1+g.Random.IntN(3_000_000)) + 1
	switch dice := g.Random.IntN(100); {
	case dice < 10 && len(g.charges) > 0:
		last := len(g.charges) - 1
		req.Kind, req.Account, req.About = ledger.KindRefund, g.charges[last].AccountID, g.charges[last].Seq
		req.Amount = min(req.Amount, -g.charges[last].Amount)
		g.charges = g.charges[:last]
	case dice < 20 && len(g.holds) > 0:
		last := len(g.holds) - 1
		req.Kind, req.Account, req.About = ledger.KindCapture, g.holds[last].AccountID, g.holds[last].Seq
		if g.Random.IntN(2) == 0 { // else it may capture more than the hold
			req.Amount = min(req.Amount, g.holds[last].HeldDelta)
		}
		if dice < 14 {
			req.Kind, req.Amount = ledger.KindRelease, 0
		}
		g.holds = g.holds[:last]
	case dice < 35 && len(g.holds) < 4:
		req.Kind = ledger.KindHold
	case dice < 40:
		req.Kind, req.Amount = ledger.KindGrant, 8*req.Amount
	case dice < 43:
		req.Amount = 100_000 * tokens.One // more than any account has
	}
	if req.Kind == ledger.KindCharge || req.Kind == ledger.KindHold {
		req.Agent = [...]string{"", "", "a", "b", "c"}[g.Random.IntN(5)]
	}
	return req
}

// Observe remembers acknowledged holds and charges for later requests.
func (g *Generator) Observe(r ledger.Receipt) {
	switch {
	case r.Replayed:
	case r.Kind == ledger.KindHold:
		g.holds = append(g.holds, r.Entry)
	case r.Kind == ledger.KindCharge && len(g.charges) < 20:
		g.charges = append(g.charges, r.Entry)
	}
}
