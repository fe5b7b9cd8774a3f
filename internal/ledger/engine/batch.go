package engine

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// batch is a number of calls that are decided together and written in one transaction, with the data that
// deciding them needs.
type batch struct {
	calls       []*call
	accounts    []*batchAccount // each once, in id order
	cache       *cache
	known       map[accountKey]*ledger.Entry        // stored entries that are not in the cache
	extensions  map[accountKey]*ledger.ExtensionRow // stored, or made by this batch
	refs        map[accountReference]*ledger.Entry
	bound       []accountKey // keys bound by this batch
	unconfirmed []*call      // refused by cached state

	claimed   map[accountKey]bool // keys that ClaimKey has bound
	unclaimed claimedKeys         // keys decided by cached state, of accounts with claims
}

type accountReference struct {
	account          uuid.UUID
	scope, reference string
}

// remembers reports whether some, and whether all, of the accounts are cached.
func (b *batch) remembers() (some, all bool) {
	all = true
	for _, a := range b.accounts {
		some, all = some || a.remembered, all && a.remembered
	}
	return some, all
}

func (b *batch) ids(some func(a *batchAccount) bool) idList {
	list := make(idList, 0, len(b.accounts))
	for _, a := range b.accounts {
		if some(a) {
			list = append(list, a.id)
		}
	}
	return list
}

func (b *batch) account(id uuid.UUID) *batchAccount {
	at, found := slices.BinarySearchFunc(b.accounts, id, func(a *batchAccount, id uuid.UUID) int {
		return bytes.Compare(a.id[:], id[:])
	})
	if !found {
		return nil
	}
	return b.accounts[at]
}

// snapshotOf returns the snapshot to read an account's rows into, or nil if the account does not exist.
func (b *batch) snapshotOf(id uuid.UUID) *ledger.Snapshot {
	if a := b.account(id); a != nil {
		return a.snapshot
	}
	return nil
}

func (b *batch) open(some func(a *batchAccount) bool) {
	for _, a := range b.accounts {
		if !a.remembered && a.snapshot != nil && some(a) {
			a.state = ledger.Open(a.snapshot)
		}
	}
}

// keysOfExtended lists the keys of calls for accounts with extended holds, since an extension may have
// bound them.
func (b *batch) keysOfExtended(some func(c *call) bool) (accounts idList, keys []string) {
	for _, c := range b.calls {
		if s := c.part.state; s != nil && s.HasExtensions && c.key != "" && some(c) {
			accounts, keys = append(accounts, c.account), append(keys, c.key)
		}
	}
	return accounts, keys
}

func (b *batch) useReference(r accountReference, e *ledger.Entry) {
	if b.refs == nil {
		b.refs = map[accountReference]*ledger.Entry{}
	}
	b.refs[r] = e
}

// answer decides one call: a known key or reference is a replay, anything else goes to the rules. Calls
// later in the batch see the effects of earlier ones.
func (b *batch) answer(c *call, now time.Time, prices *catalog.Catalog) answer {
	if known := b.entryOf(c); known != nil {
		if known.Fingerprint != c.fingerprint {
			return answer{err: idempotency.ErrKeyReused}
		}
		return answer{entry: known, replayed: true}
	}
	if err := b.checkClaim(c); err != nil {
		return answer{err: err}
	}
	if known := b.extensionOf(c); known != nil {
		if known.Fingerprint != c.fingerprint {
			return answer{err: idempotency.ErrKeyReused}
		}
		return answer{extension: known, replayed: true}
	}
	if c.needs.Scope != "" {
		if known, ok := b.refs[accountReference{c.account, c.needs.Scope, c.needs.Reference}]; ok {
			return answerUsedReference(c.needs.Scope, known)
		}
	}
	s := c.part.state
	if s == nil {
		return answer{err: ledger.ErrNoAccount}
	}
	out, err := s.Apply(c.op, now, prices)
	switch {
	case err != nil:
		b.noteRefusal(c)
		return answer{err: err}
	case out.Entry != nil:
		b.bind(c, s, out.Entry)
		return answer{entry: out.Entry, note: out.Entry.Note}
	case out.Extension != nil:
		return answer{extension: b.bindExtension(c, out.Extension)}
	}
	return answer{opened: out.Opened}
}

// entryOf returns the entry made with the call's key, or nil.
func (b *batch) entryOf(c *call) *ledger.Entry {
	if c.key == "" {
		return nil
	}
	key := accountKey{c.account, c.key}
	if e := b.cache.keys[key]; e != nil {
		return e
	}
	return b.known[key]
}

// extensionOf returns the extension made with the call's key, or nil.
func (b *batch) extensionOf(c *call) *ledger.ExtensionRow {
	if len(b.extensions) == 0 || c.key == "" {
		return nil
	}
	return b.extensions[accountKey{c.account, c.key}]
}

func (b *batch) bindExtension(c *call, x *ledger.ExtensionRow) *ledger.ExtensionRow {
	x.Key, x.Fingerprint = c.key, c.fingerprint
	b.rememberExtension(c.account, x)
	return x
}

func (b *batch) rememberExtension(account uuid.UUID, x *ledger.ExtensionRow) {
	if b.extensions == nil {
		b.extensions = map[accountKey]*ledger.ExtensionRow{}
	}
	b.extensions[accountKey{account, x.Key}] = x
}

// noteRefusal records a refusal by cached state, which the commit must confirm: the key must be new, since
// a replay is not refused, and the account must be unchanged, since another server may have made the
// request possible.
func (b *batch) noteRefusal(c *call) {
	if c.part.remembered && c.key != "" {
		b.unconfirmed = append(b.unconfirmed, c)
	}
}

// answerUsedReference answers a request whose permanent reference is used. Crediting a purchase again is a
// replay; a second charge with a unique reference is refused.
func answerUsedReference(scope string, known *ledger.Entry) answer {
	if scope == ledger.ScopePurchase {
		return answer{entry: known, replayed: true}
	}
	return answer{err: problem.New(problem.Conflict, "reference_used",
		"This unique reference was used before.").With("transaction", known.ID())}
}

// bind records the call's key and reference with the entry that it made.
func (b *batch) bind(c *call, s *ledger.State, e *ledger.Entry) {
	if c.key != "" {
		e.Key, e.Fingerprint = c.key, c.fingerprint
		key := accountKey{c.account, c.key}
		b.cache.rememberKey(key, e)
		b.bound = append(b.bound, key)
	}
	if n := &c.needs; n.Scope != "" {
		s.BindReference(n.Scope, n.Reference, e.Seq)
		b.useReference(accountReference{c.account, n.Scope, n.Reference}, e)
	}
}

// checkClaim refuses a key that ClaimKey has bound. For a cached account, the commit checks it.
func (b *batch) checkClaim(c *call) error {
	a := c.part
	if c.key == "" || a.state == nil || !a.state.HasClaims {
		return nil
	}
	if a.remembered {
		b.unclaimed.add(c.account, c.key)
		return nil
	}
	if b.claimed[accountKey{c.account, c.key}] {
		return idempotency.ErrKeyReused
	}
	return nil
}

// claimedKeys are keys to look up in claimed_keys.
type claimedKeys struct {
	accounts idList
	keys     []string
}

func (k *claimedKeys) add(account uuid.UUID, key string) {
	k.accounts, k.keys = append(k.accounts, account), append(k.keys, key)
}
