package mail_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/mail"
)

// token is that of the link in an e-mail: the header and both parts have the same.
func (m *message) token(t *testing.T) string {
	t.Helper()
	link := strings.Trim(m.header.Get("List-Unsubscribe"), "<>")
	token, ok := strings.CutPrefix(link, base+"/unsubscribe/")
	if !ok || !strings.Contains(m.text, link+"\n") || !strings.Contains(m.html, `href="`+link+`"`) {
		t.Fatalf("the link to unsubscribe is %q:\n%s", link, m.text)
	}
	return token
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id, other := f.maya(), f.maya()
	f.spend(id, 165)
	f.after(time.Minute)
	token := f.wantMessages(lowAt35)[0].token(t)
	if on, err := f.mailer.Subscribed(t.Context(), token); !on || err != nil {
		t.Fatal(on, err)
	}
	for range 2 {
		if err := f.mailer.Unsubscribe(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		f.Clock.Advance(time.Second)
	}
	if on, err := f.mailer.Subscribed(t.Context(), token); on || err != nil {
		t.Fatal(on, err)
	}
	f.spend(id, 35)
	f.stop(id, "books", "pdf_creation")
	f.spend(other, 165)
	f.after(24 * time.Hour)
	f.wantMessages(lowAt35, lowAt35) // the other's
	f.Clock.Advance(time.Second)
	f.grant(id, ledger.LotPurchase, 10, "11111111-1111-4111-8111-111111111111")
	f.after(time.Minute)
	f.wantMessages(lowAt35, lowAt35, "10 tokens added")
}

// Only what was made here opens: no part of it can be changed, and no other installation's will do.
func TestTokensThatAreNotOurs(t *testing.T) {
	t.Parallel()
	f, elsewhere := newFixture(t), newFixture(t)
	made := ""
	for _, fixture := range []*fixture{elsewhere, f} {
		id := fixture.maya()
		fixture.spend(id, 165)
		fixture.after(time.Minute)
		if fixture == elsewhere {
			made = fixture.wantMessages(lowAt35)[0].token(t)
		}
	}
	good := f.wantMessages(lowAt35)[0].token(t)
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	other := uuid.New()
	tokens := []string{
		"", "x", made, good + "A", good[:len(good)-1], good[1:], strings.Repeat("A", len(good)),
		good + "=", strings.Repeat("é", 32), base64.RawURLEncoding.EncodeToString(append(other[:], raw[16:]...)),
	}
	for i := range raw {
		changed := append([]byte(nil), raw...)
		changed[i] ^= 1
		tokens = append(tokens, base64.RawURLEncoding.EncodeToString(changed))
	}
	for _, token := range tokens {
		if err := f.mailer.Unsubscribe(t.Context(), token); !errors.Is(err, mail.ErrBadToken) {
			t.Errorf("%q: %v", token, err)
		}
		if _, err := f.mailer.Subscribed(t.Context(), token); !errors.Is(err, mail.ErrBadToken) {
			t.Errorf("%q: %v", token, err)
		}
	}
	if n := f.Count("select count(*) from mail_accounts where unsubscribed_at is not null"); n != 0 {
		t.Errorf("%d unsubscribed", n)
	}
}
