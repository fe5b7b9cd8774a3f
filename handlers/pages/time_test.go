package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pop.store/credits/handlers/handlerstest"
)

// A new account without a billing zone gets the creator's display zone. It never changes
// afterwards.
func TestTheBillingZoneIsTheCreatorsOwn(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
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
		s.Call("PUT", "/v1/accounts/"+account,
			c.put).Want(http.StatusCreated).WantMembers(map[string]any{
			"billing_zone": c.billing,
			"time_zone":    c.display,
		})
		s.Call("PUT", "/v1/accounts/"+account, `{"time_zone":"Australia/Perth"}`).Want(http.StatusOK).
			WantMembers(map[string]any{"billing_zone": c.billing, "time_zone": "Australia/Perth"})
	}
	s.Call("PUT", "/v1/accounts/nowhere",
		`{"plan":"starter","time_zone":"Mars/Base"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field",
		"time_zone")
}

// Work at 09:00 on a Sunday in Los Angeles, shown at 17:00, which is Monday in UTC. The list says
// "Today"; the chart, whose days are in UTC, does not.
func TestTwoZonesNeverBothSayToday(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	for account, billing := range map[string]string{"other": "UTC", "same": "America/Los_Angeles"} {
		s.Call("PUT", "/v1/accounts/"+account,
			`{"plan":"starter","time_zone":"America/Los_Angeles","billing_zone":"`+billing+
				`"}`).Want(http.StatusCreated)
	}
	s.Clock.Set(time.Date(2026, 12, 6, 17, 0, 0, 0, time.UTC))
	for _, account := range []string{"other", "same"} {
		s.Charge(account, `{"feature":"lip_sync"}`)
	}
	s.Clock.Set(time.Date(2026, 12, 7, 1, 0, 0, 0, time.UTC))
	a := s.SignIn("other").Get("/credits").Want(http.StatusOK)
	if rows := strings.Join(a.UsageRows()[:2], "|"); rows != "Mon 7 Dec 0 0|Sun 6 Dec 5 5" {
		t.Errorf("%q", rows)
	}
	if got := handlerstest.Text(a.Element("usage-zone")); got != "Days here begin at midnight in your billing time zone, UTC." {
		t.Errorf("%q", got)
	}
	a = s.SignIn("same").Get("/credits").Want(http.StatusOK).WantElement("usage-zone", false)
	if rows := a.UsageRows()[0]; rows != "Today 5 5" {
		t.Errorf("%q", rows)
	}
}

// In Santiago 6 September 2026 begins at 01:00: its midnight does not exist.
func TestTheHistoryOfADayWithoutMidnight(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Clock.Set(time.Date(2026, 9, 5, 12, 0, 0, 0, time.UTC))
	s.Call("PUT", "/v1/accounts/maya", `{"plan":"starter","time_zone":"America/Santiago"}`).Want(http.StatusCreated)
	for _, at := range []string{
		"2026-09-06T03:59:59Z", "2026-09-06T04:00:00Z", "2026-09-07T02:59:59Z",
		"2026-09-07T03:00:00Z",
	} {
		instant, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		s.Clock.Set(instant)
		s.Charge("maya", `{"feature":"lip_sync"}`)
	}
	v := s.SignIn("maya")
	for day, want := range map[string]int{
		"2026-09-05": 1,
		"2026-09-06": 2,
		"2026-09-07": 1,
	} {
		rows := handlerstest.Marked(
			v.Get("/credits/history?kind=charge&from="+day+"&to="+day).Want(http.StatusOK).HTML(),
			"history-row",
		)
		if len(rows) != want {
			t.Errorf("%s has %d rows, want %d", day, len(rows), want)
		}
	}
	if got := s.Usage("group_by=day&from=2026-09-05&to=2026-09-07"); got !=
		"2026-09-05 5 1 1 0, 2026-09-06 10 2 2 0, 2026-09-07 5 1 1 0 = 20 4 4 0" {
		t.Errorf("usage: %s", got)
	}
}

func lots(a handlerstest.Response) string {
	var list []string
	for _, row := range handlerstest.Marked(a.HTML(), "lot") {
		list = append(list, handlerstest.Text(row))
	}
	return strings.Join(list, "|")
}

// A gift that expires on 25 December, 00:00, is valid until the 24th.
func TestAGiftIsGoodUntilTheDayBeforeItsEnd(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Call("PUT", "/v1/accounts/maya", `{"plan":"starter","time_zone":"Europe/Berlin"}`).Want(http.StatusCreated)
	s.Post("/v1/accounts/maya/grants", `{"amount":"10","kind":"promo","expires_at":"2026-12-24T23:00:00Z","reason":"gift"}`).
		Want(http.StatusCreated)
	s.Clock.Advance(4 * 24 * time.Hour)
	if got := lots(s.SignIn("maya").Get("/credits")); !strings.Contains(got, "until Thu 24 Dec") {
		t.Errorf("%q", got)
	}
}

// While a plan is past due nothing resets, and pages say only when its tokens expire.
func TestNothingResetsWhilePastDue(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	if got := lots(v.Get("/credits")); !strings.Contains(got, "resets") {
		t.Errorf("%q", got)
	}
	s.Call("PUT", "/v1/accounts/maya", `{"plan_status":"past_due"}`).
		Want(http.StatusOK).
		WantMembers(map[string]any{"next_reset_at": nil})
	if got := lots(v.Get("/credits")); !strings.Contains(got, "of 200, until") {
		t.Errorf("%q", got)
	}
	for _, path := range []string{
		"/", "/credits", "/plans", "/agents", "/tools", "/credits/buy",
		"/credits/how-tokens-work", "/settings",
	} {
		if said := handlerstest.Text(v.Get(path).Want(http.StatusOK).HTML()); strings.Contains(strings.ToLower(said),
			"resets") || strings.Contains(said, "Next 200") {
			t.Errorf("%s says when something resets: %q", path, said)
		}
	}
}

// A charge that is refunded 35 days later is no negative usage, in pages or in the API.
func TestReturnedWorkIsNoNegativeUse(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Call("PUT", "/v1/accounts/maya", `{"plan":"star","time_zone":"Europe/Berlin"}`).Want(http.StatusCreated)
	work := s.Charge("maya", `{"feature":"auto_selling","amount":"60","agent":"seller"}`)["id"].(string)
	s.Clock.Advance(35 * 24 * time.Hour)
	v := s.SignIn("maya")
	s.Charge("maya", `{"feature":"lip_sync","agent":"seller"}`)
	s.Post("/v1/accounts/maya/charges/"+work+"/refund", `{"reason":"r"}`).Want(http.StatusCreated)
	for _, path := range []string{
		"/", "/credits", "/credits?days=7", "/credits?days=90",
		"/credits?by=agent&days=90", "/agents",
	} {
		a := v.Get(path).Want(http.StatusOK)
		if !utf8.Valid(a.Body) {
			t.Errorf("%s is no UTF-8", path)
		}
		for _, id := range []string{"usage-sentence", "usage-row", "usage-series", "agent-month", "period-used"} {
			for _, n := range handlerstest.Marked(a.HTML(), id) {
				if strings.Contains(handlerstest.Text(n), "−") {
					t.Errorf("%s: %q", path, handlerstest.Text(n))
				}
			}
		}
	}
	if got := handlerstest.Text(v.Get("/credits?days=7").Element("usage-sentence")); got != "5 tokens in 7 days." {
		t.Errorf("%q", got)
	}
	a := s.Call("GET", "/v1/accounts/maya/usage?group_by=day&from=2026-11-01&to=2026-12-31", "").Want(http.StatusOK)
	list := a.List("usage")
	if len(list) != 2 || list[0]["amount"] != "60" || list[0]["returned"] != "60" || list[1]["amount"] != "5" ||
		list[1]["returned"] != "0" || a.At("total", "returned") != "60" {
		t.Errorf("usage: %v", a.JSON())
	}
	s.Call("GET", "/v1/accounts/maya/agents", "").Want(http.StatusOK)
	if agents := s.Call("GET", "/v1/accounts/maya/agents", "").List("agents"); agents[0]["spent_this_month"] != "5" {
		t.Errorf("%v", agents[0])
	}
}
