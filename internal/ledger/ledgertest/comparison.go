package ledgertest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
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
