package mail_test

import (
	"strings"
	"testing"
	"time"
)

// A stop of auto top-up is one e-mail, however often it is told, also to who wants none about the
// balance; the next stop is another.
func TestAutoTopUpWasStopped(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.maya()
	if _, err := o.pool.Exec(t.Context(), `insert into mail_accounts (account, unsubscribed_at) values ($1, now())
		on conflict (account) do update set unsubscribed_at = now()`, id); err != nil {
		t.Fatal(err)
	}
	at := o.clock.Now().Add(-time.Second)
	tell := func(why string, at time.Time) {
		t.Helper()
		if err := o.mailer.TopUpStopped(t.Context(), id, why, at); err != nil {
			t.Fatal(err)
		}
	}
	const declined = "Auto top-up is off: your card was declined today"
	tell("declined", at)
	o.clock.Advance(time.Second)
	tell("declined", at)
	o.after(0)
	m := o.wantLetters(declined)[0]
	m.says(t, "Maya's Studio", declined,
		"No tokens were added, and nothing more is charged until you turn it on again.", "Check auto top-up")
	if m.header.Get("List-Unsubscribe") != "" || !strings.Contains(m.html, `href="`+base+`/settings"`) ||
		!strings.Contains(m.text, base+"/settings\n") {
		t.Errorf("%v\n%s", m.header, m.text)
	}
	o.clock.Advance(time.Second)
	tell("declined", at)
	o.after(time.Hour)
	o.wantLetters(declined)
	const confirm = "Auto top-up is off: your bank wants you to confirm the payment yourself"
	tell("authentication", o.clock.Now())
	o.after(0)
	last := o.wantLetters(declined, confirm)[1]
	if want := base + "/credits/buy?keep=1&next=%2Fsettings"; !strings.Contains(last.text, want+"\n") ||
		strings.Contains(last.html, "&amp;amp;") {
		t.Errorf("no way to buy:\n%s\n%s", last.text, last.html)
	}
	tell("price", o.clock.Now().Add(-25*time.Hour)) // no news any more
	o.after(0)
	o.wantLetters(declined, confirm)
}
