package billing_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
)

// Events without a recent signature of the provider change nothing.
func TestBadSignatures(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	payload := checkoutEvent("completed", p, nil).payload()
	now := time.Now()
	good := sign(payload, secret, now)
	noSecret := s.with(func(o *billing.Options) {
		o.Provider = sandbox.New(s.DB.Pool, sandbox.Options{Clock: s.Clock.Now, Log: o.Log})
	})
	for name, c := range map[string]struct {
		service *billing.Service
		payload []byte
		header  string
	}{
		"none":                       {s.Service, payload, ""},
		"garbage":                    {s.Service, payload, "t=,v1=,=,"},
		"no timestamp":               {s.Service, payload, strings.SplitN(good, ",", 2)[1]},
		"two timestamps":             {s.Service, payload, "t=1," + good},
		"other secret":               {s.Service, payload, sign(payload, "whsec_other", now)},
		"other body":                 {s.Service, []byte(strings.Replace(string(payload), "paid", "free", 1)), good},
		"old":                        {s.Service, payload, sign(payload, secret, now.Add(-6*time.Minute))},
		"future":                     {s.Service, payload, sign(payload, secret, now.Add(6*time.Minute))},
		"far future":                 {s.Service, payload, sign(payload, secret, now.AddDate(400, 0, 0))},
		"empty secret":               {noSecret, payload, sign(payload, "", now)},
		"empty secret, right sender": {noSecret, payload, good},
		"empty secret of the sender": {s.Service, payload, sign(payload, "", now)},
	} {
		err := c.service.HandleEvent(t.Context(), c.payload, c.header)
		if e := problem.Of(err); err == nil || e.Kind != problem.Malformed || e.Code != "bad_signature" {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.wantStatus(p, billing.StatusPending)
	s.wantCredits(p, 0)
	if n := s.Count(`select count(*) from payment_events`); n != 0 {
		t.Errorf("%d events got into the inbox", n)
	}
	for _, within := range []time.Duration{-4 * time.Minute, 4 * time.Minute} {
		if err := s.HandleEvent(t.Context(), payload, sign(payload, secret, now.Add(within))); err != nil {
			t.Errorf("signed %s from now: %v", within, err)
		}
	}
	s.wantCredits(p, 1)
}

// A payment that does not match the order and its price is acknowledged and never credited.
func TestMismatchesAreNeverCredited(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	other := s.order()
	for name, change := range map[string]members{
		"a cent less": {"amount_subtotal": pack(0).Price.Minor - 1},
		"a cent more": {"amount_subtotal": pack(0).Price.Minor + 1},
		"nothing": {
			"amount_subtotal": 0,
			"amount_total":    0,
			"payment_status":  "no_payment_required",
		},
		"total is no price": {"amount_subtotal": 1, "amount_total": pack(0).Price.Minor},
		"other currency":    {"currency": "jpy"},
		"no currency":       {"currency": ""},
		"other session":     {"id": session(other)},
		"unknown session":   {"id": "cs_test_unknown"},
		"other reference":   {"client_reference_id": other.ID.String()},
		"no reference":      {"client_reference_id": ""},
		"metadata":          {"client_reference_id": "x", "metadata": members{"purchase": other.ID.String()}},
	} {
		p := s.order()
		if err := s.send(checkoutEvent("completed", p, change)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.wantStatus(p, billing.StatusPending)
		s.wantCredits(p, 0)
	}
	s.wantStatus(other, billing.StatusPending)
	s.wantCredits(other, 0)
}

// The return page verifies the provider's answer as the webhook does.
func TestMismatchesOnTheReturnPage(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for _, change := range []string{"amount_minor = 1", "currency = 'JPY'", "client_reference = 'another'"} {
		p := s.order()
		s.Exec(`update sandbox_sessions set `+change+` where id = $1`, session(p))
		if _, err := s.provider.Pay(t.Context(), session(p)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Refresh(t.Context(), p.AccountID, p.ID); err != nil || got.Status != billing.StatusPending {
			t.Errorf("%s: %s (%v)", change, got.Status, err)
		}
		s.wantCredits(p, 0)
	}
}

// Events come in any order, some twice; the result depends only on the money.
func TestOrdersOfEvents(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	const (
		paid       = "paid"
		unpaid     = "unpaid"
		succeeded  = "succeeded"
		failed     = "failed"
		expired    = "expired"
		free       = "free"
		discounted = "discounted"
	)
	event := map[string]func(billing.Purchase) members{
		paid: func(p billing.Purchase) members { return checkoutEvent("completed", p, nil) },
		unpaid: func(p billing.Purchase) members {
			return checkoutEvent("completed", p, members{"payment_status": "unpaid"})
		},
		succeeded: func(p billing.Purchase) members { return checkoutEvent("async_payment_succeeded", p, nil) },
		failed: func(p billing.Purchase) members {
			return checkoutEvent("async_payment_failed", p, members{"payment_status": "unpaid"})
		},
		expired: func(p billing.Purchase) members {
			return checkoutEvent("expired", p, members{"payment_status": "unpaid", "status": "expired"})
		},
		free: func(p billing.Purchase) members {
			return checkoutEvent("completed", p, members{"payment_status": "no_payment_required", "amount_total": 0})
		},
		discounted: func(p billing.Purchase) members {
			return checkoutEvent("completed", p, members{"amount_total": 1})
		},
	}
	for _, c := range []struct {
		events  []string
		want    billing.Status
		credits int
	}{
		{[]string{unpaid}, billing.StatusProcessing, 0},
		{[]string{unpaid, succeeded}, billing.StatusCompleted, 1},
		{[]string{succeeded, unpaid}, billing.StatusCompleted, 1},
		{[]string{unpaid, failed}, billing.StatusFailed, 0},
		{[]string{failed, unpaid}, billing.StatusFailed, 0},
		{[]string{failed, succeeded}, billing.StatusCompleted, 1},
		{[]string{succeeded, failed}, billing.StatusCompleted, 1},
		{[]string{expired}, billing.StatusExpired, 0},
		{[]string{expired, paid}, billing.StatusCompleted, 1},
		{[]string{paid, expired}, billing.StatusCompleted, 1},
		{[]string{expired, unpaid}, billing.StatusExpired, 0},
		{[]string{unpaid, expired}, billing.StatusProcessing, 0},
		{[]string{free}, billing.StatusCompleted, 1},
		{[]string{discounted}, billing.StatusCompleted, 1},
		{[]string{paid, paid, succeeded, unpaid, failed, expired}, billing.StatusCompleted, 1},
	} {
		t.Run(strings.Join(c.events, " then "), func(t *testing.T) {
			p := s.order()
			for _, name := range c.events {
				if err := s.send(event[name](p)); err != nil {
					t.Error(err)
				}
			}
			s.wantStatus(p, c.want)
			s.wantCredits(p, c.credits)
		})
	}
}

// A late payment event never undoes a refund or dispute.
func TestRefundedAndDisputedStay(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for _, status := range []billing.Status{billing.StatusRefunded, billing.StatusDisputed} {
		p := s.order()
		s.mustSend(checkoutEvent("completed", p, nil))
		s.Exec(`update purchases set status = $2 where id = $1`, p.ID, status)
		for _, kind := range []string{"completed", "async_payment_succeeded", "async_payment_failed", "expired"} {
			s.mustSend(checkoutEvent(kind, p, nil))
		}
		s.wantStatus(p, status)
		s.wantCredits(p, 1)
	}
}

// An event id stands for one event. White space and the number of pending webhooks may differ.
func TestAnEventIDWithOtherContents(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	event := checkoutEvent("completed", p, members{"payment_status": "unpaid"})
	s.mustSend(event)
	changed := checkoutEvent("completed", p, nil)
	changed["id"] = event["id"]
	if err := s.send(changed); err != nil {
		t.Errorf("it asks for another delivery: %v", err)
	}
	s.wantStatus(p, billing.StatusProcessing)
	s.wantCredits(p, 0)

	event["pending_webhooks"] = 0
	spaced := []byte(strings.ReplaceAll(string(event.payload()), `,"`, ",\n \""))
	if err := s.HandleEvent(t.Context(), spaced, sign(spaced, secret, time.Now())); err != nil {
		t.Error("the same event in another spelling:", err)
	}
}

func TestEventsAboutNothingOfOurs(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	foreign := checkoutEvent("completed", p,
		members{"id": "cs_test_foreign", "client_reference_id": "5f0c7cf8-0f0c-4c8c-9d5f-6b2c1f0a8e11"})
	invoice := members{
		"id":     "evt_invoice",
		"object": "event",
		"type":   "invoice.paid",
		"data":   members{"object": members{"id": "in_1"}},
	}
	empty := members{
		"id":     "evt_empty",
		"object": "event",
		"type":   "checkout.session.completed",
	}
	for _, event := range []members{foreign, invoice, empty, checkoutEvent("renamed", p, nil)} {
		if err := s.send(event); err != nil {
			t.Errorf("%s: %v", event["type"], err)
		}
	}
	s.wantStatus(p, billing.StatusPending)
	if n := s.Count(`select count(*) from payment_events where processed_at is null`); n != 0 {
		t.Errorf("%d events are not handled", n)
	}
}

func TestLiveEventsAreIgnored(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	event := checkoutEvent("completed", p, nil)
	event["livemode"] = true
	s.mustSend(event)
	s.wantStatus(p, billing.StatusPending)
	s.wantCredits(p, 0)
}

func FuzzEventBodies(f *testing.F) {
	f.Add([]byte(`{"object":"event","type":"checkout.session.completed","data":{"object":{"id":1}}}`), "t=1,v1=00")
	// without a database: nothing unsigned may get that far
	closed := billing.New(nil, billing.Options{
		Provider: sandbox.New(nil, sandbox.Options{Secret: secret}),
		Log:      slog.New(slog.DiscardHandler),
	})
	f.Fuzz(func(t *testing.T, payload []byte, header string) {
		if err := closed.HandleEvent(t.Context(), payload, header); problem.Of(err).Code != "bad_signature" {
			t.Error(err)
		}
	})
}
