package mail_test

import (
	"testing"

	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/sandbox"
)

// The receipt in an e-mail, too, names the account where the buyer named no company.
func TestTheLetterNamesItsBuyer(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.open(accounts.Put{Email: new(address), Name: new("Maya's Studio")})
	o.till().buy(id, sandbox.Buyer{})
	o.work()
	o.wantLetters("500 tokens added")[0].says(t, "Maya's Studio, "+address)
}
