package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mutant is one small change to a file: the bytes from..end become to.
type mutant struct {
	path      string
	line      int
	from, end int
	was, to   string
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d: %s -> %s", m.path, m.line, oneLine(m.was), oneLine(m.to))
}

// oneLine shortens code for a list.
func oneLine(code string) string {
	const most = 60
	code = strings.Join(strings.Fields(code), " ")
	if code == "" {
		return "(nothing)"
	}
	if len(code) > most {
		return strings.ToValidUTF8(code[:most], "") + "..."
	}
	return code
}

// candidates are all changes to a package's own code, in order of file and place. Tests and
// generated code are left alone.
func candidates(dir, only string) ([]mutant, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, name := range names {
		base := filepath.Base(name)
		if strings.HasSuffix(base, "_test.go") || strings.HasSuffix(base, "_templ.go") ||
			(only != "" && base != only) {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		found, err := changes(name, source)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no code to change", dir)
	}
	return all, nil
}

// changes are those of one file.
func changes(name string, source []byte) ([]mutant, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, source, 0)
	if err != nil {
		return nil, err
	}
	c := &collector{
		files:  files,
		path:   name,
		source: source,
	}
	for _, declaration := range file.Decls {
		if f, ok := declaration.(*ast.FuncDecl); ok && f.Body != nil {
			ast.Inspect(f.Body, c.visit)
		}
	}
	slices.SortStableFunc(c.found, func(a, b mutant) int { return a.from - b.from })
	return c.found, nil
}

// collector gathers the changes of a file.
type collector struct {
	files  *token.FileSet
	path   string
	source []byte
	found  []mutant
}

func (c *collector) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		c.binary(n)
	case *ast.IfStmt:
		c.condition(n.Cond)
	case *ast.BlockStmt:
		for _, s := range n.List {
			c.statement(s)
		}
	case *ast.CaseClause:
		for _, s := range n.Body {
			c.statement(s)
		}
	case *ast.ReturnStmt:
		c.swallow(n)
	case *ast.BasicLit:
		c.literal(n)
	case *ast.Ident:
		if other := map[string]string{"true": "false", "false": "true"}[n.Name]; other != "" {
			c.replace(n.Pos(), n.End(), other)
		}
	}
	return true
}

// others are operators with those that a slip would put in their place.
var others = map[token.Token][]token.Token{
	token.LSS:  {token.LEQ},
	token.LEQ:  {token.LSS},
	token.GTR:  {token.GEQ},
	token.GEQ:  {token.GTR},
	token.EQL:  {token.NEQ},
	token.NEQ:  {token.EQL},
	token.ADD:  {token.SUB},
	token.SUB:  {token.ADD},
	token.MUL:  {token.QUO},
	token.QUO:  {token.MUL},
	token.LAND: {token.LOR},
	token.LOR:  {token.LAND},
}

func (c *collector) binary(n *ast.BinaryExpr) {
	for _, other := range others[n.Op] {
		c.replace(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), other.String())
	}
	if n.Op == token.LAND || n.Op == token.LOR { // one of its conditions is dropped
		c.replace(n.X.Pos(), n.Y.Pos(), "")
		c.replace(n.X.End(), n.Y.End(), "")
	}
}

// condition negates the condition of an if, unless a comparison at its top is turned around already.
func (c *collector) condition(cond ast.Expr) {
	if b, ok := cond.(*ast.BinaryExpr); ok && others[b.Op] != nil {
		return
	}
	c.replace(cond.Pos(), cond.End(), "!("+c.text(cond.Pos(), cond.End())+")")
}

// statement drops a statement that leaves the code around it well formed.
func (c *collector) statement(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.ExprStmt, *ast.IncDecStmt:
		c.replace(s.Pos(), s.End(), "")
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE {
			c.replace(s.Pos(), s.End(), "")
		}
	}
}

// swallow answers nil in place of an error.
func (c *collector) swallow(n *ast.ReturnStmt) {
	if len(n.Results) == 0 {
		return
	}
	last, ok := n.Results[len(n.Results)-1].(*ast.Ident)
	if ok && last.Name == "err" {
		c.replace(last.Pos(), last.End(), "nil")
	}
}

// literal moves a number by one.
func (c *collector) literal(n *ast.BasicLit) {
	if n.Kind != token.INT {
		return
	}
	if v, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
		c.replace(n.Pos(), n.End(), strconv.FormatInt(v+1, 10))
	}
}

func (c *collector) text(from, end token.Pos) string {
	return string(c.source[c.files.Position(from).Offset:c.files.Position(end).Offset])
}

func (c *collector) replace(from, end token.Pos, to string) {
	at := c.files.Position(from)
	c.found = append(c.found, mutant{
		path: c.path,
		line: at.Line,
		from: at.Offset,
		end:  c.files.Position(end).Offset,
		was:  c.text(from, end),
		to:   to,
	})
}
