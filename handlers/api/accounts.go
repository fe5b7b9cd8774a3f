package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sitepath"
	"pop.store/credits/internal/strictjson"
	"pop.store/credits/internal/tokens"
)

type balanceJSON struct {
	Spendable tokens.Amount `json:"spendable"`
	Held      tokens.Amount `json:"held"`
	Total     tokens.Amount `json:"total"`
}

type accountJSON struct {
	Account       string        `json:"account"`
	Name          *string       `json:"name"`
	Email         *string       `json:"email"`
	Plan          string        `json:"plan"`
	PlanStatus    string        `json:"plan_status"`
	ClosedAt      *string       `json:"closed_at"`
	NextPlan      *string       `json:"next_plan"`
	Balance       balanceJSON   `json:"balance"`
	State         string        `json:"state"`
	Threshold     tokens.Amount `json:"threshold"`
	OwnReserve    tokens.Amount `json:"own_reserve"`
	PausedAgents  int           `json:"paused_agents"`
	OverBudget    int           `json:"over_budget_agents"`
	NextResetAt   *string       `json:"next_reset_at"`
	TimeZone      string        `json:"time_zone"`
	BillingAnchor *string       `json:"billing_anchor"`
	BillingZone   string        `json:"billing_zone"`
}

func (h *Handlers) accountAnswer(c echo.Context, status int, account uuid.UUID) error {
	ctx := c.Request().Context()
	o, err := h.Notices.Overview(ctx, account)
	if err != nil {
		return err
	}
	own, err := h.Agents.OwnReserve(ctx, &o.Account)
	if err != nil {
		return err
	}
	return c.JSON(status, accountJSON{
		Account:       o.ExternalID,
		Name:          nullIfEmpty(o.Name),
		Email:         nullIfEmpty(o.Email),
		Plan:          o.Plan,
		PlanStatus:    string(o.PlanStatus),
		ClosedAt:      formatTime(o.ClosedAt),
		NextPlan:      nullIfEmpty(o.NextPlan),
		Balance:       balanceJSON{o.Spendable, o.Held, o.Total},
		State:         o.Level.String(),
		Threshold:     o.Threshold,
		OwnReserve:    own,
		PausedAgents:  o.Paused,
		OverBudget:    o.OverBudget,
		NextResetAt:   formatTime(o.NextReset),
		TimeZone:      o.DisplayZone.String(),
		BillingAnchor: formatTime(o.Anchor),
		BillingZone:   o.BillingZone.String(),
	})
}

// nullableText distinguishes null from absent.
type nullableText = strictjson.Nullable[string]

type putAccountJSON struct {
	Plan          *string        `json:"plan"`
	PlanStatus    *string        `json:"plan_status"`
	NextPlan      nullableText   `json:"next_plan"`
	Name          *string        `json:"name"`
	Email         *string        `json:"email"`
	TimeZone      *string        `json:"time_zone"`
	BillingAnchor *time.Time     `json:"billing_anchor"`
	BillingZone   *string        `json:"billing_zone"`
	OwnReserve    nullableAmount `json:"own_reserve"`
	LowThreshold  nullableAmount `json:"low_threshold"`
}

func (j *putAccountJSON) put() (directory.Put, error) {
	p := directory.Put{
		Plan:        j.Plan,
		PlanStatus:  j.PlanStatus,
		Name:        j.Name,
		Email:       j.Email,
		TimeZone:    j.TimeZone,
		BillingZone: j.BillingZone,
		OwnReserve:  zeroIfNull(j.OwnReserve),
	}
	if j.NextPlan.Value != nil {
		return p, problem.Invalid("next_plan",
			"can only be null, which drops a downgrade that waits: to change the plan send it as plan")
	}
	p.Stay = j.NextPlan.Given
	if j.LowThreshold.Given {
		p.LowThreshold = &ledger.SetThreshold{Amount: j.LowThreshold.Value}
	}
	if j.BillingAnchor != nil {
		anchor, err := validTime("billing_anchor", *j.BillingAnchor)
		if err != nil {
			return p, err
		}
		p.BillingAnchor = &anchor
	}
	return p, nil
}

func (h *Handlers) putAccount(c echo.Context) error {
	var body putAccountJSON
	if err := decode(c, &body); err != nil {
		return err
	}
	put, err := body.put()
	if err != nil {
		return err
	}
	id, isNew, err := h.Directory.Put(c.Request().Context(), c.Param("account"), put)
	if err != nil {
		return err
	}
	addAuditDetails(c, "account", id)
	if put.Plan != nil {
		addAuditDetails(c, "plan", *put.Plan)
	}
	if put.PlanStatus != nil {
		addAuditDetails(c, "plan_status", *put.PlanStatus)
	}
	return h.accountAnswer(c, okOrCreated(isNew), id)
}

func okOrCreated(isNew bool) int {
	if isNew {
		return http.StatusCreated
	}
	return http.StatusOK
}

func (h *Handlers) getAccount(c echo.Context, account uuid.UUID) error {
	return h.accountAnswer(c, http.StatusOK, account)
}

// postClose closes an account for good. It is idempotent without a key.
func (h *Handlers) postClose(c echo.Context, account uuid.UUID) error {
	if err := decodeOptional(c, &struct{}{}); err != nil {
		return err
	}
	if err := h.Ledger.CloseAccount(c.Request().Context(), account); err != nil {
		return err
	}
	return h.accountAnswer(c, http.StatusOK, account)
}

// postLoginLink makes a link that signs the creator in once. It needs no idempotency key: an unused
// link expires after a minute.
func (h *Handlers) postLoginLink(c echo.Context, account uuid.UUID) error {
	var body struct {
		Next string `json:"next" max:"512"`
	}
	if err := decodeOptional(c, &body); err != nil {
		return err
	}
	if body.Next != "" && !sitepath.Valid(body.Next) {
		return problem.Invalid("next", `must be the path of a page of this site such as "/credits"`)
	}
	ctx := c.Request().Context()
	if _, err := h.Ledger.Account(ctx, account); err != nil {
		return err
	}
	token, expires, err := h.Sessions.CreateLink(ctx, account, body.Next)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, map[string]any{
		"url": strings.TrimSuffix(h.BaseURL.String(), "/") + "/login/link/" + token, "expires_at": formatTime(expires),
	})
}

type lotJSON struct {
	ID          string        `json:"id"`
	Kind        string        `json:"kind"`
	Source      *string       `json:"source"`
	Amount      tokens.Amount `json:"amount"`
	Remaining   tokens.Amount `json:"remaining"`
	Held        tokens.Amount `json:"held"`
	EffectiveAt *string       `json:"effective_at"`
	ExpiresAt   *string       `json:"expires_at"`
	Frozen      bool          `json:"frozen"`
}

func (h *Handlers) getLots(c echo.Context, account uuid.UUID) error {
	state, err := h.Ledger.Account(c.Request().Context(), account)
	if err != nil {
		return err
	}
	lots := make([]lotJSON, len(state.Lots))
	for i, l := range state.Lots {
		lots[i] = lotJSON{
			ID:          ledger.EntryID(account, l.Number),
			Kind:        l.Kind.String(),
			Source:      nullIfEmpty(l.Source),
			Amount:      l.Amount,
			Remaining:   l.Remaining,
			Held:        l.Held,
			EffectiveAt: formatTime(l.EffectiveAt),
			ExpiresAt:   formatTime(l.ExpiresAt),
			Frozen:      l.Frozen,
		}
	}
	return c.JSON(http.StatusOK, map[string]any{"lots": lots})
}
