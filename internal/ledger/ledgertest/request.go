package ledgertest

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/tokens"
)

// Request is a request to the ledger that can be sent again, to any server, with the same key and values.
type Request struct {
	Account uuid.UUID
	Key     string
	Kind    ledger.Kind
	Amount  tokens.Amount
	About   int64  // the seq of the hold that is captured or released, or of the charge that is refunded
	Agent   string // of a charge or hold
}

// feature is what a charge or hold is for: agents answer comments.
func (req *Request) feature() string {
	if req.Agent != "" {
		return "social_comment_reply"
	}
	return "auto_selling"
}

// Server serves requests: an engine in this process, or a Process.
type Server interface {
	Do(ctx context.Context, req Request) (ledger.Receipt, error)
}

// InProcess serves requests with an engine of this process.
func InProcess(e *engine.Engine) Server { return inProcess{e} }

type inProcess struct{ *engine.Engine }

func (s inProcess) Do(ctx context.Context, req Request) (ledger.Receipt, error) {
	switch req.Kind {
	case ledger.KindCharge:
		return s.Charge(ctx, req.Account, req.Key, ledger.Charge{
			Feature: req.feature(),
			Amount:  &req.Amount,
			Agent:   req.Agent,
		})
	case ledger.KindHold:
		return s.Hold(ctx, req.Account, req.Key, ledger.Hold{
			Feature: req.feature(),
			Amount:  &req.Amount,
			Agent:   req.Agent,
		})
	case ledger.KindCapture:
		return s.Capture(ctx, req.Account, req.Key, ledger.Capture{Hold: req.About, Amount: &req.Amount})
	case ledger.KindRelease:
		return s.Release(ctx, req.Account, req.Key, ledger.Release{Hold: req.About})
	case ledger.KindRefund:
		return s.Refund(ctx, req.Account, req.Key, ledger.Refund{Entry: req.About, Amount: &req.Amount})
	case ledger.KindGrant:
		return s.Grant(ctx, req.Account, req.Key, ledger.Grant{
			Kind:   ledger.LotPurchase,
			Amount: req.Amount,
			Source: req.Key,
		})
	default:
		return ledger.Receipt{}, fmt.Errorf("no request of kind %v", req.Kind)
	}
}
