package ledger

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/tokens"
)

// StoppedAgents are an account's agents that are paused by tokens or by their budget, with all that
// have a reserve, since a reserve may be the reason. The zero value is an account without any.
type StoppedAgents struct {
	Agents     []Agent       // by id
	OwnReserve tokens.Amount // of the creator's own tools
}

// StoppedAgents reads several accounts in one snapshot; of the accounts in all it reads every agent.
// It is for pages and polls, so it never reads agents that are on, of which there may be many. What
// an agent without a budget has spent stays zero.
func (l *Ledger) StoppedAgents(ctx context.Context, ids, all []uuid.UUID) (map[uuid.UUID]StoppedAgents, error) {
	now := l.now()
	states, err := l.readStopped(ctx, ids, all)
	if err != nil {
		return nil, err
	}
	settled := false
	for id, s := range states {
		if s.isDue(now) {
			if err := l.Settle(ctx, id); err != nil {
				return nil, err
			}
			settled = true
		}
	}
	if settled {
		if states, err = l.readStopped(ctx, ids, all); err != nil {
			return nil, err
		}
	}
	found := make(map[uuid.UUID]StoppedAgents, len(states))
	for id, s := range states {
		found[id] = l.showStopped(s, now)
	}
	return found, nil
}

func (l *Ledger) showStopped(s *state, now time.Time) (found StoppedAgents) {
	prices := l.prices().At(now)
	sortAgents(s.agents)
	for i := range s.agents {
		a := &s.agents[i]
		if a.id == "" {
			found.OwnReserve = a.reserve
			continue
		}
		found.Agents = append(found.Agents, s.showAgent(a, later(now, s.lastAt), prices))
	}
	return found
}

func (l *Ledger) readStopped(ctx context.Context, ids, all []uuid.UUID) (map[uuid.UUID]*state, error) {
	read := &loaded{}
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(x, y uuid.UUID) int { return bytes.Compare(x[:], y[:]) })
	for _, id := range ids {
		read.parties = append(read.parties, &party{id: id})
	}
	batch := &pgx.Batch{}
	batch.Queue("begin isolation level repeatable read read only")
	batch.Queue(sqlReadRows, ids).Query(read.readAccounts)
	batch.Queue(sqlStoppedAgents, ids, all).Query(read.readAgents)
	batch.Queue(sqlBudgetMonths, ids).Query(read.readMonths)
	batch.Queue(sqlHeldByAgentsOf, ids).Query(func(rows pgx.Rows) error {
		var account uuid.UUID
		var agent string
		var held tokens.Amount
		_, err := pgx.ForEachRow(rows, []any{&account, &agent, &held}, func() error {
			if s := read.stateOf(account); s != nil {
				s.holds = append(s.holds, hold{amount: held, work: work{agent: agent}}) // all of an agent's as one
			}
			return nil
		})
		return err
	})
	batch.Queue("commit")
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, ErrUnavailable.Wrap(err)
	}
	states := make(map[uuid.UUID]*state, len(ids))
	for _, id := range ids {
		if s := read.stateOf(id); s != nil && s.exists {
			states[id] = s
		}
	}
	return states, nil
}
