package main

import "runtime/debug"

// relaxCollector lets the heap grow to five times what lives before it is collected, unless GOGC
// says otherwise. What lives is a few dozen megabytes, and each collection looks through the stack
// of every waiting request.
func relaxCollector(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}
