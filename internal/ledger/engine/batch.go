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

// batch is a number of calls that are decided together and written in one transaction, and what has
// to be known before: locked states, entries under known keys, and used references.
type batch struct {
	calls       []*call
	accounts    []*batchAccount // each account once, in id order
	cache       *cache
	known       map[accountKey]*ledger.Entry        // stored entries, beside those in the cache
	extensions  map[accountKey]*ledger.ExtensionRow // stored, or made by this batch
	refs        map[accountReference]*ledger.Entry
	bound       []accountKey // keys that were bound in this batch
	unconfirmed []*call      // refused from memory

	claimed   map[accountKey]bool // keys of the batch that other calls have claimed
	unclaimed claimedKeys         // keys that are decided on from memory, of accounts with claims
}

type accountReference struct {
	account          uuid.UUID
	scope, reference string
}

// remembers says whether the lane remembers some of the accounts, and whether all.
func (b *batch) remembers() (some, all bool) {
	all = true
	for _, a := range b.accounts {
		some, all = some || a.remembered, all && a.remembered
	}
	return some, all
}

// ids lists some of the accounts, in id order.
func (b *batch) ids(some func(a *batchAccount) bool) idList {
	list := make(idList, 0, len(b.accounts))
	for _, a := range b.accounts {
		if some(a) {
			list = append(list, a.id)
		}
	}
	return list
}

// account finds an account's part in the batch.
func (b *batch) account(id uuid.UUID) *batchAccount {
	at, found := slices.BinarySearchFunc(b.accounts, id, func(a *batchAccount, id uuid.UUID) int {
		return bytes.Compare(a.id[:], id[:])
	})
	if !found {
		return nil
	}
	return b.accounts[at]
}

// snapshotOf is where what is read of an account belongs; nil when it does not exist.
func (b *batch) snapshotOf(id uuid.UUID) *ledger.Snapshot {
	if a := b.account(id); a != nil {
		return a.snapshot
	}
	return nil
}

// open makes states of what was read.
func (b *batch) open(some func(a *batchAccount) bool) {
	for _, a := range b.accounts {
		if !a.remembered && a.snapshot != nil && some(a) {
			a.state = ledger.Open(a.snapshot)
		}
	}
}

// keysOfExtended lists the keys of calls about accounts whose holds were extended: an extension may
// have bound one of them.
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

// answer decides one call: a known key or reference is a replay, everything else goes to the core.
// Calls later in the batch see what earlier ones did.
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

// entryOf is the entry that was made under the call's key, if there is one.
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

// extensionOf is the extension of a hold that was made under the call's key, if there is one.
func (b *batch) extensionOf(c *call) *ledger.ExtensionRow {
	if len(b.extensions) == 0 || c.key == "" {
		return nil
	}
	return b.extensions[accountKey{c.account, c.key}]
}

// bindExtension ties the call's key to the extension that it made.
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

// noteRefusal records a refusal from memory, which the commit must confirm: the call's key must be
// new, since a call that went through once is answered again; and the account must be as the lane
// remembers it, since another server may have made the request possible.
func (b *batch) noteRefusal(c *call) {
	if c.part.remembered && c.key != "" {
		b.unconfirmed = append(b.unconfirmed, c)
	}
}

// usedReference answers a request whose permanent reference is taken: a purchase is credited
// already, which is what was asked for; a second charge under a unique reference is a mistake.
func answerUsedReference(scope string, known *ledger.Entry) answer {
	if scope == ledger.ScopePurchase {
		return answer{entry: known, replayed: true}
	}
	return answer{err: problem.New(problem.Conflict, "reference_used",
		"This unique reference was used before.").With("transaction", known.ID())}
}

// bind ties the call's key and reference to the entry that it made.
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

// checkClaim refuses a key that another call has claimed. For an account that the lane remembers,
// the write finds that out.
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

// claimedKeys are idempotency keys that a batch looks up in claimed_keys.
type claimedKeys struct {
	accounts idList
	keys     []string
}

func (k *claimedKeys) add(account uuid.UUID, key string) {
	k.accounts, k.keys = append(k.accounts, account), append(k.keys, key)
}
