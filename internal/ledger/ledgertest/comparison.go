package ledgertest

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// comparison is one random sequence: two accounts in the ledger and in the model, on one clock. The ledger has several
// servers on one database, and each request goes to one of them, whose cached accounts may be stale.
type comparison struct {
	*Fixture
	servers  []*engine.Engine
	model    *Model
	ids      []uuid.UUID
	unopened uuid.UUID // an account that is never opened
	keys     int
	bought   map[uuid.UUID][]string
	requests map[string]func() (Result, Result) // by key: what to send again
	used     []string
	relayed  map[uuid.UUID]int64 // events that were taken out of the outbox
}

// CompareWithModel sends a random sequence of requests to the ledger and to the reference model. It compares every
// answer, the accounts after each step, and in the end everything that was written. It clears the outbox first.
func CompareWithModel(t *rapid.T, f *Fixture, servers []*engine.Engine) {
	f.Clock.Set(Start)
	copied := *f
	if _, err := f.Pool.Exec(context.Background(), "delete from outbox"); err != nil {
		t.Fatal(err)
	}
	m := &comparison{
		Fixture:  &copied,
		servers:  servers,
		model:    NewModel(catalog.Builtin()),
		unopened: uuid.New(),
		bought:   map[uuid.UUID][]string{},
		requests: map[string]func() (Result, Result){},
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
			plan.Anchor = Start.AddDate(0, 0, -days)
		}
		m.compare(t, "open", m.toResult(ledger.Receipt{}, f.SetPlan(context.Background(), id, plan)),
			m.model.SetPlan(id, plan, Start))
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
		"open holds":      m.compareOpenHolds,
		"refund":          m.refund,
		"refund 2":        m.refund,
		"grant":           m.grant,
		"grant 2":         m.grant,
		"purchase":        m.purchase,
		"revoke":          m.revoke,
		"freeze":          m.freeze,
		"plan":            m.plan,
		"clock":           m.moveClock,
		"clock 2":         m.moveClock,
		"clock 3":         m.moveClock,
		"due":             m.moveClockToDue,
		"again":           m.resend,
		"key reused":      m.keyReused,
		"unknown account": m.chargeUnopened,
		"history":         m.compareHistoryPage,
		"balance at":      m.compareBalanceAt,
		"usage":           m.compareUsage,
		"quote":           m.compareQuote,
		"settle":          m.settle,
		"bulk":            m.bulk,
		"put agent":       m.putAgent,
		"put agent 2":     m.putAgent,
		"put agent 3":     m.putAgent,
		"switch agent":    m.switchAgent,
		"threshold":       m.setThreshold,
		"agents":          m.compareAgentList,
		"relay":           m.relay,
		"other server":    m.otherServer,
		"other server 2":  m.otherServer,
		"take back":       m.takeBack,
		"claim":           m.claim,
		"claim 2":         m.claim,
		"close":           m.closeAccount,
		"":                m.compareAccounts,
	})
	m.compareFinally(t)
}

func (m *comparison) otherServer(t *rapid.T) {
	m.Engine = rapid.SampledFrom(m.servers).Draw(t, "server")
}

func (m *comparison) account(t *rapid.T) uuid.UUID {
	return m.ids[rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 0, 1}).Draw(t, "account")]
}

func (m *comparison) toResult(r ledger.Receipt, err error) Result {
	if err != nil {
		return Result{Err: problem.Of(err)}
	}
	return Result{
		Entry:    r.Entry,
		Note:     r.Note,
		Balance:  r.Balance,
		Replayed: r.Replayed,
	}
}

func (m *comparison) compare(t *rapid.T, what string, got, want Result) {
	if (got.Err == nil) != (want.Err == nil) {
		t.Fatalf("%s: the ledger answers %v, the model %v", what, got.Err, want.Err)
	}
	if got.Err != nil {
		same := got.Err.Kind == want.Err.Kind && got.Err.Code == want.Err.Code && got.Err.Field == want.Err.Field
		if same && want.Err.Details != nil {
			same = reflect.DeepEqual(got.Err.Details, want.Err.Details)
		}
		if !same {
			t.Fatalf("%s: the ledger refuses with %v %v, the model with %v %v", what, got.Err, got.Err.Details,
				want.Err, want.Err.Details)
		}
		return
	}
	if entryText(got.Entry) != entryText(want.Entry) || got.Replayed != want.Replayed {
		t.Fatalf("%s: the ledger answers\n%s %v, the model\n%s %v", what, entryText(got.Entry), got.Replayed,
			entryText(want.Entry), want.Replayed)
	}
	if got.Balance != want.Balance || !got.Until.Equal(want.Until) {
		t.Fatalf("%s: the ledger answers %v until %v, the model %v until %v", what, got.Balance, got.Until,
			want.Balance, want.Until)
	}
	if want.Entry.Kind != ledger.KindClawback && asJSON(got.Note) != asJSON(want.Note) {
		t.Fatalf("%s: the ledger answers the note %v, the model %v", what, got.Note, want.Note)
	}
}

// entryText is everything that an entry shows.
func entryText(e ledger.Entry) string {
	return fmt.Sprintln(e.AccountID, e.Seq, e.At.UTC(), e.Kind, e.Amount, e.HeldDelta, e.BalanceAfter, e.HeldAfter,
		e.SpendableAfter, e.Contra, e.LotKind, e.Feature, e.Agent,
		e.Quantity, e.UnitPrice, e.CatalogVersion, e.Reference, e.About, e.Day.UTC(), e.Parts)
}

// sendBoth sends a request under a new key to the ledger and to the model.
func (m *comparison) sendBoth(t *rapid.T, what string, send func(key string) (Result, Result)) {
	m.keys++
	key := fmt.Sprint("key-", m.keys)
	got, want := send(key)
	m.compare(t, what, got, want)
	m.used = append(m.used, key)
	m.requests[key] = func() (Result, Result) { return send(key) }
}

// resend sends an earlier request again, with its key: a replay if it had succeeded, else it is decided again.
func (m *comparison) resend(t *rapid.T) {
	if len(m.used) == 0 {
		t.Skip()
	}
	key := rapid.SampledFrom(m.used).Draw(t, "key")
	got, want := m.requests[key]()
	m.compare(t, "again "+key, got, want)
}

// keyReused sends another request under a used key.
func (m *comparison) keyReused(t *rapid.T) {
	if len(m.used) == 0 {
		t.Skip()
	}
	key, id := rapid.SampledFrom(m.used).Draw(t, "key"), m.account(t)
	h := ledger.Hold{Feature: "lip_sync", Reference: "reused"}
	r, err := m.Hold(context.Background(), id, key, h)
	m.compare(t, "another request under "+key, m.toResult(r, err), m.model.Hold(id, key, h, m.Clock.Now()))
}

func (m *comparison) chargeUnopened(t *rapid.T) {
	c := ledger.Charge{Feature: "lip_sync"}
	r, err := m.Charge(context.Background(), m.unopened, "key", c)
	m.compare(
		t,
		"a charge of an unknown account",
		m.toResult(r, err),
		m.model.Charge(m.unopened, "key", c, m.Clock.Now()),
	)
}

// drawAmount is part of what there is, all of it, slightly more, or invalid.
func drawAmount(t *rapid.T, of tokens.Amount) *tokens.Amount {
	a := rapid.OneOf(
		rapid.Map(rapid.Int64Range(1, int64(max(of/3, 1))), func(n int64) tokens.Amount { return tokens.Amount(n) }),
		rapid.Map(rapid.Int64Range(1, int64(max(of, 1))), func(n int64) tokens.Amount { return tokens.Amount(n) }),
		rapid.SampledFrom([]tokens.Amount{of, of + 1, max(of-1, 1), 1, 0, -1, tokens.One, 5 * tokens.One}),
	).Draw(t, "amount")
	return &a
}

func (m *comparison) spendableNow(id uuid.UUID) tokens.Amount {
	return m.model.Account(id, m.Clock.Now()).Spendable
}

func drawAgent(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "answers", "answers", "sales"}).Draw(t, "agent")
}

func (m *comparison) drawCharge(t *rapid.T, id uuid.UUID) ledger.Charge {
	c := ledger.Charge{
		Feature:     "auto_selling",
		Agent:       drawAgent(t),
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
		c.Amount = drawAmount(t, m.drawRoom(t, id, c.Agent))
	}
	if rapid.IntRange(0, 5).Draw(t, "referenced") == 0 {
		c.Reference, c.UniqueReference = rapid.SampledFrom([]string{"job-1", "job-2"}).Draw(t, "reference"), true
	}
	if rapid.IntRange(0, 3).Draw(t, "noted") == 0 {
		c.Reason, c.Metadata = drawNote(t)
	}
	return c
}

func (m *comparison) charge(t *rapid.T) {
	id := m.account(t)
	c := m.drawCharge(t, id)
	m.sendBoth(t, "charge", func(key string) (Result, Result) {
		r, err := m.Charge(context.Background(), id, key, c)
		return m.toResult(r, err), m.model.Charge(id, key, c, m.Clock.Now())
	})
}

// bulk sends several charges at once, which share a batch.
func (m *comparison) bulk(t *rapid.T) {
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
		m.compare(t, fmt.Sprint("charge ", i, " of ", len(charges)), m.toResult(r.Receipt, r.Err),
			m.model.Charge(c.AccountID, c.Key, c.Charge, m.Clock.Now()))
	}
}

func (m *comparison) hold(t *rapid.T) {
	id := m.account(t)
	h := ledger.Hold{
		Feature:     "auto_selling",
		Agent:       drawAgent(t),
		Reference:   drawReference(t),
		KeepAgentOn: rapid.IntRange(0, 3).Draw(t, "keep on") == 0,
	}
	h.Reason, h.Metadata = drawNote(t)
	h.Amount = drawAmount(t, m.drawRoom(t, id, h.Agent))
	h.ExpiresIn = rapid.SampledFrom([]time.Duration{
		0, 0, time.Second, time.Hour, 24 * time.Hour, 24*time.Hour + 1,
		-1,
	}).Draw(t, "life")
	m.sendBoth(t, "hold", func(key string) (Result, Result) {
		r, err := m.Hold(context.Background(), id, key, h)
		return m.toResult(r, err), m.model.Hold(id, key, h, m.Clock.Now())
	})
}

// drawEntry picks one of the newest entries of some kinds, and sometimes any number.
func (m *comparison) drawEntry(t *rapid.T, id uuid.UUID, kinds ...ledger.Kind) int64 {
	var seqs []int64
	for _, e := range m.model.accounts[id].entries {
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

func drawOptional(t *rapid.T, of tokens.Amount) *tokens.Amount {
	if rapid.Bool().Draw(t, "all of it") {
		return nil
	}
	return drawAmount(t, of)
}

func (m *comparison) capture(t *rapid.T) {
	id := m.account(t)
	c := ledger.Capture{Hold: m.drawEntry(t, id, ledger.KindHold)}
	if held := m.modelEntry(id, c.Hold); rapid.IntRange(0, 2).Draw(t, "beyond the hold") == 0 {
		more := held.HeldDelta + *drawAmount(t, m.drawRoom(t, id, held.Agent))
		c.Amount = &more
	} else {
		c.Amount = drawOptional(t, held.HeldDelta)
	}
	c.Reference = drawReference(t)
	c.Reason, c.Metadata = drawNote(t)
	m.sendBoth(t, "capture", func(key string) (Result, Result) {
		r, err := m.Capture(context.Background(), id, key, c)
		return m.toResult(r, err), m.model.Capture(id, key, c, m.Clock.Now())
	})
}

// modelEntry is the model's entry with this seq, if there is one.
func (m *comparison) modelEntry(id uuid.UUID, seq int64) ledger.Entry {
	if entries := m.model.accounts[id].entries; seq <= int64(len(entries)) {
		return entries[seq-1]
	}
	return ledger.Entry{}
}

func (m *comparison) release(t *rapid.T) {
	id := m.account(t)
	release := ledger.Release{Hold: m.drawEntry(t, id, ledger.KindHold), Reference: drawReference(t)}
	release.Reason, release.Metadata = drawNote(t)
	m.sendBoth(t, "release", func(key string) (Result, Result) {
		r, err := m.Release(context.Background(), id, key, release)
		return m.toResult(r, err), m.model.Release(id, key, release, m.Clock.Now())
	})
}

func (m *comparison) refund(t *rapid.T) {
	id := m.account(t)
	refund := ledger.Refund{
		Entry:  m.drawEntry(t, id, ledger.KindCharge, ledger.KindCapture),
		Reason: rapid.SampledFrom([]string{"", "sorry"}).Draw(t, "reason"),
	}
	refund.Reference = drawReference(t)
	_, refund.Metadata = drawNote(t)
	refund.Amount = drawOptional(t, max(-m.modelEntry(id, refund.Entry).Amount, 0))
	m.sendBoth(t, "refund", func(key string) (Result, Result) {
		r, err := m.Refund(context.Background(), id, key, refund)
		return m.toResult(r, err), m.model.Refund(id, key, refund, m.Clock.Now())
	})
}

func (m *comparison) drawExpiry(t *rapid.T) time.Time {
	hours := rapid.SampledFrom([]int{0, 0, -1, 1, 12, 24, 24 * 20, 24 * 59}).Draw(t, "hours")
	if hours == 0 {
		return time.Time{}
	}
	return m.Clock.Now().Add(time.Duration(hours) * time.Hour)
}

func (m *comparison) grant(t *rapid.T) {
	id := m.account(t)
	g := ledger.Grant{
		Kind:      rapid.SampledFrom([]ledger.LotKind{ledger.LotPromo, ledger.LotAdjustment}).Draw(t, "kind"),
		Amount:    *drawAmount(t, 60*tokens.One),
		ExpiresAt: m.drawExpiry(t),
		Reason:    "a gift",
		Reference: drawReference(t),
	}
	_, g.Metadata = drawNote(t)
	m.sendBoth(t, "grant", func(key string) (Result, Result) {
		r, err := m.Grant(context.Background(), id, key, g)
		return m.toResult(r, err), m.model.Grant(id, key, g, m.Clock.Now())
	})
}

// purchase credits a new purchase, or an earlier one again.
func (m *comparison) purchase(t *rapid.T) {
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
		g.ExpiresAt = m.Clock.Now().AddDate(0, 0, 3)
	}
	r, err := m.Grant(context.Background(), id, "", g)
	m.compare(t, "purchase "+source, m.toResult(r, err), m.model.Grant(id, "", g, m.Clock.Now()))
}

func (m *comparison) drawPurchase(t *rapid.T, id uuid.UUID) string {
	return rapid.SampledFrom(append([]string{"purchase-0"}, m.bought[id]...)).Draw(t, "purchase")
}

func (m *comparison) revoke(t *rapid.T) {
	id := m.account(t)
	purchase, total := m.drawPurchase(t, id),
		rapid.SampledFrom([]tokens.Amount{100, 100, 30, 60, 0, 101}).Draw(t, "total")*tokens.One
	r, err := Revoke(context.Background(), m, id, purchase, total, ledger.CauseDispute, "disputed")
	m.compare(t, "revoke "+purchase, m.toResult(r, err), m.model.Revoke(id, purchase, total, "disputed", m.Clock.Now()))
}

func (m *comparison) freeze(t *rapid.T) {
	id := m.account(t)
	purchase, frozen := m.drawPurchase(t, id), rapid.Bool().Draw(t, "frozen")
	err := Freeze(context.Background(), m, id, purchase, frozen)
	m.compare(t, "freeze "+purchase, m.toResult(ledger.Receipt{}, err),
		m.model.Freeze(id, purchase, frozen, m.Clock.Now()))
}

func (m *comparison) plan(t *rapid.T) {
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
	m.compare(t, "plan", m.toResult(ledger.Receipt{}, m.SetPlan(context.Background(), id, p)),
		m.model.SetPlan(id, p, m.Clock.Now()))
}

// moveClock advances the clock by minutes, days or months, or sets it back by seconds, as between two servers.
func (m *comparison) moveClock(t *rapid.T) {
	by := rapid.OneOf(
		rapid.Map(rapid.IntRange(1, 1200), func(n int) time.Duration { return time.Duration(n) * time.Second }),
		rapid.Map(rapid.IntRange(1, 50), func(n int) time.Duration { return time.Duration(n) * time.Hour }),
		rapid.Map(rapid.IntRange(1, 5), func(n int) time.Duration { return -time.Duration(n) * time.Second }),
		rapid.Map(rapid.IntRange(20, 75), func(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }),
	).Draw(t, "by")
	m.Clock.Advance(by)
}

// moveClockToDue sets the clock to the instant at which something is due next, or a microsecond before it.
func (m *comparison) moveClockToDue(t *rapid.T) {
	a := m.model.accounts[m.account(t)]
	now := m.Clock.Now()
	next := time.Time{}
	consider := func(at time.Time) {
		if at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for _, h := range a.holds {
		if h.outcome == "" {
			consider(h.expires)
		}
	}
	for _, l := range a.lots {
		consider(l.expires)
	}
	consider(a.boundary(a.period + 1))
	consider(a.nextMonth(now))
	if next.IsZero() {
		t.Skip()
	}
	m.Clock.Set(next.Add(-rapid.SampledFrom([]time.Duration{0, 0, time.Microsecond}).Draw(t, "before")))
}

func (m *comparison) settle(t *rapid.T) {
	id := m.account(t)
	if err := m.Settle(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	m.model.Settle(id, m.Clock.Now())
}

// compareAccounts runs after each step.
func (m *comparison) compareAccounts(t *rapid.T) {
	accounts, err := m.Accounts(context.Background(), append(m.ids, m.unopened))
	if err != nil || len(accounts) != len(m.ids) {
		t.Fatalf("%d accounts, %v", len(accounts), err)
	}
	balances, err := m.Balances(context.Background(), append(m.ids, m.unopened))
	if err != nil || len(balances) != len(m.ids) {
		t.Fatalf("%d balances, %v", len(balances), err)
	}
	for _, id := range m.ids {
		got, want := accounts[id], m.model.Account(id, m.Clock.Now())
		got.BillingZone, want.BillingZone = nil, nil
		light := balances[id]
		if late := !got.NextDue.IsZero() && (light.NextDue.IsZero() || light.NextDue.After(got.NextDue)); late {
			t.Fatalf("at %v something is due at %v, and the balance says at %v", m.Clock.Now(), got.NextDue,
				light.NextDue)
		}
		light.BillingZone, light.Lots, light.Holds, light.NextDue = nil, got.Lots, got.Holds, got.NextDue
		if fmt.Sprint(light) != fmt.Sprint(got) {
			t.Fatalf("at %v the balance is\n%+v\nand the account\n%+v", m.Clock.Now(), light, got)
		}
		got.NextDue, got.Today = time.Time{}, nil // the model keeps neither; usage is compared separately
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("at %v the ledger shows\n%+v\nthe model\n%+v", m.Clock.Now(), got, want)
		}
	}
	m.compareAgents(t)
}

func (m *comparison) compareHistoryPage(t *rapid.T) {
	id := m.account(t)
	var filter ledger.Filter
	filter.Feature = rapid.SampledFrom([]string{"", "", "auto_selling", "lip_sync"}).Draw(t, "feature")
	filter.Agent = rapid.SampledFrom([]string{"", "", "sales", "unknown"}).Draw(t, "agent")
	filter.Kinds = rapid.SampledFrom([][]ledger.Kind{
		nil, nil,
		{ledger.KindCharge, ledger.KindCapture},
		{ledger.KindExpiry},
	}).Draw(t, "kinds")
	filter.LotKinds = rapid.SampledFrom([][]ledger.LotKind{
		nil, nil,
		{ledger.LotPurchase},
		{ledger.LotPlan, ledger.LotPromo},
	}).Draw(t, "lot kinds")
	filter.Reference = rapid.SampledFrom([]string{"", "job", "job-1", "task", "starter", "purchase-0"}).Draw(t,
		"reference")
	filter.From, filter.To = m.drawInstant(t, id), m.drawInstant(t, id)
	m.compareHistory(t, id, filter, rapid.IntRange(1, 12).Draw(t, "limit"))
}

func (m *comparison) compareHistory(t *rapid.T, id uuid.UUID, filter ledger.Filter, limit int) {
	m.model.Settle(id, m.Clock.Now()) // what is due is written before a filter is refused
	if field := m.model.invalidFilter(id, filter); field != "" {
		if _, err := m.History(context.Background(), id, filter, 0, limit); problem.Of(err).Field != field {
			t.Fatalf("history %+v: %v, the model refuses %s", filter, err, field)
		}
		return
	}
	want := m.model.History(id, filter, m.Clock.Now())
	var got []ledger.Line
	for before := int64(math.MaxInt64); before != 0; {
		page, err := m.History(context.Background(), id, filter, before, limit)
		if err != nil || len(page.Lines) > limit {
			t.Fatalf("%d lines, %v", len(page.Lines), err)
		}
		got, before = append(got, page.Lines...), page.Before
	}
	if len(got) != len(want) {
		t.Fatalf("history %+v has %d lines, the model %d", filter, len(got), len(want))
	}
	for i, line := range got {
		if entryText(line.Entry) != entryText(want[i]) || !m.noteMatches(id, line) {
			t.Fatalf(
				"history %+v has\n%s %q, the model\n%s",
				filter,
				entryText(line.Entry),
				line.Reason,
				entryText(want[i]),
			)
		}
	}
}

// noteMatches compares the reason and metadata of an entry.
func (m *comparison) noteMatches(id uuid.UUID, line ledger.Line) bool {
	want := m.model.accounts[id].notes[line.Seq]
	return asJSON(ledger.Note{Reason: line.Reason, Metadata: line.Metadata}) == asJSON(want)
}

// drawInstant picks the time of an entry, a microsecond before or after it, zero, or the future.
func (m *comparison) drawInstant(t *rapid.T, id uuid.UUID) time.Time {
	entries := m.model.accounts[id].entries
	n := rapid.IntRange(-len(entries)/2-2, len(entries)).Draw(t, "instant")
	switch {
	case n < 0 || (n == 0 && len(entries) == 0):
		return time.Time{}
	case n == len(entries):
		return m.Clock.Now().AddDate(0, 0, 1)
	}
	return entries[n].At.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "beside")) * time.Microsecond)
}

func (m *comparison) compareBalanceAt(t *rapid.T) {
	id := m.account(t)
	at := m.drawInstant(t, id)
	if at.IsZero() {
		at = Start.Add(-time.Hour)
	}
	got, err := m.BalanceAt(context.Background(), id, at)
	if want := m.model.BalanceAt(id, at, m.Clock.Now()); err != nil || got != want {
		t.Fatalf("balance at %v is %v (%v), the model says %v", at, got, err, want)
	}
}

func (m *comparison) compareUsage(t *rapid.T) {
	id := m.account(t)
	now := m.Clock.Now()
	from := time.Date(now.Year(), now.Month(), now.Day()-rapid.IntRange(-1, 100).Draw(t, "from"), 0, 0, 0, 0,
		time.UTC)
	to := from.AddDate(0, 0, rapid.IntRange(0, 100).Draw(t, "days"))
	got, err := m.Usage(context.Background(), id, from, to)
	if want := m.model.Usage(id, from, to); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("usage from %v to %v is\n%v (%v), the model says\n%v", from, to, got, err, want)
	}
}

func (m *comparison) compareQuote(t *rapid.T) {
	id := m.account(t)
	c := m.drawCharge(t, id)
	q, err := m.Quote(context.Background(), id, c)
	if m.model.accounts[id].isClosed() {
		if problem.Of(err).Code != "account_closed" {
			t.Fatalf("a quote of a closed account: %v", err)
		}
		return
	}
	price, refused := m.model.Cost(c.Feature, c.Quantity, c.Amount)
	if (err == nil) != (refused == nil) {
		t.Fatalf("quote: %v, the model %v", err, refused)
	}
	if err != nil {
		return
	}
	if m.model.accounts[id].reserved() > 0 {
		m.model.Settle(id, m.Clock.Now()) // reading the agents settles
	}
	settled, now := m.model.settledAt(id, m.Clock.Now())
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
		want.Shortfall = price.Amount + settled.reservedByOthers(c.Agent) - settled.spendable(now)
	}
	if q != want {
		t.Fatalf("quote is %+v, the model's %+v", q, want)
	}
}

// compareFinally compares everything that was written, and checks the invariants of the sequence.
func (m *comparison) compareFinally(t *rapid.T) {
	for _, id := range m.ids {
		m.compareHistory(t, id, ledger.Filter{}, ledger.MaxPage)
		days := map[time.Time]bool{}
		for _, d := range m.model.accounts[id].declined {
			days[d.Day] = true
		}
		for day := range days {
			got, err := m.DeclinedOn(context.Background(), id, day)
			if want := m.model.DeclinedOn(id, day); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("declined on %v: %v (%v), the model says %v", day, got, err, want)
			}
		}
		from, to := Start.AddDate(-1, 0, 0), Start.AddDate(90, 0, 0)
		got, err := m.Usage(context.Background(), id, from, to)
		if want := m.model.Usage(id, from, to); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("usage is %v (%v), the model says %v", got, err, want)
		}
		var declined int
		if err := m.Pool.QueryRow(context.Background(), "select declined from ledger_accounts where account = $1",
			id).Scan(&declined); err != nil ||
			declined != m.model.accounts[id].declinedCount {
			t.Fatalf("%d attempts were declined (%v), the model says %d", declined, err,
				m.model.accounts[id].declinedCount)
		}
	}
	m.checkInvariants(t)
}

// checkInvariants runs the invariants over this sequence's accounts only: temporary views hide the tables.
func (m *comparison) checkInvariants(t *rapid.T) {
	ctx := context.Background()
	tx, err := m.Pool.Begin(ctx)
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
