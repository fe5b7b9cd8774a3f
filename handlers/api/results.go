package api

import (
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/results"
)

type resultJSON struct {
	ID       string  `json:"id"`
	At       *string `json:"at"`
	Charge   *string `json:"charge"`
	Agent    *string `json:"agent"`
	Kind     string  `json:"kind"`
	Count    int64   `json:"count"`
	Money    *string `json:"money"`
	Currency *string `json:"currency"`
}

func resultAnswer(r *results.Result) resultJSON {
	j := resultJSON{
		ID:       r.ID.String(),
		At:       stamp(r.At),
		Agent:    unlessEmpty(r.Agent),
		Kind:     r.Kind,
		Count:    r.Count,
		Currency: unlessEmpty(r.Money.Currency),
	}
	if r.Charge != 0 {
		charge := ledger.EntryID(r.Account, r.Charge)
		j.Charge = &charge
	}
	if r.Money.Currency != "" {
		amount := r.Money.Decimal()
		j.Money = &amount
	}
	return j
}

func (h *Handlers) postResult(c echo.Context, account uuid.UUID) error {
	var body struct {
		Charge   string `json:"charge" max:"64"`
		Agent    string `json:"agent" max:"64"`
		Kind     string `json:"kind" max:"64"`
		Count    *int64 `json:"count"`
		Money    string `json:"money" max:"32"`
		Currency string `json:"currency" max:"3"`
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	r, replayed, err := h.Results.Add(c.Request().Context(), account, key, results.Report(body))
	if err != nil {
		return err
	}
	return created(c, replayed, resultAnswer(&r))
}
