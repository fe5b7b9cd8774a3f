// Package recap lists what happened to an account since its creator's last visit. It uses the ledger's
// entries alone.
package recap

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/tokens"
)

// pages bounds the entries of one look.
const pages = 5

// Recap is what happened from an instant on. Amounts are tokens.
type Recap struct {
	Since time.Time
	// Spent: less what was returned of this very work; Arrived: from plans, gifts and corrections
	Spent, Bought, Arrived, Expired tokens.Amount
	Returned                        tokens.Amount  // of older work
	TakenBack                       tokens.Amount  // by support
	Back                            []ledger.Agent // went on again since
	Paused                          []ledger.Agent // stopped since for want of tokens or budget, and still are
	Agents                          []ledger.Agent // all of them
	Own                             tokens.Amount  // reserved for the creator's own tools
}

// Of returns what has happened to an account since an instant. a is the current account. Errors are the
// ledger's.
func Of(ctx context.Context, ledgerEngine *engine.Engine, a *ledger.Account, since time.Time) (Recap, error) {
	r := Recap{Since: since}
	before, err := ledgerEngine.BalanceAt(ctx, a.ID, since)
	if err != nil {
		return Recap{}, err
	}
	r.Spent = before.Total - a.Total
	if err := r.addMovements(ctx, ledgerEngine, a); err != nil {
		return Recap{}, err
	}
	r.Spent = max(r.Spent, 0)
	if a.Agents == 0 {
		return r, nil
	}
	return r, r.addAgents(ctx, ledgerEngine, a)
}

// addMovements adds up grants and losses since then. The rest of the balance's change was spent.
func (r *Recap) addMovements(ctx context.Context, ledgerEngine *engine.Engine, a *ledger.Account) error {
	older, err := ledgerEngine.History(ctx, a.ID, ledger.Filter{To: r.Since}, 0, 1)
	if err != nil {
		return err
	}
	first := int64(1)
	if len(older.Lines) > 0 {
		first = older.Lines[0].Seq + 1
	}
	f := ledger.Filter{Kinds: []ledger.Kind{
		ledger.KindGrant, ledger.KindExpiry, ledger.KindClawback,
		ledger.KindRefund,
	}, From: r.Since}
	before := int64(0)
	for range pages {
		page, err := ledgerEngine.History(ctx, a.ID, f, before, ledger.MaxPage)
		if err != nil {
			return err
		}
		for i := range page.Lines {
			if l := &page.Lines[i]; l.Seq <= a.Seq { // newer entries are in neither balance
				r.add(&l.Entry, first)
			}
		}
		if before = page.Before; before == 0 {
			break
		}
	}
	return nil
}

// add counts an entry; first is the seq of the first entry since then. Refunds of older work do not reduce
// what was spent since.
func (r *Recap) add(e *ledger.Entry, first int64) {
	if e.Kind == ledger.KindRefund {
		if e.About < first {
			r.Spent += e.Amount
			r.Returned += e.Amount
		}
		return
	}
	r.Spent += e.Amount
	switch {
	case e.Kind == ledger.KindExpiry:
		r.Expired -= e.Amount
	case e.Kind != ledger.KindGrant:
	case e.Amount < 0:
		r.TakenBack -= e.Amount
	case e.LotKind == ledger.LotPurchase:
		r.Bought += e.Amount
	default:
		r.Arrived += e.Amount
	}
}

func (r *Recap) addAgents(ctx context.Context, ledgerEngine *engine.Engine, a *ledger.Account) error {
	list, own, err := ledgerEngine.Agents(ctx, a.ID)
	if err != nil {
		return err
	}
	r.Agents, r.Own = list, own
	for i := range list {
		stopped := list[i].State == ledger.AgentOutOfToken || list[i].State == ledger.AgentOverBudget
		if stopped && !list[i].PausedSince.Before(r.Since) {
			r.Paused = append(r.Paused, list[i])
		}
	}
	for i := range list {
		if list[i].State == ledger.AgentOn && !list[i].ResumedAt.IsZero() && !list[i].ResumedAt.Before(r.Since) {
			r.Back = append(r.Back, list[i])
		}
	}
	return nil
}

// grants is how many of the newest grants are looked through for one of a purchase.
const grants = 50

// BackOn gives the agents that a purchase has put back on: in the same transaction, so at the same
// instant. None when the purchase is not among the newest arrivals. The error is the ledger's.
func BackOn(ctx context.Context, ledgerEngine *engine.Engine, a *ledger.Account, purchase uuid.UUID) ([]ledger.Agent,
	error,
) {
	if a.Agents == 0 {
		return nil, nil
	}
	page, err := ledgerEngine.History(ctx, a.ID, ledger.Filter{Kinds: []ledger.Kind{ledger.KindGrant}}, 0, grants)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(page.Lines, func(l ledger.Line) bool {
		return l.LotKind == ledger.LotPurchase && l.Reference == purchase.String()
	})
	if at < 0 {
		return nil, nil
	}
	list, _, err := ledgerEngine.Agents(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(g ledger.Agent) bool {
		return g.State != ledger.AgentOn || !g.ResumedAt.Equal(page.Lines[at].At)
	}), nil
}
