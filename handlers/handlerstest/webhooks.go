package handlerstest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85/webhook"

	"pop.store/credits/internal/relay"
)

const EndpointsPath = "/v1/webhook-endpoints"

// Endpoint registers a webhook endpoint and returns its path in the API and its secret.
func (s *Site) Endpoint(body string) (path, secret string) {
	s.T.Helper()
	a := s.Post(EndpointsPath, body).Want(http.StatusCreated)
	id, _ := a.At("id").(string)
	secret, _ = a.At("secret").(string)
	s.Log.AddSecret(secret)
	if !strings.HasPrefix(secret, "whsec_") || len(secret) < 40 {
		s.T.Errorf("%s: the secret is %q", a.Request, secret)
	}
	return EndpointsPath + "/" + id, secret
}

// SendWebhooks relays the ledger's events and sends the deliveries that are due.
func (s *Site) SendWebhooks() {
	s.T.Helper()
	if _, err := relay.New(s.App.Ledger, s.App.Webhooks.Take).Step(s.T.Context()); err != nil {
		s.T.Fatal(err)
	}
	lanes, err := s.App.Webhooks.Due(s.T.Context(), 100)
	if err != nil {
		s.T.Fatal(err)
	}
	for _, lane := range lanes {
		for more := true; more; {
			if more, err = s.App.Webhooks.Next(s.T.Context(), lane); err != nil {
				s.T.Fatal(err)
			}
		}
	}
}

// ListenForWebhooks starts a subscriber on this machine. It answers with the statuses in turn, and
// then always with 200.
func (s *Site) ListenForWebhooks(statuses ...int) (url string, bodies chan string) {
	bodies = make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.T.Error(err)
		}
		bodies <- string(body)
		if len(statuses) > 0 {
			w.WriteHeader(statuses[0])
			statuses = statuses[1:]
		}
	}))
	s.T.Cleanup(server.Close)
	return server.URL, bodies
}

// SignEvent is the signature header of a payload sent at a time.
func SignEvent(payload, secret string, at time.Time) string {
	return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{
		Payload:   []byte(payload),
		Secret:    secret,
		Timestamp: at,
	}).Header
}

func (s *Site) SendEvent(payload, signature string) Response {
	s.T.Helper()
	return s.Send("POST", "/webhooks/stripe", payload, "Stripe-Signature", signature, "Content-Type",
		"application/json")
}

// event is the newest event that the provider has to deliver.
func (s *Site) event() string {
	s.T.Helper()
	var body string
	err := s.DB.Pool.QueryRow(s.T.Context(),
		"select body from sandbox_events order by created_at desc, id limit 1").Scan(&body)
	if err != nil {
		s.T.Fatal(err)
	}
	return body
}

// PayAndTakeEvent pays a purchase without telling the app. It returns the event and the path of the
// return page.
func (s *Site) PayAndTakeEvent(v *Browser) (event, back string) {
	s.T.Helper()
	back = v.Pay(v.Order("pack_500"))
	s.WantSpendable("maya", "200")
	return s.event(), back
}
