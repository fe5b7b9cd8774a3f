package ledger_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// impure are imports that no rule needs: a rule has no clock, no database, no goroutine and no log.
var impure = []string{
	"context", "database/sql", "github.com/jackc", "log", "log/slog", "net", "os", "pop.store/credits/db",
	"sync/atomic",
}

// zone.go keeps loaded time zones for all goroutines; nothing else here is shared.
var mayImport = map[string]string{"zone.go": "sync"}

func TestTheRulesArePure(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			for _, banned := range append(impure, "sync") {
				if (name == banned || strings.HasPrefix(name, banned+"/")) && mayImport[file] != name {
					t.Errorf("%s imports %s: rules are pure", file, name)
				}
			}
		}
	}
}
