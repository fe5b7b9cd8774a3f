package ledgertest

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
)

// EventState is the state of an account as its events alone describe it.
type EventState struct {
	Events     int64
	Agents     map[string]string // state, since when, and turned away in pauses that are over
	TurnedAway map[string]int64
	Low        bool
	Grants     map[string]bool
}

// ReplayEvents replays all events of an account, none of which may have been relayed.
func (f *Fixture) ReplayEvents(id uuid.UUID) EventState {
	f.T.Helper()
	s := EventState{
		Agents:     map[string]string{},
		TurnedAway: map[string]int64{},
		Grants:     map[string]bool{},
	}
	rows, err := f.Pool.Query(context.Background(),
		"select seq, at, kind, data from outbox where account = $1 order by seq", id)
	if err != nil {
		f.T.Fatal(err)
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.Event])
	if err != nil {
		f.T.Fatal(err)
	}
	var last time.Time
	for _, e := range events {
		if s.Events++; e.Seq != s.Events || e.At.Before(last) {
			f.T.Fatalf("event %d of %v has the number %d, at %v", s.Events, id, e.Seq, e.At)
		}
		last = e.At
		s.apply(f, e)
	}
	return s
}

func (s *EventState) apply(f *Fixture, e ledger.Event) {
	f.T.Helper()
	var data struct {
		Agent, State, Transaction string
		Since                     time.Time `json:"paused_since"`
		Away                      int64     `json:"turned_away"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		f.T.Fatal(err)
	}
	switch e.Kind {
	case "agent.paused":
		s.Agents[data.Agent] = data.State + " since " + timeText(data.Since)
		s.TurnedAway[data.Agent] += data.Away
	case "agent.resumed":
		s.Agents[data.Agent] = ""
		s.TurnedAway[data.Agent] += data.Away
	case "balance.low", "balance.empty":
		s.Low = true
	case "balance.restored":
		s.Low = false
	case "grant.created", "purchase.completed":
		s.Grants[data.Transaction] = true
	}
}

// CheckEvents compares an account with the replay of its events, and checks that no budget is overspent.
func (f *Fixture) CheckEvents(id uuid.UUID) {
	f.T.Helper()
	ctx := context.Background()
	list, _, err := f.Agents(ctx, id)
	if err != nil {
		f.T.Fatal(err)
	}
	s := f.ReplayEvents(id)
	for _, a := range list {
		want := ""
		if a.State != ledger.AgentOn {
			want = a.State.String() + " since " + timeText(a.PausedSince)
		}
		if s.Agents[a.ID] != want {
			f.T.Errorf("by its events %s of %v is %q, by its row %q", a.ID, id, s.Agents[a.ID], want)
		}
		if a.Budget != nil && a.Spent+a.Held > *a.Budget {
			f.T.Errorf("%s of %v spent %v and holds %v of its budget of %v", a.ID, id, a.Spent, a.Held, *a.Budget)
		}
	}
	var events int64
	var level ledger.Level
	if err := f.Pool.QueryRow(ctx, "select event_seq, level from ledger_accounts where account = $1",
		id).Scan(&events, &level); err != nil {
		f.T.Fatal(err)
	}
	if events != s.Events || (level != ledger.LevelOK) != s.Low {
		f.T.Errorf("%v has %d events, the newest is %d; its level is %v, low by its events: %v", id,
			s.Events, events, level, s.Low)
	}
	rows, err := f.Pool.Query(ctx, "select seq from entries where account = $1 and kind = 1", id)
	if err != nil {
		f.T.Fatal(err)
	}
	grants, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(grants) != len(s.Grants) {
		f.T.Fatalf("%d grants (%v), %d events of grants", len(grants), err, len(s.Grants))
	}
	for _, seq := range grants {
		if !s.Grants[ledger.EntryID(id, seq)] {
			f.T.Errorf("there is no event for grant %d of %v", seq, id)
		}
	}
}
