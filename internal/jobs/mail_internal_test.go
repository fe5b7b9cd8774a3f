package jobs

import (
	netmail "net/mail"
	"net/url"
	"os"
	"testing"
	"time"

	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/mail"
	"pop.store/credits/internal/notice"
	"pop.store/credits/internal/relay"
	"pop.store/credits/internal/tokens"
)

// Events become e-mails with any number of servers, one for each creator.
func TestJobsWriteToCreators(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledgerEngine, one := f.server()
	people := directory.New(f.pool, ledgerEngine, catalog.Builtin)
	folder := t.TempDir()
	o1 := one.Options
	o1.Mail = mail.New(f.pool, mail.Options{
		Agents:  agents.New(ledgerEngine, catalog.Builtin),
		Notices: notice.New(f.pool, ledgerEngine, catalog.Builtin),
		Ledger:  ledgerEngine,
		Prices:  catalog.Builtin,
		BaseURL: &url.URL{Scheme: "https", Host: "credits.example"},
		From:    &netmail.Address{Address: "credits@shop.example"},
		Folder:  folder,
		Clock:   f.clock.Now,
		Log:     o1.Log,
	})
	o1.Sinks = []relay.Sink{o1.Mail.Sink}
	const creators = 25
	plan, address := "starter", "maya@studio.example"
	for i := range creators {
		id, _, err := people.Put(t.Context(), "shop-"+string(rune('a'+i)), directory.Put{Plan: &plan, Email: &address})
		if err != nil {
			t.Fatal(err)
		}
		amount := 165 * tokens.One
		if _, err := ledgerEngine.Charge(t.Context(), id, "k",
			ledger.Charge{Feature: "auto_selling", Amount: &amount}); err != nil {
			t.Fatal(err)
		}
	}
	first, second := New(f.pool, o1), New(f.pool, o1)
	stop := f.run(first)
	f.until("select count(*) = $1 from mail_occasions", creators)
	f.until("select count(*) = 1 from river.river_job where kind = 'send_mail' and state = 'completed'")
	stop()
	f.clock.Advance(2 * time.Minute)
	f.run(second)
	f.until("select count(*) = $1 from mail_occasions where outcome = 'sent'", creators)
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != creators {
		t.Errorf("%d e-mails to %d creators, %v", len(files), creators, err)
	}
}
