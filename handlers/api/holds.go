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

// holdJSON is the entry of a new hold, with the held amount.
type holdJSON struct {
	entryJSON
	ExpiresAt *string `json:"expires_at"`
}

// entryOf is the seq of the entry in the path, or 0, which no entry has, for an id of another account.
func entryOf(c echo.Context, account uuid.UUID) int64 {
	seq, _ := ledger.ParseID(account, c.Param("id"))
	return seq
}

type holdBody struct {
	workJSON
	noteJSON
	pauseJSON
	ExpiresIn *int64 `json:"expires_in"`
}

func (h *Handlers) postHold(req *keyedRequest[holdBody]) (any, bool, error) {
	if err := req.body.check(); err != nil {
		return nil, false, err
	}
	life, err := holdLife(req.body.ExpiresIn)
	if err != nil {
		return nil, false, err
	}
	r, err := h.Ledger.Hold(req.Request().Context(), req.id, req.key, ledger.Hold{
		Feature:     req.body.Feature,
		Quantity:    req.body.Quantity,
		Amount:      req.body.Amount,
		Agent:       req.body.Agent,
		ExpiresIn:   life,
		KeepAgentOn: req.body.keepAgentOn(),
		Reference:   req.body.Reference,
		Reason:      req.body.Reason,
		Metadata:    req.body.Metadata,
	})
	if err != nil {
		return nil, false, h.withBuyURL(err, req.body.Agent)
	}
	answer := holdJSON{receiptAnswer(&r), formatTime(r.At.Add(life))}
	answer.Amount = r.HeldDelta
	return answer, r.Replayed, nil
}

// holdLife converts seconds, which it checks first: as nanoseconds they could overflow.
func holdLife(seconds *int64) (time.Duration, error) {
	if seconds == nil {
		return ledger.DefaultHold, nil
	}
	if most := int64(ledger.MaxHold / time.Second); *seconds < 1 || *seconds > most {
		return 0, problem.Invalid("expires_in", "must be from 1 to %d seconds", most)
	}
	return time.Duration(*seconds) * time.Second, nil
}

// holdInfoJSON is the current state of a hold.
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
		At:             formatTime(h.At),
		ExpiresAt:      formatTime(h.ExpiresAt),
		Amount:         h.Amount,
		Feature:        h.Feature,
		Agent:          nullIfEmpty(h.Agent),
		Quantity:       h.Quantity,
		CatalogVersion: h.CatalogVersion,
		Reference:      nullIfEmpty(h.Reference),
		Reason:         nullIfEmpty(h.Reason),
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
	size, err := pageSize(c)
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
		"next_cursor": nullIfEmpty(web.EntryCursor(c, account, before)),
	})
}

func (h *Handlers) getHold(c echo.Context, account uuid.UUID) error {
	hold, err := h.Ledger.HoldInfo(c.Request().Context(), account, entryOf(c, account))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, holdInfoAnswer(account, &hold))
}

type extendBody struct {
	ExpiresIn *int64 `json:"expires_in"`
}

// postExtend answers with the hold right after the extension, also to replays.
func (h *Handlers) postExtend(req *keyedRequest[extendBody]) (any, bool, error) {
	if req.body.ExpiresIn == nil {
		return nil, false, problem.Invalid("expires_in", "is needed: seconds from now")
	}
	life, err := holdLife(req.body.ExpiresIn)
	if err != nil {
		return nil, false, err
	}
	ctx := req.Request().Context()
	x, err := h.Ledger.Extend(ctx, req.id, req.key, ledger.Extend{Hold: entryOf(req, req.id), ExpiresIn: life})
	if err != nil {
		return nil, false, err
	}
	hold, err := h.Ledger.HoldInfo(ctx, req.id, x.Hold)
	if err != nil {
		return nil, false, err
	}
	hold.Outcome, hold.ExpiresAt = 0, x.ExpiresAt
	return holdInfoAnswer(req.id, &hold), x.Replayed, nil
}

type captureBody struct {
	Amount *tokens.Amount `json:"amount"`
	noteJSON
}

func (h *Handlers) postCapture(req *keyedRequest[captureBody]) (any, bool, error) {
	r, err := h.Ledger.Capture(req.Request().Context(), req.id, req.key, ledger.Capture{
		Hold:      entryOf(req, req.id),
		Amount:    req.body.Amount,
		Reference: req.body.Reference,
		Reason:    req.body.Reason,
		Metadata:  req.body.Metadata,
	})
	if err != nil {
		agent, _ := problem.Of(err).Details["agent"].(string)
		return nil, false, h.withBuyURL(err, agent)
	}
	return chargeAnswer(&r), r.Replayed, nil
}

// postRelease answers with the released amount.
func (h *Handlers) postRelease(req *keyedRequest[noteJSON]) (any, bool, error) {
	r, err := h.Ledger.Release(req.Request().Context(), req.id, req.key, ledger.Release{
		Hold:      entryOf(req, req.id),
		Reference: req.body.Reference,
		Reason:    req.body.Reason,
		Metadata:  req.body.Metadata,
	})
	if err != nil {
		return nil, false, err
	}
	answer := receiptAnswer(&r)
	answer.Amount = -r.HeldDelta
	return answer, r.Replayed, nil
}

type refundBody struct {
	Amount *tokens.Amount `json:"amount"`
	noteJSON
}

func (h *Handlers) postRefund(req *keyedRequest[refundBody]) (any, bool, error) {
	if req.body.Reason == "" {
		return nil, false, problem.Invalid("reason", "is needed: it stands in the creator's history")
	}
	r, err := h.Ledger.Refund(req.Request().Context(), req.id, req.key, ledger.Refund{
		Entry:     entryOf(req, req.id),
		Amount:    req.body.Amount,
		Reference: req.body.Reference,
		Reason:    req.body.Reason,
		Metadata:  req.body.Metadata,
	})
	if err != nil {
		return nil, false, err
	}
	addAuditDetails(req, "entry", ledger.EntryID(req.id, r.Seq), "amount", r.Amount.String())
	return receiptAnswer(&r), r.Replayed, nil
}
