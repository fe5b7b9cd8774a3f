package ledger

import (
	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// Receipt is the durable result of a request that wrote an entry.
type Receipt struct {
	Entry
	Balance  Balance // after the last entry of the request: freed tokens may have expired at once
	Replayed bool    // made by
}

// BulkCharge is one charge of ChargeAll.
type BulkCharge struct {
	AccountID uuid.UUID
	Key       string
	Charge
}

// BulkResult is the result of one BulkCharge.
type BulkResult struct {
	Receipt
	Err error
}

// MaxBulk is the maximum number of charges of one ChargeAll.
const MaxBulk = 1_000

// Quote is the price of work for an account now. Amounts are millionths of a token.
type Quote struct {
	catalog.Price
	Spendable    tokens.Amount // by the quote's agent, or by the creator
	Reserved     tokens.Amount // of the balance, for others
	Held         tokens.Amount // by running jobs
	Affordable   bool
	BalanceAfter tokens.Amount // spendable afterwards; unchanged if not affordable
	Shortfall    tokens.Amount // tokens to add while reserves stay as they are
}
