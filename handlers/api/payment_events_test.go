package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/testkit"
)

// The webhook and the return page process a payment at the same time.
func TestAPaymentIsCreditedOnce(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	event, back := s.PayAndTakeEvent(v)
	signature := handlerstest.SignEvent(event, handlerstest.EventSecret, time.Now())
	testkit.Concurrently(10, func(i int) {
		if i < 5 {
			s.SendEvent(event, signature).Want(http.StatusOK)
		} else {
			s.Send("GET", back, "", "Cookie", "credits="+v.Cookie).Want(http.StatusOK).WantState("paid")
		}
	})
	s.WantSpendable("maya", "700")
	credits := s.Count("select count(*) from entries where lot_kind = 4 and amount = 500000000")
	if done := s.Count("select count(*) from purchases where status = 'completed'"); credits != 1 || done != 1 {
		t.Errorf("credited %d times, %d completed purchases", credits, done)
	}
	before := s.Contents()
	s.SendEvent(event, handlerstest.SignEvent(event, handlerstest.EventSecret, time.Now())).Want(http.StatusOK)
	s.WantUnchanged(before)
}

// Each of several concurrent events about one payment could credit it. Together they credit it
// once.
func TestManyEventsAboutOnePayment(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	event, _ := s.PayAndTakeEvent(s.SignIn("maya"))
	var parts map[string]any
	if err := json.Unmarshal([]byte(event), &parts); err != nil {
		t.Fatal(err)
	}
	testkit.Concurrently(5, func(i int) {
		other := strings.ReplaceAll(event, parts["id"].(string), fmt.Sprint("evt_other", i))
		s.SendEvent(other, handlerstest.SignEvent(other, handlerstest.EventSecret, time.Now())).Want(http.StatusOK)
	})
	s.WantSpendable("maya", "700")
}

func TestSignaturesThatAreNotGood(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	event, _ := s.PayAndTakeEvent(s.SignIn("maya"))
	before := s.Contents()
	now := time.Now()
	good := handlerstest.SignEvent(event, handlerstest.EventSecret, now)
	for name, signature := range map[string]string{
		"none":          "",
		"junk":          "junk",
		"another key":   handlerstest.SignEvent(event, "whsec_of_somebody", now),
		"no key":        handlerstest.SignEvent(event, "", now),
		"old":           handlerstest.SignEvent(event, handlerstest.EventSecret, now.Add(-time.Hour)),
		"in the future": handlerstest.SignEvent(event, handlerstest.EventSecret, now.Add(time.Hour)),
		"other body":    handlerstest.SignEvent(event+" ", handlerstest.EventSecret, now),
		"no time":       good[strings.Index(good, ",")+1:],
		"no signature":  good[:strings.Index(good, ",")],
		"two times":     good + ",t=1",
		"other scheme":  strings.Replace(good, "v1=", "v0=", 1),
	} {
		if a := s.SendEvent(event, signature).WantProblem(http.StatusBadRequest, "bad_signature", ""); t.Failed() {
			t.Fatalf("signature: %s: %s", name, a.Body)
		}
	}
	s.SendEvent(strings.Replace(event, `"paid"`, `"PAID"`, 1), good).
		WantProblem(http.StatusBadRequest, "bad_signature", "")
	s.WantUnchanged(before)
	s.WantSpendable("maya", "200")
	s.SendEvent(event, good).Want(http.StatusOK)
	s.WantSpendable("maya", "700")
}

// An event with a valid signature that does not match the order credits nothing.
func TestEventsThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	event, _ := s.PayAndTakeEvent(s.SignIn("maya"))
	send := func(payload string, status int) {
		t.Helper()
		s.SendEvent(payload, handlerstest.SignEvent(payload, handlerstest.EventSecret, time.Now())).Want(status)
		s.WantSpendable("maya", "200")
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
		// a retry would not help either
		s.SendEvent(junk, handlerstest.SignEvent(junk, handlerstest.EventSecret, time.Now())).Want(http.StatusOK)
	}
	huge := event + strings.Repeat(" ", 256<<10)
	s.SendEvent(huge, handlerstest.SignEvent(huge, handlerstest.EventSecret, time.Now())).
		WantProblem(http.StatusRequestEntityTooLarge, "body_too_large", "")
	s.WantSpendable("maya", "200")
	s.SendEvent(event, handlerstest.SignEvent(event, handlerstest.EventSecret, time.Now())).Want(http.StatusOK)
	s.WantSpendable("maya", "700")
	// The same event id with other contents is an error of the sender. It changes nothing, and a retry
	// would not help.
	before := s.Contents()
	other := strings.Replace(event, `"amount_total":3900`, `"amount_total":3901`, 1)
	s.SendEvent(other, handlerstest.SignEvent(other, handlerstest.EventSecret, time.Now())).Want(http.StatusOK)
	s.WantUnchanged(before)
}
