package ledger

import (
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/tokens"
)

// Entry is one line of an account's books: append-only, numbered without gaps.
type Entry struct {
	AccountID      uuid.UUID
	Seq            int64
	At             time.Time // never before the entry in front of it
	Kind           Kind
	Amount         tokens.Amount // signed: what the balance changed by
	HeldDelta      tokens.Amount
	BalanceAfter   tokens.Amount // total: spendable, held and frozen
	HeldAfter      tokens.Amount
	SpendableAfter tokens.Amount
	Contra         Contra
	LotKind        LotKind // of a grant, expiry or clawback: whose tokens
	Feature        string
	Agent          string
	Quantity       int64
	UnitPrice      tokens.Amount // zero when the caller sent the amount
	CatalogVersion string
	Reference      string
	About          int64     // the entry that a refund, capture or release is about; 0: none
	Day            time.Time // the date in the billing zone, at midnight UTC
	Parts          []Part    // which lots paid or received how much

	Key         string
	Fingerprint Fingerprint // of the request that the key was used for
	Note        Note
	LastSeq     int64   // the last entry that the same request wrote; 0: no other
	Settled     Balance // after that entry
}

// Part is the share of one lot in an entry.
type Part struct {
	Lot    int64
	Amount tokens.Amount
}

// Note is free text about an entry, from the caller. It lives beside the books, where erasure can delete it.
type Note struct {
	Reason   string
	Metadata map[string]string
}

// or gives the note with what it leaves empty taken from another.
func (n Note) or(other Note) Note {
	if n.Reason == "" {
		n.Reason = other.Reason
	}
	if len(n.Metadata) == 0 {
		n.Metadata = other.Metadata
	}
	return n
}

// Empty says whether there is no text at all.
func (n Note) Empty() bool { return n.Reason == "" && len(n.Metadata) == 0 }

// idEncoding keeps ids lower-case, sortable by seq within an account, and free of punctuation.
var idEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

const (
	idPrefix  = "txn_"
	idAccount = 8 // bytes of the account in an id: enough to tell accounts apart, and that an id belongs to another one
)

// Balance is what there is after the entry.
func (e *Entry) Balance() Balance { return Balance{e.SpendableAfter, e.HeldAfter, e.BalanceAfter} }

// Moved is what the parts of an entry add up to: the amount, or for a hold and its release what is held.
func (e *Entry) Moved() tokens.Amount {
	if e.Kind == KindHold || e.Kind == KindRelease {
		return e.HeldDelta
	}
	return e.Amount
}

// ID names the entry to callers. It is made of account and seq, so no index is needed to find an entry by it.
func (e *Entry) ID() string { return EntryID(e.AccountID, e.Seq) }

// EntryID is the id of the account's entry with this seq.
func EntryID(account uuid.UUID, seq int64) string {
	var raw [idAccount + 8]byte
	copy(raw[:idAccount], account[:])
	binary.BigEndian.PutUint64(raw[idAccount:], uint64(seq))
	return idPrefix + strings.ToLower(idEncoding.EncodeToString(raw[:]))
}

// ParseID gives the seq of an entry of this account; false for anything else, another account's
// entries and other spellings included.
func ParseID(account uuid.UUID, id string) (int64, bool) {
	text, _ := strings.CutPrefix(id, idPrefix)
	raw, err := idEncoding.DecodeString(strings.ToUpper(text)) // which passes line breaks and spare bits
	if err != nil || len(raw) != idAccount+8 {
		return 0, false
	}
	seq := int64(binary.BigEndian.Uint64(raw[idAccount:]))
	if seq < 1 || EntryID(account, seq) != id {
		return 0, false
	}
	return seq, true
}

// WithKey gives a copy of the entry under another idempotency key.
func (e Entry) WithKey(key string) Entry {
	e.Key = key
	return e
}

// Balance is what an account had at an instant.
type Balance struct {
	Spendable, Held, Total tokens.Amount
}

// Fingerprint tells a mistake from a retry, within one account and key, so it is short on purpose.
type Fingerprint [16]byte

// AppendTo appends the fingerprint as it is stored.
func (f *Fingerprint) AppendTo(b []byte) []byte { return append(b, f[:]...) }
