package billing

import (
	"context"
	"time"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// TokenBreakdown is what happened to a purchase's tokens, by the ledger's entries.
type TokenBreakdown struct {
	Netted tokens.Amount // taken off for what was owed when they came
	Left   tokens.Amount // there still, also while they wait for a dispute to be decided
	Back   tokens.Amount // gone back with the money, used ones included
	Used   tokens.Amount // of those: were not there any more, and so became owed
	BackAt time.Time     // when the last went back; zero: none did
	Cause  ledger.Cause  // what for; empty: none did
	Reason string        // support's, as free text; empty: none was given
}

// breakdownPages bounds the pages of history that are searched for the entries of a purchase.
const breakdownPages = 5

// TokenBreakdown reads what happened to a purchase's tokens. The error is the ledger's.
func (s *Service) TokenBreakdown(ctx context.Context, p Purchase) (TokenBreakdown, error) {
	if !p.credited() {
		return TokenBreakdown{}, nil
	}
	story := TokenBreakdown{Back: p.tokensBack(), Used: p.tokensBack()}
	if err := s.addEntries(ctx, &p, &story); err != nil {
		return TokenBreakdown{}, err
	}
	if p.version == 0 && story.Netted == 0 {
		return TokenBreakdown{}, nil
	}
	if story.Back > 0 && story.Cause == "" { // the notes may have been erased
		story.Cause = ledger.CauseRefund
		if p.lost > 0 {
			story.Cause = ledger.CauseDispute
		}
	}
	a, err := s.o.Ledger.Account(ctx, p.AccountID)
	for i := range a.Lots {
		if a.Lots[i].Source == p.ID.String() && a.Lots[i].Kind == ledger.LotPurchase {
			story.Left += a.Lots[i].Remaining // also what came back after the pack had expired
		}
	}
	return story, err
}

// addEntries goes back through the account's purchases and clawbacks to where this purchase came.
func (s *Service) addEntries(ctx context.Context, p *Purchase, story *TokenBreakdown) error {
	f := ledger.Filter{
		Kinds:    []ledger.Kind{ledger.KindGrant, ledger.KindClawback, ledger.KindExpiry},
		LotKinds: []ledger.LotKind{ledger.LotPurchase},
		From:     p.CreatedAt,
	}
	var mine []ledger.Line
	before := int64(0)
	for range breakdownPages {
		page, err := s.o.Ledger.History(ctx, p.AccountID, f, before, ledger.MaxPage)
		if err != nil {
			return err
		}
		for i := range page.Lines {
			if page.Lines[i].Reference == p.ID.String() {
				mine = append(mine, page.Lines[i])
			}
		}
		if before = page.Before; before == 0 {
			break
		}
	}
	story.tell(mine)
	return nil
}

// tell adds the entries of a purchase, newest first: what came after its grant at once paid what
// was owed. What had expired before its money went back was not used.
func (story *TokenBreakdown) tell(lines []ledger.Line) {
	for i := range lines {
		l := &lines[i]
		switch {
		case l.Kind == ledger.KindExpiry && !story.BackAt.IsZero():
			story.Used += l.Amount // which is below zero
		case l.Kind != ledger.KindClawback:
		case l.Cause == ledger.CauseOwed:
			if next := i + 1; next < len(lines) && lines[next].Kind == ledger.KindGrant &&
				l.Seq == lines[next].Seq+1 {
				story.Netted = -l.Amount
			}
		default:
			story.Used += l.Amount // which is below zero
			if story.BackAt.IsZero() {
				story.BackAt, story.Cause, story.Reason = l.At, l.Cause, l.Reason
			}
		}
	}
	story.Used = max(story.Used, 0)
}
