package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85/webhook"
)

// sign is the header of a payload that was sent at an instant.
func sign(payload, secret string, at time.Time) string {
	return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{
		Payload:   []byte(payload),
		Secret:    secret,
		Timestamp: at,
	}).Header
}

func (s *site) hook(payload, signature string) answer {
	s.t.Helper()
	return s.send("POST", "/webhooks/stripe", payload, "Stripe-Signature", signature, "Content-Type",
		"application/json")
}

// event is the newest one that the provider has to deliver.
func (s *site) event() string {
	s.t.Helper()
	var body string
	err := s.db.Pool.QueryRow(s.t.Context(),
		"select body from sandbox_events order by created_at desc, id limit 1").Scan(&body)
	if err != nil {
		s.t.Fatal(err)
	}
	return body
}

// paid is a purchase that was paid and that the app has not heard of yet: its event, and the page
// that its buyer comes back to.
func (s *site) paid(v *visitor) (event, back string) {
	s.t.Helper()
	back = v.pay(v.order("pack_500"))
	s.wantSpendable("maya", "200")
	return s.event(), back
}

// Webhook and return page hear of a payment at once.
func TestAPaymentIsCreditedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	event, back := s.paid(v)
	signature := sign(event, eventSecret, time.Now())
	together(10, func(i int) {
		if i < 5 {
			s.hook(event, signature).want(http.StatusOK)
		} else {
			s.send("GET", back, "", "Cookie", "credits="+v.cookie).want(http.StatusOK).wantState("paid")
		}
	})
	s.wantSpendable("maya", "700")
	credits := s.count("select count(*) from entries where lot_kind = 4 and amount = 500000000")
	if done := s.count("select count(*) from purchases where status = 'completed'"); credits != 1 || done != 1 {
		t.Errorf("credited %d times, %d completed purchases", credits, done)
	}
	before := s.contents()
	s.hook(event, sign(event, eventSecret, time.Now())).want(http.StatusOK)
	s.unchanged(before)
}

// Each of several events about one payment would credit it; together they do so once.
func TestManyEventsAboutOnePayment(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	event, _ := s.paid(s.signIn("maya"))
	var parts map[string]any
	if err := json.Unmarshal([]byte(event), &parts); err != nil {
		t.Fatal(err)
	}
	together(5, func(i int) {
		other := strings.ReplaceAll(event, parts["id"].(string), fmt.Sprint("evt_other", i))
		s.hook(other, sign(other, eventSecret, time.Now())).want(http.StatusOK)
	})
	s.wantSpendable("maya", "700")
}

func TestSignaturesThatAreNotGood(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	event, _ := s.paid(s.signIn("maya"))
	before := s.contents()
	now := time.Now()
	good := sign(event, eventSecret, now)
	for name, signature := range map[string]string{
		"none":          "",
		"junk":          "junk",
		"another key":   sign(event, "whsec_of_somebody", now),
		"no key":        sign(event, "", now),
		"old":           sign(event, eventSecret, now.Add(-time.Hour)),
		"in the future": sign(event, eventSecret, now.Add(time.Hour)),
		"other body":    sign(event+" ", eventSecret, now),
		"no time":       good[strings.Index(good, ",")+1:],
		"no signature":  good[:strings.Index(good, ",")],
		"two times":     good + ",t=1",
		"other scheme":  strings.Replace(good, "v1=", "v0=", 1),
	} {
		if a := s.hook(event, signature).problem(http.StatusBadRequest, "bad_signature", ""); t.Failed() {
			t.Fatalf("signature: %s: %s", name, a.body)
		}
	}
	s.hook(strings.Replace(event, `"paid"`, `"PAID"`, 1), good).problem(http.StatusBadRequest, "bad_signature", "")
	s.unchanged(before)
	s.wantSpendable("maya", "200")
	s.hook(event, good).want(http.StatusOK)
	s.wantSpendable("maya", "700")
}

// Signed by the provider and still not about an order of ours as we took it: nothing is credited.
func TestEventsThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	event, _ := s.paid(s.signIn("maya"))
	send := func(payload string, status int) {
		t.Helper()
		s.hook(payload, sign(payload, eventSecret, time.Now())).want(status)
		s.wantSpendable("maya", "200")
	}
	changed := func(i int, from, to string) string {
		t.Helper()
		if !strings.Contains(event, from) {
			t.Fatalf("the event has no %s: %s", from, event)
		}
		return strings.Replace(strings.Replace(event, from, to, 1), `"id":"evt_`, fmt.Sprintf(`"id":"evt_%d`, i), 1)
	}
	send(changed(1, `"amount_subtotal":3900`, `"amount_subtotal":1`), http.StatusOK)
	send(changed(2, `"currency":"usd"`, `"currency":"jpy"`), http.StatusOK)
	send(changed(3, `"payment_status":"paid"`, `"payment_status":"unpaid"`), http.StatusOK)
	send(changed(4, `"type":"checkout.session.completed"`, `"type":"invoice.paid"`), http.StatusOK)
	send(changed(5, `"livemode":false,"pending_webhooks"`, `"livemode":true,"pending_webhooks"`), http.StatusOK)
	send(changed(6, `"client_reference_id":"`, `"client_reference_id":"other`), http.StatusOK)
	for _, junk := range []string{
		"", "{}", "[]", "null", "x", `{"object":"event"}`,
		`{"id":"evt_x","object":"event","type":"checkout.session.completed","data":{"object":7}}`,
	} {
		// nothing ever comes of it, so it need not come again
		s.hook(junk, sign(junk, eventSecret, time.Now())).want(http.StatusOK)
	}
	huge := event + strings.Repeat(" ", 256<<10)
	s.hook(huge, sign(huge, eventSecret, time.Now())).problem(http.StatusRequestEntityTooLarge, "body_too_large", "")
	s.wantSpendable("maya", "200")
	s.hook(event, sign(event, eventSecret, time.Now())).want(http.StatusOK)
	s.wantSpendable("maya", "700")
	// The same event with other contents is a mistake of somebody's: it changes nothing, and need
	// not come again.
	before := s.contents()
	other := strings.Replace(event, `"amount_total":3900`, `"amount_total":3901`, 1)
	s.hook(other, sign(other, eventSecret, time.Now())).want(http.StatusOK)
	s.unchanged(before)
}
