package ledger

import (
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/tokens"
)

// Filter selects entries of a history. Zero fields select all.
type Filter struct {
	Kinds     []Kind
	LotKinds  []LotKind
	Feature   string
	Agent     string
	Reference string    // the caller's, or the purchase or plan of the tokens
	From, To  time.Time // From inclusive, To exclusive
}

// Page is part of a history, newest first.
type Page struct {
	Lines []Line
	// Before is the argument for the next page; zero when there is none.
	Before int64
	// SearchedTo is set when the page ended after reading MaxScan entries, before it was full: it is the
	// time of the oldest entry read. Older entries may match, so Before is set too; Lines may be empty.
	SearchedTo time.Time
}

// Line is an entry with its note.
type Line struct {
	Entry
	Reason   string
	Metadata map[string]string
	Cause    Cause // of a clawback; empty if its note has none
}

// Bounds on one page of a history.
const (
	MaxPage = 200   // entries shown
	MaxScan = 4_000 // entries read if the filter has no index
)

// HoldInfo is a hold with its entry's time and note.
type HoldInfo struct {
	Number         int64 // the seq of its entry
	At             time.Time
	ExpiresAt      time.Time // as of the newest extension
	Outcome        Kind      // 0 while open; KindCapture, KindRelease, or KindExpiry after a timeout
	Amount         tokens.Amount
	Feature        string
	Agent          string
	Quantity       int64
	UnitPrice      tokens.Amount // zero when the caller sent the amount
	CatalogVersion string
	Reference      string
	Reason         string
	Metadata       map[string]string
	Parts          []Part // reserved amounts by lot
}

// AccountEvent is an event of an account in the outbox.
type AccountEvent struct {
	AccountID uuid.UUID
	Event
}
