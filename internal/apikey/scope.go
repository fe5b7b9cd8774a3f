package apikey

import (
	"fmt"
	"strings"

	"pop.store/credits/internal/problem"
)

// Scope is what a key may do. Each scope includes those before it; the zero Scope includes nothing.
type Scope uint8

// The scopes, in ascending order.
const (
	Read  Scope = iota + 1 // balances, history, catalog
	Spend                  // and charges, holds, purchases
	Admin                  // and accounts, grants, login links, webhook endpoints
)

var scopeNames = [...]string{
	Read:  "read",
	Spend: "spend",
	Admin: "admin",
}

// String is the scope's name in the API and on the command line.
func (s Scope) String() string {
	if s < Read || s > Admin {
		return fmt.Sprintf("scope(%d)", uint8(s))
	}
	return scopeNames[s]
}

// Allows reports whether a key of scope s may do what needs need. A route without a known scope is
// closed to all.
func (s Scope) Allows(need Scope) bool {
	return Read <= need && need <= s && s <= Admin
}

// ParseScopes reads a comma-separated list of scopes and returns the highest. The error is a
// *problem.Error of kind Unprocessable for the field "scopes".
func ParseScopes(list string) (Scope, error) {
	var highest Scope
	for name := range strings.SplitSeq(list, ",") {
		s, ok := scopeNamed(strings.TrimSpace(name))
		if !ok {
			return 0, problem.Invalid("scopes", "must be one or more of read, spend, admin, separated by commas")
		}
		highest = max(highest, s)
	}
	return highest, nil
}

func scopeNamed(name string) (Scope, bool) {
	for s := Read; s <= Admin; s++ {
		if scopeNames[s] == name {
			return s, true
		}
	}
	return 0, false
}
