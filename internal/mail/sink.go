package mail

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// notification is an event that may cause an e-mail.
type notification struct {
	account  uuid.UUID
	source   string // sourceLedger or sourceTopUp
	seq      int64  // unique among those of its account and source
	at       time.Time
	kind     string
	agents   []string      // the paused agent, or those that a purchase resumed
	amount   tokens.Amount // bought
	purchase string
	due      time.Time

	failures     int
	failingSince time.Time // zero: no failure yet
}

// The sources of notifications, as stored.
const (
	sourceLedger = "ledger"
	sourceTopUp  = "topup"
)

// eventData has the fields used from any kind of event.
type eventData struct {
	Agent    string        `json:"agent"`
	State    string        `json:"state"`
	Amount   tokens.Amount `json:"amount"`
	Purchase string        `json:"purchase"`
}

// Sink stores events from the relay. It is idempotent. Events older than maxAge are skipped. The
// error has kind Unavailable.
func (m *Mailer) Sink(ctx context.Context, events []ledger.AccountEvent) error {
	var list []notification
	for i := range events {
		if o, ok := m.notificationOf(&events[i]); ok {
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		return nil
	}
	m.addResumed(list, events)
	// One order, so that servers relaying at the same time do not deadlock.
	slices.SortFunc(list, func(a, b notification) int {
		return cmp.Or(bytes.Compare(a.account[:], b.account[:]), cmp.Compare(a.seq, b.seq)) // all are the ledger's
	})
	return m.keep(ctx, list)
}

func (m *Mailer) notificationOf(t *ledger.AccountEvent) (notification, bool) {
	var data eventData
	if err := json.Unmarshal(t.Data, &data); err != nil {
		m.Log.Error("event cannot be decoded; no e-mail sent", "account", t.AccountID, "seq", t.Seq, "kind",
			t.Kind, "error", err)
		return notification{}, false
	}
	o := notification{
		account: t.AccountID,
		source:  sourceLedger,
		seq:     t.Seq,
		at:      t.At,
		kind:    t.Kind,
		agents:  []string{},
		due:     t.At.Add(settleTime),
	}
	switch t.Kind {
	case ledger.EventBalanceLow, ledger.EventBalanceEmpty:
	case ledger.EventAgentPaused:
		if data.State == ledger.AgentByCreator.String() {
			return notification{}, false
		}
		o.agents = append(o.agents, data.Agent)
	case ledger.EventPurchaseDone:
		o.amount, o.purchase, o.due = data.Amount, data.Purchase, t.At
	default:
		return notification{}, false
	}
	return o, m.Clock().Sub(t.At) <= maxAge
}

// addResumed adds to purchases the agents they resumed: those with an event at the same instant.
func (m *Mailer) addResumed(list []notification, events []ledger.AccountEvent) {
	for i := range list {
		o := &list[i]
		if o.kind != ledger.EventPurchaseDone {
			continue
		}
		for j := range events {
			e := &events[j]
			var data eventData
			if e.Kind == ledger.EventAgentResumed && e.AccountID == o.account && e.At.Equal(o.at) &&
				json.Unmarshal(e.Data, &data) == nil {
				o.agents = append(o.agents, data.Agent)
			}
		}
	}
}

const (
	sqlKnowAccounts = `insert into mail_accounts (account) select unnest($1::uuid[]) on conflict (account) do nothing`
	// sqlKeep skips a stopped top-up that a server of the version before has stored, with a negative seq.
	sqlKeep = `insert into mail_occasions (account, source, seq, at, kind, agents, amount, purchase, due_at)
		select $1::uuid, $2::text, $3::bigint, $4::timestamptz, $5::text, $6::text[], $7::bigint, $8::text, $9::timestamptz
		where not exists (select from mail_occasions where account = $1 and seq = -$3) on conflict do nothing`
)

// keep stores notifications in one transaction.
func (m *Mailer) keep(ctx context.Context, list []notification) error {
	var ids []uuid.UUID
	batch := &pgx.Batch{}
	for i := range list {
		ids = append(ids, list[i].account)
	}
	batch.Queue("begin")
	batch.Queue(sqlKnowAccounts, slices.Compact(ids))
	for i := range list {
		o := &list[i]
		batch.Queue(sqlKeep, o.account, o.source, o.seq, o.at, o.kind, o.agents, int64(o.amount), o.purchase, o.due)
	}
	batch.Queue("commit")
	if err := m.pool.SendBatch(ctx, batch).Close(); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}
