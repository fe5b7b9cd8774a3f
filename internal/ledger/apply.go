package ledger

import (
	"errors"
	"time"

	"pop.store/credits/internal/catalog"
)

// Apply is the one way into the rules: settle first, then decide, then see to what follows from what
// there is now. An attempt that lacks tokens is recorded, and pauses the agent that made it.
func (s *State) Apply(op Operation, now time.Time, prices *catalog.Catalog) (Outcome, error) {
	now = Later(now, s.LastAt)
	if s.complete && s.IsDue(now) {
		s.settle(now, prices)
		s.DueAt, s.changed = s.nextChange(now), true
	}
	before := s.headroom(now)
	out, err := op.decide(s, now, prices)
	if _, charge := op.(*Charge); !charge && s.complete {
		s.DueAt = s.nextChange(now) // a charge brings nothing nearer
	}
	if err != nil {
		err = s.recordRefusal(op, err, now, prices)
	}
	s.afterChange(before, now, prices)
	if s.complete && s.AgentRules {
		s.sumAgents()
	}
	if out.Entry != nil {
		s.recordBalance(out.Entry)
	}
	return out, err
}

// recordBalance notes with a request's entry what there is after all entries that the request wrote: a
// release also writes the expiry of what came free of an expired lot. That is what the request
// answers, now and to a replay.
func (s *State) recordBalance(e *Entry) {
	last := s.entries[len(s.entries)-1]
	if last != e {
		e.LastSeq = last.Seq
	}
	e.Settled = last.Balance()
}

// recordRefusal notes a refusal that leaves a trace, and gives the one that the caller gets.
func (s *State) recordRefusal(op Operation, err error, now time.Time, prices *catalog.Catalog) error {
	var lacking *shortfall
	var away *turnAwayError
	work, ok := op.(interface{ keepsAgentOn() bool })
	keepOn := ok && work.keepsAgentOn()
	switch {
	case errors.As(err, &lacking):
		s.recordDeclined(lacking, now)
		if keepOn {
			s.resumeOverBudget(lacking.agent, lacking.required, now)
		} else {
			s.outOfTokens(lacking, now)
		}
		return s.insufficientTokens(lacking, now, prices)
	case errors.As(err, &away):
		return s.turnAway(away, keepOn, now, prices)
	}
	return err
}
