package internal_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fileOrder lists the files of a package from top to bottom: a file should use only what is declared
// below it. most is how many arrows may run upward, of all that lead from one file to another.
var fileOrder = map[string]struct {
	files []string
	most  int
}{
	"ledger": {
		files: []string{
			"doc.go", "receipt.go", "reads.go", "view.go", "usage_view.go",
			"apply.go", "fingerprint.go", "settle.go", "after_change.go",
			"plan.go", "capture.go", "extend.go", "refund.go", "takeback.go", "close.go", "hold.go",
			"agent_settings.go", "level.go",
			"period.go", "grant.go", "clawback.go", "expiry.go", "stopped.go", "charge.go",
			"changes.go", "due.go", "agent.go", "append.go", "rollup.go", "operation.go", "event.go",
			"snapshot.go", "state.go",
			"rows.go", "lot.go", "today.go", "cycle.go", "zone.go", "entry.go", "kinds.go", "errors.go",
		},
		most: 2,
	},
	"ledger/engine": {
		files: []string{
			"baseline.go", "quote.go", "purchase.go", "bulk.go",
			"foresee.go", "agents.go", "stopped_agents.go", "history.go", "lookup.go", "holds.go",
			"usage_series.go", "usage.go", "recent_work.go", "read.go",
			"ready.go", "sweep.go", "outbox.go", "claim.go", "engine.go",
			"lane.go", "queue.go", "shard.go",
			"load.go", "commit.go", "session.go", "postgres.go", "postgres_lanes.go", "writer.go",
			"store.go", "batch.go", "cache.go", "call.go", "records.go", "schema.go", "statements.go",
		},
		most: 1,
	},
	"ledger/audit": {
		files: []string{"audit.go", "agents.go", "holds.go", "sums.go", "rules.go"},
		most:  3,
	},
}

func TestFilesOfTheLedgerRunDownward(t *testing.T) {
	t.Parallel()
	for dir, order := range fileOrder {
		arrows := fileArrows(t, dir)
		place := map[string]int{}
		for i, file := range order.files {
			place[file] = i + 1
		}
		upward := 0
		for _, from := range slices.Sorted(maps.Keys(arrows)) {
			if place[from] == 0 {
				t.Errorf("%s/%s is in no place of the order", dir, from)
			}
			for _, to := range slices.Sorted(maps.Keys(arrows[from])) {
				if place[to] < place[from] {
					upward++
					t.Logf("%s: %s uses %s: %v", dir, from, to, slices.Sorted(maps.Keys(arrows[from][to])))
				}
			}
		}
		if upward > order.most {
			t.Errorf("%s: %d arrows between files run upward, more than %d", dir, upward, order.most)
		}
	}
}

// fileArrows finds, for each file of a package, the other files whose declarations it uses, and which.
// Imported packages are left out, so what is reached through them is not seen.
func fileArrows(t *testing.T, dir string) map[string]map[string]map[string]bool {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files: %v", dir, len(names), err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: noImports{}, Error: func(error) {}} // imported names stay unknown
	_, _ = config.Check(dir, fset, files, info)
	arrows := map[string]map[string]map[string]bool{}
	for _, file := range files {
		arrows[filepath.Base(fset.Position(file.Pos()).Filename)] = map[string]map[string]bool{}
	}
	for ident, object := range info.Uses {
		if !object.Pos().IsValid() || !declared(object) {
			continue
		}
		from := filepath.Base(fset.Position(ident.Pos()).Filename)
		to := filepath.Base(fset.Position(object.Pos()).Filename)
		if from == to {
			continue
		}
		if arrows[from][to] == nil {
			arrows[from][to] = map[string]bool{}
		}
		arrows[from][to][object.Name()] = true
	}
	return arrows
}

// declared says whether an object is declared by a package: at its top level, or as a method. Fields
// belong to their types.
func declared(object types.Object) bool {
	if f, ok := object.(*types.Func); ok && f.Signature().Recv() != nil {
		return true
	}
	return object.Parent() != nil && object.Pkg() != nil && object.Parent() == object.Pkg().Scope()
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("left out") }
