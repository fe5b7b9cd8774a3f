package ledgertest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

func (m *comparison) putAgent(t *rapid.T) {
	id := m.account(t)
	p := ledger.PutAgent{ID: drawAgent(t)}
	if rapid.IntRange(0, 3).Draw(t, "with a feature") == 0 {
		feature := rapid.SampledFrom([]string{
			"social_comment_reply", "auto_selling", "lip_sync",
			"nothing",
		}).Draw(t, "feature")
		p.Feature = &feature
	}
	if rapid.IntRange(0, 3).Draw(t, "with a name") == 0 {
		p.Name = &p.ID
	}
	if rapid.IntRange(0, 1).Draw(t, "with a budget") == 0 {
		p.Budget = m.drawLimit(t, id, p.ID)
	}
	if rapid.IntRange(0, 1).Draw(t, "with a reserve") == 0 {
		p.Reserve = m.drawLimit(t, id, p.ID)
	}
	if p.ID == "" {
		p.Feature, p.Name, p.Budget = nil, nil, nil // the creator has a reserve only
	}
	m.compare(t, "put agent", m.toResult(ledger.Receipt{}, m.PutAgent(context.Background(), id, p)),
		m.model.PutAgent(id, p, m.Clock.Now()))
}

// drawLimit is no limit, part of what there is, about what an agent has used, or invalid.
func (m *comparison) drawLimit(t *rapid.T, id uuid.UUID, agent string) *tokens.Amount {
	a, now := m.model.settledAt(id, m.Clock.Now())
	spent, held := a.used(agent, now)
	limit := rapid.SampledFrom([]tokens.Amount{
		0, 0, 1, a.spendable(now), a.spendable(now) / 2, spent + held, spent + held + 1,
		spent + held + 2*tokens.One, spent + held + 30*tokens.One,
		tokens.Max, tokens.Max + 1, -1,
	}).Draw(t, "limit")
	return &limit
}

// drawRoom is what an agent could spend: up to all there is, or up to its budget and the reserves of others.
func (m *comparison) drawRoom(t *rapid.T, id uuid.UUID, agent string) tokens.Amount {
	a, now := m.model.settledAt(id, m.Clock.Now())
	if rapid.Bool().Draw(t, "of all") {
		return a.spendable(now)
	}
	room := a.available(agent, now)
	if g := a.agent(agent); g != nil && g.budget != nil {
		spent, held := a.used(agent, now)
		room = min(room, max(*g.budget-spent-held, 0))
	}
	return room
}

func (m *comparison) switchAgent(t *rapid.T) {
	id := m.account(t)
	p := ledger.SwitchAgent{ID: drawAgent(t), On: rapid.IntRange(0, 3).Draw(t, "on") > 0}
	m.compare(t, "switch agent", m.toResult(ledger.Receipt{}, m.SwitchAgent(context.Background(), id, p)),
		m.model.SwitchAgent(id, p, m.Clock.Now()))
}

func (m *comparison) setThreshold(t *rapid.T) {
	id := m.account(t)
	var p ledger.SetThreshold
	if rapid.IntRange(0, 2).Draw(t, "chosen") > 0 {
		p.Amount = drawAmount(t, m.spendableNow(id))
	}
	m.compare(t, "threshold", m.toResult(ledger.Receipt{}, m.SetThreshold(context.Background(), id, p)),
		m.model.SetThreshold(id, p, m.Clock.Now()))
}

func (m *comparison) compareAgentList(t *rapid.T) {
	id := m.account(t)
	list, own, err := m.Agents(context.Background(), id)
	wantList, wantOwn := m.model.Agents(id, m.Clock.Now())
	if got, want := asJSON(list), asJSON(wantList); err != nil || got != want || own != wantOwn {
		t.Fatalf("agents are\n%s, own %v (%v), the model's\n%s, own %v", got, own, err, want, wantOwn)
	}
}

func asJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// relay takes the oldest events out of the outbox, as the relay to other services does.
func (m *comparison) relay(t *rapid.T) {
	events, err := m.Outbox(context.Background(), rapid.IntRange(1, 10).Draw(t, "events"))
	if err == nil {
		err = m.Relayed(context.Background(), events)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if m.relayed[e.AccountID]++; m.relayed[e.AccountID] != e.Seq {
			t.Fatalf("event %d of %v is relayed as its number %d", e.Seq, e.AccountID, m.relayed[e.AccountID])
		}
	}
}

// compareAgents compares the rows of levels, agents and events with the model, after each step.
func (m *comparison) compareAgents(t *rapid.T) {
	got, events := map[uuid.UUID]string{}, map[uuid.UUID][]ledger.Event{}
	for _, id := range m.ids {
		events[id] = make([]ledger.Event, m.relayed[id])
	}
	batch := &pgx.Batch{}
	batch.Queue("select account, level from ledger_accounts where account = any($1)",
		m.ids).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var level ledger.Level
		_, err := pgx.ForEachRow(rows, []any{&id, &level}, func() error { got[id] = fmt.Sprintln(level); return nil })
		return err
	})
	batch.Queue(`select account, agent, name, feature, state, coalesce(paused_since, '0001-01-01Z'), turned_away, budget, reserve from agents
		where account = any($1) and agent <> '' order by agent collate "C"`, m.ids).
		Query(func(rows pgx.Rows) error {
			var id uuid.UUID
			var g ledger.Agent
			_, err := pgx.ForEachRow(rows, []any{
				&id, &g.ID, &g.Name, &g.Feature, &g.State, &g.PausedSince,
				&g.TurnedAway, &g.Budget, &g.Reserve,
			}, func() error {
				got[id] += fmt.Sprintln(g.ID, g.Name, g.Feature, g.State, timeText(g.PausedSince), g.TurnedAway,
					optionalText(g.Budget), g.Reserve)
				g = ledger.Agent{}
				return nil
			})
			return err
		})
	batch.Queue("select account, seq, at, kind, data from outbox order by account, seq").
		Query(func(rows pgx.Rows) error {
			var id uuid.UUID
			var e ledger.Event
			_, err := pgx.ForEachRow(rows, []any{&id, &e.Seq, &e.At, &e.Kind, &e.Data}, func() error {
				events[id] = append(events[id], e)
				e.Data = nil
				return nil
			})
			return err
		})
	if err := m.Pool.SendBatch(context.Background(), batch).Close(); err != nil {
		t.Fatal(err)
	}
	for _, id := range m.ids {
		a := m.model.accounts[id]
		if want := a.agentsText(); got[id] != want {
			t.Fatalf("at %v the rows of the agents are\n%s, the model's\n%s", m.Clock.Now(), got[id], want)
		}
		m.compareEvents(t, events[id], a.events, int(m.relayed[id]))
	}
}

// compareEvents compares the events that were not relayed yet.
func (m *comparison) compareEvents(t *rapid.T, got []ledger.Event, want []modelEvent, relayed int) {
	if len(got) != len(want) {
		t.Fatalf("there are %d events, %+v, the model has %d, %+v", len(got), eventsText(got), len(want), want)
	}
	for i := relayed; i < len(got); i++ {
		if seq := int64(i + 1); got[i].Seq != seq {
			t.Fatalf("event %d has the number %d", seq, got[i].Seq)
		}
		var data map[string]any
		if err := json.Unmarshal(got[i].Data, &data); err != nil {
			t.Fatal(err)
		}
		if got[i].Kind != want[i].kind || !got[i].At.Equal(want[i].at) || !reflect.DeepEqual(data, want[i].data) {
			t.Fatalf("event %d is %s, the model's %s at %v, %v", i+1, eventsText(got[i:i+1]), want[i].kind,
				want[i].at, want[i].data)
		}
	}
}

func eventsText(events []ledger.Event) (text string) {
	for _, e := range events {
		text += fmt.Sprintln(e.Seq, e.Kind, e.At.UTC().Format(time.RFC3339Nano), string(e.Data))
	}
	return text
}
