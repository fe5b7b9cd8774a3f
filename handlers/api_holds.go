package handlers

import (
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// holdJSON is a new hold: the entry, with what is held as its amount, and when it ends by itself.
type holdJSON struct {
	entryJSON
	ExpiresAt *string `json:"expires_at"`
}

// entryOf gives the seq of the entry that the path names. What is no id of this account's gives 0, which no entry has, so that the ledger
// answers what it answers about all entries that are not there.
func entryOf(c echo.Context, account uuid.UUID) int64 {
	seq, _ := ledger.ParseID(account, c.Param("id"))
	return seq
}

func (a *App) postHold(c echo.Context, account uuid.UUID) error {
	var body struct {
		workJSON
		pauseJSON
		ExpiresIn *int64 `json:"expires_in"`
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	if err := body.check(); err != nil {
		return err
	}
	life, err := holdLife(body.ExpiresIn)
	if err != nil {
		return err
	}
	r, err := a.Ledger.Hold(c.Request().Context(), account, key, ledger.Hold{
		Feature: body.Feature, Quantity: body.Quantity, Amount: body.Amount, Agent: body.Agent, ExpiresIn: life, KeepAgentOn: body.keepOn(),
	})
	if err != nil {
		return a.withWayOut(err, body.Agent)
	}
	answer := holdJSON{entryAnswer(&r.Entry), stamp(r.At.Add(life))}
	answer.Amount = r.HeldDelta
	return created(c, r.Replayed, answer)
}

// holdLife is how long a hold lasts. Seconds are checked before they are counted in nanoseconds, of which there may be too many.
func holdLife(seconds *int64) (time.Duration, error) {
	if seconds == nil {
		return ledger.DefaultHold, nil
	}
	if most := int64(ledger.MaxHold / time.Second); *seconds < 1 || *seconds > most {
		return 0, problem.Invalid("expires_in", "must be from 1 to %d seconds", most)
	}
	return time.Duration(*seconds) * time.Second, nil
}

func (a *App) postCapture(c echo.Context, account uuid.UUID) error {
	var body struct {
		Amount *tokens.Amount `json:"amount"`
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if err := decodeOptional(c, &body); err != nil {
		return err
	}
	r, err := a.Ledger.Capture(c.Request().Context(), account, key, ledger.Capture{Hold: entryOf(c, account), Amount: body.Amount})
	if err != nil {
		return err
	}
	return created(c, r.Replayed, chargeAnswer(&r.Entry))
}

// postRelease answers what came free as the amount.
func (a *App) postRelease(c echo.Context, account uuid.UUID) error {
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if err := decodeOptional(c, &struct{}{}); err != nil {
		return err
	}
	r, err := a.Ledger.Release(c.Request().Context(), account, key, ledger.Release{Hold: entryOf(c, account)})
	if err != nil {
		return err
	}
	answer := entryAnswer(&r.Entry)
	answer.Amount = -r.HeldDelta
	return created(c, r.Replayed, answer)
}

func (a *App) postRefund(c echo.Context, account uuid.UUID) error {
	var body struct {
		Amount *tokens.Amount `json:"amount"`
		Reason string         `json:"reason" max:"500"`
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	if body.Reason == "" {
		return problem.Invalid("reason", "is needed: it stands in the creator's history")
	}
	r, err := a.Ledger.Refund(c.Request().Context(), account, key, ledger.Refund{Entry: entryOf(c, account), Amount: body.Amount, Reason: body.Reason})
	if err != nil {
		return err
	}
	answer := entryAnswer(&r.Entry)
	answer.Reason = &body.Reason
	return created(c, r.Replayed, answer)
}
