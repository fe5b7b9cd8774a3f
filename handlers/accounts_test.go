package handlers_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestPutMakesAnAccountAndThenChangesIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const email = "maya.of.the.tests@example.com"
	s.log.secret(email)
	a := s.call("PUT", "/v1/accounts/maya",
		`{"plan":"starter","name":"Maya's Studio","email":"`+email+
			`","time_zone":"Europe/Paris"}`).want(http.StatusCreated)
	a.wantMembers(map[string]any{
		"account":        "maya",
		"plan":           "starter",
		"plan_status":    "active",
		"next_plan":      nil,
		"name":           "Maya's Studio",
		"email":          email,
		"state":          "ok",
		"threshold":      "40",
		"time_zone":      "Europe/Paris",
		"billing_zone":   "Europe/Paris",
		"billing_anchor": "2026-11-22T14:02:00Z",
		"next_reset_at":  "2026-12-22T14:02:00Z",
	})
	wantBalance(t, a, "200", "0", "200")

	// What is absent stays as it is.
	a = s.call("PUT", "/v1/accounts/maya", `{"name":"Studio M"}`).want(http.StatusOK)
	a.wantMembers(map[string]any{
		"name":      "Studio M",
		"email":     email,
		"plan":      "starter",
		"time_zone": "Europe/Paris",
	})
	s.call("PUT", "/v1/accounts/maya", `{}`).want(http.StatusOK).wantMembers(map[string]any{
		"name":  "Studio M",
		"email": email,
	})
	s.call("PUT", "/v1/accounts/maya", `{"name":"","email":""}`).want(http.StatusOK).wantMembers(map[string]any{"name": nil, "email": nil})

	// An upgrade counts at once, a downgrade from the next reset on.
	a = s.call("PUT", "/v1/accounts/maya", `{"plan":"pro"}`).want(http.StatusOK)
	a.wantMembers(map[string]any{
		"plan":      "pro",
		"next_plan": nil,
		"threshold": "80",
	})
	wantBalance(t, a, "400", "0", "400")
	a = s.call("PUT", "/v1/accounts/maya", `{"plan":"starter"}`).want(http.StatusOK)
	a.wantMembers(map[string]any{"plan": "pro", "next_plan": "starter"})
	got := s.call("GET", "/v1/accounts/maya", "").want(http.StatusOK)
	if string(got.body) != string(a.body) {
		t.Errorf("PUT answers\n%s and GET\n%s", a.body, got.body)
	}
	s.call("PUT", "/v1/accounts/maya", `{"plan_status":"past_due"}`).want(http.StatusOK).wantMembers(map[string]any{"plan_status": "past_due", "next_reset_at": nil})
}

func wantBalance(t *testing.T, a answer, spendable, held, total string) {
	t.Helper()
	if a.at("balance", "spendable") != spendable || a.at("balance", "held") != held ||
		a.at("balance", "total") != total {
		t.Errorf("%s: balance is %v, want %s, %s, %s", a.to, a.at("balance"), spendable, held, total)
	}
}

func TestEveryPlanGivesItsAllowanceAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for plan, allowance := range map[string]string{
		"starter": "200",
		"pro":     "400",
		"star":    "1000",
	} {
		wantBalance(t, s.call("PUT", "/v1/accounts/"+plan, `{"plan":"`+plan+`"}`).want(http.StatusCreated),
			allowance, "0", allowance)
	}
}

// Twenty servers hear of one new creator in the same moment, and one of them made the account. So
// it is too where a PUT broke off after it had named the account and before the ledger opened it.
func TestAnAccountIsMadeOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if _, err := s.db.Pool.Exec(t.Context(),
		"insert into accounts (external_id, id, created_at) values ('half', gen_random_uuid(), now())"); err != nil {
		t.Fatal(err)
	}
	for i, body := range map[string]string{
		"maya":   `{"plan":"starter"}`,
		"half":   `{"plan":"starter"}`,
		"unpaid": `{"plan":"pro","plan_status":"past_due"}`,
	} {
		var made atomic.Int64
		together(20, func(int) {
			switch a := s.call("PUT", "/v1/accounts/"+i, body); a.status {
			case http.StatusCreated:
				made.Add(1)
			case http.StatusOK:
			default:
				t.Errorf("%d: %s", a.status, a.body)
			}
		})
		if made.Load() != 1 {
			t.Errorf("%s: made %d times", i, made.Load())
		}
	}
	s.wantSpendable("maya", "200")
	s.wantSpendable("half", "200")
	s.wantSpendable("unpaid", "0")
	if n := s.count("select count(*) from entries"); n != 2 {
		t.Errorf("%d entries, want two allowances", n)
	}
}

func TestAccountIDs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, id := range []string{"a", "A-Za_z0.9:-", "...", "Me", strings.Repeat("x", 64)} {
		s.open(id, "starter")
		s.call("GET", "/v1/accounts/"+id, "").want(http.StatusOK).wantMembers(map[string]any{"account": id})
	}
	before := s.contents()
	for _, id := range []string{
		"me", ".", "..", strings.Repeat("x", 65), "a%20b", "a%2Fb", "%00", "%ff",
		"caf%C3%A9", "a%0a", "%3Cscript%3E",
	} {
		a := s.call("PUT", "/v1/accounts/"+id, `{"plan":"starter"}`)
		if a.status < 400 || a.status > 499 {
			t.Errorf("%s: %d", id, a.status)
		}
		a.problem(a.status, "", "")
		a = s.call("GET", "/v1/accounts/"+id, "")
		if a.status < 400 || a.status > 499 {
			t.Errorf("%s: %d", id, a.status)
		}
	}
	s.call("PUT", "/v1/accounts/me", `{"plan":"starter"}`).problem(http.StatusUnprocessableEntity, "invalid_field",
		"account")
	s.unchanged(before)
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	before := s.contents()
	s.call("PUT", "/v1/accounts/new", `{}`).problem(http.StatusUnprocessableEntity, "invalid_field", "plan")
	s.call("PUT", "/v1/accounts/new", `{"name":"New"}`).problem(http.StatusUnprocessableEntity, "invalid_field",
		"plan")
	s.call("PUT", "/v1/accounts/new", `{"plan":"gold"}`).problem(http.StatusUnprocessableEntity, "invalid_field",
		"plan")
	for _, plan := range []string{`"gold"`, `"Starter"`, `" starter"`, `""`} {
		s.call("PUT", "/v1/accounts/maya",
			`{"name":"Not this","plan":`+plan+`}`).problem(http.StatusUnprocessableEntity, "invalid_field", "plan")
	}
	names := []string{`"` + strings.Repeat("é", 201) + `"`, `"a\nb"`, `"a\tb"`}
	for _, r := range "\u0085\u200b\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\U000e0041" {
		names = append(names, `"a`+string(r)+`b"`)
	}
	opened := map[string]string{"billing_zone": `"Europe/Paris"`, "billing_anchor": `"2026-11-22T14:01:59Z"`}
	for field, values := range map[string][]string{
		"plan_status": {`"paid"`, `"ACTIVE"`, `""`},
		"name":        names,
		"email": {
			`"maya"`, `"Maya <maya@example.com>"`, `"a@b c"`,
			`"` + strings.Repeat("x", 250) + `@example.com"`,
		},
		"time_zone":    {`"Mars/Olympus"`, `"Local"`, `"../../etc/passwd"`, `"+02:00"`},
		"billing_zone": {`"Mars/Olympus"`, `"Local"`, `"Europe/Paris"`, `""`},
		"billing_anchor": {
			`"2026-11-22"`, `"2026-11-22T14:02:01Z"`, `"2026-11-22T14:01:59Z"`,
			`"0001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59-14:00"`, `"1999-01-01T00:00:00Z"`,
		},
	} {
		for _, value := range values {
			s.call("PUT", "/v1/accounts/maya",
				`{"plan":"pro","`+field+`":`+value+`}`).problem(http.StatusUnprocessableEntity, "invalid_field",
				field)
			if value == opened[field] {
				continue // what an account can be opened with, and cannot be changed to
			}
			s.call("PUT", "/v1/accounts/new",
				`{"plan":"pro","`+field+`":`+value+`}`).problem(http.StatusUnprocessableEntity, "invalid_field",
				field)
		}
	}
	s.unchanged(before)
}

// Emoji and some scripts are written with joiners, which are format characters too.
func TestNamesThatNeedAJoiner(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, name := range []string{
		"Maya \U0001f469\u200d\U0001f3a8",
		"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u05de\u05d0\u05d9\u05d4", "a  b",
	} {
		s.call("PUT", "/v1/accounts/maya",
			`{"plan":"starter","name":"`+name+`"}`).wantMembers(map[string]any{"name": name})
	}
}

// The billing anchor keeps what Postgres keeps, so that the same PUT can be sent again.
func TestTheSamePutTwiceIsOne(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const body = `{"plan":"pro","billing_anchor":"2026-01-31T09:30:00.123456789Z","billing_zone":"Europe/Paris","time_zone":"Asia/Tokyo"}`
	first := s.call("PUT", "/v1/accounts/maya", body).want(http.StatusCreated)
	second := s.call("PUT", "/v1/accounts/maya", body).want(http.StatusOK)
	if string(first.body) != string(second.body) {
		t.Errorf("first\n%s then\n%s", first.body, second.body)
	}
	first.wantMembers(map[string]any{
		"billing_anchor": "2026-01-31T09:30:00.123456Z",
		"next_reset_at":  "2026-11-30T09:30:00.123456Z",
	})
}

func TestUnknownAccounts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := s.contents()
	for _, r := range of(api) {
		if strings.Contains(r.path, ":account") && r.method != http.MethodPut {
			s.call(r.method, r.of("nobody"), r.body, "Idempotency-Key", "k").problem(http.StatusNotFound,
				"account_not_found", "")
		}
	}
	s.unchanged(before)
}

func TestLoginLinkIsGoodOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	a := s.call("POST", "/v1/accounts/maya/login-links", "").want(http.StatusCreated)
	a.wantMembers(map[string]any{"expires_at": "2026-11-22T14:03:00Z"})
	link := s.link("maya", `{"next":"/credits/history?tab=usage"}`)
	before := s.contents()
	first, second := &visitor{s: s}, &visitor{s: s}
	// A preview of the link does not use it up.
	first.do("HEAD", link, "").want(http.StatusMethodNotAllowed)
	s.unchanged(before)
	first.get(link).leads("/credits/history?tab=usage")
	first.get("/credits").want(http.StatusOK).has("balance", true)
	second.get(link).want(http.StatusForbidden).has("problem", true).has("demo-sign-in", true)
	if second.cookie != "" {
		t.Error("the second use got a cookie")
	}
	second.get("/credits").want(http.StatusSeeOther)
	second.get("/login/link/nonsense").want(http.StatusForbidden).has("problem", true)
	// Who is signed in already and uses a spent link stays signed in, but is told.
	first.get(link).want(http.StatusForbidden)
	first.get("/credits").want(http.StatusOK)
}

func TestLoginLinkLastsAMinute(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	early, late := s.link("maya", "{}"), s.link("maya", "{}")
	s.clock.Advance(time.Minute - time.Microsecond)
	(&visitor{s: s}).get(early).leads("/")
	s.clock.Advance(time.Microsecond)
	v := &visitor{s: s}
	v.get(late).want(http.StatusForbidden)
	v.get("/").leads("/login")
}

func TestLoginLinkHasOneWinner(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	link := s.link("maya", "{}")
	var won atomic.Int64
	together(16, func(int) {
		switch a := s.send("GET", link, ""); a.status {
		case http.StatusSeeOther:
			won.Add(1)
		case http.StatusForbidden:
		default:
			t.Errorf("%d: %.200s", a.status, a.body)
		}
	})
	if n := s.count("select count(*) from sessions"); won.Load() != 1 || n != 1 {
		t.Errorf("%d of 16 won, %d sessions", won.Load(), n)
	}
}

var foreignNexts = []string{
	"https://evil.example/", "//evil.example", `/\\evil.example`, `\\\\evil.example`, "javascript:alert(1)",
	"/a//b", "/%2fevil.example", "credits", "/../x",
	"/%0d%0aSet-Cookie:x=y",
}

// Where a sign-in leads to is always a page of this site.
func TestNextStaysOnTheSite(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	before := s.contents()
	for _, next := range append(foreignNexts, "/"+strings.Repeat("x", 512)) {
		a := s.call("POST", "/v1/accounts/maya/login-links", `{"next":"`+next+`"}`)
		a.problem(http.StatusUnprocessableEntity, "invalid_field", "next")
	}
	s.unchanged(before)
	v := s.signIn("maya")
	for _, next := range foreignNexts {
		next = strings.ReplaceAll(next, `\\`, `\`)
		v.get("/login?next=" + escape(next)).leads("/")
		stranger := &visitor{s: s}
		if got := stranger.get("/login?next=" +
			escape(next)).want(http.StatusOK); strings.Contains(string(got.body), "evil") {
			t.Errorf("%q is on the page", next)
		}
		stranger.submit("/login/demo", map[string][]string{"next": {next}}).leads("/")
	}
	v.get("/login?next=/credits/history%3Ftab%3Dusage").leads("/credits/history?tab=usage")
	(&visitor{s: s}).submit("/login/demo", map[string][]string{"next": {"/plans"}}).leads("/plans")
}
