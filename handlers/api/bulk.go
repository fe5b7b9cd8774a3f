package api

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// bulkChargeJSON is one charge of many, with its own account and key.
type bulkChargeJSON struct {
	Account string `json:"account"         max:"200"`
	Key     string `json:"idempotency_key"`
	chargeJSON
}

// bulkResultJSON is the outcome of one charge: the status and body of the same charge sent alone.
type bulkResultJSON struct {
	Status   int            `json:"status"`
	Charge   *entryJSON     `json:"charge,omitempty"`
	Replayed bool           `json:"replayed,omitempty"`
	Error    map[string]any `json:"error,omitempty"`
}

// postCharges makes many independent charges. One that fails does not affect the others.
func (h *Handlers) postCharges(c echo.Context) error {
	var body struct {
		Charges []bulkChargeJSON `json:"charges"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	if err := checkBulkSize("charges", len(body.Charges)); err != nil {
		return err
	}
	ctx := c.Request().Context()
	ids, err := h.findAccounts(ctx, body.Charges)
	if err != nil {
		return err
	}
	results := make([]bulkResultJSON, len(body.Charges))
	charges, positions := make([]ledger.BulkCharge, 0, len(body.Charges)), make([]int, 0, len(body.Charges))
	for i := range body.Charges {
		charge, err := body.Charges[i].toLedger(ids)
		if err != nil {
			results[i] = h.bulkProblem(c, err)
			continue
		}
		charges, positions = append(charges, charge), append(positions, i)
	}
	for i, r := range h.Ledger.ChargeAll(ctx, charges) {
		if r.Err != nil {
			results[positions[i]] = h.bulkProblem(c, h.withBuyURL(r.Err, charges[i].Agent))
			continue
		}
		answer := chargeAnswer(&r.Receipt)
		results[positions[i]] = bulkResultJSON{
			Status:   http.StatusCreated,
			Charge:   &answer,
			Replayed: r.Replayed,
		}
	}
	return c.JSON(http.StatusOK, map[string]any{"results": results})
}

func checkBulkSize(field string, n int) error {
	if n < 1 || n > ledger.MaxBulk {
		return problem.Invalid(field, "must have from 1 to %d items", ledger.MaxBulk)
	}
	return nil
}

func (h *Handlers) findAccounts(ctx context.Context, charges []bulkChargeJSON) (map[string]uuid.UUID, error) {
	names := make([]string, len(charges))
	for i := range charges {
		names[i] = charges[i].Account
	}
	return h.Directory.FindAll(ctx, names)
}

// toLedger validates in the same order as a charge sent alone.
func (b *bulkChargeJSON) toLedger(ids map[string]uuid.UUID) (ledger.BulkCharge, error) {
	id, ok := ids[b.Account]
	switch {
	case b.Account == "":
		return ledger.BulkCharge{}, problem.Invalid("account", "is needed")
	case !ok:
		return ledger.BulkCharge{}, ledger.ErrNoAccount
	case b.Key == "":
		return ledger.BulkCharge{}, problem.Invalid("idempotency_key", "is needed: 1 to 200 printable characters")
	case !web.ValidKey(b.Key):
		return ledger.BulkCharge{}, problem.Invalid("idempotency_key", "must be 1 to 200 printable characters")
	}
	charge, err := b.charge()
	return ledger.BulkCharge{
		AccountID: id,
		Key:       b.Key,
		Charge:    charge,
	}, err
}

func (h *Handlers) bulkProblem(c echo.Context, err error) bulkResultJSON {
	p := web.ProblemOf(err)
	status := web.Status(p.Kind)
	web.LogFailure(h.Log, c, p, status)
	if web.IsRetryable(p) {
		web.SetRetryAfter(c)
	}
	return bulkResultJSON{Status: status, Error: web.ProblemDocument(c, p, status)}
}

// balanceOfJSON is the balance of one account; null for an unknown one.
type balanceOfJSON struct {
	Account string       `json:"account"`
	Balance *balanceJSON `json:"balance"`
}

func (h *Handlers) postBalances(c echo.Context) error {
	var body struct {
		Accounts []string `json:"accounts" max:"200"`
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	if err := checkBulkSize("accounts", len(body.Accounts)); err != nil {
		return err
	}
	ctx := c.Request().Context()
	ids, err := h.Directory.FindAll(ctx, body.Accounts)
	if err != nil {
		return err
	}
	wanted := make([]uuid.UUID, 0, len(ids))
	for _, id := range ids {
		wanted = append(wanted, id)
	}
	states, err := h.Ledger.Accounts(ctx, wanted)
	if err != nil {
		return err
	}
	balances := make([]balanceOfJSON, len(body.Accounts))
	for i, name := range body.Accounts {
		balances[i].Account = name
		if s, ok := states[ids[name]]; ok {
			balances[i].Balance = &balanceJSON{s.Spendable, s.Held, s.Total}
		}
	}
	return c.JSON(http.StatusOK, map[string]any{"balances": balances})
}
