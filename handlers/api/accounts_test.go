package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/testkit"
)

func TestPutMakesAnAccountAndThenChangesIt(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	const email = "maya.of.the.tests@example.com"
	s.Log.AddSecret(email)
	a := s.Call("PUT", "/v1/accounts/maya",
		`{"plan":"starter","name":"Maya's Studio","email":"`+email+
			`","time_zone":"Europe/Paris"}`).Want(http.StatusCreated)
	a.WantMembers(map[string]any{
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

	// Absent fields keep their values.
	a = s.Call("PUT", "/v1/accounts/maya", `{"name":"Studio M"}`).Want(http.StatusOK)
	a.WantMembers(map[string]any{
		"name":      "Studio M",
		"email":     email,
		"plan":      "starter",
		"time_zone": "Europe/Paris",
	})
	s.Call("PUT", "/v1/accounts/maya", `{}`).Want(http.StatusOK).WantMembers(map[string]any{
		"name":  "Studio M",
		"email": email,
	})
	s.Call("PUT", "/v1/accounts/maya", `{"name":"","email":""}`).
		Want(http.StatusOK).
		WantMembers(map[string]any{"name": nil, "email": nil})

	// An upgrade takes effect at once, a downgrade at the next reset.
	a = s.Call("PUT", "/v1/accounts/maya", `{"plan":"pro"}`).Want(http.StatusOK)
	a.WantMembers(map[string]any{
		"plan":      "pro",
		"next_plan": nil,
		"threshold": "80",
	})
	wantBalance(t, a, "400", "0", "400")
	a = s.Call("PUT", "/v1/accounts/maya", `{"plan":"starter"}`).Want(http.StatusOK)
	a.WantMembers(map[string]any{"plan": "pro", "next_plan": "starter"})
	got := s.Call("GET", "/v1/accounts/maya", "").Want(http.StatusOK)
	if string(got.Body) != string(a.Body) {
		t.Errorf("PUT answers\n%s and GET\n%s", a.Body, got.Body)
	}
	s.Call("PUT", "/v1/accounts/maya", `{"plan_status":"past_due"}`).
		Want(http.StatusOK).
		WantMembers(map[string]any{"plan_status": "past_due", "next_reset_at": nil})
}

func wantBalance(t *testing.T, a handlerstest.Response, spendable, held, total string) {
	t.Helper()
	if a.At("balance", "spendable") != spendable || a.At("balance", "held") != held ||
		a.At("balance", "total") != total {
		t.Errorf("%s: balance is %v, want %s, %s, %s", a.Request, a.At("balance"), spendable, held, total)
	}
}

func TestEveryPlanGivesItsAllowanceAtOnce(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	for plan, allowance := range map[string]string{
		"starter": "200",
		"pro":     "400",
		"star":    "1000",
	} {
		wantBalance(t, s.Call("PUT", "/v1/accounts/"+plan, `{"plan":"`+plan+`"}`).Want(http.StatusCreated),
			allowance, "0", allowance)
	}
}

// Twenty concurrent PUTs for a new creator make one account. The same holds for a PUT that failed
// after naming the account and before opening it in the ledger.
func TestAnAccountIsMadeOnce(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	if _, err := s.DB.Pool.Exec(t.Context(),
		"insert into accounts (external_id, id, created_at) values ('half', gen_random_uuid(), now())"); err != nil {
		t.Fatal(err)
	}
	for i, body := range map[string]string{
		"maya":   `{"plan":"starter"}`,
		"half":   `{"plan":"starter"}`,
		"unpaid": `{"plan":"pro","plan_status":"past_due"}`,
	} {
		var made atomic.Int64
		testkit.Concurrently(20, func(int) {
			switch a := s.Call("PUT", "/v1/accounts/"+i, body); a.Status {
			case http.StatusCreated:
				made.Add(1)
			case http.StatusOK:
			default:
				t.Errorf("%d: %s", a.Status, a.Body)
			}
		})
		if made.Load() != 1 {
			t.Errorf("%s: made %d times", i, made.Load())
		}
	}
	s.WantSpendable("maya", "200")
	s.WantSpendable("half", "200")
	s.WantSpendable("unpaid", "0")
	if n := s.Count("select count(*) from entries"); n != 2 {
		t.Errorf("%d entries, want two allowances", n)
	}
}

func TestAccountIDs(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	for _, id := range []string{"a", "A-Za_z0.9:-", "...", "Me", strings.Repeat("x", 64)} {
		s.Open(id, "starter")
		s.Call("GET", "/v1/accounts/"+id, "").Want(http.StatusOK).WantMembers(map[string]any{"account": id})
	}
	before := s.Contents()
	for _, id := range []string{
		"me", ".", "..", strings.Repeat("x", 65), "a%20b", "a%2Fb", "%00", "%ff",
		"caf%C3%A9", "a%0a", "%3Cscript%3E",
	} {
		a := s.Call("PUT", "/v1/accounts/"+id, `{"plan":"starter"}`)
		if a.Status < 400 || a.Status > 499 {
			t.Errorf("%s: %d", id, a.Status)
		}
		a.WantProblem(a.Status, "", "")
		a = s.Call("GET", "/v1/accounts/"+id, "")
		if a.Status < 400 || a.Status > 499 {
			t.Errorf("%s: %d", id, a.Status)
		}
	}
	s.Call("PUT", "/v1/accounts/me", `{"plan":"starter"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field",
		"account")
	s.WantUnchanged(before)
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	before := s.Contents()
	s.Call("PUT", "/v1/accounts/new", `{}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "plan")
	s.Call("PUT", "/v1/accounts/new", `{"name":"New"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field",
		"plan")
	s.Call("PUT", "/v1/accounts/new", `{"plan":"gold"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field",
		"plan")
	for _, plan := range []string{`"gold"`, `"Starter"`, `" starter"`, `""`} {
		s.Call("PUT", "/v1/accounts/maya",
			`{"name":"Not this","plan":`+plan+`}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "plan")
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
			s.Call("PUT", "/v1/accounts/maya",
				`{"plan":"pro","`+field+`":`+value+`}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field",
				field)
			if value == opened[field] {
				continue // valid for a new account only
			}
			s.Call("PUT", "/v1/accounts/new",
				`{"plan":"pro","`+field+`":`+value+`}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field",
				field)
		}
	}
	s.WantUnchanged(before)
}

// Emoji and some scripts are written with joiners, which are format characters too.
func TestNamesThatNeedAJoiner(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	for _, name := range []string{
		"Maya \U0001f469\u200d\U0001f3a8",
		"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u05de\u05d0\u05d9\u05d4", "a  b",
	} {
		s.Call("PUT", "/v1/accounts/maya",
			`{"plan":"starter","name":"`+name+`"}`).WantMembers(map[string]any{"name": name})
	}
}

// The billing anchor keeps what Postgres keeps, so that the same PUT can be sent again.
func TestTheSamePutTwiceIsOne(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	const body = `{"plan":"pro","billing_anchor":"2026-01-31T09:30:00.123456789Z","billing_zone":"Europe/Paris","time_zone":"Asia/Tokyo"}`
	first := s.Call("PUT", "/v1/accounts/maya", body).Want(http.StatusCreated)
	second := s.Call("PUT", "/v1/accounts/maya", body).Want(http.StatusOK)
	if string(first.Body) != string(second.Body) {
		t.Errorf("first\n%s then\n%s", first.Body, second.Body)
	}
	first.WantMembers(map[string]any{
		"billing_anchor": "2026-01-31T09:30:00.123456Z",
		"next_reset_at":  "2026-11-30T09:30:00.123456Z",
	})
}

func TestLoginLinkIsGoodOnce(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	a := s.Call("POST", "/v1/accounts/maya/login-links", "").Want(http.StatusCreated)
	a.WantMembers(map[string]any{"expires_at": "2026-11-22T14:03:00Z"})
	link := s.LoginLink("maya", `{"next":"/credits/history?tab=usage"}`)
	before := s.Contents()
	first, second := &handlerstest.Browser{Site: s}, &handlerstest.Browser{Site: s}
	// A preview of the link does not use it up.
	first.Do("HEAD", link, "").Want(http.StatusMethodNotAllowed)
	s.WantUnchanged(before)
	first.Get(link).WantRedirect("/credits/history?tab=usage")
	first.Get("/credits").Want(http.StatusOK).WantElement("balance", true)
	second.Get(link).Want(http.StatusForbidden).WantElement("problem", true).WantElement("demo-sign-in", true)
	if second.Cookie != "" {
		t.Error("the second use got a cookie")
	}
	second.Get("/credits").Want(http.StatusSeeOther)
	second.Get("/login/link/nonsense").Want(http.StatusForbidden).WantElement("problem", true)
	// A signed-in creator who opens a used link stays signed in and gets an error page.
	first.Get(link).Want(http.StatusForbidden)
	first.Get("/credits").Want(http.StatusOK)
}

func TestLoginLinkLastsAMinute(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	early, late := s.LoginLink("maya", "{}"), s.LoginLink("maya", "{}")
	s.Clock.Advance(time.Minute - time.Microsecond)
	(&handlerstest.Browser{Site: s}).Get(early).WantRedirect("/")
	s.Clock.Advance(time.Microsecond)
	v := &handlerstest.Browser{Site: s}
	v.Get(late).Want(http.StatusForbidden)
	v.Get("/").WantRedirect("/login")
}

func TestLoginLinkHasOneWinner(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	link := s.LoginLink("maya", "{}")
	var won atomic.Int64
	testkit.Concurrently(16, func(int) {
		switch a := s.Send("GET", link, ""); a.Status {
		case http.StatusSeeOther:
			won.Add(1)
		case http.StatusForbidden:
		default:
			t.Errorf("%d: %.200s", a.Status, a.Body)
		}
	})
	if n := s.Count("select count(*) from sessions"); won.Load() != 1 || n != 1 {
		t.Errorf("%d of 16 won, %d sessions", won.Load(), n)
	}
}

var foreignNexts = []string{
	"https://evil.example/", "//evil.example", `/\\evil.example`, `\\\\evil.example`, "javascript:alert(1)",
	"/a//b", "/%2fevil.example", "credits", "/../x",
	"/%0d%0aSet-Cookie:x=y",
}

// A sign-in link only leads to pages of this site.
func TestNextStaysOnTheSite(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	before := s.Contents()
	for _, next := range append(foreignNexts, "/"+strings.Repeat("x", 512)) {
		a := s.Call("POST", "/v1/accounts/maya/login-links", `{"next":"`+next+`"}`)
		a.WantProblem(http.StatusUnprocessableEntity, "invalid_field", "next")
	}
	s.WantUnchanged(before)
	v := s.SignIn("maya")
	for _, next := range foreignNexts {
		next = strings.ReplaceAll(next, `\\`, `\`)
		v.Get("/login?next=" + url.QueryEscape(next)).WantRedirect("/")
		stranger := &handlerstest.Browser{Site: s}
		if got := stranger.Get("/login?next=" +
			url.QueryEscape(next)).Want(http.StatusOK); strings.Contains(string(got.Body), "evil") {
			t.Errorf("%q is on the page", next)
		}
		stranger.Submit("/login/demo", map[string][]string{"next": {next}}).WantRedirect("/")
	}
	v.Get("/login?next=/credits/history%3Ftab%3Dusage").WantRedirect("/credits/history?tab=usage")
	(&handlerstest.Browser{Site: s}).Submit("/login/demo", map[string][]string{"next": {"/plans"}}).
		WantRedirect("/plans")
}
