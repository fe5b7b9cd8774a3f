package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// A new account that names no billing zone is billed where its creator lives. That never changes
// afterwards, wherever the creator moves.
func TestTheBillingZoneIsTheCreatorsOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for account, c := range map[string]struct{ put, billing, display string }{
		"own": {
			`{"plan":"starter","time_zone":"America/Los_Angeles"}`, "America/Los_Angeles",
			"America/Los_Angeles",
		},
		"both": {
			`{"plan":"starter","time_zone":"America/Los_Angeles","billing_zone":"Europe/Berlin"}`,
			"Europe/Berlin", "America/Los_Angeles",
		},
		"none":   {`{"plan":"starter"}`, "UTC", "UTC"},
		"empty":  {`{"plan":"starter","time_zone":""}`, "UTC", "UTC"},
		"bare":   {`{"plan":"starter","billing_zone":"Europe/Berlin"}`, "Europe/Berlin", "Europe/Berlin"},
		"utcish": {`{"plan":"starter","time_zone":"Asia/Tokyo","billing_zone":"UTC"}`, "UTC", "Asia/Tokyo"},
	} {
		s.call("PUT", "/v1/accounts/"+account,
			c.put).want(http.StatusCreated).wantMembers(map[string]any{
			"billing_zone": c.billing,
			"time_zone":    c.display,
		})
		s.call("PUT", "/v1/accounts/"+account, `{"time_zone":"Australia/Perth"}`).want(http.StatusOK).
			wantMembers(map[string]any{"billing_zone": c.billing, "time_zone": "Australia/Perth"})
	}
	s.call("PUT", "/v1/accounts/nowhere",
		`{"plan":"starter","time_zone":"Mars/Base"}`).problem(http.StatusUnprocessableEntity, "invalid_field",
		"time_zone")
}

// Work at 09:00 on a Sunday in Los Angeles, looked at at 17:00, which is Monday in UTC. The list
// says "Today"; the chart, whose days are UTC's, does not.
func TestTwoZonesNeverBothSayToday(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for account, billing := range map[string]string{"other": "UTC", "same": "America/Los_Angeles"} {
		s.call("PUT", "/v1/accounts/"+account,
			`{"plan":"starter","time_zone":"America/Los_Angeles","billing_zone":"`+billing+
				`"}`).want(http.StatusCreated)
	}
	s.clock.Set(time.Date(2026, 12, 6, 17, 0, 0, 0, time.UTC))
	for _, account := range []string{"other", "same"} {
		s.charge(account, `{"feature":"lip_sync"}`)
	}
	s.clock.Set(time.Date(2026, 12, 7, 1, 0, 0, 0, time.UTC))
	a := s.signIn("other").get("/credits").want(http.StatusOK)
	if rows := strings.Join(a.usageRows()[:2], "|"); rows != "Mon 7 Dec 0 0|Sun 6 Dec 5 5" {
		t.Errorf("%q", rows)
	}
	if got := text(a.only("usage-zone")); got != "Days here begin at midnight in your billing time zone, UTC." {
		t.Errorf("%q", got)
	}
	a = s.signIn("same").get("/credits").want(http.StatusOK).has("usage-zone", false)
	if rows := a.usageRows()[0]; rows != "Today 5 5" {
		t.Errorf("%q", rows)
	}
}

// In Santiago 6 September 2026 begins at 01:00: its midnight does not exist.
func TestTheHistoryOfADayWithoutMidnight(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.clock.Set(time.Date(2026, 9, 5, 12, 0, 0, 0, time.UTC))
	s.call("PUT", "/v1/accounts/maya", `{"plan":"starter","time_zone":"America/Santiago"}`).want(http.StatusCreated)
	for _, at := range []string{
		"2026-09-06T03:59:59Z", "2026-09-06T04:00:00Z", "2026-09-07T02:59:59Z",
		"2026-09-07T03:00:00Z",
	} {
		instant, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		s.clock.Set(instant)
		s.charge("maya", `{"feature":"lip_sync"}`)
	}
	v := s.signIn("maya")
	for day, want := range map[string]int{
		"2026-09-05": 1,
		"2026-09-06": 2,
		"2026-09-07": 1,
	} {
		rows := marked(v.get("/credits/history?kind=charge&from="+day+"&to="+day).want(http.StatusOK).page(),
			"history-row")
		if len(rows) != want {
			t.Errorf("%s has %d rows, want %d", day, len(rows), want)
		}
	}
	if got := s.usage("group_by=day&from=2026-09-05&to=2026-09-07"); got !=
		"2026-09-05 5 1 1 0, 2026-09-06 10 2 2 0, 2026-09-07 5 1 1 0 = 20 4 4 0" {
		t.Errorf("usage: %s", got)
	}
}

func lots(a answer) string {
	var list []string
	for _, row := range marked(a.page(), "lot") {
		list = append(list, text(row))
	}
	return strings.Join(list, "|")
}

// A gift that ends on 25 December, 00:00, is good until the 24th.
func TestAGiftIsGoodUntilTheDayBeforeItsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.call("PUT", "/v1/accounts/maya", `{"plan":"starter","time_zone":"Europe/Berlin"}`).want(http.StatusCreated)
	s.post("/v1/accounts/maya/grants", `{"amount":"10","kind":"promo","expires_at":"2026-12-24T23:00:00Z","reason":"gift"}`).want(http.StatusCreated)
	s.clock.Advance(4 * 24 * time.Hour)
	if got := lots(s.signIn("maya").get("/credits")); !strings.Contains(got, "until Thu 24 Dec") {
		t.Errorf("%q", got)
	}
}

// While a plan is not paid for nothing resets, and no page says so: its tokens are good until their end.
func TestNothingResetsWhilePastDue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	if got := lots(v.get("/credits")); !strings.Contains(got, "resets") {
		t.Errorf("%q", got)
	}
	s.call("PUT", "/v1/accounts/maya", `{"plan_status":"past_due"}`).want(http.StatusOK).wantMembers(map[string]any{"next_reset_at": nil})
	if got := lots(v.get("/credits")); !strings.Contains(got, "of 200, until") {
		t.Errorf("%q", got)
	}
	for _, path := range []string{
		"/", "/credits", "/plans", "/agents", "/tools", "/credits/buy",
		"/credits/how-tokens-work", "/settings",
	} {
		if said := text(v.get(path).want(http.StatusOK).page()); strings.Contains(strings.ToLower(said),
			"resets") || strings.Contains(said, "Next 200") {
			t.Errorf("%s says when something resets: %q", path, said)
		}
	}
}

// A charge that is refunded 35 days later is no negative use, on no page and in no answer.
func TestReturnedWorkIsNoNegativeUse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.call("PUT", "/v1/accounts/maya", `{"plan":"star","time_zone":"Europe/Berlin"}`).want(http.StatusCreated)
	work := s.charge("maya", `{"feature":"auto_selling","amount":"60","agent":"seller"}`)["id"].(string)
	s.clock.Advance(35 * 24 * time.Hour)
	v := s.signIn("maya")
	s.charge("maya", `{"feature":"lip_sync","agent":"seller"}`)
	s.post("/v1/accounts/maya/charges/"+work+"/refund", `{"reason":"r"}`).want(http.StatusCreated)
	for _, path := range []string{
		"/", "/credits", "/credits?days=7", "/credits?days=90",
		"/credits?by=agent&days=90", "/agents",
	} {
		a := v.get(path).want(http.StatusOK)
		if !utf8.Valid(a.body) {
			t.Errorf("%s is no UTF-8", path)
		}
		for _, id := range []string{"usage-sentence", "usage-row", "usage-series", "agent-month", "period-used"} {
			for _, n := range marked(a.page(), id) {
				if strings.Contains(text(n), "−") {
					t.Errorf("%s: %q", path, text(n))
				}
			}
		}
	}
	if got := text(v.get("/credits?days=7").only("usage-sentence")); got != "5 tokens in 7 days." {
		t.Errorf("%q", got)
	}
	a := s.call("GET", "/v1/accounts/maya/usage?group_by=day&from=2026-11-01&to=2026-12-31", "").want(http.StatusOK)
	list := a.list("usage")
	if len(list) != 2 || list[0]["amount"] != "60" || list[0]["returned"] != "60" || list[1]["amount"] != "5" ||
		list[1]["returned"] != "0" || a.at("total", "returned") != "60" {
		t.Errorf("usage: %v", a.json())
	}
	s.call("GET", "/v1/accounts/maya/agents", "").want(http.StatusOK)
	if agents := s.call("GET", "/v1/accounts/maya/agents", "").list("agents"); agents[0]["spent_this_month"] != "5" {
		t.Errorf("%v", agents[0])
	}
}
