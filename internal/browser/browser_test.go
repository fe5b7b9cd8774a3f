package browser_test

import (
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pop.store/credits/internal/browser"
)

func TestMain(m *testing.M) {
	code := m.Run()
	browser.Close()
	os.Exit(code)
}

// recorder is a test whose failures do not fail the test that runs it.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	lines    []string
	cleanups []func()
}

func (r *recorder) Helper()                   {}
func (r *recorder) Logf(f string, a ...any)   { r.note(f, a...) }
func (r *recorder) Error(a ...any)            { r.note("%s", fmt.Sprint(a...)) }
func (r *recorder) Errorf(f string, a ...any) { r.note(f, a...) }
func (r *recorder) Fatalf(f string, a ...any) { r.note(f, a...); runtime.Goexit() }
func (r *recorder) Cleanup(f func())          { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Failed() bool              { return r.text() != "" }
func (r *recorder) note(f string, a ...any) {
	r.mu.Lock()
	r.lines = append(r.lines, fmt.Sprintf(f, a...))
	r.mu.Unlock()
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

var pictures = regexp.MustCompile(`screenshot: (.*)`)

// record runs a test to its end, cleanups included, and returns its output.
func record(t *testing.T, test func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for i := len(r.cleanups) - 1; i >= 0; i-- {
				r.cleanups[i]()
			}
		}()
		test(r)
	}()
	<-done
	for _, picture := range pictures.FindAllStringSubmatch(r.text(), -1) {
		if err := os.Remove(picture[1]); err != nil {
			t.Errorf("no screenshot: %v", err)
		}
	}
	return r.text()
}

const strictPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'"

// site serves pages by path: "/name" with the strict policy, "/loose/name" without.
func site(t *testing.T, pages map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/loose")
		body, ok := pages[path]
		switch {
		case path == "/favicon.ico":
			w.WriteHeader(http.StatusNoContent)
		case path == "/broken":
			http.Error(w, "broken", http.StatusInternalServerError)
		case path == "/slow":
			time.Sleep(50 * time.Millisecond)
			fmt.Fprint(w, `<!doctype html><title>Slow</title><h1>Slow</h1>`)
		case !ok:
			http.NotFound(w, r)
		case strings.HasSuffix(path, ".js"):
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, body)
		default:
			if !strings.HasPrefix(r.URL.Path, "/loose") {
				w.Header().Set("Content-Security-Policy", strictPolicy)
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, body)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func document(title, body string) string {
	return `<!doctype html><html lang="en"><head><title>` + title +
		`</title><meta name="viewport" content="width=device-width, initial-scale=1">
<script src="/page.js"></script></head><body><main>` + body + `</main></body></html>`
}

func TestAPageWithoutFaultPasses(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{
		"/":        document("Fine", "<h1>Fine</h1><p>All is   well</p>"),
		"/page.js": "console.log('hello'); console.warn('careful')",
	})
	said := record(t, func(t testing.TB) {
		p := browser.New(t, browser.Base(base))
		if status := p.Goto("/"); status != 200 {
			t.Errorf("status %d", status)
		}
		p.WaitText("p", "All is well")
		p.Axe(t)
		p.NoSidewaysScroll(t)
		if status := p.Goto("/missing"); status != 404 {
			t.Errorf("status %d", status)
		}
	})
	if said != "" {
		t.Error(said)
	}
}

// Problems that a page reports fail its test at the end, even if the test did not look for them.
func TestFaultsOfThePageFailTheTest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, script, want string }{
		"console error": {
			"<h1>x</h1>", `console.error('planted "x"', 42, {a: 1})`,
			`console error: planted "x" 42 Object`,
		},
		"assertion": {"<h1>x</h1>", "console.assert(false, 'planted')", "console error: planted"},
		"exception": {
			"<h1>x</h1>", "null.planted",
			"exception: Uncaught TypeError: Cannot read properties of null (reading 'planted')",
		},
		"rejection": {
			"<h1>x</h1>", "Promise.reject(new Error('planted'))",
			"exception: Uncaught (in promise) Error: planted",
		},
		"inline script":      {"<h1>x</h1><script>1</script>", "", "CSP: "},
		"inline style":       {`<h1 style="color:red">x</h1>`, "", "CSP: "},
		"style by script":    {"<h1>x</h1>", "document.documentElement.setAttribute('style', 'color:red')", "CSP: "},
		"event handler":      {`<h1 onclick="1">x</h1>`, "", "CSP: "},
		"eval":               {"<h1>x</h1>", "try { eval('1') } catch {}", "CSP: "},
		"foreign image":      {`<img alt="" src="http://127.0.0.1:1/x.png">`, "", "CSP: "},
		"foreign connection": {"<h1>x</h1>", "fetch('http://127.0.0.1:1/').catch(() => {})", "CSP: "},
		"failed fetch":       {"<h1>x</h1>", "fetch('/broken')", "request: status 500 GET http://"},
		"missing picture":    {`<img alt="" src="/missing.png">`, "", "request: status 404 GET http://"},
		"dialog":             {"<h1>x</h1>", "alert('planted')", `dialog: alert "planted"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := site(t, map[string]string{"/": document("Fault", c.body), "/page.js": c.script})
			visit := func(allow ...string) string {
				return record(t, func(t testing.TB) {
					p := browser.New(t, browser.Base(base))
					p.AllowConsole(allow...)
					p.Goto("/")
					browser.Eval[bool](p, "new Promise((done) => setTimeout(() => done(true), 50))")
				})
			}
			said := visit()
			if !strings.Contains(said, c.want) || !strings.Contains(said, "screenshot: ") {
				t.Errorf("said %q, want %q", said, c.want)
			}
			if name != "console error" && name != "failed fetch" {
				return
			}
			if said := visit(c.want); said != "" {
				t.Errorf("said %q although it was allowed", said)
			}
		})
	}
}

func TestADocumentThatFailsFailsTheTest(t *testing.T) {
	t.Parallel()
	base := site(t, nil)
	said := record(t, func(t testing.TB) {
		browser.New(t, browser.Base(base)).Goto("/broken")
	})
	if !strings.Contains(said, "request: status 500 GET "+base+"/broken") {
		t.Errorf("said %q", said)
	}
}

func TestInputIsReal(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{
		"/": document("Input", `<h1>Input</h1><a href="/slow">Slow page</a><div hidden><button>Go</button></div>
			<button id="go">Go</button><button id="late" disabled>Late</button>
			<form><label>Name <input id="name" value="old"></label>
			<label>Kind <select id="kind"><option value="a">All</option>
			<option value="p">Purchases</option><option value="u">Usage</option></select></label></form>
			<p id="log"></p>`),
		"/page.js": `addEventListener("DOMContentLoaded", () => {
			const log = (text) => { document.querySelector("#log").textContent += text + ";" };
			const down = [];
			addEventListener("mousedown", () => down.push(1));
			for (const b of document.querySelectorAll("button"))
				b.addEventListener("click", (e) => log(b.textContent + " " + e.isTrusted + " " + down.length));
			document.querySelector("#name").addEventListener("keydown", (e) => log("key " + e.key + " " + e.isTrusted));
			document.querySelector("form").addEventListener("submit", (e) => { e.preventDefault(); log("submit") });
			document.querySelector("#kind").addEventListener("change", (e) => log("kind " + e.target.value));
			setTimeout(() => document.querySelector("#late").disabled = false, 100);
		})`,
	})
	p := browser.New(t, browser.Base(base))
	p.Goto("/")
	p.ClickText("button", "Go")
	p.WaitText("#log", "Go true 1;")
	p.Click("#late")
	p.WaitText("#log", "Late true 2;")
	p.Type("#name", "é1")
	p.WaitText("#log", "true;key 1 true;")
	if value := p.Value("#name"); value != "é1" {
		t.Errorf("the field has %q", value)
	}
	p.Press("Enter")
	p.WaitText("#log", "submit;")
	p.Type("#name", "")
	if value := p.Value("#name"); value != "" {
		t.Errorf("the field has %q", value)
	}
	p.Choose("#kind", "Usage")
	p.WaitText("#log", "kind u;")
	p.Press("Shift+Tab")
	if id := browser.Eval[string](p, "document.activeElement.id"); id != "name" {
		t.Errorf("the focus is on %q", id)
	}
	p.Click("a")
	p.WaitURL("/slow")
	if text := p.Text("h1"); text != "Slow" {
		t.Errorf("arrived at %q", text)
	}
	p.Back()
	p.WaitURL("/")
	if p.Count("button") != 3 || p.Attr("#name", "value") != "old" || p.Attr("#name", "missing") != "" ||
		!p.Shown("#go") || p.Shown("div button") {
		t.Errorf("buttons %q", p.Texts("button"))
	}
}

func TestWaitsSayWhatIsThereInstead(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{
		"/loose/": "",
		"/": document("Waits", `
			<h1 id="title">Balance: 42</h1><button hidden>Buy</button><button disabled>Sell</button>`),
		"/covered": `<h1>x</h1><button>Buy</button><div id="veil" style="position:fixed;inset:0"></div>`,
		"/page.js": "",
	})
	for name, c := range map[string]struct {
		path string
		act  func(p *browser.Page)
		want string
	}{
		"text": {"/", func(p *browser.Page) {
			p.WaitText("h1", "Balance: 43")
		}, `h1 matches 1: h1#title "Balance: 42"`},
		"missing":  {"/", func(p *browser.Page) { p.Click("#nothing") }, "nothing matches #nothing"},
		"hidden":   {"/", func(p *browser.Page) { p.Click("button[hidden]") }, `is hidden`},
		"disabled": {"/", func(p *browser.Page) { p.ClickText("button", "Sell") }, `button "Sell" is disabled`},
		"covered": {"/loose/covered", func(p *browser.Page) {
			p.Click("button")
		}, `button "Buy" is covered by div#veil`},
		"gone":     {"/", func(p *browser.Page) { p.WaitGone("h1") }, `h1 matches 1`},
		"url":      {"/", func(p *browser.Page) { p.WaitURL("/credits") }, "the page is at " + base + "/"},
		"selector": {"/", func(p *browser.Page) { p.WaitShown("h1[") }, "is not a valid selector"},
		"true":     {"/", func(p *browser.Page) { p.WaitTrue("1 > 2") }, "wait for 1 > 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := record(t, func(t testing.TB) {
				p := browser.New(t, browser.Base(base))
				p.Goto(c.path)
				p.Text("h1") // loaded, however slow the machine is
				p.SetTimeout(1500 * time.Millisecond)
				c.act(p)
				t.Errorf("the wait was not in vain")
			})
			if !strings.Contains(said, c.want) || strings.Contains(said, "in vain") ||
				!strings.Contains(said, "screenshot: ") {
				t.Errorf("said %q, want %q", said, c.want)
			}
		})
	}
}

func TestAxeFindsAPlantedViolation(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{
		"/": document("Axe",
			`<h1>Axe</h1><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" id="planted"><button></button>`),
		"/page.js": "",
	})
	said := record(t, func(t testing.TB) {
		p := browser.New(t, browser.Base(base))
		p.Goto("/")
		p.Axe(t)
	})
	for _, want := range []string{"axe: image-alt (critical)", "#planted", "axe: button-name (critical)"} {
		if !strings.Contains(said, want) {
			t.Errorf("said %q, want %q", said, want)
		}
	}
	if strings.Contains(said, "browser:") && strings.Contains(said, "CSP") {
		t.Errorf("axe itself offends the policy: %q", said)
	}
}

func TestTheLookIsEmulated(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{
		"/":        document("Look", "<h1>Look</h1><noscript><p>no script</p></noscript>"),
		"/page.js": "",
	})
	settings := func(options ...browser.Option) string {
		p := browser.New(t, append(options, browser.Base(base))...)
		p.Goto("/")
		return browser.Eval[string](p, `[matchMedia("(prefers-color-scheme: dark)").matches,
			matchMedia("(prefers-reduced-motion: reduce)").matches, innerWidth, innerHeight, devicePixelRatio,
			Intl.DateTimeFormat().resolvedOptions().timeZone, document.visibilityState, document.hasFocus()].join(" ")`)
	}
	if got := settings(); got != "false false 1280 800 1 UTC visible true" {
		t.Errorf("plain: %s", got)
	}
	got := settings(browser.Dark(), browser.ReducedMotion(), browser.Viewport(320, 640), browser.Scale(2),
		browser.Timezone("America/New_York"))
	if got != "true true 320 640 2 America/New_York visible true" {
		t.Errorf("emulated: %s", got)
	}
	p := browser.New(t, browser.NoScript(), browser.Base(base))
	p.Goto("/")
	if text := p.Text("p"); text != "no script" {
		t.Errorf("without script: %q", text)
	}
	p.Click("h1")
	p.Screenshot(filepath.Join(t.TempDir(), "noscript.png"), true)
}

func TestPagesShareNoCookies(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{"/": document("Cookies", "<h1>Cookies</h1>"), "/page.js": ""})
	first, second := browser.New(t, browser.Base(base)), browser.New(t, browser.Base(base))
	first.Goto("/")
	browser.Eval[string](first, "document.cookie = 'a=1'")
	second.Goto("/")
	if cookie := browser.Eval[string](second, "document.cookie"); cookie != "" {
		t.Errorf("the second page has the cookie %q of the first", cookie)
	}
}

func TestSidewaysScroll(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{"/": `<!doctype html><title>Wide</title><h1>Wide</h1>
		<div style="overflow-x:auto;max-width:100%"><div style="width:2000px">may scroll</div></div>
		<section><p id="wide" style="width:500px;margin:0">wide</p></section>`})
	said := record(t, func(t testing.TB) {
		p := browser.New(t, browser.Base(base), browser.Viewport(1000, 600))
		p.Goto("/loose/")
		p.NoSidewaysScroll(t)
		p.Resize(320, 600)
		p.NoSidewaysScroll(t)
	})
	if !strings.Contains(said, "508 px in a window of 320 px") ||
		!strings.Contains(said, `p#wide "wide" ends at 508`) || strings.Contains(said, "may scroll") {
		t.Errorf("said %q", said)
	}
}

func TestScreenshot(t *testing.T) {
	t.Parallel()
	base := site(t, map[string]string{
		"/": `<!doctype html><title>Tall</title><body style="margin:0"><div style="height:3000px">tall</div>`,
	})
	p := browser.New(t, browser.Base(base), browser.Viewport(400, 300), browser.Scale(2))
	p.Goto("/loose/")
	for full, want := range map[bool][2]int{false: {800, 600}, true: {800, 6000}} {
		path := filepath.Join(t.TempDir(), "deep", "shot.png")
		p.Screenshot(path, full)
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		config, err := png.DecodeConfig(file)
		_ = file.Close()
		if err != nil || config.Width != want[0] || config.Height != want[1] {
			t.Errorf("full page %v: %d x %d, %v; want %v", full, config.Width, config.Height, err, want)
		}
	}
}

func TestAMissingBrowserSaysWhatToDo(t *testing.T) {
	t.Setenv("CHROMIUM", filepath.Join(t.TempDir(), "chromium"))
	if path, err := browser.Find(); err == nil || !strings.Contains(err.Error(), "run `make setup`") {
		t.Errorf("found %q, %v", path, err)
	}
}

func TestURLsMatch(t *testing.T) {
	t.Parallel()
	const at = "http://127.0.0.1:80/credits/buy?pack=small#top"
	for want, matches := range map[string]bool{
		"/credits/buy":                    true,
		"/credits":                        false,
		"/credits/*":                      true,
		"/credits/buy?pack=small":         true,
		"/credits/buy?pack=large":         false,
		"http://127.0.0.1:80/credits/buy": true,
		"http://127.0.0.1:80/*":           true,
		"/":                               false,
	} {
		if browser.MatchURL(want, at) != matches {
			t.Errorf("%s matches %s: %v", want, at, !matches)
		}
	}
}
