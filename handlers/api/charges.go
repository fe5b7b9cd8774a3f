package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// entryJSON is a ledger entry. A charge answers with a positive amount; the list of transactions has
// signed amounts.
type entryJSON struct {
	ID             string            `json:"id"`
	Seq            int64             `json:"seq"`
	Kind           string            `json:"kind"`
	At             *string           `json:"at"`
	Amount         tokens.Amount     `json:"amount"`
	HeldDelta      *tokens.Amount    `json:"held_delta,omitempty"`
	Balance        balanceJSON       `json:"balance"`
	Feature        *string           `json:"feature,omitempty"`
	Agent          *string           `json:"agent,omitempty"`
	Quantity       *int64            `json:"quantity,omitempty"`
	UnitPrice      *tokens.Amount    `json:"unit_price,omitempty"`
	CatalogVersion *string           `json:"catalog_version,omitempty"`
	Reference      *string           `json:"reference,omitempty"`
	Source         *string           `json:"source,omitempty"`
	About          *string           `json:"about,omitempty"`
	Reason         *string           `json:"reason,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	Lots           []partJSON        `json:"lots"`
}

// partJSON is the share of one lot in an entry.
type partJSON struct {
	Lot    string        `json:"lot"`
	Amount tokens.Amount `json:"amount"`
}

func entryAnswer(e *ledger.Entry) entryJSON {
	j := entryJSON{
		ID:             e.ID(),
		Seq:            e.Seq,
		Kind:           e.Kind.String(),
		At:             formatTime(e.At),
		Amount:         e.Amount,
		Balance:        balanceJSON{e.SpendableAfter, e.HeldAfter, e.BalanceAfter},
		Feature:        nullIfEmpty(e.Feature),
		Agent:          nullIfEmpty(e.Agent),
		CatalogVersion: nullIfEmpty(e.CatalogVersion),
		Reference:      nullIfEmpty(e.Reference),
		Lots:           lotParts(e.AccountID, e.Parts),
	}
	if e.Quantity != 0 { // a refund returns tokens and has no work
		j.Quantity, j.UnitPrice = &e.Quantity, unitPrice(e)
	}
	if e.HeldDelta != 0 {
		j.HeldDelta = &e.HeldDelta
	}
	if e.About != 0 {
		about := ledger.EntryID(e.AccountID, e.About)
		j.About = &about
	}
	if e.LotKind != 0 {
		j.Source = nullIfEmpty(e.LotKind.String())
	}
	return j
}

func lotParts(account uuid.UUID, parts []ledger.Part) []partJSON {
	list := make([]partJSON, len(parts))
	for i, p := range parts {
		list[i] = partJSON{Lot: ledger.EntryID(account, p.Lot), Amount: p.Amount}
	}
	return list
}

// unitPrice is null when the caller sent the amount.
func unitPrice(e *ledger.Entry) *tokens.Amount {
	if e.UnitPrice == 0 {
		return nil
	}
	return &e.UnitPrice
}

// receiptAnswer is an entry with the balance after the whole request, which may have written more
// entries.
func receiptAnswer(r *ledger.Receipt) entryJSON {
	j := entryAnswer(&r.Entry)
	j.Balance = balanceJSON{r.Balance.Spendable, r.Balance.Held, r.Balance.Total}
	j.Reason, j.Metadata = nullIfEmpty(r.Note.Reason), r.Note.Metadata
	return j
}

func chargeAnswer(r *ledger.Receipt) entryJSON {
	j := receiptAnswer(r)
	j.Amount = -j.Amount
	return j
}

// noteJSON is the caller's own text about a request.
type noteJSON struct {
	Reference string            `json:"reference" max:"200"`
	Reason    string            `json:"reason"    max:"500"`
	Metadata  map[string]string `json:"metadata"`
}

// workJSON is the work to be paid: the part that quotes, charges and holds share.
type workJSON struct {
	Feature  string         `json:"feature"  max:"64"`
	Quantity *int64         `json:"quantity"`
	Amount   *tokens.Amount `json:"amount"`
	Agent    string         `json:"agent"    max:"64"`
}

func (w *workJSON) check() error {
	if w.Feature == "" {
		return problem.Invalid("feature", "is needed")
	}
	if w.Agent != "" {
		return agents.CheckID(w.Agent)
	}
	return nil
}

func (h *Handlers) postQuote(c echo.Context, account uuid.UUID) error {
	var body workJSON
	if err := decode(c, &body); err != nil {
		return err
	}
	if err := body.check(); err != nil {
		return err
	}
	q, err := h.Ledger.Quote(c.Request().Context(), account, ledger.Charge{
		Feature:  body.Feature,
		Quantity: body.Quantity,
		Amount:   body.Amount,
		Agent:    body.Agent,
	})
	if err != nil {
		return err
	}
	answer := map[string]any{
		"feature":       body.Feature,
		"quantity":      q.Quantity,
		"amount":        q.Amount,
		"affordable":    q.Affordable,
		"spendable":     q.Spendable,
		"balance_after": q.BalanceAfter,
		"shortfall":     q.Shortfall,
		"held":          q.Held,
		"reserved":      q.Reserved,
	}
	if q.Unit != 0 {
		answer["unit_price"] = q.Unit
	}
	return c.JSON(http.StatusOK, answer)
}

// pauseJSON says whether a decline pauses the agent; absent means true.
type pauseJSON struct {
	PauseAgent *bool `json:"pause_agent"`
}

func (p pauseJSON) keepAgentOn() bool { return p.PauseAgent != nil && !*p.PauseAgent }

// chargeJSON is a requested charge.
type chargeJSON struct {
	workJSON
	noteJSON
	pauseJSON
	UniqueReference bool `json:"unique_reference"`
}

func (j *chargeJSON) charge() (ledger.Charge, error) {
	if err := j.check(); err != nil {
		return ledger.Charge{}, err
	}
	if j.UniqueReference && j.Reference == "" {
		return ledger.Charge{}, problem.Invalid("reference", "is needed for unique_reference")
	}
	return ledger.Charge{
		Feature:         j.Feature,
		Quantity:        j.Quantity,
		Amount:          j.Amount,
		Agent:           j.Agent,
		Reference:       j.Reference,
		UniqueReference: j.UniqueReference,
		Reason:          j.Reason,
		Metadata:        j.Metadata,
		KeepAgentOn:     j.keepAgentOn(),
	}, nil
}

func (h *Handlers) postCharge(req *keyedRequest[chargeJSON]) (any, bool, error) {
	charge, err := req.body.charge()
	if err != nil {
		return nil, false, err
	}
	r, err := h.Ledger.Charge(req.Request().Context(), req.id, req.key, charge)
	if err != nil {
		return nil, false, h.withBuyURL(err, req.body.Agent)
	}
	return chargeAnswer(&r), r.Replayed, nil
}

// withBuyURL adds the URL of the pack page to a refusal for lack of tokens.
func (h *Handlers) withBuyURL(err error, agent string) error {
	var p *problem.Error
	if !errors.As(err, &p) || p.Kind != problem.Insufficient {
		return err
	}
	short, _ := p.Details["shortfall"].(tokens.Amount)
	next := ""
	if agent != "" {
		next = "/agents"
	}
	return p.With("buy_url", h.BaseURL.String()+web.BuyURL(short, next))
}

// grantJSON is a requested grant. A negative adjustment takes tokens back.
type grantJSON struct {
	Amount    *tokens.Amount `json:"amount"`
	Kind      string         `json:"kind"`
	ExpiresAt *time.Time     `json:"expires_at"`
	Lot       *string        `json:"lot"        max:"64"`
	noteJSON
}

func (j *grantJSON) check() error {
	kind, ok := ledger.ParseLotKind(j.Kind)
	switch {
	case j.Amount == nil:
		return problem.Invalid("amount", "is needed")
	case !ok || (kind != ledger.LotPromo && kind != ledger.LotAdjustment):
		return problem.Invalid("kind", `must be "promo" or "adjustment"`)
	case strings.TrimSpace(j.Reason) == "":
		return problem.Invalid("reason", "is needed: it stands in the creator's history")
	case *j.Amount < 0 && kind != ledger.LotAdjustment:
		return problem.Invalid("amount", `must be above zero: only an "adjustment" takes tokens back`)
	case *j.Amount < 0 && j.ExpiresAt != nil:
		return problem.Invalid("expires_at", "goes with tokens that are added, not with those that are taken back")
	case *j.Amount >= 0 && j.Lot != nil:
		return problem.Invalid("lot", "goes with tokens that are taken back, not with those that are added")
	}
	return nil
}

func (h *Handlers) postGrant(req *keyedRequest[grantJSON]) (any, bool, error) {
	if err := req.body.check(); err != nil {
		return nil, false, err
	}
	r, err := h.grant(req.Request().Context(), req.id, req.key, &req.body)
	if err != nil {
		return nil, false, err
	}
	addAuditDetails(req, "entry", ledger.EntryID(req.id, r.Seq), "kind", req.body.Kind, "amount", r.Amount.String())
	return receiptAnswer(&r), r.Replayed, nil
}

func (h *Handlers) grant(ctx context.Context, account uuid.UUID, key string, j *grantJSON) (ledger.Receipt, error) {
	if *j.Amount < 0 {
		t := ledger.TakeBack{
			Amount:    -*j.Amount,
			Reference: j.Reference,
			Reason:    j.Reason,
			Metadata:  j.Metadata,
		}
		if j.Lot != nil {
			var ok bool
			if t.Lot, ok = ledger.ParseID(account, *j.Lot); !ok {
				return ledger.Receipt{}, problem.Invalid("lot", "must be the id of a lot of this account")
			}
		}
		return h.Ledger.TakeBack(ctx, account, key, t)
	}
	kind, _ := ledger.ParseLotKind(j.Kind)
	g := ledger.Grant{
		Kind:      kind,
		Amount:    *j.Amount,
		Reference: j.Reference,
		Reason:    j.Reason,
		Metadata:  j.Metadata,
	}
	if j.ExpiresAt != nil {
		var err error
		if g.ExpiresAt, err = validTime("expires_at", *j.ExpiresAt); err != nil {
			return ledger.Receipt{}, err
		}
	}
	return h.Ledger.Grant(ctx, account, key, g)
}
