// Package ledger has the rules of the token ledger: what a charge, hold, refund, grant or plan change does
// to an account's append-only entries and to its lots of tokens. It also defines the requests and results
// that callers exchange with package engine.
//
// The rules are pure: Apply takes a State, an operation, the time and the prices, and returns an Outcome.
// They use no clock, database or goroutine. Package engine opens states from Postgres (Open) and writes
// what has changed (Changes). Amounts are tokens.Amount, millionths of a token; times are UTC.
//
// The package is large on purpose. All rules change one State, whose fields no other package may touch, so
// they cannot be split; and with the engine's requests and results here, callers import one package.
package ledger
