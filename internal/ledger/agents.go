package ledger

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/tokens"
)

// Agent is one of an account's agents as it stands.
type Agent struct {
	ID          string
	Name        string // as the creator calls it; empty: as its feature is called
	Feature     string // what it spends on; empty until it is known
	State       AgentState
	PausedSince time.Time
	TurnedAway  int64          // requests that were not handled since then
	ResumedAt   time.Time      // when it last went on after a pause; zero: never
	Missed      int64          // requests that were not handled in that pause
	Budget      *tokens.Amount // tokens a calendar month of the billing zone; nil: no limit
	Reserve     tokens.Amount  // tokens that only this agent may spend
	Spent       tokens.Amount  // on work of this calendar month, less what was returned of that work
	Held        tokens.Amount  // by its jobs under way
	Reason      Reason         // why it is paused
	Ready       bool           // it is on, and there are tokens and budget for its next piece of work
	Missing     tokens.Amount  // tokens that have to come before it goes on, for one that waits for them
}

// Agents lists an account's agents by their ids, and what is reserved for the creator's own tools.
// ErrNoAccount.
func (l *Ledger) Agents(ctx context.Context, account uuid.UUID) (list []Agent, own tokens.Amount, err error) {
	if _, err := l.settleIfDue(ctx, account); err != nil {
		return nil, 0, err
	}
	now := l.now()
	read := &loaded{parties: []*party{{id: account}}}
	batch, ids := &pgx.Batch{}, []uuid.UUID{account}
	batch.Queue("begin isolation level repeatable read read only")
	batch.Queue(sqlReadRows, ids).Query(read.readAccounts)
	batch.Queue(sqlAgents, ids).Query(read.readAgents)
	batch.Queue(sqlAgentMonths, ids).Query(read.readMonths)
	batch.Queue(sqlHeldByAgents, account).Query(func(rows pgx.Rows) error {
		var agent string
		var held tokens.Amount
		s := read.stateOf(account)
		_, err := pgx.ForEachRow(rows, []any{&agent, &held}, func() error {
			if s != nil {
				s.holds = append(s.holds, hold{amount: held, work: work{agent: agent}}) // all of an agent's as one
			}
			return nil
		})
		return err
	})
	batch.Queue("commit")
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, 0, ErrUnavailable.Wrap(err)
	}
	s := read.stateOf(account)
	if s == nil || !s.exists {
		return nil, 0, ErrNoAccount
	}
	prices := l.prices().At(now)
	sortAgents(s.agents)
	for i := range s.agents {
		a := &s.agents[i]
		if a.id == "" {
			own = a.reserve
			continue
		}
		list = append(list, s.showAgent(a, later(now, s.lastAt), prices))
	}
	return list, own, nil
}

// AtEmpty counts, of an account's agents, those that wait for tokens to come, and those that can
// still work with what is left.
func AtEmpty(list []Agent) (waiting, goOn int) {
	for i := range list {
		switch a := &list[i]; {
		case a.Ready:
			goOn++
		case a.State == AgentOn, a.Reason.Cure() == CureTokens:
			waiting++
		}
	}
	return waiting, goOn
}

// AgentName is what an agent is called.
type AgentName struct {
	ID      string
	Name    string // as the creator calls it; empty: as its feature is called
	Feature string // what it spends on; empty until it is known
}

// maxAgentNames bounds a list of names: an account may have any number of agents that nobody registered.
const maxAgentNames = 1_000

// AgentNames lists what an account's agents are called, by their ids; of very many only the first.
func (l *Ledger) AgentNames(ctx context.Context, account uuid.UUID) ([]AgentName, error) {
	rows, err := l.pool.Query(ctx, sqlAgentNames, account, maxAgentNames)
	if err != nil {
		return nil, ErrUnavailable.Wrap(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowToStructByPos[AgentName])
	return names, orUnavailable(err)
}

// PutAgent registers an agent or changes it; doing it twice is doing it once. Errors: ErrNoAccount,
// problem kinds Meaning (naming the field) and Conflict (too_many_agents).
func (l *Ledger) PutAgent(ctx context.Context, account uuid.UUID, p PutAgent) error {
	_, err := l.submit(ctx, newCall(account), &p)
	return err
}

// SwitchAgent turns an agent off or on: one that lacks tokens or budget then waits for them.
// Errors: ErrNoAccount, ErrNoAgent.
func (l *Ledger) SwitchAgent(ctx context.Context, account uuid.UUID, p SwitchAgent) error {
	_, err := l.submit(ctx, newCall(account), &p)
	return err
}

// SetThreshold sets below what the balance is low.
func (l *Ledger) SetThreshold(ctx context.Context, account uuid.UUID, p SetThreshold) error {
	_, err := l.submit(ctx, newCall(account), &p)
	return err
}
