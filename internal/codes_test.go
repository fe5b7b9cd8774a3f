package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// errorRow is a row of the table of errors in docs/api.md: a status, its codes, and when.
var (
	errorRow  = regexp.MustCompile("(?m)^\\| (\\d{3}) \\| ((?:`[a-z_]+`(?:, )?)+) \\|")
	errorCode = regexp.MustCompile("`([a-z_]+)`")
)

// Every code that a caller can get is documented with its status, and every documented code can come.
func TestEveryErrorCodeIsDocumented(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range errorRow.FindAllStringSubmatch(string(docs), -1) {
		for _, code := range errorCode.FindAllStringSubmatch(row[2], -1) {
			documented[code[1]+" "+row[1]] = true
		}
	}
	used := codes(t)
	// answered in the place of net/http, whose statuses have no kind
	used["headers_too_large 431"] = "handlers/listener.go"
	if len(used) < 40 || len(documented) < 40 {
		t.Fatalf("%d codes used, %d documented", len(used), len(documented))
	}
	for code, where := range used {
		if !documented[code] {
			t.Errorf("%s is not in docs/api.md: %s", code, where)
		}
	}
	for code := range documented {
		if used[code] == "" {
			t.Errorf("docs/api.md has %s, which nothing answers", code)
		}
	}
}

// statuses are the statuses of the kinds of problem, as docs/api.md has them.
var statuses = map[string]string{
	"Internal":         "500",
	"Malformed":        "400",
	"Unauthenticated":  "401",
	"Insufficient":     "402",
	"Forbidden":        "403",
	"NotFound":         "404",
	"MethodNotAllowed": "405",
	"Conflict":         "409",
	"TooLarge":         "413",
	"MediaType":        "415",
	"Unprocessable":    "422",
	"RateLimited":      "429",
	"KindUnavailable":  "503",
	"":                 "500",
}

// codes are the "code status" of every problem that the code makes, and where.
func codes(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if kind, code, ok := problemOf(n); ok {
				found[code+" "+statuses[kind]] = files.Position(n.Pos()).String()
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// problemOf reads problem.New(problem.Kind, "code", ...) and problem.Error{Kind: problem.Kind,
// Code: "code"}, with or without the package's name.
func problemOf(n ast.Node) (kind, code string, ok bool) {
	switch n := n.(type) {
	case *ast.CallExpr:
		if lastName(n.Fun) == "Malformed" && len(n.Args) == 3 {
			return "Malformed", literal(n.Args[0]), literal(n.Args[0]) != "" // of handlers/web
		}
		if lastName(n.Fun) != "New" || len(n.Args) < 3 {
			return "", "", false
		}
		kind, code = lastName(n.Args[0]), literal(n.Args[1])
	case *ast.AssignStmt:
		if lastName(n.Lhs[0]) == "Code" {
			return "Malformed", literal(n.Rhs[0]), literal(n.Rhs[0]) != "" // of strictjson
		}
	case *ast.CompositeLit:
		if name := lastName(n.Type); name != "Error" && name != "fault" { // of strictjson
			return "", "", false
		}
		for _, element := range n.Elts {
			pair, isPair := element.(*ast.KeyValueExpr)
			if !isPair {
				continue
			}
			switch strings.ToLower(lastName(pair.Key)) {
			case "kind":
				kind = lastName(pair.Value)
			case "code":
				code = literal(pair.Value)
			}
		}
	}
	_, known := statuses[kind]
	return kind, code, known && code != ""
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		text, _ := strconv.Unquote(l.Value)
		return text
	}
	return ""
}
