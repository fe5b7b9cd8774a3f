package mail_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/html"

	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

const (
	lowAt35 = "35 tokens left: 3 images or about 700 replies"
	outAt0  = "You're out of tokens"
)

func textOf(t *testing.T, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "title" {
			b.WriteString(n.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestOneLetterForACrossing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	f.after(time.Hour)
	f.spend(id, 165)
	f.after(59 * time.Second)
	f.wantMessages()
	f.after(time.Second)
	m := f.wantMessages(lowAt35)[0]
	m.says(t, "Maya's Studio", lowAt35, "Your next 200 arrive on 22 December.", "+ Get More Credits", "Unsubscribe")
	for name, want := range map[string]string{
		"From":                  `"Credits" <credits@shop.example>`,
		"To":                    "<" + address + ">",
		"Auto-Submitted":        "auto-generated",
		"List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
		"Date":                  "Sun, 22 Nov 2026 15:03:00 +0000",
	} {
		if got := m.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(m.text, base+"/credits/buy\n") || !strings.Contains(m.html, `href="`+base+`/credits/buy"`) {
		t.Errorf("no way to buy:\n%s\n%s", m.text, m.html)
	}
	f.spend(id, 1)
	f.after(48 * time.Hour)
	f.wantMessages(lowAt35)
}

// Where there is a pace to go by, an e-mail says what the notice on the pages says.
func TestALetterForetells(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.open(directory.Put{Email: new(address), TimeZone: new("Europe/Berlin")})
	for range 9 {
		f.Clock.Advance(24 * time.Hour)
		f.spend(id, 18)
	}
	f.after(time.Minute)
	f.wantMessages("38 tokens left")[0].says(t,
		"At this week's pace, Auto Selling stops around tomorrow, 18:00. Your next 200 arrive on 22 December.")
}

// Nothing is fetched, and nothing tells whether an e-mail was read.
func TestALetterStandsAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.spend(f.maya(), 165)
	f.after(time.Minute)
	root, err := html.Parse(strings.NewReader(f.wantMessages(lowAt35)[0].html))
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for n := range root.Descendants() {
		if n.Data == "img" || n.Data == "link" || n.Data == "script" || n.Data == "iframe" {
			t.Errorf("a <%s>", n.Data)
		}
		for _, a := range n.Attr {
			if a.Key == "src" || a.Key == "background" || strings.Contains(a.Val, "url(") {
				t.Errorf("%s=%q", a.Key, a.Val)
			}
			if a.Key == "href" {
				links++
				if !strings.HasPrefix(a.Val, base+"/") {
					t.Errorf("a link to %q", a.Val)
				}
			}
		}
	}
	if links != 2 {
		t.Errorf("%d links", links)
	}
}

// What is low again within twelve hours is told when they are over, if it is still so.
func TestTheCoolDown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	again, filled := f.maya(), f.maya()
	f.spend(again, 165)
	f.spend(filled, 165)
	f.after(time.Minute)
	f.wantMessages(lowAt35, lowAt35)
	f.grant(again, ledger.LotPromo, 100, "")
	f.grant(filled, ledger.LotPromo, 100, "")
	f.after(time.Hour)
	f.spend(again, 110) // 25 left
	f.spend(filled, 110)
	f.after(12*time.Hour - time.Hour - time.Second)
	f.wantMessages(lowAt35, lowAt35)
	f.grant(filled, ledger.LotPromo, 100, "")
	f.after(time.Second)
	f.wantMessages(lowAt35, lowAt35, "25 tokens left: 2 images or about 500 replies")
	f.after(24 * time.Hour)
	f.wantMessages(lowAt35, lowAt35, "25 tokens left: 2 images or about 500 replies")
}

func TestWhatGotWorseIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	f.spend(id, 165)
	f.after(time.Minute)
	f.spend(id, 35)
	f.after(time.Minute)
	f.wantMessages(lowAt35, outAt0)[1].says(t,
		"Your shop is open as usual. AI tools are waiting for more tokens. Your next 200 arrive on 22 December.")
	f.after(24 * time.Hour)
	f.wantMessages(lowAt35, outAt0)
}

// Down in one moment: one e-mail, about where it ended.
func TestLowAndEmptyAtOnceAreOneMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	f.spend(id, 165)
	f.after(30 * time.Second)
	f.spend(id, 35)
	f.after(24 * time.Hour)
	f.wantMessages(outAt0)
}

// Empty, and then a few tokens: by the time of the e-mail it is low.
func TestALetterIsAboutWhatIsSo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	f.spend(id, 200)
	f.after(30 * time.Second)
	f.grant(id, ledger.LotPromo, 25, "")
	f.after(24 * time.Hour)
	f.wantMessages("25 tokens left: 2 images or about 500 replies")
}

func TestWhatIsOverIsNotTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	f.spend(id, 200)
	f.after(30 * time.Second)
	f.grant(id, ledger.LotPromo, 100, "")
	f.after(24 * time.Hour)
	f.wantMessages()
}

func TestARunningJobAloneSendsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	released, captured := f.maya(), f.maya()
	jobs := []int64{f.hold(released, 200), f.hold(captured, 165)}
	f.after(3 * time.Hour)
	f.wantMessages()
	if _, err := f.Ledger.Release(t.Context(), released, "r", ledger.Release{Hold: jobs[0]}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Ledger.Capture(t.Context(), captured, "c", ledger.Capture{Hold: jobs[1]}); err != nil {
		t.Fatal(err)
	}
	f.after(5 * time.Minute)
	f.wantMessages(lowAt35)
	f.after(48 * time.Hour)
	f.wantMessages(lowAt35)
}

// What a job holds counts as if it came back, also in what the e-mail says.
func TestALetterCountsWhatIsHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	f.spend(id, 165)
	f.hold(id, 5)
	f.after(time.Minute)
	f.wantMessages("35 tokens left, 5 of them in use: 3 images or about 700 replies")
}

func TestAgentsThatStopTogetherAreOneMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	f.spend(id, 140)
	f.stop(id, "books", "pdf_creation")
	f.Clock.Advance(50 * time.Second)
	f.work()
	f.stop(id, "brochures", "pdf_creation")
	if err := f.Ledger.PutAgent(t.Context(), id, ledger.PutAgent{ID: "books", Name: new("Book Maker")}); err != nil {
		t.Fatal(err)
	}
	f.after(10 * time.Second)
	const both = "Book Maker and PDF are paused: out of tokens"
	f.wantMessages(both)[0].says(t, "Add tokens and they restart by themselves, for new requests.",
		"60 tokens left", "Your next 200 arrive on 22 December.")
	f.after(time.Hour)
	f.wantMessages(both)
	f.spend(id, 60) // now it is empty, too: that is news, and names them again
	f.after(time.Minute)
	f.wantMessages(both, outAt0)[1].says(t, both+".")
	f.after(48 * time.Hour)
	f.wantMessages(both, outAt0)
}

// An alert about the balance names the paused agents; no second alert is sent for them.
func TestTheBalanceAndItsAgentsAreOneMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	f.spend(id, 165)
	f.stop(id, "books", "pdf_creation")
	f.after(48 * time.Hour)
	f.wantMessages(lowAt35)[0].says(t, "PDF is paused: out of tokens. Add tokens and it restarts by itself, for new requests.")
}

func TestAnAgentThatGoesOnIsNoNews(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	f.spend(id, 140)
	f.stop(id, "books", "pdf_creation")
	f.grant(id, ledger.LotPurchase, 100, "11111111-1111-4111-8111-111111111111")
	f.after(48 * time.Hour)
	f.wantMessages("100 tokens added")
}

// A creator's own pause is no news. A budget that is used, and a reserve that holds an agent back,
// are told with what ends that: no pack would.
func TestWhyAnAgentIsPausedIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	if err := f.use(id, "replies", "social_comment_reply", 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Ledger.SwitchAgent(t.Context(), id, ledger.SwitchAgent{ID: "replies"}); err != nil {
		t.Fatal(err)
	}
	f.after(48 * time.Hour)
	f.wantMessages()
	put := func(p ledger.PutAgent) {
		t.Helper()
		if err := f.Ledger.PutAgent(t.Context(), id, p); err != nil {
			t.Fatal(err)
		}
	}
	put(ledger.PutAgent{ID: "books", Budget: new(tokens.One)})
	if err := f.use(id, "books", "pdf_creation", 0); err == nil {
		t.Error("above its budget")
	}
	f.after(time.Minute)
	const budget = "PDF is paused: its 1-token budget for this month has only 1 left"
	first := f.wantMessages(budget)[0]
	first.says(t, "Raise the budget and it restarts by itself, for new requests.")
	if strings.Contains(first.html, "Get More Credits") || !strings.Contains(first.html, `href="`+base+`/agents"`) {
		t.Errorf("it leads elsewhere: %s", first.html)
	}
	put(ledger.PutAgent{ID: "books", Budget: new(tokens.Amount)})
	put(ledger.PutAgent{Reserve: new(500 * tokens.One)})
	f.Clock.Advance(24 * time.Hour)
	if err := f.use(id, "books", "pdf_creation", 0); err == nil {
		t.Error("what is reserved was spent")
	}
	f.after(time.Minute)
	const reserve = "PDF is paused: the tokens left are kept for your own tools"
	f.wantMessages(budget, reserve)[1].says(t,
		"Keep less for your own tools and it restarts by itself, for new requests.", "Lower the reserve")
}

// An agent that lacks only what a job holds is told of once the job has taken it.
func TestAnAgentThatWaitsForAJobIsNoNews(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	job := f.hold(id, 180)
	f.stop(id, "books", "pdf_creation")
	f.after(time.Hour)
	f.wantMessages()
	if _, err := f.Ledger.Capture(t.Context(), id, "c", ledger.Capture{Hold: job}); err != nil {
		t.Fatal(err)
	}
	f.after(10 * time.Minute)
	if list := f.files(); len(list) != 1 {
		t.Errorf("%d e-mails", len(list))
	}
}

func TestAReceipt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.maya()
	f.spend(id, 182)
	f.stop(id, "books", "pdf_creation")
	f.after(time.Minute)
	const low = "18 tokens left: 1 image or about 360 replies"
	f.wantMessages(low)
	f.Clock.Advance(time.Hour)
	const purchase = "11111111-1111-4111-8111-111111111111"
	f.grant(id, ledger.LotPurchase, 500, purchase)
	f.work()
	m := f.wantMessages(low, "500 tokens added")[1]
	m.says(t, "500 tokens added", "You now have 518. PDF is back on.", "See your purchase")
	if !strings.Contains(m.html, `href="`+base+`/credits/purchases/`+purchase+`"`) ||
		m.header.Get("List-Unsubscribe") != "" {
		t.Errorf("%v\n%s", m.header, m.html)
	}
	f.after(48 * time.Hour)
	f.wantMessages(low, "500 tokens added")
}

// Times are those of the creator: at 23:30 UTC it is the next day in Berlin already.
func TestTimesAreTheCreators(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	anchor := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
	id := f.open(directory.Put{
		Email:         new(address),
		TimeZone:      new("Europe/Berlin"),
		BillingAnchor: &anchor,
	})
	f.Clock.Set(time.Date(2026, 11, 23, 22, 58, 0, 0, time.UTC))
	f.spend(id, 165)
	f.after(2 * time.Minute)
	f.wantMessages(lowAt35)[0].says(t, "Your next 200 arrive tomorrow.")
}

func TestNobodyWithoutAnAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.open(directory.Put{Name: new("Nobody")})
	f.spend(id, 165)
	f.grant(id, ledger.LotPurchase, 10, "11111111-1111-4111-8111-111111111111")
	f.after(time.Hour)
	f.wantMessages()
	if n := f.Count("select count(*) from mail_occasions where done_at is null"); n != 0 {
		t.Errorf("%d wait for ever", n)
	}
}

// The relay may bring events again, from several servers at the same time, and every server may be at work.
func TestEventsThatComeAgain(t *testing.T) {
	t.Parallel()
	f, s := newPost(t, func(*mailServer) {})
	const shops = 20
	for range shops {
		f.spend(f.maya(), 165)
	}
	events, err := f.Ledger.Outbox(t.Context(), 500)
	if err != nil || len(events) < shops {
		t.Fatal(len(events), err)
	}
	together(4, func(int) {
		for range 3 {
			if err := f.mailer.Sink(t.Context(), events); err != nil {
				t.Error(err)
			}
		}
	})
	f.Clock.Advance(time.Minute)
	together(4, func(int) {
		for more := true; more; {
			var err error
			if more, err = f.mailer.Deliver(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	f.after(time.Minute)
	s.wantSent(shops)
	if n := f.Count("select count(*) from mail_occasions where outcome = 'sent'"); n != shops {
		t.Errorf("%d sent", n)
	}
	if err := f.mailer.Sink(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	f.after(time.Hour)
	s.wantSent(shops)
}

// Servers that take over the same events wait for each other, in whatever order the events come:
// each is at an account that the other wants next.
func TestSinksAtTheSameTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := make([]ledger.AccountEvent, 101)
	for i := range events {
		events[i] = ledger.AccountEvent{AccountID: uuid.New(), Event: ledger.Event{
			Seq:  1,
			At:   f.Clock.Now(),
			Kind: ledger.EventBalanceLow,
			Data: []byte("{}"),
		}}
	}
	backwards := slices.Clone(events)
	slices.Reverse(backwards)
	tx, err := f.DB.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "insert into mail_accounts (account) values ($1)",
		events[50].AccountID); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for _, mine := range [][]ledger.AccountEvent{events, backwards} {
		both.Go(func() {
			if err := f.mailer.Sink(t.Context(), mine); err != nil {
				t.Error(err)
			}
		})
	}
	for f.Count("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") < 2 {
		time.Sleep(10 * time.Millisecond)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	both.Wait()
	if n := f.Count("select count(*) from mail_occasions"); n != len(events) {
		t.Errorf("%d notifications", n)
	}
}

func together(times int, f func(i int)) {
	var all sync.WaitGroup
	for i := range times {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// An event that comes a day late is no news; and what is done is forgotten only when events cannot
// come again.
func TestOldEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	late, told := f.maya(), f.maya()
	f.spend(told, 165)
	f.after(time.Minute)
	f.spend(late, 165)
	f.Clock.Advance(24*time.Hour + time.Second)
	f.after(time.Hour)
	f.wantMessages(lowAt35)
	for _, step := range []struct {
		after time.Duration
		left  int
	}{{24 * time.Hour, 1}, {7 * 24 * time.Hour, 0}} {
		f.Clock.Advance(step.after)
		if _, err := f.mailer.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := f.Count("select count(*) from mail_occasions where account = $1", told); n != step.left {
			t.Errorf("%d notifications, want %d", n, step.left)
		}
	}
}
