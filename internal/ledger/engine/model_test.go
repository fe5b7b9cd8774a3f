package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// modelRun is how many sequences share a database: the books of all of them are added up at its end.
const modelRun = 100

// The whole ledger, through Postgres, against its twin: random requests, jumps of the clock and
// looks at the accounts, each answer compared with the twin's, and the books of the sequence added
// up at its end. Some hundreds of sequences run by default; on request as many as you like:
//
//	CREDITS_MODEL_CHECKS=100000 go test ./internal/ledger -run TestTheLedgerAgreesWithItsTwin -timeout 0
//
// They run in rounds of -rapid.checks (100 unless told otherwise). A failure prints the seed and
// shrinks to a short sequence that shows it.
func TestTheLedgerAgreesWithItsTwin(t *testing.T) {
	t.Parallel()
	sequences := 2 * modelRun
	if text := os.Getenv("CREDITS_MODEL_CHECKS"); text != "" {
		var err error
		if sequences, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < sequences; i += modelRun {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			b := newBooks(t)
			servers := []*engine.Engine{b.Engine, b.server(), b.server()}
			rapid.Check(t, func(t *rapid.T) { playModel(t, b, servers) })
		})
	}
}

// server is another server's ledger over the same database and clock.
func (b *books) server() *engine.Engine { return b.serverWith(catalog.Builtin) }

func (b *books) serverWith(prices func() *catalog.Catalog) *engine.Engine {
	l := engine.New(b.pool, engine.Options{
		Clock:  b.clock.Now,
		Prices: prices,
		Log:    slog.New(slog.DiscardHandler),
	})
	b.t.Cleanup(l.Close)
	return l
}

// model is one sequence: accounts in both ledgers, on one clock. The ledger is several servers on
// one database, of which one is asked at a time: what each of them remembers of an account may be
// old.
type model struct {
	*books
	servers  []*engine.Engine
	twin     *twin
	ids      []uuid.UUID
	strange  uuid.UUID // an account that is never opened
	keys     int
	bought   map[uuid.UUID][]string
	requests map[string]func() (result, result) // by key: what to send again
	used     []string
	relayed  map[uuid.UUID]int64 // events that were taken out of the outbox
}

func playModel(t *rapid.T, b *books, servers []*engine.Engine) {
	b.clock.Set(start)
	asked := *b
	if _, err := b.pool.Exec(context.Background(), "delete from outbox"); err != nil {
		t.Fatal(err)
	}
	m := &model{
		books:    &asked,
		servers:  servers,
		twin:     newTwin(catalog.Builtin()),
		strange:  uuid.New(),
		bought:   map[uuid.UUID][]string{},
		requests: map[string]func() (result, result){},
		relayed:  map[uuid.UUID]int64{},
	}
	for range 2 {
		id := uuid.New()
		m.ids = append(m.ids, id)
		zone := rapid.SampledFrom([]string{
			"", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia",
			"Africa/Casablanca",
		}).Draw(t, "zone")
		plan := ledger.SetPlan{Plan: "starter", Zone: zone}
		if days := rapid.IntRange(0, 400).Draw(t, "days since the anchor"); days > 0 {
			plan.Anchor = start.AddDate(0, 0, -days)
		}
		m.compare(t, "open", m.sent(ledger.Receipt{}, b.SetPlan(context.Background(), id, plan)),
			m.twin.setPlan(id, plan, start))
	}
	t.Repeat(map[string]func(*rapid.T){
		"charge":          m.charge,
		"charge 2":        m.charge,
		"charge 3":        m.charge,
		"hold":            m.hold,
		"hold 2":          m.hold,
		"capture":         m.capture,
		"capture 2":       m.capture,
		"release":         m.release,
		"extend":          m.extend,
		"extend 2":        m.extend,
		"open holds":      m.openHolds,
		"refund":          m.refund,
		"refund 2":        m.refund,
		"grant":           m.grant,
		"grant 2":         m.grant,
		"purchase":        m.purchase,
		"revoke":          m.revoke,
		"freeze":          m.freeze,
		"plan":            m.plan,
		"clock":           m.move,
		"clock 2":         m.move,
		"clock 3":         m.move,
		"due":             m.due,
		"again":           m.again,
		"key reused":      m.keyReused,
		"unknown account": m.unknown,
		"history":         m.history,
		"balance at":      m.balanceAt,
		"usage":           m.usage,
		"quote":           m.quote,
		"settle":          m.settle,
		"bulk":            m.bulk,
		"put agent":       m.putAgent,
		"put agent 2":     m.putAgent,
		"put agent 3":     m.putAgent,
		"switch agent":    m.switchAgent,
		"threshold":       m.setThreshold,
		"agents":          m.listAgents,
		"relay":           m.relay,
		"other server":    m.otherServer,
		"other server 2":  m.otherServer,
		"take back":       m.takeBack,
		"claim":           m.claim,
		"claim 2":         m.claim,
		"close":           m.closeAccount,
		"":                m.look,
	})
	m.endCheck(t)
}

func (m *model) otherServer(t *rapid.T) { m.Engine = rapid.SampledFrom(m.servers).Draw(t, "server") }

func (m *model) account(t *rapid.T) uuid.UUID {
	return m.ids[rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 0, 1}).Draw(t, "account")]
}

// sent turns an answer of the ledger's into the twin's form.
func (m *model) sent(r ledger.Receipt, err error) result {
	if err != nil {
		return result{err: problem.Of(err)}
	}
	return result{
		entry:    r.Entry,
		note:     r.Note,
		balance:  r.Balance,
		replayed: r.Replayed,
	}
}

func (m *model) compare(t *rapid.T, what string, got, want result) {
	if (got.err == nil) != (want.err == nil) {
		t.Fatalf("%s: the ledger answers %v, its twin %v", what, got.err, want.err)
	}
	if got.err != nil {
		same := got.err.Kind == want.err.Kind && got.err.Code == want.err.Code && got.err.Field == want.err.Field
		if same && want.err.Details != nil {
			same = reflect.DeepEqual(got.err.Details, want.err.Details)
		}
		if !same {
			t.Fatalf("%s: the ledger refuses with %v %v, its twin with %v %v", what, got.err, got.err.Details,
				want.err, want.err.Details)
		}
		return
	}
	if text(got.entry) != text(want.entry) || got.replayed != want.replayed {
		t.Fatalf("%s: the ledger answers\n%s %v, its twin\n%s %v", what, text(got.entry), got.replayed,
			text(want.entry), want.replayed)
	}
	if got.balance != want.balance || !got.until.Equal(want.until) {
		t.Fatalf("%s: the ledger answers %v until %v, its twin %v until %v", what, got.balance, got.until,
			want.balance, want.until)
	}
	if want.entry.Kind != ledger.KindClawback && inText(got.note) != inText(want.note) {
		t.Fatalf("%s: the ledger answers the note %v, its twin %v", what, got.note, want.note)
	}
}

// text is everything that an entry shows.
func text(e ledger.Entry) string {
	return fmt.Sprintln(e.AccountID, e.Seq, e.At.UTC(), e.Kind, e.Amount, e.HeldDelta, e.BalanceAfter, e.HeldAfter,
		e.SpendableAfter, e.Contra, e.LotKind, e.Feature, e.Agent,
		e.Quantity, e.UnitPrice, e.CatalogVersion, e.Reference, e.About, e.Day.UTC(), e.Parts)
}

// both sends a request under a new key to both ledgers.
func (m *model) both(t *rapid.T, what string, send func(key string) (result, result)) {
	m.keys++
	key := fmt.Sprint("key-", m.keys)
	got, want := send(key)
	m.compare(t, what, got, want)
	m.used = append(m.used, key)
	m.requests[key] = func() (result, result) { return send(key) }
}

// again repeats an earlier request with its key: a replay if it went through, decided anew if not.
func (m *model) again(t *rapid.T) {
	if len(m.used) == 0 {
		t.Skip()
	}
	key := rapid.SampledFrom(m.used).Draw(t, "key")
	got, want := m.requests[key]()
	m.compare(t, "again "+key, got, want)
}

// keyReused sends something else under an earlier key.
func (m *model) keyReused(t *rapid.T) {
	if len(m.used) == 0 {
		t.Skip()
	}
	key, id := rapid.SampledFrom(m.used).Draw(t, "key"), m.account(t)
	h := ledger.Hold{Feature: "lip_sync", Reference: "reused"}
	r, err := m.Hold(context.Background(), id, key, h)
	m.compare(t, "another request under "+key, m.sent(r, err), m.twin.hold(id, key, h, m.clock.Now()))
}

func (m *model) unknown(t *rapid.T) {
	c := ledger.Charge{Feature: "lip_sync"}
	r, err := m.Charge(context.Background(), m.strange, "key", c)
	m.compare(t, "a charge of nobody", m.sent(r, err), m.twin.charge(m.strange, "key", c, m.clock.Now()))
}

// amount is some of what there is, all of it, a little more, or nonsense.
func amount(t *rapid.T, of tokens.Amount) *tokens.Amount {
	a := rapid.OneOf(
		rapid.Map(rapid.Int64Range(1, int64(max(of/3, 1))), func(n int64) tokens.Amount { return tokens.Amount(n) }),
		rapid.Map(rapid.Int64Range(1, int64(max(of, 1))), func(n int64) tokens.Amount { return tokens.Amount(n) }),
		rapid.SampledFrom([]tokens.Amount{of, of + 1, max(of-1, 1), 1, 0, -1, tokens.One, 5 * tokens.One}),
	).Draw(t, "amount")
	return &a
}

func (m *model) spendableNow(id uuid.UUID) tokens.Amount {
	return m.twin.view(id, m.clock.Now()).Spendable
}

func agent(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "answers", "answers", "sales"}).Draw(t, "agent")
}

func (m *model) drawCharge(t *rapid.T, id uuid.UUID) ledger.Charge {
	c := ledger.Charge{
		Feature:     "auto_selling",
		Agent:       agent(t),
		KeepAgentOn: rapid.IntRange(0, 3).Draw(t, "keep on") == 0,
	}
	if rapid.IntRange(0, 3).Draw(t, "fixed") == 0 {
		c.Feature = rapid.SampledFrom([]string{
			"lip_sync", "image_generation", "social_comment_reply",
			"pdf_creation", "nothing",
		}).Draw(t, "feature")
		if rapid.Bool().Draw(t, "several") {
			quantity := rapid.Int64Range(0, 5).Draw(t, "quantity")
			c.Quantity = &quantity
		}
	} else {
		c.Amount = amount(t, m.roomOf(t, id, c.Agent))
	}
	if rapid.IntRange(0, 5).Draw(t, "referenced") == 0 {
		c.Reference, c.UniqueReference = rapid.SampledFrom([]string{"job-1", "job-2"}).Draw(t, "reference"), true
	}
	if rapid.IntRange(0, 3).Draw(t, "noted") == 0 {
		c.Reason, c.Metadata = drawNote(t)
	}
	return c
}

func (m *model) charge(t *rapid.T) {
	id := m.account(t)
	c := m.drawCharge(t, id)
	m.both(t, "charge", func(key string) (result, result) {
		r, err := m.Charge(context.Background(), id, key, c)
		return m.sent(r, err), m.twin.charge(id, key, c, m.clock.Now())
	})
}

// bulk sends several charges at once: they meet in one batch.
func (m *model) bulk(t *rapid.T) {
	charges := make([]ledger.BulkCharge, rapid.IntRange(1, 6).Draw(t, "charges"))
	for i := range charges {
		id := m.account(t)
		m.keys++
		key := fmt.Sprint("key-", m.keys-rapid.IntRange(0, 1).Draw(t, "key before"))
		charges[i] = ledger.BulkCharge{
			AccountID: id,
			Key:       key,
			Charge:    m.drawCharge(t, id),
		}
	}
	for i, r := range m.ChargeAll(context.Background(), charges) {
		c := charges[i]
		m.compare(t, fmt.Sprint("charge ", i, " of ", len(charges)), m.sent(r.Receipt, r.Err),
			m.twin.charge(c.AccountID, c.Key, c.Charge, m.clock.Now()))
	}
}

func (m *model) hold(t *rapid.T) {
	id := m.account(t)
	h := ledger.Hold{
		Feature:     "auto_selling",
		Agent:       agent(t),
		Reference:   drawReference(t),
		KeepAgentOn: rapid.IntRange(0, 3).Draw(t, "keep on") == 0,
	}
	h.Reason, h.Metadata = drawNote(t)
	h.Amount = amount(t, m.roomOf(t, id, h.Agent))
	h.ExpiresIn = rapid.SampledFrom([]time.Duration{
		0, 0, time.Second, time.Hour, 24 * time.Hour, 24*time.Hour + 1,
		-1,
	}).Draw(t, "life")
	m.both(t, "hold", func(key string) (result, result) {
		r, err := m.Hold(context.Background(), id, key, h)
		return m.sent(r, err), m.twin.hold(id, key, h, m.clock.Now())
	})
}

// earlier picks one of the newest entries of some kinds, or now and then any number.
func (m *model) earlier(t *rapid.T, id uuid.UUID, kinds ...ledger.Kind) int64 {
	var seqs []int64
	for _, e := range m.twin.accounts[id].entries {
		for _, kind := range kinds {
			if e.Kind == kind {
				seqs = append(seqs, e.Seq)
			}
		}
	}
	if n := rapid.IntRange(0, 19).Draw(t, "which"); len(seqs) > 0 && n > 0 {
		return seqs[max(0, len(seqs)-1-n/4)]
	}
	return rapid.Int64Range(1, 30).Draw(t, "any seq")
}

func optional(t *rapid.T, of tokens.Amount) *tokens.Amount {
	if rapid.Bool().Draw(t, "all of it") {
		return nil
	}
	return amount(t, of)
}

func (m *model) capture(t *rapid.T) {
	id := m.account(t)
	c := ledger.Capture{Hold: m.earlier(t, id, ledger.KindHold)}
	if held := m.entry(id, c.Hold); rapid.IntRange(0, 2).Draw(t, "beyond the hold") == 0 {
		more := held.HeldDelta + *amount(t, m.roomOf(t, id, held.Agent))
		c.Amount = &more
	} else {
		c.Amount = optional(t, held.HeldDelta)
	}
	c.Reference = drawReference(t)
	c.Reason, c.Metadata = drawNote(t)
	m.both(t, "capture", func(key string) (result, result) {
		r, err := m.Capture(context.Background(), id, key, c)
		return m.sent(r, err), m.twin.capture(id, key, c, m.clock.Now())
	})
}

// entry is the twin's entry with this seq, if there is one.
func (m *model) entry(id uuid.UUID, seq int64) ledger.Entry {
	if entries := m.twin.accounts[id].entries; seq <= int64(len(entries)) {
		return entries[seq-1]
	}
	return ledger.Entry{}
}

func (m *model) release(t *rapid.T) {
	id := m.account(t)
	release := ledger.Release{Hold: m.earlier(t, id, ledger.KindHold), Reference: drawReference(t)}
	release.Reason, release.Metadata = drawNote(t)
	m.both(t, "release", func(key string) (result, result) {
		r, err := m.Release(context.Background(), id, key, release)
		return m.sent(r, err), m.twin.release(id, key, release, m.clock.Now())
	})
}

func (m *model) refund(t *rapid.T) {
	id := m.account(t)
	refund := ledger.Refund{
		Entry:  m.earlier(t, id, ledger.KindCharge, ledger.KindCapture),
		Reason: rapid.SampledFrom([]string{"", "sorry"}).Draw(t, "reason"),
	}
	refund.Reference = drawReference(t)
	_, refund.Metadata = drawNote(t)
	refund.Amount = optional(t, max(-m.entry(id, refund.Entry).Amount, 0))
	m.both(t, "refund", func(key string) (result, result) {
		r, err := m.Refund(context.Background(), id, key, refund)
		return m.sent(r, err), m.twin.refund(id, key, refund, m.clock.Now())
	})
}

func (m *model) drawExpiry(t *rapid.T) time.Time {
	hours := rapid.SampledFrom([]int{0, 0, -1, 1, 12, 24, 24 * 20, 24 * 59}).Draw(t, "hours")
	if hours == 0 {
		return time.Time{}
	}
	return m.clock.Now().Add(time.Duration(hours) * time.Hour)
}

func (m *model) grant(t *rapid.T) {
	id := m.account(t)
	g := ledger.Grant{
		Kind:      rapid.SampledFrom([]ledger.LotKind{ledger.LotPromo, ledger.LotAdjustment}).Draw(t, "kind"),
		Amount:    *amount(t, 60*tokens.One),
		ExpiresAt: m.drawExpiry(t),
		Reason:    "a gift",
		Reference: drawReference(t),
	}
	_, g.Metadata = drawNote(t)
	m.both(t, "grant", func(key string) (result, result) {
		r, err := m.Grant(context.Background(), id, key, g)
		return m.sent(r, err), m.twin.grant(id, key, g, m.clock.Now())
	})
}

// purchase credits a new purchase, or an old one again.
func (m *model) purchase(t *rapid.T) {
	id := m.account(t)
	source := fmt.Sprint("purchase-", len(m.bought[id])-rapid.IntRange(0, 1).Draw(t, "an old one"))
	if len(m.bought[id]) == 0 {
		source = "purchase-0"
	}
	if source == fmt.Sprint("purchase-", len(m.bought[id])) {
		m.bought[id] = append(m.bought[id], source)
	}
	g := ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: source,
	}
	if rapid.IntRange(0, 3).Draw(t, "expiring") == 0 {
		g.ExpiresAt = m.clock.Now().AddDate(0, 0, 3)
	}
	r, err := m.Grant(context.Background(), id, "", g)
	m.compare(t, "purchase "+source, m.sent(r, err), m.twin.grant(id, "", g, m.clock.Now()))
}

func (m *model) drawPurchase(t *rapid.T, id uuid.UUID) string {
	return rapid.SampledFrom(append([]string{"purchase-0"}, m.bought[id]...)).Draw(t, "purchase")
}

func (m *model) revoke(t *rapid.T) {
	id := m.account(t)
	purchase, total := m.drawPurchase(t, id),
		rapid.SampledFrom([]tokens.Amount{100, 100, 30, 60, 0, 101}).Draw(t, "total")*tokens.One
	r, err := revoke(context.Background(), m, id, purchase, total, ledger.CauseDispute, "disputed")
	m.compare(t, "revoke "+purchase, m.sent(r, err), m.twin.revoke(id, purchase, total, "disputed", m.clock.Now()))
}

func (m *model) freeze(t *rapid.T) {
	id := m.account(t)
	purchase, frozen := m.drawPurchase(t, id), rapid.Bool().Draw(t, "frozen")
	err := freeze(context.Background(), m, id, purchase, frozen)
	m.compare(t, "freeze "+purchase, m.sent(ledger.Receipt{}, err),
		m.twin.freeze(id, purchase, frozen, m.clock.Now()))
}

func (m *model) plan(t *rapid.T) {
	id := m.account(t)
	p := ledger.SetPlan{
		Plan: rapid.SampledFrom([]string{"", "starter", "pro", "star", "gold"}).Draw(t, "plan"),
		Status: rapid.SampledFrom([]ledger.PlanStatus{
			"", "", "active", "active", "past_due", "canceled",
			"odd",
		}).Draw(t, "status"),
		Stay: rapid.IntRange(0, 5).Draw(t, "stay") == 0,
		Zone: rapid.SampledFrom([]string{"", "", "", "", "Asia/Tokyo"}).Draw(t, "zone"),
	}
	m.compare(t, "plan", m.sent(ledger.Receipt{}, m.SetPlan(context.Background(), id, p)),
		m.twin.setPlan(id, p, m.clock.Now()))
}

// move moves the clock: by minutes, by days, by months, or a few seconds back, as between two servers.
func (m *model) move(t *rapid.T) {
	by := rapid.OneOf(
		rapid.Map(rapid.IntRange(1, 1200), func(n int) time.Duration { return time.Duration(n) * time.Second }),
		rapid.Map(rapid.IntRange(1, 50), func(n int) time.Duration { return time.Duration(n) * time.Hour }),
		rapid.Map(rapid.IntRange(1, 5), func(n int) time.Duration { return -time.Duration(n) * time.Second }),
		rapid.Map(rapid.IntRange(20, 75), func(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }),
	).Draw(t, "by")
	m.clock.Advance(by)
}

// due moves the clock to the very instant at which something is due next, or to a microsecond before it.
func (m *model) due(t *rapid.T) {
	a := m.twin.accounts[m.account(t)]
	now := m.clock.Now()
	next := time.Time{}
	consider := func(at time.Time) {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for _, h := range a.holds {
		if h.ended == "" {
			consider(h.expires)
		}
	}
	for _, l := range a.lots {
		consider(l.expires)
	}
	consider(a.month(a.period + 1))
	consider(a.monthAfter(now))
	if next.IsZero() {
		t.Skip()
	}
	m.clock.Set(next.Add(-rapid.SampledFrom([]time.Duration{0, 0, time.Microsecond}).Draw(t, "before")))
}

func (m *model) settle(t *rapid.T) {
	id := m.account(t)
	if err := m.Settle(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	m.twin.write(id, m.clock.Now())
}

// look compares the accounts as they show themselves, after each step.
func (m *model) look(t *rapid.T) {
	accounts, err := m.Accounts(context.Background(), append(m.ids, m.strange))
	if err != nil || len(accounts) != len(m.ids) {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	balances, err := m.Balances(context.Background(), append(m.ids, m.strange))
	if err != nil || len(balances) != len(m.ids) {
		t.Fatalf("%d balances, %v", len(balances), err)
	}
	for _, id := range m.ids {
		got, want := accounts[id], m.twin.view(id, m.clock.Now())
		got.BillingZone, want.BillingZone = nil, nil
		light := balances[id]
		if late := !got.NextDue.IsZero() && (light.NextDue.IsZero() || light.NextDue.After(got.NextDue)); late {
			t.Fatalf("at %v something is due at %v, and the balance says at %v", m.clock.Now(), got.NextDue,
				light.NextDue)
		}
		light.BillingZone, light.Lots, light.Holds, light.NextDue = nil, got.Lots, got.Holds, got.NextDue
		if fmt.Sprint(light) != fmt.Sprint(got) {
			t.Fatalf("at %v the balance is\n%+v\nand the account\n%+v", m.clock.Now(), light, got)
		}
		got.NextDue, got.Today = time.Time{}, nil // the twin keeps neither; the usage is compared by itself
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("at %v the ledger shows\n%+v\nits twin\n%+v", m.clock.Now(), got, want)
		}
	}
	m.lookAtAgents(t)
}

func (m *model) history(t *rapid.T) {
	id := m.account(t)
	var f ledger.Filter
	f.Feature = rapid.SampledFrom([]string{"", "", "auto_selling", "lip_sync"}).Draw(t, "feature")
	f.Agent = rapid.SampledFrom([]string{"", "", "sales", "nobody"}).Draw(t, "agent")
	f.Kinds = rapid.SampledFrom([][]ledger.Kind{
		nil, nil,
		{ledger.KindCharge, ledger.KindCapture},
		{ledger.KindExpiry},
	}).Draw(t, "kinds")
	f.LotKinds = rapid.SampledFrom([][]ledger.LotKind{
		nil, nil,
		{ledger.LotPurchase},
		{ledger.LotPlan, ledger.LotPromo},
	}).Draw(t, "lot kinds")
	f.Reference = rapid.SampledFrom([]string{"", "job", "job-1", "task", "starter", "purchase-0"}).Draw(t,
		"reference")
	f.From, f.To = m.drawInstant(t, id), m.drawInstant(t, id)
	m.compareHistory(t, id, f, rapid.IntRange(1, 12).Draw(t, "limit"))
}

func (m *model) compareHistory(t *rapid.T, id uuid.UUID, f ledger.Filter, limit int) {
	m.twin.write(id, m.clock.Now()) // what is due is written before a filter is refused
	if field := m.twin.senseless(id, f); field != "" {
		if _, err := m.History(context.Background(), id, f, 0, limit); problem.Of(err).Field != field {
			t.Fatalf("history %+v: %v, its twin refuses %s", f, err, field)
		}
		return
	}
	want := m.twin.history(id, f, m.clock.Now())
	var got []ledger.Line
	for before := int64(math.MaxInt64); before != 0; {
		page, err := m.History(context.Background(), id, f, before, limit)
		if err != nil || len(page.Lines) > limit {
			t.Fatalf("%d lines, %v", len(page.Lines), err)
		}
		got, before = append(got, page.Lines...), page.Before
	}
	if len(got) != len(want) {
		t.Fatalf("history %+v has %d lines, its twin %d", f, len(got), len(want))
	}
	for i, line := range got {
		if text(line.Entry) != text(want[i]) || !m.sameNote(id, line) {
			t.Fatalf("history %+v has\n%s %q, its twin\n%s", f, text(line.Entry), line.Reason, text(want[i]))
		}
	}
}

// sameNote compares what stands beside an entry.
func (m *model) sameNote(id uuid.UUID, line ledger.Line) bool {
	want := m.twin.accounts[id].notes[line.Seq]
	return inText(ledger.Note{Reason: line.Reason, Metadata: line.Metadata}) == inText(want)
}

// drawInstant picks the time of an entry, one a microsecond beside it, none, or the future.
func (m *model) drawInstant(t *rapid.T, id uuid.UUID) time.Time {
	entries := m.twin.accounts[id].entries
	n := rapid.IntRange(-len(entries)/2-2, len(entries)).Draw(t, "instant")
	switch {
	case n < 0 || (n == 0 && len(entries) == 0):
		return time.Time{}
	case n == len(entries):
		return m.clock.Now().AddDate(0, 0, 1)
	}
	return entries[n].At.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "beside")) * time.Microsecond)
}

func (m *model) balanceAt(t *rapid.T) {
	id := m.account(t)
	at := m.drawInstant(t, id)
	if at.IsZero() {
		at = start.Add(-time.Hour)
	}
	got, err := m.BalanceAt(context.Background(), id, at)
	if want := m.twin.balanceAt(id, at, m.clock.Now()); err != nil || got != want {
		t.Fatalf("balance at %v is %v (%v), its twin says %v", at, got, err, want)
	}
}

func (m *model) usage(t *rapid.T) {
	id := m.account(t)
	now := m.clock.Now()
	from := time.Date(now.Year(), now.Month(), now.Day()-rapid.IntRange(-1, 100).Draw(t, "from"), 0, 0, 0, 0,
		time.UTC)
	to := from.AddDate(0, 0, rapid.IntRange(0, 100).Draw(t, "days"))
	got, err := m.Usage(context.Background(), id, from, to)
	if want := m.twin.usage(id, from, to); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("usage from %v to %v is\n%v (%v), its twin says\n%v", from, to, got, err, want)
	}
}

func (m *model) quote(t *rapid.T) {
	id := m.account(t)
	c := m.drawCharge(t, id)
	q, err := m.Quote(context.Background(), id, c)
	if m.twin.accounts[id].over() {
		if problem.Of(err).Code != "account_closed" {
			t.Fatalf("a quote of a closed account: %v", err)
		}
		return
	}
	price, refused := m.twin.cost(c.Feature, c.Quantity, c.Amount)
	if (err == nil) != (refused == nil) {
		t.Fatalf("quote: %v, its twin %v", err, refused)
	}
	if err != nil {
		return
	}
	if m.twin.accounts[id].reserved() > 0 {
		m.twin.write(id, m.clock.Now()) // a look at the agents settles
	}
	settled, now := m.twin.settled(id, m.clock.Now())
	spendable := settled.available(c.Agent, now)
	want := ledger.Quote{
		Price:        price,
		Spendable:    spendable,
		Reserved:     settled.spendable(now) - spendable,
		Held:         settled.held(),
		Affordable:   true,
		BalanceAfter: spendable - price.Amount,
	}
	if spendable < price.Amount {
		want.Affordable, want.BalanceAfter = false, spendable
		want.Shortfall = price.Amount + settled.keptFrom(c.Agent) - settled.spendable(now)
	}
	if q != want {
		t.Fatalf("quote is %+v, its twin's %+v", q, want)
	}
}

// endCheck compares everything that was ever written, and adds up the books of the sequence.
func (m *model) endCheck(t *rapid.T) {
	for _, id := range m.ids {
		m.compareHistory(t, id, ledger.Filter{}, ledger.MaxPage)
		days := map[time.Time]bool{}
		for _, d := range m.twin.accounts[id].declined {
			days[d.Day] = true
		}
		for day := range days {
			got, err := m.DeclinedOn(context.Background(), id, day)
			if want := m.twin.declinedOn(id, day); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("declined on %v: %v (%v), its twin says %v", day, got, err, want)
			}
		}
		from, to := start.AddDate(-1, 0, 0), start.AddDate(90, 0, 0)
		got, err := m.Usage(context.Background(), id, from, to)
		if want := m.twin.usage(id, from, to); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("usage is %v (%v), its twin says %v", got, err, want)
		}
		var declined int
		if err := m.pool.QueryRow(context.Background(), "select declined from ledger_accounts where account = $1",
			id).Scan(&declined); err != nil ||
			declined != m.twin.accounts[id].declinedEver {
			t.Fatalf("%d attempts were declined (%v), its twin says %d", declined, err,
				m.twin.accounts[id].declinedEver)
		}
	}
	m.addUp(t)
}

// addUp runs the invariants over this sequence's accounts only: temporary views stand in front of the tables.
func (m *model) addUp(t *rapid.T) {
	ctx := context.Background()
	tx, err := m.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }() // takes the views away
	ids := fmt.Sprintf("'%s', '%s'", m.ids[0], m.ids[1])
	var views strings.Builder
	for _, table := range []string{"ledger_accounts", "lots", "entries", "holds", "reversals", "agents", "outbox"} {
		fmt.Fprintf(&views, "create temp view %s as select * from public.%s where account in (%s);", table, table,
			ids)
	}
	if _, err := tx.Exec(ctx, views.String()+invariantViews); err != nil {
		t.Fatal(err)
	}
	for name, query := range invariants {
		var wrong int
		if err := tx.QueryRow(ctx, query).Scan(&wrong); err != nil || wrong != 0 {
			t.Fatalf("%s: %d (%v)", name, wrong, err)
		}
	}
}
