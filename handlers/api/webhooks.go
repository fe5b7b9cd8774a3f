package api

import (
	"io"
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/webhook"
)

func (h *Handlers) webhookRoutes(e *echo.Echo) {
	e.POST("/v1/webhook-endpoints", h.requireKey(apikey.Admin, func(c echo.Context) error {
		return post(h.postEndpoint)(c, uuid.Nil)
	}))
	web.Get(e, "/v1/webhook-endpoints", h.requireKey(apikey.Admin, h.getEndpoints))
	web.Get(e, "/v1/webhook-endpoints/:id", h.requireEndpoint(h.getEndpoint))
	e.DELETE("/v1/webhook-endpoints/:id", h.requireEndpoint(h.deleteEndpoint))
	e.POST("/v1/webhook-endpoints/:id/rotate", h.requireEndpoint(postOptional(h.postRotate)))
	e.POST("/v1/webhook-endpoints/:id/enable", h.requireEndpoint(h.postEnable))
	web.Get(e, "/v1/webhook-endpoints/:id/deliveries", h.requireEndpoint(h.getDeliveries))
	e.POST("/v1/webhook-endpoints/:id/deliveries/:delivery/redeliver", h.requireEndpoint(postOptional(h.postRedeliver)))
}

// requireEndpoint serves an admin's requests about the endpoint in the path. A malformed id becomes
// uuid.Nil, which no endpoint has.
func (h *Handlers) requireEndpoint(serve func(c echo.Context, id uuid.UUID) error) echo.HandlerFunc {
	return h.requireKey(apikey.Admin, func(c echo.Context) error {
		id, err := uuid.Parse(c.Param("id"))
		if err != nil || id.String() != c.Param("id") {
			id = uuid.Nil
		}
		return serve(c, id)
	})
}

type endpointJSON struct {
	ID             string   `json:"id"`
	URL            string   `json:"url"`
	Events         []string `json:"events"` // null: all
	CreatedAt      *string  `json:"created_at"`
	OldSecretUntil *string  `json:"old_secret_until"`
	FailingSince   *string  `json:"failing_since"`
	DisabledAt     *string  `json:"disabled_at"`
	DisabledReason *string  `json:"disabled_reason"`
	Secret         string   `json:"secret,omitempty"`
}

func endpointAnswer(e webhook.Endpoint) endpointJSON {
	answer := endpointJSON{
		ID:             e.ID.String(),
		URL:            e.URL,
		CreatedAt:      formatTime(e.CreatedAt),
		OldSecretUntil: formatTime(e.OldSecretUntil),
		FailingSince:   formatTime(e.FailingSince),
		DisabledAt:     formatTime(e.DisabledAt),
		DisabledReason: nullIfEmpty(e.DisabledReason),
	}
	if len(e.Kinds) > 0 {
		answer.Events = e.Kinds
	}
	return answer
}

// secretAnswer is an endpoint with its secret, which is shown only once.
func secretAnswer(s webhook.Secret) endpointJSON {
	answer := endpointAnswer(s.Endpoint)
	answer.Secret = s.Secret
	return answer
}

type endpointBody struct {
	URL    string   `json:"url"`
	Events []string `json:"events" max:"50" maxitems:"50"`
}

func (h *Handlers) postEndpoint(req *keyedRequest[endpointBody]) (any, bool, error) {
	made, replayed, err := h.Webhooks.Create(req.Request().Context(), req.key,
		webhook.CreateParams{URL: req.body.URL, Kinds: req.body.Events})
	if err != nil {
		return nil, false, err
	}
	return secretAnswer(made), replayed, nil
}

func (h *Handlers) getEndpoints(c echo.Context) error {
	list, err := h.Webhooks.List(c.Request().Context())
	if err != nil {
		return err
	}
	answers := make([]endpointJSON, len(list))
	for i, e := range list {
		answers[i] = endpointAnswer(e)
	}
	return c.JSON(http.StatusOK, map[string]any{"webhook_endpoints": answers})
}

func (h *Handlers) getEndpoint(c echo.Context, id uuid.UUID) error {
	e, err := h.Webhooks.Get(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, endpointAnswer(e))
}

func (h *Handlers) deleteEndpoint(c echo.Context, id uuid.UUID) error {
	var body struct{}
	if err := decodeOptional(c, &body); err != nil {
		return err
	}
	if err := h.Webhooks.Delete(c.Request().Context(), id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (h *Handlers) postRotate(req *keyedRequest[struct{}]) (any, bool, error) {
	rotated, replayed, err := h.Webhooks.Rotate(req.Request().Context(), req.key, req.id)
	if err != nil {
		return nil, false, err
	}
	return secretAnswer(rotated), replayed, nil
}

// postEnable is idempotent without a key.
func (h *Handlers) postEnable(c echo.Context, id uuid.UUID) error {
	var body struct{}
	if err := decodeOptional(c, &body); err != nil {
		return err
	}
	e, err := h.Webhooks.Enable(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, endpointAnswer(e))
}

type deliveryJSON struct {
	ID          string  `json:"id"`
	Type        string  `json:"type"`
	Account     string  `json:"account"`
	Timestamp   *string `json:"timestamp"`
	State       string  `json:"state"`
	Attempts    int     `json:"attempts"`
	LastAttempt *string `json:"last_attempt_at"`
	LastStatus  *int    `json:"last_status"`
	LastError   *string `json:"last_error"`
	NextAttempt *string `json:"next_attempt_at"`
	CreatedAt   *string `json:"created_at"`
}

func deliveryAnswer(d webhook.Delivery) deliveryJSON {
	answer := deliveryJSON{
		ID:          d.ID(),
		Type:        d.Kind,
		Account:     d.ExternalID,
		Timestamp:   formatTime(d.At),
		State:       string(d.State),
		Attempts:    d.Attempts,
		LastAttempt: formatTime(d.LastAttempt),
		LastError:   nullIfEmpty(d.LastError),
		NextAttempt: formatTime(d.NextAttempt),
		CreatedAt:   formatTime(d.CreatedAt),
	}
	if d.LastStatus > 0 {
		answer.LastStatus = &d.LastStatus
	}
	return answer
}

// getDeliveries lists an endpoint's deliveries, newest first.
func (h *Handlers) getDeliveries(c echo.Context, id uuid.UUID) error {
	size, err := pageSize(c)
	if err != nil {
		return err
	}
	from, err := web.CursorPosition(c, id)
	if err != nil {
		return err
	}
	list, next, err := h.Webhooks.Deliveries(c.Request().Context(), id, webhook.Cursor(from), size)
	if problem.Of(err).Field == "cursor" {
		return web.ErrCursor.Wrap(err)
	}
	if err != nil {
		return err
	}
	answers := make([]deliveryJSON, len(list))
	for i, d := range list {
		answers[i] = deliveryAnswer(d)
	}
	return c.JSON(http.StatusOK, map[string]any{
		"deliveries":  answers,
		"next_cursor": nullIfEmpty(web.TextCursor(c, id, string(next))),
	})
}

// postRedeliver sends an event once more.
func (h *Handlers) postRedeliver(req *keyedRequest[struct{}]) (any, bool, error) {
	d, replayed, err := h.Webhooks.Redeliver(req.Request().Context(), req.key, req.id, req.Param("delivery"))
	if err != nil {
		return nil, false, err
	}
	return deliveryAnswer(d), replayed, nil
}

// stripeWebhook takes the payment provider's events. It answers 2xx only when an event is processed,
// so that the provider retries all others.
func (h *Handlers) stripeWebhook(c echo.Context) error {
	payload, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return web.BodyError(err)
	}
	if err := h.Billing.HandleEvent(c.Request().Context(), payload,
		c.Request().Header.Get("Stripe-Signature")); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]bool{"received": true})
}
