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
	f := newFixture(t)
	id := f.maya()
	if _, err := f.DB.Pool.Exec(t.Context(), `insert into mail_accounts (account, unsubscribed_at) values ($1, now())
		on conflict (account) do update set unsubscribed_at = now()`, id); err != nil {
		t.Fatal(err)
	}
	at := f.Clock.Now().Add(-time.Second)
	tell := func(why string, at time.Time) {
		t.Helper()
		if err := f.mailer.TopUpStopped(t.Context(), id, why, at); err != nil {
			t.Fatal(err)
		}
	}
	const declined = "Auto top-up is off: your card was declined today"
	tell("declined", at)
	f.Clock.Advance(time.Second)
	tell("declined", at)
	f.after(0)
	m := f.wantMessages(declined)[0]
	m.says(t, "Maya's Studio", declined,
		"No tokens were added, and nothing more is charged until you turn it on again.", "Check auto top-up")
	if m.header.Get("List-Unsubscribe") != "" || !strings.Contains(m.html, `href="`+base+`/settings"`) ||
		!strings.Contains(m.text, base+"/settings\n") {
		t.Errorf("%v\n%s", m.header, m.text)
	}
	f.Clock.Advance(time.Second)
	tell("declined", at)
	f.after(time.Hour)
	f.wantMessages(declined)
	const confirm = "Auto top-up is off: your bank wants you to confirm the payment yourself"
	tell("authentication", f.Clock.Now())
	f.after(0)
	last := f.wantMessages(declined, confirm)[1]
	if want := base + "/credits/buy?keep=1&next=%2Fsettings"; !strings.Contains(last.text, want+"\n") ||
		strings.Contains(last.html, "&amp;amp;") {
		t.Errorf("no way to buy:\n%s\n%s", last.text, last.html)
	}
	tell("price", f.Clock.Now().Add(-25*time.Hour)) // no news any more
	f.after(0)
	f.wantMessages(declined, confirm)
}

// A server of the version before writes no source, and the instant as a negative number.
func TestAStopFromTheVersionBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	at := f.Clock.Now()
	f.Must(f.mailer.TopUpStopped(t.Context(), id, "declined", at))
	f.Exec("update mail_occasions set source = default, seq = -seq where account = $1", id)
	f.Must(f.mailer.TopUpStopped(t.Context(), id, "declined", at)) // a server stops before it has noted the e-mail
	f.after(0)
	f.wantMessages("Auto top-up is off: your card was declined today")
	f.after(time.Hour)
	f.wantMessages("Auto top-up is off: your card was declined today")
}
