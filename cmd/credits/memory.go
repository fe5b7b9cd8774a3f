package main

import "runtime/debug"

// relaxCollector lets the heap grow to five times the live heap before a collection, unless GOGC is set.
// The live heap is a few dozen megabytes, and each collection scans the stack of every waiting request.
func relaxCollector(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}
