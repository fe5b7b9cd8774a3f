package accounts

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// CheckAgent refuses what the services may not call an agent; field "agent". Agents are called as
// accounts are.
func CheckAgent(id string) error {
	if !ValidID(id) {
		return problem.Invalid("agent", `must be 1 to 64 of A-Za-z0-9_-.: and not "me", "." or ".."`)
	}
	return nil
}

// PutAgent is what is said about an agent. Nil fields stay as they are.
type PutAgent struct {
	Name    *string
	Feature *string
	Budget  *Budget
	Reserve *tokens.Amount // tokens that only this agent may spend; zero takes them away
}

// Budget is what an agent may spend in a calendar month of the billing zone.
type Budget struct {
	Amount *tokens.Amount // above zero; nil: no limit
}

// Agents lists an account's agents by their ids. Errors: ledger.ErrNoAccount and kind Unavailable.
func (a *Accounts) Agents(ctx context.Context, account uuid.UUID) ([]ledger.Agent, error) {
	list, _, err := a.ledger.Agents(ctx, account)
	return list, err
}

// PutAgent registers an agent or changes it. isNew tells that there was none when this call came:
// of several that come at once each may be told so. Errors: ledger.ErrNoAccount, problem kinds
// Unprocessable (naming the field), Conflict (too_many_agents) and Unavailable.
func (a *Accounts) PutAgent(ctx context.Context, account uuid.UUID, id string, p PutAgent) (_ ledger.Agent,
	isNew bool, err error,
) {
	change, err := p.change(id)
	if err != nil {
		return ledger.Agent{}, false, err
	}
	_, err = a.agent(ctx, account, id)
	if isNew = errors.Is(err, ledger.ErrNoAgent); err != nil && !isNew {
		return ledger.Agent{}, false, err
	}
	if err := a.ledger.PutAgent(ctx, account, change); err != nil {
		return ledger.Agent{}, false, err
	}
	agent, err := a.agent(ctx, account, id)
	return agent, isNew, err
}

// change is the request as the ledger takes it.
func (p *PutAgent) change(id string) (ledger.PutAgent, error) {
	change := ledger.PutAgent{
		ID:      id,
		Name:    p.Name,
		Feature: p.Feature,
		Reserve: p.Reserve,
	}
	if err := CheckAgent(id); err != nil {
		return change, err
	}
	if err := checkName(p.Name); err != nil {
		return change, err
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

// SwitchAgent turns an agent off, or on again; one that lacks tokens or budget then waits for them,
// as its state says. Errors: ledger.ErrNoAccount, ledger.ErrNoAgent and Unavailable.
func (a *Accounts) SwitchAgent(ctx context.Context, account uuid.UUID, id string, on bool) (ledger.Agent, error) {
	if !ValidID(id) {
		return ledger.Agent{}, ledger.ErrNoAgent
	}
	if err := a.ledger.SwitchAgent(ctx, account, ledger.SwitchAgent{ID: id, On: on}); err != nil {
		return ledger.Agent{}, err
	}
	return a.agent(ctx, account, id)
}

func (a *Accounts) agent(ctx context.Context, account uuid.UUID, id string) (ledger.Agent, error) {
	list, err := a.Agents(ctx, account)
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

// OwnReserve is what is kept for the creator's own tools of an account that was just read.
func (a *Accounts) OwnReserve(ctx context.Context, o *Overview) (tokens.Amount, error) {
	if o.Reserved == 0 {
		return 0, nil
	}
	_, own, err := a.ledger.Agents(ctx, o.ID)
	return own, err
}

// SetOwnReserve keeps tokens for the creator's own tools: agents may not spend them. Zero keeps
// none. Errors: ledger.ErrNoAccount, kinds Unprocessable (field "own_reserve") and Unavailable.
func (a *Accounts) SetOwnReserve(ctx context.Context, account uuid.UUID, amount tokens.Amount) error {
	if err := notNegative("own_reserve", amount); err != nil {
		return err
	}
	err := a.ledger.PutAgent(ctx, account, ledger.PutAgent{Reserve: &amount})
	return renamed(err, "reserve", "own_reserve")
}

// SetThreshold sets the low threshold of the balance; nil restores the catalog's. Errors:
// ledger.ErrNoAccount, kinds Unprocessable (field "low_threshold") and Unavailable.
func (a *Accounts) SetThreshold(ctx context.Context, account uuid.UUID, amount *tokens.Amount) error {
	if amount != nil {
		if err := notNegative("low_threshold", *amount); err != nil {
			return err
		}
	}
	return a.ledger.SetThreshold(ctx, account, ledger.SetThreshold{Amount: amount})
}

// renamed is a problem with a field that callers know by another name.
func renamed(err error, from, to string) error {
	var p *problem.Error
	if !errors.As(err, &p) || p.Field != from {
		return err
	}
	return problem.Invalid(to, "must not be above %s tokens with what agents reserve", tokens.Max).Wrap(err)
}
