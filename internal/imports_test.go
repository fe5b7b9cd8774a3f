package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "pop.store/credits/"

// layers is the order of docs/design.md, top to bottom. A package may import packages of lower
// layers only; tests may also use the test helpers.
var layers = [][]string{
	{"cmd/credits", "internal/mutants"},
	{"internal/bench"},
	{"handlers"},
	{"handlers/api", "handlers/pages"},
	{"handlers/web"},
	{"internal/app"},
	{"internal/demo", "internal/jobs"},
	{"internal/mail", "internal/topup"},
	{"internal/receipt", "internal/present"},
	{"views", "internal/billing", "internal/directory", "internal/notice", "internal/results", "internal/recap"},
	{"internal/agents"},
	{"internal/relay", "internal/webhook"},
	{"internal/ledger/engine", "internal/ledger/audit"},
	{
		"internal/sandbox", "internal/ledger", "internal/forecast", "internal/session",
		"internal/apikey", "static",
	},
	{"internal/stripepay"},
	{
		"internal/catalog", "internal/payment", "internal/strictjson", "internal/idempotency",
		"internal/config", "internal/browser", "db",
	},
	{"internal/embedpg"},
	{
		"internal/problem", "internal/tokens", "internal/money", "internal/clock", "internal/burnorder",
		"internal/coalesce",
		"internal/recent", "internal/logs",
		"internal/inflight", "internal/sitepath", "internal/plaintext", "internal/seal",
	},
}

// restricted are imports from outside that only the named packages may have, each with its reason.
var restricted = map[string]struct {
	packages []string
	reason   string
}{
	"github.com/labstack/echo": {
		[]string{"handlers", "handlers/api", "handlers/pages", "handlers/web", "cmd/credits", "internal/bench"},
		"echo v4 will be replaced one day: keep it in one place (bench compares with a bare one)",
	},
	"github.com/gorilla/sessions": {[]string{"internal/session"}, "one package decides how sessions are kept"},
	"github.com/stripe/stripe-go": {
		[]string{"internal/stripepay", "internal/sandbox"},
		"one package knows the payment provider, and one plays it",
	},
	"github.com/a-h/templ":  {[]string{"views", "handlers/pages"}, "pages are made in views"},
	"github.com/jackc/tern": {[]string{"db"}, "migrations are db's"},
	"github.com/riverqueue/river": {
		[]string{"internal/jobs", "db"},
		"jobs are made and worked in one place, and db migrates their tables",
	},
	"go.yaml.in/yaml":              {[]string{"internal/catalog"}, "one package reads YAML, strictly"},
	"github.com/chromedp/chromedp": {[]string{"internal/browser"}, "browser tests go through one harness"},
	"github.com/jackc/pgx": {[]string{
		"db", "internal/directory", "internal/notice", "internal/apikey", "internal/app", "internal/bench",
		"internal/billing", "internal/demo", "internal/embedpg", "internal/jobs",
		"internal/ledger/audit", "internal/ledger/engine",
		"internal/mail", "internal/results", "internal/sandbox", "internal/session", "internal/topup",
		"internal/webhook", "cmd/credits",
	}, "handlers and views hold no SQL"},
	"github.com/wneessen/go-mail": {[]string{"internal/mail"}, "e-mails are written and sent in one place"},
	module + "internal/stripepay": {
		[]string{"internal/app", "internal/sandbox", "cmd/credits"},
		"billing knows payment providers by its own interface only; the sandbox plays Stripe",
	},
	"database/sql": {
		nil,
		"pgx natively: database/sql may run a statement twice after a lost acknowledgement",
	},
}

func TestImportsRunStrictlyDownward(t *testing.T) {
	t.Parallel()
	level := map[string]int{}
	for i, layer := range layers {
		for _, name := range layer {
			level[name] = i
		}
	}
	for pkg, imports := range sources(t) {
		mine, known := level[pkg]
		if !known {
			t.Errorf("%s is in no layer: add it to this test and to docs/design.md", pkg)
			continue
		}
		for imported := range imports {
			name, own := strings.CutPrefix(imported, module)
			if theirs, ok := level[name]; own && (!ok || theirs <= mine) {
				t.Errorf("%s imports %s, which is not below it", pkg, name)
			}
			checkRestricted(t, pkg, imported)
		}
	}
}

func checkRestricted(t *testing.T, pkg, imported string) {
	t.Helper()
	for prefix, rule := range restricted {
		if imported != prefix && !strings.HasPrefix(imported, prefix+"/") {
			continue
		}
		allowed := false
		for _, p := range rule.packages {
			allowed = allowed || p == pkg
		}
		if !allowed {
			t.Errorf("%s imports %s: %s", pkg, imported, rule.reason)
		}
	}
}

// toolboxes are packages that only tests import.
var toolboxes = []string{
	"db/testdb", "handlers/handlerstest", "internal/e2e", "internal/ledger/ledgertest", "internal/testkit",
}

func TestOnlyTestsImportToolboxes(t *testing.T) {
	t.Parallel()
	for pkg, imports := range sources(t) {
		for _, toolbox := range toolboxes {
			if imports[module+toolbox] {
				t.Errorf("%s imports %s, which is for tests only", pkg, toolbox)
			}
		}
	}
}

// sources lists the imports of every package of the binary. Tests and their helpers stand above
// everything and are left out.
func sources(t *testing.T) map[string]map[string]bool {
	t.Helper()
	packages := map[string]map[string]bool{}
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && skipped(file) {
			return fs.SkipDir
		}
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", file), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := path.Dir(file)
		if packages[dir] == nil {
			packages[dir] = map[string]bool{}
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			packages[dir][name] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 10 {
		t.Fatalf("only %d packages found: the test looks in the wrong place", len(packages))
	}
	return packages
}

func skipped(dir string) bool {
	base := path.Base(dir)
	return base == "node_modules" || base == "testdata" || (strings.HasPrefix(base, ".") && base != ".") ||
		slices.Contains(toolboxes, dir) ||
		dir == "internal/tools" || strings.HasPrefix(dir, "views/internal") || dir == "var" || dir == "bin"
}
