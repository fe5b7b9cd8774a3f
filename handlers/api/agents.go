package api

import (
	"net/http"
	"net/url"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/strictjson"
	"pop.store/credits/internal/tokens"
)

// nullableAmount distinguishes null, which removes a limit, from absent.
type nullableAmount = strictjson.Nullable[tokens.Amount]

// zeroIfNull is zero for null and nil for absent.
func zeroIfNull(n nullableAmount) *tokens.Amount {
	if n.Given && n.Value == nil {
		return new(tokens.Amount)
	}
	return n.Value
}

type agentJSON struct {
	ID             string         `json:"id"`
	Name           *string        `json:"name"`
	Feature        *string        `json:"feature"`
	State          string         `json:"state"`
	Reason         *string        `json:"reason"`
	Cure           *string        `json:"cure"`
	PausedSince    *string        `json:"paused_since"`
	TurnedAway     int64          `json:"turned_away"`
	MonthlyBudget  *tokens.Amount `json:"monthly_budget"`
	Reserve        tokens.Amount  `json:"reserve"`
	SpentThisMonth tokens.Amount  `json:"spent_this_month"`
	Held           tokens.Amount  `json:"held"`
}

func agentAnswer(g *ledger.Agent) agentJSON {
	return agentJSON{
		ID:             g.ID,
		Name:           nullIfEmpty(g.Name),
		Feature:        nullIfEmpty(g.Feature),
		State:          g.State.String(),
		Reason:         nullIfEmpty(string(g.Reason)),
		Cure:           nullIfEmpty(string(g.Reason.Cure())),
		PausedSince:    formatTime(g.PausedSince),
		TurnedAway:     g.TurnedAway,
		MonthlyBudget:  g.Budget,
		Reserve:        g.Reserve,
		SpentThisMonth: g.Spent,
		Held:           g.Held,
	}
}

// agentOf is the agent in the path, which some clients escape: "a:b" as "a%3Ab".
func agentOf(c echo.Context) string {
	id, err := url.PathUnescape(c.Param("agent"))
	if err != nil {
		return ""
	}
	return id
}

func (h *Handlers) getAgents(c echo.Context, account uuid.UUID) error {
	list, err := h.Agents.List(c.Request().Context(), account)
	if err != nil {
		return err
	}
	agents := make([]agentJSON, len(list))
	for i := range list {
		agents[i] = agentAnswer(&list[i])
	}
	return c.JSON(http.StatusOK, map[string]any{"agents": agents})
}

func (h *Handlers) putAgent(c echo.Context, account uuid.UUID) error {
	var body struct {
		Name          *string        `json:"name"`
		Feature       *string        `json:"feature"`
		MonthlyBudget nullableAmount `json:"monthly_budget"`
		Reserve       nullableAmount `json:"reserve"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	put := agents.Put{
		Name:    body.Name,
		Feature: body.Feature,
		Reserve: zeroIfNull(body.Reserve),
	}
	if body.MonthlyBudget.Given {
		put.Budget = &agents.Budget{Amount: body.MonthlyBudget.Value}
	}
	agent, isNew, err := h.Agents.Put(c.Request().Context(), account, agentOf(c), put)
	if err != nil {
		return err
	}
	return c.JSON(okOrCreated(isNew), agentAnswer(&agent))
}

// postSwitch turns an agent on or off. It is idempotent without a key.
func (h *Handlers) postSwitch(on bool) func(c echo.Context, account uuid.UUID) error {
	return func(c echo.Context, account uuid.UUID) error {
		if err := decodeOptional(c, &struct{}{}); err != nil {
			return err
		}
		agent, err := h.Agents.Switch(c.Request().Context(), account, agentOf(c), on)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, agentAnswer(&agent))
	}
}
