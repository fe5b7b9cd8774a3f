package billing

import (
	"context"
	"time"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// TokenBreakdown is what happened to a purchase's tokens, according to the ledger's entries.
type TokenBreakdown struct {
	Netted tokens.Amount // deducted for debt when the tokens were credited
	Left   tokens.Amount // unused, frozen tokens included
	Back   tokens.Amount // taken back, used tokens included
	Used   tokens.Amount // the used part of Back, which became debt
	BackAt time.Time     // when tokens were last taken back; zero: never
	Cause  ledger.Cause  // why; empty if none were taken back
	Reason string        // support's free text; may be empty
}

// breakdownPages bounds the pages of history that are searched.
const breakdownPages = 5

// TokenBreakdown returns what happened to a purchase's tokens. Errors are the ledger's.
func (s *Service) TokenBreakdown(ctx context.Context, p Purchase) (TokenBreakdown, error) {
	if !p.credited() {
		return TokenBreakdown{}, nil
	}
	breakdown := TokenBreakdown{Back: p.refundedTokens(), Used: p.refundedTokens()}
	if err := s.addEntries(ctx, &p, &breakdown); err != nil {
		return TokenBreakdown{}, err
	}
	if p.version == 0 && breakdown.Netted == 0 {
		return TokenBreakdown{}, nil
	}
	if breakdown.Back > 0 && breakdown.Cause == "" { // the notes may have been erased
		breakdown.Cause = ledger.CauseRefund
		if p.lost > 0 {
			breakdown.Cause = ledger.CauseDispute
		}
	}
	a, err := s.o.Ledger.Account(ctx, p.AccountID)
	for i := range a.Lots {
		if a.Lots[i].Source == p.ID.String() && a.Lots[i].Kind == ledger.LotPurchase {
			breakdown.Left += a.Lots[i].Remaining // includes tokens that came back after the pack had expired
		}
	}
	return breakdown, err
}

// addEntries reads the account's purchases and clawbacks back to this purchase.
func (s *Service) addEntries(ctx context.Context, p *Purchase, breakdown *TokenBreakdown) error {
	f := ledger.Filter{
		Kinds:    []ledger.Kind{ledger.KindGrant, ledger.KindClawback, ledger.KindExpiry},
		LotKinds: []ledger.LotKind{ledger.LotPurchase},
		From:     p.CreatedAt,
	}
	var own []ledger.Line
	before := int64(0)
	for range breakdownPages {
		page, err := s.o.Ledger.History(ctx, p.AccountID, f, before, ledger.MaxPage)
		if err != nil {
			return err
		}
		for i := range page.Lines {
			if page.Lines[i].Reference == p.ID.String() {
				own = append(own, page.Lines[i])
			}
		}
		if before = page.Before; before == 0 {
			break
		}
	}
	breakdown.add(own)
	return nil
}

// add adds the entries of a purchase, newest first. Entries right after its grant settled debt. Tokens
// that had expired before the refund do not count as used.
func (breakdown *TokenBreakdown) add(lines []ledger.Line) {
	for i := range lines {
		l := &lines[i]
		switch {
		case l.Kind == ledger.KindExpiry && !breakdown.BackAt.IsZero():
			breakdown.Used += l.Amount // negative
		case l.Kind != ledger.KindClawback:
		case l.Cause == ledger.CauseOwed:
			if next := i + 1; next < len(lines) && lines[next].Kind == ledger.KindGrant &&
				l.Seq == lines[next].Seq+1 {
				breakdown.Netted = -l.Amount
			}
		default:
			breakdown.Used += l.Amount // negative
			if breakdown.BackAt.IsZero() {
				breakdown.BackAt, breakdown.Cause, breakdown.Reason = l.At, l.Cause, l.Reason
			}
		}
	}
	breakdown.Used = max(breakdown.Used, 0)
}
