package ledger

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/catalog"
)

// WouldResume tells, for each of some grants alone, which of the account's agents would go on if it
// came now: of those that are paused for lack of tokens. It writes nothing, and asks the same core
// that grants do. ErrNoAccount, kind Unavailable.
func (l *Ledger) WouldResume(ctx context.Context, account uuid.UUID, grants []Grant) ([][]Agent, error) {
	now := l.now()
	s, err := l.readWhole(ctx, account, now)
	if err != nil {
		return nil, err
	}
	prices := l.prices().At(now)
	if _, err := s.apply(settling{}, now, prices); err != nil {
		return nil, err
	}
	resumed := make([][]Agent, len(grants))
	for i := range grants {
		resumed[i] = s.wouldResume(&grants[i], now, prices)
	}
	return resumed, nil
}

// wouldResume tells which agents a grant would let go on, and leaves the state as it is.
func (s *state) wouldResume(g *Grant, now time.Time, prices *catalog.Catalog) []Agent {
	after := s.trial()
	if _, err := after.apply(g, now, prices); err != nil {
		return nil // it would not come
	}
	var list []Agent
	for i := range s.agents {
		if a := &s.agents[i]; a.state == AgentOutOfToken && after.agents[i].state == AgentOn {
			list = append(list, s.showAgent(a, later(now, s.lastAt), prices))
		}
	}
	return list
}

// trial is a copy to try something on.
func (s *state) trial() *state {
	c := *s
	c.lots, c.holds, c.agents, c.today.lines = slices.Clone(s.lots), slices.Clone(s.holds), slices.Clone(s.agents),
		slices.Clone(s.today.lines)
	c.entries, c.refs, c.usage, c.declined, c.events, c.reversals = nil, nil, nil, nil, nil, nil
	return &c
}

// showAgent shows an agent at an instant that is not before the account's newest; what it holds is
// told by a state that has all holds.
func (s *state) showAgent(a *agent, now time.Time, prices *catalog.Catalog) Agent {
	return Agent{
		ID:          a.id,
		Name:        a.name,
		Feature:     a.feature,
		State:       a.state,
		PausedSince: a.pausedSince,
		TurnedAway:  a.turnedAway,
		ResumedAt:   a.resumedAt,
		Missed:      a.missed,
		Budget:      a.budget,
		Reserve:     a.reserve,
		Spent:       s.spentThisMonth(a, now),
		Held:        s.heldBy(a.id),
		Reason:      s.why(a, now, prices),
		Missing:     s.missing(a, now, prices),
		Ready:       s.ready(a, now, prices),
	}
}

// readWhole reads all that is known of an account in one look, without locking it: lots, holds, agents.
func (l *Ledger) readWhole(ctx context.Context, account uuid.UUID, now time.Time) (*state, error) {
	read := &loaded{parties: []*party{{id: account}}}
	batch, ids := &pgx.Batch{}, []uuid.UUID{account}
	batch.Queue("begin isolation level repeatable read read only")
	batch.Queue(sqlReadRows, ids).Query(func(rows pgx.Rows) error {
		err := read.readAccounts(rows)
		if s := read.stateOf(account); s != nil {
			s.forgetOpenLot()
		}
		return err
	})
	batch.Queue(sqlOpenLots, ids).Query(read.readLots)
	batch.Queue(sqlOpenHolds, ids, now).Query(read.readHolds)
	batch.Queue(sqlAgents, ids).Query(read.readAgents)
	batch.Queue(sqlAgentMonths, ids).Query(read.readMonths)
	batch.Queue("commit")
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, ErrUnavailable.Wrap(err)
	}
	s := read.stateOf(account)
	if s == nil || !s.exists {
		return nil, ErrNoAccount
	}
	s.lotsAreComplete()
	return s, nil
}
