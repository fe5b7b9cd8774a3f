// Package agents is the list of a creator's agents: registered, changed, paused, sorted, searched and
// named. The ledger keeps them and decides what they may spend.
package agents

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/plaintext"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Agents reads and changes agents in a ledger. It is safe for concurrent use.
type Agents struct {
	ledger *engine.Engine
	prices func() *catalog.Catalog
}

// New makes the Agents of a ledger.
func New(l *engine.Engine, prices func() *catalog.Catalog) *Agents { return &Agents{l, prices} }

// CheckID refuses an id that services may not give to an agent. Error: kind Unprocessable, field "agent".
func CheckID(id string) error {
	if !plaintext.ID(id) {
		return problem.Invalid("agent", plaintext.IDRule)
	}
	return nil
}

// Put is a change of an agent. Nil fields stay as they are.
type Put struct {
	Name    *string
	Feature *string
	Budget  *Budget
	Reserve *tokens.Amount // tokens that only this agent may spend; zero takes them away
}

// Budget is what an agent may spend in a calendar month of the billing zone.
type Budget struct {
	Amount *tokens.Amount // above zero; nil: no limit
}

// List lists an account's agents by their ids. Errors: ledger.ErrNoAccount and kind Unavailable.
func (a *Agents) List(ctx context.Context, account uuid.UUID) ([]ledger.Agent, error) {
	list, _, err := a.ledger.Agents(ctx, account)
	return list, err
}

// All is List, and what is reserved for the creator's own tools.
func (a *Agents) All(ctx context.Context, account uuid.UUID) (list []ledger.Agent, own tokens.Amount, err error) {
	return a.ledger.Agents(ctx, account)
}

// Put registers an agent or changes it. isNew says that there was none when this call came; of
// several calls at the same time, each may answer so. Errors: ledger.ErrNoAccount, problem kinds
// Unprocessable (naming the field), Conflict (too_many_agents) and Unavailable.
func (a *Agents) Put(ctx context.Context, account uuid.UUID, id string, p Put) (_ ledger.Agent,
	isNew bool, err error,
) {
	change, err := p.change(id)
	if err != nil {
		return ledger.Agent{}, false, err
	}
	_, err = a.Get(ctx, account, id)
	if isNew = errors.Is(err, ledger.ErrNoAgent); err != nil && !isNew {
		return ledger.Agent{}, false, err
	}
	if err := a.ledger.PutAgent(ctx, account, change); err != nil {
		return ledger.Agent{}, false, err
	}
	agent, err := a.Get(ctx, account, id)
	return agent, isNew, err
}

// change is the request as the ledger takes it.
func (p *Put) change(id string) (ledger.PutAgent, error) {
	change := ledger.PutAgent{
		ID:      id,
		Name:    p.Name,
		Feature: p.Feature,
		Reserve: p.Reserve,
	}
	if err := CheckID(id); err != nil {
		return change, err
	}
	if p.Name != nil && !plaintext.Name(*p.Name) {
		return change, problem.Invalid("name", plaintext.NameRule, plaintext.MaxName)
	}
	switch {
	case p.Budget == nil:
	case p.Budget.Amount == nil:
		change.Budget = new(tokens.Amount)
	case *p.Budget.Amount <= 0:
		return change, problem.Invalid("monthly_budget",
			"must be above zero: null takes it away, and pausing the agent lets it spend nothing")
	default:
		change.Budget = p.Budget.Amount
	}
	return change, nil
}

// SetLimits sets an agent's budget and reserve. Errors: those of Put, and ledger.ErrNoAgent for one
// that is not registered.
func (a *Agents) SetLimits(ctx context.Context, account uuid.UUID, id string, budget *Budget,
	reserve *tokens.Amount,
) error {
	if !plaintext.ID(id) {
		return ledger.ErrNoAgent
	}
	p := Put{Budget: budget, Reserve: reserve}
	change, err := p.change(id)
	if err != nil {
		return err
	}
	change.MustExist = true
	return a.ledger.PutAgent(ctx, account, change)
}

// Switch turns an agent off, or on again; one that lacks tokens or budget then waits for them,
// as its state says. Errors: ledger.ErrNoAccount, ledger.ErrNoAgent and Unavailable.
func (a *Agents) Switch(ctx context.Context, account uuid.UUID, id string, on bool) (ledger.Agent, error) {
	if !plaintext.ID(id) {
		return ledger.Agent{}, ledger.ErrNoAgent
	}
	if err := a.ledger.SwitchAgent(ctx, account, ledger.SwitchAgent{ID: id, On: on}); err != nil {
		return ledger.Agent{}, err
	}
	return a.Get(ctx, account, id)
}

// Get reads one agent. Errors: those of List, and ledger.ErrNoAgent.
func (a *Agents) Get(ctx context.Context, account uuid.UUID, id string) (ledger.Agent, error) {
	list, err := a.List(ctx, account)
	if err != nil {
		return ledger.Agent{}, err
	}
	for i := range list {
		if list[i].ID == id {
			return list[i], nil
		}
	}
	return ledger.Agent{}, ledger.ErrNoAgent
}

// OwnReserve is what an account that was just read keeps for the creator's own tools. The error is
// List's.
func (a *Agents) OwnReserve(ctx context.Context, account *ledger.Account) (tokens.Amount, error) {
	if account.Reserved == 0 {
		return 0, nil
	}
	_, own, err := a.ledger.Agents(ctx, account.ID)
	return own, err
}

// SetOwnReserve keeps tokens for the creator's own tools: agents may not spend them. Zero keeps
// none. Errors: ledger.ErrNoAccount, kinds Unprocessable (field "own_reserve") and Unavailable.
func (a *Agents) SetOwnReserve(ctx context.Context, account uuid.UUID, amount tokens.Amount) error {
	if amount < 0 {
		return problem.Invalid("own_reserve", "must not be below zero")
	}
	err := a.ledger.PutAgent(ctx, account, ledger.PutAgent{Reserve: &amount})
	return renamed(err, "reserve", "own_reserve")
}

// renamed is a problem with a field that callers know by another name.
func renamed(err error, from, to string) error {
	var p *problem.Error
	if !errors.As(err, &p) || p.Field != from {
		return err
	}
	return problem.Invalid(to, "must not be above %s tokens with what agents reserve", tokens.Max).Wrap(err)
}
