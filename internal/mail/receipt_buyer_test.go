package mail_test

import (
	"testing"

	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/sandbox"
)

// The receipt in an e-mail, too, names the account where the buyer named no company.
func TestTheLetterNamesItsBuyer(t *testing.T) {
	t.Parallel()
	f, shop := newShop(t)
	id := f.open(directory.Put{Email: new(address), Name: new("Maya's Studio")})
	shop.buy(id, sandbox.Buyer{})
	f.work()
	f.wantMessages("500 tokens added")[0].says(t, "Maya's Studio, "+address)
}
