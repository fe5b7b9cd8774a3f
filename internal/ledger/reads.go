package ledger

import (
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/tokens"
)

// Filter narrows a history. Zero fields do not narrow.
type Filter struct {
	Kinds     []Kind
	LotKinds  []LotKind
	Feature   string
	Agent     string
	Reference string    // the caller's, or the purchase or plan that tokens came from
	From, To  time.Time // From inclusive, To exclusive
}

// Page is part of a history, newest first.
type Page struct {
	Lines []Line
	// Before is where the next page begins: pass it as before; zero when there is none.
	Before int64
	// SearchedTo is set when the page ended because it had read MaxScan entries, before it was
	// full: the time of the oldest entry read. Older ones may match, so Before is set as well, and
	// Lines may be empty.
	SearchedTo time.Time
}

// Line is an entry with the free text beside it.
type Line struct {
	Entry
	Reason   string
	Metadata map[string]string
	Cause    Cause // of a clawback; empty where the notes do not tell it
}

// Bounds on one page of a history.
const (
	MaxPage = 200   // entries shown
	MaxScan = 4_000 // entries read, when the filter has no index
)

// HoldInfo is a hold as it stands.
type HoldInfo struct {
	Number         int64 // the seq of its entry
	At             time.Time
	ExpiresAt      time.Time // as of the newest extension
	Outcome        Kind      // 0 while it is open; KindCapture, KindRelease, or KindExpiry when its time was over
	Amount         tokens.Amount
	Feature        string
	Agent          string
	Quantity       int64
	UnitPrice      tokens.Amount // zero when the caller sent the amount
	CatalogVersion string
	Reference      string
	Reason         string
	Metadata       map[string]string
	Parts          []Part // what it reserves of which lot
}

// Told is an event of an account on its way out.
type Told struct {
	AccountID uuid.UUID
	Event
}
