package ledger

import (
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/tokens"
)

// Entry is one line of an account's ledger. Entries are append-only and numbered without gaps.
type Entry struct {
	AccountID      uuid.UUID
	Seq            int64
	At             time.Time // never before that of the previous entry
	Kind           Kind
	Amount         tokens.Amount // signed change of the balance
	HeldDelta      tokens.Amount
	BalanceAfter   tokens.Amount // total, including held and frozen tokens
	HeldAfter      tokens.Amount
	SpendableAfter tokens.Amount
	Contra         Contra
	LotKind        LotKind // of a grant, expiry or clawback
	Feature        string
	Agent          string
	Quantity       int64
	UnitPrice      tokens.Amount // zero when the caller sent the amount
	CatalogVersion string
	Reference      string
	About          int64     // seq of the entry that a refund, capture, release or clawback refers to; 0: none
	Day            time.Time // the date in the billing zone, as midnight UTC
	Parts          []Part    // shares of the lots

	Key         string
	Fingerprint Fingerprint // of the request with the key
	Note        Note
	LastSeq     int64   // seq of the last entry that the same request wrote; 0: this one
	Settled     Balance // the balance after that entry
}

// Part is the share of one lot in an entry.
type Part struct {
	Lot    int64
	Amount tokens.Amount
}

// Note is the caller's free text about an entry. It is stored apart from the entries, so that it can be
// erased.
type Note struct {
	Reason   string
	Metadata map[string]string
}

// or fills empty fields from another note.
func (n Note) or(other Note) Note {
	if n.Reason == "" {
		n.Reason = other.Reason
	}
	if len(n.Metadata) == 0 {
		n.Metadata = other.Metadata
	}
	return n
}

// Empty reports whether the note has neither reason nor metadata.
func (n Note) Empty() bool { return n.Reason == "" && len(n.Metadata) == 0 }

// idEncoding keeps ids lower-case, free of punctuation, and sortable by seq within an account.
var idEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

const (
	idPrefix  = "txn_"
	idAccount = 8 // bytes of the account in an id, enough to recognize another account's id
)

// Balance is the balance after the entry.
func (e *Entry) Balance() Balance { return Balance{e.SpendableAfter, e.HeldAfter, e.BalanceAfter} }

// Moved is the sum of the entry's parts: HeldDelta for a hold or release, otherwise Amount.
func (e *Entry) Moved() tokens.Amount {
	if e.Kind == KindHold || e.Kind == KindRelease {
		return e.HeldDelta
	}
	return e.Amount
}

// ID is the entry's public id. It encodes account and seq, so finding an entry by id needs no index.
func (e *Entry) ID() string { return EntryID(e.AccountID, e.Seq) }

// EntryID is the public id of the account's entry with this seq.
func EntryID(account uuid.UUID, seq int64) string {
	var raw [idAccount + 8]byte
	copy(raw[:idAccount], account[:])
	binary.BigEndian.PutUint64(raw[idAccount:], uint64(seq))
	return idPrefix + strings.ToLower(idEncoding.EncodeToString(raw[:]))
}

// ParseID returns the seq of an entry id of this account. It is false for anything else, including ids of
// other accounts and other spellings.
func ParseID(account uuid.UUID, id string) (int64, bool) {
	text, _ := strings.CutPrefix(id, idPrefix)
	raw, err := idEncoding.DecodeString(strings.ToUpper(text)) // ignores line breaks and spare bits
	if err != nil || len(raw) != idAccount+8 {
		return 0, false
	}
	seq := int64(binary.BigEndian.Uint64(raw[idAccount:]))
	if seq < 1 || EntryID(account, seq) != id {
		return 0, false
	}
	return seq, true
}

// WithKey returns a copy of the entry with another idempotency key.
func (e Entry) WithKey(key string) Entry {
	e.Key = key
	return e
}

// Balance is an account's balance at an instant.
type Balance struct {
	Spendable, Held, Total tokens.Amount
}

// Fingerprint is a hash of a request. It tells a retry from a different request with the same key of one
// account, for which 16 bytes are enough.
type Fingerprint [16]byte

// AppendTo appends the stored form of the fingerprint.
func (f *Fingerprint) AppendTo(b []byte) []byte { return append(b, f[:]...) }
