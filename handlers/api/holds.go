package api

import (
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// holdJSON is a new hold: the entry, with what is held as its amount, and when it ends by itself.
type holdJSON struct {
	entryJSON
	ExpiresAt *string `json:"expires_at"`
}

// entryOf gives the seq of the entry that the path names. What is no id of this account's gives 0,
// which no entry has, so that the ledger answers what it answers about all entries that are not
// there.
func entryOf(c echo.Context, account uuid.UUID) int64 {
	seq, _ := ledger.ParseID(account, c.Param("id"))
	return seq
}

func (h *Handlers) postHold(c echo.Context, account uuid.UUID) error {
	var body struct {
		workJSON
		noteJSON
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
	r, err := h.Ledger.Hold(c.Request().Context(), account, key, ledger.Hold{
		Feature:     body.Feature,
		Quantity:    body.Quantity,
		Amount:      body.Amount,
		Agent:       body.Agent,
		ExpiresIn:   life,
		KeepAgentOn: body.keepOn(),
		Reference:   body.Reference,
		Reason:      body.Reason,
		Metadata:    body.Metadata,
	})
	if err != nil {
		return h.withBuyURL(err, body.Agent)
	}
	answer := holdJSON{receiptAnswer(&r), stamp(r.At.Add(life))}
	answer.Amount = r.HeldDelta
	return created(c, r.Replayed, answer)
}

// holdLife is how long a hold lasts. Seconds are checked before they are counted in nanoseconds, of
// which there may be too many.
func holdLife(seconds *int64) (time.Duration, error) {
	if seconds == nil {
		return ledger.DefaultHold, nil
	}
	if most := int64(ledger.MaxHold / time.Second); *seconds < 1 || *seconds > most {
		return 0, problem.Invalid("expires_in", "must be from 1 to %d seconds", most)
	}
	return time.Duration(*seconds) * time.Second, nil
}

// holdInfoJSON is a hold as it stands.
type holdInfoJSON struct {
	ID             string            `json:"id"`
	Status         string            `json:"status"`
	At             *string           `json:"at"`
	ExpiresAt      *string           `json:"expires_at"`
	Amount         tokens.Amount     `json:"amount"`
	Feature        string            `json:"feature"`
	Agent          *string           `json:"agent,omitempty"`
	Quantity       int64             `json:"quantity"`
	UnitPrice      *tokens.Amount    `json:"unit_price,omitempty"`
	CatalogVersion string            `json:"catalog_version"`
	Reference      *string           `json:"reference,omitempty"`
	Reason         *string           `json:"reason,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	Lots           []partJSON        `json:"lots"`
}

const holdOpen = "open"

var holdStatuses = map[ledger.Kind]string{
	0:                  holdOpen,
	ledger.KindCapture: "captured",
	ledger.KindRelease: "released",
	ledger.KindExpiry:  "expired",
}

func holdInfoAnswer(account uuid.UUID, h *ledger.HoldInfo) holdInfoJSON {
	j := holdInfoJSON{
		ID:             ledger.EntryID(account, h.Number),
		Status:         holdStatuses[h.Outcome],
		At:             stamp(h.At),
		ExpiresAt:      stamp(h.ExpiresAt),
		Amount:         h.Amount,
		Feature:        h.Feature,
		Agent:          unlessEmpty(h.Agent),
		Quantity:       h.Quantity,
		CatalogVersion: h.CatalogVersion,
		Reference:      unlessEmpty(h.Reference),
		Reason:         unlessEmpty(h.Reason),
		Metadata:       h.Metadata,
		Lots:           lotParts(account, h.Parts),
	}
	if h.UnitPrice != 0 {
		j.UnitPrice = &h.UnitPrice
	}
	return j
}

// getHolds lists the open holds, newest first.
func (h *Handlers) getHolds(c echo.Context, account uuid.UUID) error {
	size, err := limit(c)
	if err != nil {
		return err
	}
	before, err := web.EntriesBefore(c, account)
	if err != nil {
		return err
	}
	holds, before, err := h.Ledger.OpenHolds(c.Request().Context(), account, before, size)
	if err != nil {
		return err
	}
	list := make([]holdInfoJSON, len(holds))
	for i := range holds {
		list[i] = holdInfoAnswer(account, &holds[i])
	}
	return c.JSON(http.StatusOK, map[string]any{
		"holds":       list,
		"next_cursor": unlessEmpty(web.EntryCursor(c, account, before)),
	})
}

func (h *Handlers) getHold(c echo.Context, account uuid.UUID) error {
	hold, err := h.Ledger.HoldInfo(c.Request().Context(), account, entryOf(c, account))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, holdInfoAnswer(account, &hold))
}

// postExtend answers the hold as the extension left it, to replays as well, whatever happened to it since.
func (h *Handlers) postExtend(c echo.Context, account uuid.UUID) error {
	var body struct {
		ExpiresIn *int64 `json:"expires_in"`
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if err := decode(c, &body); err != nil {
		return err
	}
	if body.ExpiresIn == nil {
		return problem.Invalid("expires_in", "is needed: seconds from now")
	}
	life, err := holdLife(body.ExpiresIn)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	x, err := h.Ledger.Extend(ctx, account, key, ledger.Extend{Hold: entryOf(c, account), ExpiresIn: life})
	if err != nil {
		return err
	}
	hold, err := h.Ledger.HoldInfo(ctx, account, x.Hold)
	if err != nil {
		return err
	}
	hold.Outcome, hold.ExpiresAt = 0, x.ExpiresAt
	return created(c, x.Replayed, holdInfoAnswer(account, &hold))
}

func (h *Handlers) postCapture(c echo.Context, account uuid.UUID) error {
	var body struct {
		Amount *tokens.Amount `json:"amount"`
		noteJSON
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if err := decodeOptional(c, &body); err != nil {
		return err
	}
	r, err := h.Ledger.Capture(c.Request().Context(), account, key, ledger.Capture{
		Hold:      entryOf(c, account),
		Amount:    body.Amount,
		Reference: body.Reference,
		Reason:    body.Reason,
		Metadata:  body.Metadata,
	})
	if err != nil {
		agent, _ := problem.Of(err).Details["agent"].(string)
		return h.withBuyURL(err, agent)
	}
	return created(c, r.Replayed, chargeAnswer(&r))
}

// postRelease answers what came free as the amount.
func (h *Handlers) postRelease(c echo.Context, account uuid.UUID) error {
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	var body noteJSON
	if err := decodeOptional(c, &body); err != nil {
		return err
	}
	r, err := h.Ledger.Release(c.Request().Context(), account, key, ledger.Release{
		Hold:      entryOf(c, account),
		Reference: body.Reference,
		Reason:    body.Reason,
		Metadata:  body.Metadata,
	})
	if err != nil {
		return err
	}
	answer := receiptAnswer(&r)
	answer.Amount = -r.HeldDelta
	return created(c, r.Replayed, answer)
}

func (h *Handlers) postRefund(c echo.Context, account uuid.UUID) error {
	var body struct {
		Amount *tokens.Amount `json:"amount"`
		noteJSON
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
	r, err := h.Ledger.Refund(c.Request().Context(), account, key, ledger.Refund{
		Entry:     entryOf(c, account),
		Amount:    body.Amount,
		Reference: body.Reference,
		Reason:    body.Reason,
		Metadata:  body.Metadata,
	})
	if err != nil {
		return err
	}
	noteAct(c, "entry", ledger.EntryID(account, r.Seq), "amount", r.Amount.String())
	return created(c, r.Replayed, receiptAnswer(&r))
}
