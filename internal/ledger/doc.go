// Package ledger has the rules of the books and the words in which others ask about them: per account
// an append-only list of entries, and the lots that they filled and emptied.
//
// The rules are pure: Apply takes a State, an operation, an instant and the prices, and answers an
// Outcome. There is no clock, no database and no goroutine here. Package engine opens states from
// Postgres (Open) and writes what has changed (Changes). Amounts are tokens.Amount, millionths of a
// token; instants are UTC.
package ledger
