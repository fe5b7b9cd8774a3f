package catalog

import (
	_ "embed"
	"sync"
)

// DefaultVersion names the built-in prices, as Parse makes it of them.
const DefaultVersion = "2026-11-pop-store+4231d30b"

// DefaultFile is the built-in catalog as a file: what an operator copies to begin with.
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

// Builtin is the built-in catalog: the numbers of the help article "How to Understand AI Token
// Usage and Credits on POP.STORE". Each call gives a copy of its own.
func Builtin() *Catalog { return builtin().copy() }
