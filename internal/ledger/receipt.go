package ledger

import (
	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// Receipt is the durable answer to a request that wrote an entry.
type Receipt struct {
	Entry
	Balance  Balance // after all that the request wrote: what it freed may have expired at once
	Replayed bool    // the entry was made by an earlier request with the same key
}

// BulkCharge is one charge of many.
type BulkCharge struct {
	AccountID uuid.UUID
	Key       string
	Charge
}

// BulkResult is the answer to one of them.
type BulkResult struct {
	Receipt
	Err error
}

// MaxBulk bounds the charges of one ChargeAll.
const MaxBulk = 1_000

// Quote is what a piece of work would cost an account now. Amounts are millionths of a token.
type Quote struct {
	catalog.Price
	Spendable    tokens.Amount // by the agent of the quote, or by the creator
	Reserved     tokens.Amount // of the balance, for others
	Held         tokens.Amount // by running jobs
	Affordable   bool
	BalanceAfter tokens.Amount // spendable afterwards; the present amount if not affordable
	Shortfall    tokens.Amount // tokens that are missing, while reserves stay as they are
}
