package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// step is one line of a walk in ARCHITECTURE.md, such as "1. `handlers.App.badge` answers the poll".
var step = regexp.MustCompile("^\\d+\\. `([a-z0-9/]+)\\.([A-Za-z.]+)`(.*)$")

// The walks of ARCHITECTURE.md name functions that exist, and each function is called by one that
// stands before it in its walk. Where the work changes hands (a queue, a route, another process),
// the line says so in brackets.
func TestTheWalksAreTrue(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	bodies := functions(t)
	var before []string
	walks, steps := 0, 0
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "### Walk") {
			walks++
			before = nil
			continue
		}
		m := step.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		steps++
		body, ok := bodies[m[1]+"."+m[2]]
		if !ok {
			t.Errorf("%s.%s does not exist", m[1], m[2])
			continue
		}
		name := m[2][strings.LastIndex(m[2], ".")+1:]
		if len(before) > 0 && !strings.Contains(m[3], "(") && !calledBy(before, name) {
			t.Errorf("%s.%s is called by none of the functions before it", m[1], m[2])
		}
		before = append(before, body)
	}
	if walks != 3 || steps < 20 {
		t.Errorf("%d walks of %d steps", walks, steps)
	}
}

func calledBy(bodies []string, name string) bool {
	use := regexp.MustCompile(`\b` + name + `\b`)
	for _, body := range bodies {
		if use.MatchString(body) {
			return true
		}
	}
	return false
}

// functions are the sources of all functions and methods, by folder and name: "db.Open",
// "internal/ledger.State.Apply".
func functions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir("..", func(file string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && file != ".." && skipped(strings.TrimPrefix(file, "../")) {
			return filepath.SkipDir
		}
		if filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, file, source, 0)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(file), "../"))
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				body := source[files.Position(f.Body.Pos()).Offset:files.Position(f.Body.End()).Offset]
				found[dir+"."+receiver(f)+f.Name.Name] = string(body)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// receiver is the type of a method's receiver and a dot; empty for a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	switch of := of.(type) {
	case *ast.Ident:
		return of.Name + "."
	case *ast.IndexExpr:
		return of.X.(*ast.Ident).Name + "."
	}
	return "?."
}
