package views

import "testing"

// An order that the payment provider did not take is nothing that another card mends.
func TestARefusedOrder(t *testing.T) {
	t.Parallel()
	m := PurchaseModel{State: PurchaseFailed, Failure: "refused"}
	if got := m.headline() + " " + m.text() + " " + m.retryLabel(); got !=
		"This order could not be placed. The payment provider did not take it. Nothing was paid, and no tokens were added. See the packs" {
		t.Error(got)
	}
	m.Failure = "declined"
	if got := m.headline() + " " + m.text() + " " + m.retryLabel(); got !=
		"Your payment didn't go through. No tokens were added. Try another card" {
		t.Error(got)
	}
}

// The notice about changed terms says what may have changed, and that nothing was bought.
func TestChangedTerms(t *testing.T) {
	t.Parallel()
	n := TopUpNotice{Why: TopUpPrice}
	if got := n.Lead(Layout{}) + " " + n.Rest(); got !=
		"Auto top-up is off: its pack is not what you agreed to any more. It costs more now, or brings fewer tokens, "+
			"or they expire sooner. Nothing was bought. Look at the packs, and turn it on again if you like." {
		t.Error(got)
	}
}
