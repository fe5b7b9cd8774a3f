package engine_test

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
)

// heard is what somebody knows of an account who has heard of nothing but its events.
type heard struct {
	events int64
	agents map[string]string // state, since when, and turned away in pauses that are over
	away   map[string]int64
	low    bool
	grants map[string]bool
}

// hearAll takes in all events of an account, none of which was relayed.
func (b *books) hearAll(id uuid.UUID) heard {
	b.t.Helper()
	h := heard{
		agents: map[string]string{},
		away:   map[string]int64{},
		grants: map[string]bool{},
	}
	rows, err := b.pool.Query(context.Background(),
		"select seq, at, kind, data from outbox where account = $1 order by seq", id)
	if err != nil {
		b.t.Fatal(err)
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.Event])
	if err != nil {
		b.t.Fatal(err)
	}
	var last time.Time
	for _, e := range events {
		if h.events++; e.Seq != h.events || e.At.Before(last) {
			b.t.Fatalf("event %d of %v has the number %d, at %v", h.events, id, e.Seq, e.At)
		}
		last = e.At
		h.hear(b, e)
	}
	return h
}

func (h *heard) hear(b *books, e ledger.Event) {
	b.t.Helper()
	var data struct {
		Agent, State, Transaction string
		Since                     time.Time `json:"paused_since"`
		Away                      int64     `json:"turned_away"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		b.t.Fatal(err)
	}
	switch e.Kind {
	case "agent.paused":
		h.agents[data.Agent] = data.State + " since " + moment(data.Since)
		h.away[data.Agent] += data.Away
	case "agent.resumed":
		h.agents[data.Agent] = ""
		h.away[data.Agent] += data.Away
	case "balance.low", "balance.empty":
		h.low = true
	case "balance.restored":
		h.low = false
	case "grant.created", "purchase.completed":
		h.grants[data.Transaction] = true
	}
}

// checkEvents compares an account with what its events tell: each state has its event and each
// event its state. And no budget is overspent.
func (b *books) checkEvents(id uuid.UUID) {
	b.t.Helper()
	ctx := context.Background()
	list, _, err := b.Agents(ctx, id)
	if err != nil {
		b.t.Fatal(err)
	}
	h := b.hearAll(id)
	for _, a := range list {
		want := ""
		if a.State != ledger.AgentOn {
			want = a.State.String() + " since " + moment(a.PausedSince)
		}
		if h.agents[a.ID] != want {
			b.t.Errorf("the events say that %s of %v is %q, the books say %q", a.ID, id, h.agents[a.ID], want)
		}
		if a.Budget != nil && a.Spent+a.Held > *a.Budget {
			b.t.Errorf("%s of %v spent %v and holds %v of its budget of %v", a.ID, id, a.Spent, a.Held, *a.Budget)
		}
	}
	var events int64
	var level ledger.Level
	if err := b.pool.QueryRow(ctx, "select event_seq, level from ledger_accounts where account = $1",
		id).Scan(&events, &level); err != nil {
		b.t.Fatal(err)
	}
	if events != h.events || (level != ledger.LevelOK) != h.low {
		b.t.Errorf("%v has %d events, the newest is %d; its level is %v, and it was told that it is low: %v", id,
			h.events, events, level, h.low)
	}
	rows, err := b.pool.Query(ctx, "select seq from entries where account = $1 and kind = 1", id)
	if err != nil {
		b.t.Fatal(err)
	}
	grants, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(grants) != len(h.grants) {
		b.t.Fatalf("%d grants (%v), and %d were told of", len(grants), err, len(h.grants))
	}
	for _, seq := range grants {
		if !h.grants[ledger.EntryID(id, seq)] {
			b.t.Errorf("nobody was told of grant %d of %v", seq, id)
		}
	}
}
