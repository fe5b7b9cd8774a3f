package billing_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/sandbox"
)

// logging is the fixture's service with its log in a buffer.
func (s *fixture) logging() (*billing.Service, *bytes.Buffer) {
	var log bytes.Buffer
	return s.with(func(o *billing.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) }), &log
}

// changedEvent is an event about a purchase with changed fields.
func changedEvent(p billing.Purchase, changes members) members {
	event := checkoutEvent("completed", p, nil)
	for name, value := range changes {
		event[name] = value
	}
	return event
}

// Signed events that can never be applied are acknowledged and logged: the provider would repeat them for
// days.
func TestEventsThatCanNeverBeApplied(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	long := strings.Repeat("0123456789abcdef", 200)
	object := func(kind string, object members) members { return about(kind, object) }
	for name, event := range map[string]members{
		"NUL in the id":      changedEvent(p, members{"id": "evt_\x00"}),
		"a long id":          changedEvent(p, members{"id": "evt_" + long}),
		"no id":              changedEvent(p, members{"id": ""}),
		"NUL in the type":    changedEvent(p, members{"type": "checkout.session.completed\x00"}),
		"a long type":        changedEvent(p, members{"type": long}),
		"NUL in the session": checkoutEvent("completed", p, members{"id": "cs_\x00"}),
		"NUL in the reference": checkoutEvent("completed", p,
			members{"client_reference_id": p.ID.String() + "\x00"}),
		"a long payment":              checkoutEvent("completed", p, members{"payment_intent": "pi_" + long}),
		"NUL in the currency":         checkoutEvent("completed", p, members{"currency": "us\x00"}),
		"less than nothing was paid":  checkoutEvent("completed", p, members{"amount_total": -1}),
		"an amount beyond all bounds": checkoutEvent("completed", p, members{"amount_total": 1e30}),
		"before all time":             changedEvent(p, members{"created": -1}),
		"after all time":              changedEvent(p, members{"created": int64(1) << 60}),
		"NUL in a charge": object("charge.refunded", members{
			"id":              "ch_1",
			"payment_intent":  "pi_\x00",
			"amount_refunded": 5,
			"currency":        "usd",
		}),
		"NUL in a dispute": object("charge.dispute.created", members{
			"id":             "dp_\x00",
			"payment_intent": "pi_1",
			"amount":         5,
			"currency":       "usd",
			"status":         "lost",
		}),
		"NUL in an intent": object("payment_intent.succeeded",
			members{"id": "pi_\x00", "metadata": members{"purchase": uuid.NewString()}}),
		"an object of another kind": {
			"id":     "evt_1",
			"object": "event",
			"type":   "checkout.session.completed",
			"data":   members{"object": 7},
		},
		"the other mode": changedEvent(p, members{"livemode": true}),
	} {
		service, log := s.logging()
		payload := event.payload()
		if err := service.HandleEvent(t.Context(), payload, sign(payload, secret, time.Now())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if log.Len() == 0 {
			t.Errorf("%s: nothing is logged", name)
		}
	}
	for _, junk := range []string{
		"", "null", "[]", "x",
		`{"object":"v2.core.event","id":"evt_2","created":"2026-11-01T00:00:00Z"}`,
	} {
		service, log := s.logging()
		if err := service.HandleEvent(t.Context(), []byte(junk),
			sign([]byte(junk), secret, time.Now())); err != nil || log.Len() == 0 {
			t.Errorf("%q: %v, logged %q", junk, err, log)
		}
	}
	s.wantStatus(p, billing.StatusPending)
	s.wantCredits(p, 0)
	if n := s.Count(`select count(*) from payment_events where processed_at is null`); n != 0 {
		t.Errorf("%d events wait", n)
	}
	// A valid event is still accepted.
	s.mustSend(checkoutEvent("completed", p, nil))
	s.wantCredits(p, 1)
}

// A live service ignores test events.
func TestTestEventsAreIgnoredByALiveShop(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	live := s.with(func(o *billing.Options) { o.Provider = liveOne{s.provider} })
	payload := checkoutEvent("completed", p, nil).payload()
	if err := live.HandleEvent(t.Context(), payload, sign(payload, secret, time.Now())); err != nil {
		t.Error(err)
	}
	s.wantStatus(p, billing.StatusPending)
	if n := s.Count(`select count(*) from payment_events`); n != 0 {
		t.Error("the event is stored")
	}
}

// liveOne is a sandbox that claims to move real money.
type liveOne struct{ *sandbox.Provider }

func (liveOne) Live() bool { return true }
