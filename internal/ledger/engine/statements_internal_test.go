package engine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The ledger's tables can be spread over nodes by account. These tests check every statement of the package, the schema
// and the code around them for what that needs, as far as text shows it.

// schemaFiles are the migrations of the ledger's tables: those with "ledger" in their names.
const schemaFiles = "../../../db/migrations/*ledger*.sql"

// statementFiles are the files of this package that may contain SQL. The queries of `credits verify` read by ranges of
// accounts; they are in package audit.
var statementFiles = []string{"statements.go"}

// source is the package's code without its tests.
func source(t *testing.T) map[string]*ast.File {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		if files[name], err = parser.ParseFile(token.NewFileSet(), name, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// statements are the constants of statements.go by name, concatenated, in lower case, with single spaces.
func statements(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, decl := range source(t)["statements.go"].Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			t.Fatalf("statements.go holds something else than constants")
		}
		for _, spec := range d.Specs {
			v := spec.(*ast.ValueSpec)
			for i, name := range v.Names {
				texts[name.Name] = joined(t, v.Values[i], texts)
			}
		}
	}
	out := map[string]string{}
	for name, text := range texts {
		if strings.HasPrefix(name, "sql") {
			out[name] = strings.Join(strings.Fields(strings.ToLower(text)), " ")
		}
	}
	if len(out) < 20 {
		t.Fatalf("only %d statements were found", len(out))
	}
	return out
}

func joined(t *testing.T, e ast.Expr, known map[string]string) string {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err != nil {
			t.Fatal(err)
		}
		return text
	case *ast.Ident:
		text, ok := known[e.Name]
		if !ok {
			t.Fatalf("%s is used before it is made", e.Name)
		}
		return text
	case *ast.BinaryExpr:
		return joined(t, e.X, known) + joined(t, e.Y, known)
	}
	t.Fatalf("a statement is made of %T", e)
	return ""
}

func schema(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob(schemaFiles)
	if err != nil || len(names) < 2 {
		t.Fatalf("%d migrations of the ledger, %v", len(names), err)
	}
	var all strings.Builder
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(raw)
	}
	return strings.ToLower(regexp.MustCompile(`--[^\n]*`).ReplaceAllString(all.String(), ""))
}

// ledgerTables are the tables of the schema with their column definitions.
func ledgerTables(t *testing.T) map[string]string {
	t.Helper()
	tables := map[string]string{}
	table := regexp.MustCompile(`(?s)create table (\w+) \((.*?)\n\)[^\n]*;`)
	for _, m := range table.FindAllStringSubmatch(schema(t), -1) {
		tables[m[1]] = m[2]
	}
	if len(tables) < 8 {
		t.Fatalf("only %d tables were found", len(tables))
	}
	return tables
}

var volatile = regexp.MustCompile(
	`\b(now|random|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|gen_random_uuid|uuid_generate_\w+|uuidv[47]|nextval|currval|setval|txid_current|pg_advisory\w*)\s*\(|\bcurrent_(date|time|timestamp)\b|\blocal(time|timestamp)\b`,
)

var (
	inParentheses = regexp.MustCompile(`\([^()]*\)`)
	keyed         = regexp.MustCompile(`(?:^|[ (.])account = (?:any ?\(\$\d+\)|\$\d+|\w+\.account\b)`)
	clauseEnd     = regexp.MustCompile(
		` (?:order by|group by|limit|returning|for no key update|for update|union|on conflict|window|having) `,
	)
)

// blocks splits a statement into its queries, innermost first, each without those in its parentheses.
func blocks(statement string) []string {
	var list []string
	rest := statement
	for {
		at := inParentheses.FindStringIndex(rest)
		if at == nil {
			break
		}
		inner := rest[at[0]+1 : at[1]-1]
		replaced := "⟦" + inner + "⟧"
		if strings.HasPrefix(strings.TrimSpace(inner), "select ") || strings.HasPrefix(strings.TrimSpace(inner),
			"update ") {
			list = append(list, halves(inner)...)
			replaced = "query"
		} else if regexp.MustCompile(`any ?$`).MatchString(rest[:at[0]]) {
			replaced = "⟦" + inner + "⟧"
		}
		rest = rest[:at[0]] + replaced + rest[at[1]:]
	}
	list = append(list, halves(rest)...)
	for i := range list {
		list[i] = strings.NewReplacer("⟦", "(", "⟧", ")").Replace(list[i])
	}
	return list
}

func halves(query string) []string { return regexp.MustCompile(` union (?:all )?`).Split(query, -1) }

// byShard are statements that need no account, each with the reason (spec "Citus": sweeps).
var byShard = map[string]string{
	"sqlOutbox":      "each shard gives the events that wait in it; nothing is decided on what it answers",
	"sqlDueAccounts": "each shard finds its own due accounts; nothing is decided on what it answers",
}

func TestStatementsNameTheAccountInEveryWhere(t *testing.T) {
	t.Parallel()
	tables := ledgerTables(t)
	checked := 0
	all := statements(t)
	for name := range byShard {
		if _, there := all[name]; !there {
			t.Errorf("%s is exempt and not there", name)
		}
		delete(all, name)
	}
	for name, statement := range all {
		for _, block := range blocks(statement) {
			for table := range tables {
				for _, m := range regexp.MustCompile(`\b(from|join|update) `+table+
					`\b(?: as (\w+))?`).FindAllStringSubmatchIndex(block, -1) {
					checked++
					verb := block[m[2]:m[3]]
					clause := " where "
					if verb == "join" {
						clause = " on "
					}
					rest := block[m[1]:]
					at := strings.Index(rest, clause)
					if at < 0 {
						t.Errorf("%s: %s %s has no%sin %q", name, verb, table, clause, block)
						continue
					}
					condition := rest[at+len(clause)-1:]
					if verb == "join" {
						condition = regexp.MustCompile(` (?:left join|join|cross join|where) `).Split(condition, 2)[0]
					}
					if condition = clauseEnd.Split(condition, 2)[0]; !keyed.MatchString(condition) ||
						strings.Contains(condition, " or account") {
						t.Errorf("%s: %s %s is not by account: %q", name, verb, table, condition)
					}
				}
			}
		}
	}
	if checked < 25 {
		t.Errorf("only %d uses of tables were looked at", checked)
	}
}

// The checks above find statements that break the rule.
func TestABrokenStatementWouldBeFound(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]bool{
		"select a from entries as e where e.account = $1 and e.seq = 2":                                     true,
		"select a from entries as e where e.seq = 2":                                                        false,
		"select a from entries as e where e.account = any($1) order by e.account":                           true,
		"select a from entries as e where e.account <> $1":                                                  false,
		"select a from entries order by account = $1 ":                                                      false,
		"update entries as e set x = 1 from unnest($1::uuid[]) as u (account) where e.account = any($1)":    true,
		"update entries as e set x = 1 where e.account in (select account from entries where account = $1)": false,
	} {
		ok := true
		for _, block := range blocks(statement) {
			if strings.Contains(block, "entries") {
				_, condition, _ := strings.Cut(block, " where ")
				ok = ok && keyed.MatchString(clauseEnd.Split(" "+condition, 2)[0])
			}
		}
		if ok != want {
			t.Errorf("%q: %v, want %v", statement, ok, want)
		}
	}
}

func TestStatementsKeepTheRulesOfCitus(t *testing.T) {
	t.Parallel()
	updates := 0
	for name, statement := range statements(t) {
		if found := volatile.FindString(statement); found != "" {
			t.Errorf("%s is volatile: %s", name, found)
		}
		for _, word := range []string{
			"merge", "trigger", "on constraint", "lock table", "notify", "truncate",
			"delete",
		} {
			// Neither the outbox nor the keys of claims are part of the ledger.
			allowed := word == "delete" && (name == "sqlForgetOutbox" || name == "sqlDropClaim")
			if regexp.MustCompile(`\b`+word+`\b`).MatchString(statement) && !allowed {
				t.Errorf("%s says %s", name, word)
			}
		}
		// Types are written uuid[]; anything in the brackets is an element of an array, which must
		// come by unnest.
		if found := regexp.MustCompile(`\[[^\]]+\]`).FindString(statement); found != "" {
			t.Errorf("%s takes the element %s of an array", name, found)
		}
		if strings.Contains(statement, " set ") && strings.Contains(statement, "from unnest(") &&
			!strings.Contains(statement, "on conflict") {
			updates++
			if !regexp.MustCompile(`where \w+\.account = u\.account and .*\w+\.account = any\(\$1\)`).
				MatchString(statement) {
				t.Errorf("%s updates from unnest, without account = any($1)", name)
			}
		}
		if m := regexp.MustCompile(`on conflict \(([^)]*)\)`).FindStringSubmatch(statement); strings.Contains(
			statement,
			"on conflict",
		) &&
			(m == nil || !strings.HasPrefix(m[1], "account")) {
			t.Errorf("%s: on conflict names no columns that begin with the account", name)
		}
		if m := regexp.MustCompile(`insert into \w+(?: as \w+)? \(([^)]*)\)`).FindStringSubmatch(statement); strings.Contains(
			statement,
			"insert into",
		) &&
			(m == nil || !strings.HasPrefix(m[1], "account")) {
			t.Errorf("%s inserts without naming its columns, the account first", name)
		}
	}
	if updates < 3 {
		t.Errorf("only %d updates were looked at", updates)
	}
}

func TestTheSchemaKeepsTheRulesOfCitus(t *testing.T) {
	t.Parallel()
	text := schema(t)
	for _, word := range []string{
		"trigger", "serial", "bigserial", "identity", "sequence", "references",
		"function", "procedure", "exclude", "rule",
	} {
		if regexp.MustCompile(`\b` + word + `\b`).MatchString(text) {
			t.Errorf("the schema says %s", word)
		}
	}
	if found := volatile.FindString(text); found != "" {
		t.Errorf("the schema is volatile: %s", found)
	}
	for name, body := range ledgerTables(t) {
		if !regexp.MustCompile(`^\s*account\s+uuid\s`).MatchString(body) {
			t.Errorf("the first column of %s is not the account", name)
		}
		keys := regexp.MustCompile(`(?:primary key|unique) \(([^)]*)\)`).FindAllStringSubmatch(body, -1)
		inline := strings.Count(body, "primary key") + strings.Count(body, "unique") - len(keys)
		ofAccount := len(regexp.MustCompile(`\n\s*account\s+uuid primary key`).FindAllString("\n"+body, -1))
		if inline != ofAccount || len(keys)+ofAccount == 0 {
			t.Errorf("%s has a key of another column, or none", name)
		}
		for _, key := range keys {
			if !regexp.MustCompile(`^account\b`).MatchString(key[1]) {
				t.Errorf("%s: the account is not first in %s", name, key[0])
			}
		}
	}
	indexes := regexp.MustCompile(`create (?:unique )?index (\w+) on (\w+)(?: using \w+)? \(([^)]*)\)`).
		FindAllStringSubmatch(text, -1)
	if len(indexes) != strings.Count(text, "index ") || len(indexes) == 0 {
		t.Errorf("%d indexes were understood", len(indexes))
	}
	for _, index := range indexes {
		if index[1] == "ledger_accounts_due" {
			continue // no key, and only for sqlDueAccounts, by which each shard finds its own due accounts
		}
		if !regexp.MustCompile(`^account\b`).MatchString(index[3]) {
			t.Errorf("the account is not first in %s", index[0])
		}
	}
}

// Violations are recognised by their SQLSTATE: nodes name their constraints as they like.
func TestNoCodeKnowsAConstraintByName(t *testing.T) {
	t.Parallel()
	names := []string{"ConstraintName"}
	for _, m := range regexp.MustCompile(`(?:index|constraint) (\w+)`).FindAllStringSubmatch(schema(t), -1) {
		names = append(names, m[1])
	}
	for table := range ledgerTables(t) {
		names = append(names, table+"_pkey", table+"_check")
	}
	for file, parsed := range source(t) {
		ast.Inspect(parsed, func(n ast.Node) bool {
			for _, name := range names {
				switch n := n.(type) {
				case *ast.Ident:
					if n.Name == name {
						t.Errorf("%s uses %s", file, name)
					}
				case *ast.BasicLit:
					if n.Kind == token.STRING && regexp.MustCompile(`\b`+name+`\b`).MatchString(n.Value) {
						t.Errorf("%s names %s", file, name)
					}
				}
			}
			return true
		})
	}
}

var looksLikeSQL = regexp.MustCompile(
	`(?is)\b(select\b.+\bfrom|insert\s+into|update\s+\w+(\s+as\s+\w+)?\s+set|delete\s+from|create\s+(temp|table|index|view)|alter\s+table|drop\s+table|truncate\s)`,
)

// plainCommands are statements that touch no table.
var plainCommands = []string{"begin", "commit", "rollback", "begin isolation level repeatable read read only"}

// SQL is only where these tests check it, and nothing else is sent to the database.
func TestSQLStandsInItsFilesOnly(t *testing.T) {
	t.Parallel()
	for file, parsed := range source(t) {
		if slices.Contains(statementFiles, file) {
			continue
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING &&
				looksLikeSQL.MatchString(lit.Value) && !measures(file) {
				t.Errorf("%s has SQL: %s", file, lit.Value)
			}
			if call, ok := n.(*ast.CallExpr); ok && !measures(file) {
				checkSend(t, file, call)
			}
			return true
		})
	}
}

// measures returns whether a file only serves `credits bench`, which compares the ledger with plain inserts, or sends
// what db opens a transaction with.
func measures(file string) bool { return file == "baseline.go" || file == "postgres_lanes.go" }

// checkSend checks that what is sent is a named statement.
func checkSend(t *testing.T, file string, call *ast.CallExpr) {
	t.Helper()
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains([]string{"Queue", "queue", "Query", "QueryRow", "Exec"}, sel.Sel.Name) {
		return
	}
	for _, arg := range call.Args {
		switch a := arg.(type) {
		case *ast.Ident:
			if strings.HasPrefix(a.Name, "sql") {
				return
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(a.Value); err == nil && slices.Contains(plainCommands, text) {
				return
			}
		}
	}
	if len(call.Args) == 1 && sel.Sel.Name == "Query" {
		return // a queued statement's reader
	}
	if file == "records.go" && sel.Sel.Name == "Queue" {
		return // records forward what queue was given
	}
	t.Errorf("%s: %s sends something that is not one of the statements", file, sel.Sel.Name)
}

// No other package uses the ledger's tables, except the benchmark, which fills a database of its own.
func TestOnlyTheLedgerTouchesItsTables(t *testing.T) {
	t.Parallel()
	var tables []string
	for table := range ledgerTables(t) {
		tables = append(tables, table)
	}
	touches := regexp.MustCompile(`(?is)\b(from|join|update|into)\s+(only\s+)?(` + strings.Join(tables, "|") + `)\b`)
	looked := 0
	err := filepath.WalkDir("../../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "ledger" || d.Name() == "bench" ||
			d.Name() == "handlerstest" || // helpers of tests
			(strings.HasPrefix(d.Name(), ".") && d.Name() != "..")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		looked++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING &&
				looksLikeSQL.MatchString(lit.Value) && touches.MatchString(lit.Value) {
				t.Errorf("%s: %s", path, lit.Value)
			}
			return true
		})
		return nil
	})
	if err != nil || looked < 20 {
		t.Errorf("%d files, %v", looked, err)
	}
}
