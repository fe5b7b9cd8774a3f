package handlers

import (
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// entryJSON is an entry of the books. A charge answers it with what was charged as a positive amount; in the list of transactions the amount is
// signed.
type entryJSON struct {
	ID             string         `json:"id"`
	Seq            int64          `json:"seq"`
	Kind           string         `json:"kind"`
	At             *string        `json:"at"`
	Amount         tokens.Amount  `json:"amount"`
	HeldDelta      *tokens.Amount `json:"held_delta,omitempty"`
	Balance        balanceJSON    `json:"balance"`
	Feature        *string        `json:"feature,omitempty"`
	Agent          *string        `json:"agent,omitempty"`
	Quantity       *int64         `json:"quantity,omitempty"`
	UnitPrice      *tokens.Amount `json:"unit_price,omitempty"`
	CatalogVersion *string        `json:"catalog_version,omitempty"`
	Reference      *string        `json:"reference,omitempty"`
	Source         *string        `json:"source,omitempty"`
	About          *string        `json:"about,omitempty"`
	Reason         *string        `json:"reason,omitempty"`
	Lots           []partJSON     `json:"lots"`
}

// partJSON is the share of one lot in an entry.
type partJSON struct {
	Lot    string        `json:"lot"`
	Amount tokens.Amount `json:"amount"`
}

func entryAnswer(e *ledger.Entry) entryJSON {
	j := entryJSON{
		ID: e.ID(), Seq: e.Seq, Kind: e.Kind.String(), At: stamp(e.At), Amount: e.Amount,
		Balance: balanceJSON{e.SpendableAfter, e.HeldAfter, e.BalanceAfter}, Feature: unlessEmpty(e.Feature), Agent: unlessEmpty(e.Agent),
		CatalogVersion: unlessEmpty(e.CatalogVersion), Reference: unlessEmpty(e.Reference), Lots: make([]partJSON, len(e.Parts)),
	}
	if e.Quantity != 0 { // a refund gives tokens back, not work
		j.Quantity, j.UnitPrice = &e.Quantity, unitPrice(e)
	}
	if e.HeldDelta != 0 {
		j.HeldDelta = &e.HeldDelta
	}
	if e.About != 0 {
		about := ledger.EntryID(e.Account, e.About)
		j.About = &about
	}
	if e.LotKind != 0 {
		j.Source = unlessEmpty(e.LotKind.String())
	}
	for i, p := range e.Parts {
		j.Lots[i] = partJSON{Lot: ledger.EntryID(e.Account, p.Lot), Amount: p.Amount}
	}
	return j
}

// unitPrice is absent when the caller sent the amount: then there was none.
func unitPrice(e *ledger.Entry) *tokens.Amount {
	if e.UnitPrice == 0 {
		return nil
	}
	return &e.UnitPrice
}

func chargeAnswer(e *ledger.Entry) entryJSON {
	j := entryAnswer(e)
	j.Amount = -j.Amount
	return j
}

// workJSON is what a piece of work is: the part that quote and charge share.
type workJSON struct {
	Feature  string         `json:"feature" max:"64"`
	Quantity *int64         `json:"quantity"`
	Amount   *tokens.Amount `json:"amount"`
	Agent    string         `json:"agent" max:"64"`
}

func (w *workJSON) check() error {
	if w.Feature == "" {
		return problem.Invalid("feature", "is needed")
	}
	if w.Agent != "" {
		return accounts.CheckAgent(w.Agent)
	}
	return nil
}

func (a *App) postQuote(c echo.Context, account uuid.UUID) error {
	var body workJSON
	if err := decode(c, &body); err != nil {
		return err
	}
	if err := body.check(); err != nil {
		return err
	}
	q, err := a.Ledger.Quote(c.Request().Context(), account, ledger.Charge{Feature: body.Feature, Quantity: body.Quantity, Amount: body.Amount, Agent: body.Agent})
	if err != nil {
		return err
	}
	answer := map[string]any{
		"feature": body.Feature, "quantity": q.Quantity, "amount": q.Amount, "affordable": q.Affordable, "spendable": q.Spendable,
		"balance_after": q.BalanceAfter, "shortfall": q.Shortfall, "held": q.Held, "reserved": q.Reserved,
	}
	if q.Unit != 0 {
		answer["unit_price"] = q.Unit
	}
	return c.JSON(http.StatusOK, answer)
}

// pauseJSON says what a refusal means for the agent that asked; absent: true.
type pauseJSON struct {
	PauseAgent *bool `json:"pause_agent"`
}

// keepOn says that a refusal must not pause the agent.
func (p pauseJSON) keepOn() bool { return p.PauseAgent != nil && !*p.PauseAgent }

// chargeJSON is a charge as it is asked for, alone or among many.
type chargeJSON struct {
	workJSON
	pauseJSON
	Reference       string            `json:"reference" max:"200"`
	UniqueReference bool              `json:"unique_reference"`
	Metadata        map[string]string `json:"metadata"`
}

func (j *chargeJSON) charge() (ledger.Charge, error) {
	if err := j.check(); err != nil {
		return ledger.Charge{}, err
	}
	if j.UniqueReference && j.Reference == "" {
		return ledger.Charge{}, problem.Invalid("reference", "is needed for unique_reference")
	}
	return ledger.Charge{
		Feature: j.Feature, Quantity: j.Quantity, Amount: j.Amount, Agent: j.Agent,
		Reference: j.Reference, UniqueReference: j.UniqueReference, Metadata: j.Metadata, KeepAgentOn: j.keepOn(),
	}, nil
}

func (a *App) postCharge(c echo.Context, account uuid.UUID) error {
	var body chargeJSON
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	charge, err := body.charge()
	if err != nil {
		return err
	}
	r, err := a.Ledger.Charge(c.Request().Context(), account, key, charge)
	if err != nil {
		return a.withWayOut(err, body.Agent)
	}
	return created(c, r.Replayed, chargeAnswer(&r.Entry))
}

// withWayOut tells a caller that lacks tokens where its creator can get on: at the packs, with as many as it takes.
func (a *App) withWayOut(err error, agent string) error {
	var p *problem.Error
	if !errors.As(err, &p) || p.Kind != problem.Insufficient {
		return err
	}
	short, _ := p.Details["shortfall"].(tokens.Amount)
	next := ""
	if agent != "" {
		next = "/agents"
	}
	return p.With("buy_url", a.BaseURL.String()+buyURL(short, next))
}

func (a *App) postGrant(c echo.Context, account uuid.UUID) error {
	var body struct {
		Amount    *tokens.Amount `json:"amount"`
		Kind      string         `json:"kind"`
		ExpiresAt *time.Time     `json:"expires_at"`
		Reason    string         `json:"reason" max:"500"`
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	kind, ok := ledger.ParseLotKind(body.Kind)
	switch {
	case body.Amount == nil:
		return problem.Invalid("amount", "is needed")
	case !ok || (kind != ledger.LotPromo && kind != ledger.LotAdjustment):
		return problem.Invalid("kind", `must be "promo" or "adjustment"`)
	case body.Reason == "":
		return problem.Invalid("reason", "is needed: it stands in the creator's history")
	}
	g := ledger.Grant{Kind: kind, Amount: *body.Amount, Reason: body.Reason}
	if body.ExpiresAt != nil {
		if g.ExpiresAt, err = instant("expires_at", *body.ExpiresAt); err != nil {
			return err
		}
	}
	r, err := a.Ledger.Grant(c.Request().Context(), account, key, g)
	if err != nil {
		return err
	}
	answer := entryAnswer(&r.Entry)
	answer.Reason = &body.Reason
	return created(c, r.Replayed, answer)
}
