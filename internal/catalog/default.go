package catalog

import (
	_ "embed"
	"sync"
)

// DefaultVersion is the version of the built-in prices.
const DefaultVersion = "2026-11-pop-store+4231d30b"

// DefaultFile is the built-in catalog as a file, for operators to start from.
//
//go:embed default.yaml
var DefaultFile []byte

// builtin parses the built-in catalog, once.
var builtin = sync.OnceValue(func() *Catalog {
	c, _, err := Parse("default.yaml", DefaultFile)
	if err != nil {
		panic("catalog: " + err.Error()) // a test parses it
	}
	return c
})

// Builtin returns a copy of the built-in catalog: the numbers of the help article "How to
// Understand AI Token Usage and Credits on POP.STORE".
func Builtin() *Catalog { return builtin().copy() }
