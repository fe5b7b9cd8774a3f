package ledger

import (
	"encoding/json"
	"time"

	"pop.store/credits/internal/tokens"
)

// The kinds of events that operations emit. docs/webhooks.md describes them.
const (
	EventBalanceLow      = "balance.low"
	EventBalanceEmpty    = "balance.empty"
	EventBalanceRestored = "balance.restored"
	EventAgentPaused     = "agent.paused"
	EventAgentResumed    = "agent.resumed"
	EventGrantCreated    = "grant.created"
	EventHoldExpired     = "hold.expired"
	EventPurchaseDone    = "purchase.completed"
	EventPurchaseBack    = "purchase.refunded"
)

// emit records an event, to be written in the same transaction as its cause. It advances LastAt like an
// entry, so that events are ordered by time and a month cannot begin twice when servers' clocks differ.
func (s *State) emit(kind string, now time.Time, data any) {
	raw, err := json.Marshal(data)
	if err != nil {
		panic("ledger: marshal an event: " + err.Error())
	}
	s.EventSeq++
	s.LastAt, s.changed = Later(now, s.LastAt), true
	s.events = append(s.events, Event{
		Seq:  s.EventSeq,
		At:   s.LastAt,
		Kind: kind,
		Data: raw,
	})
}

// agentEvent is the data of agent.paused and agent.resumed.
type agentEvent struct {
	Agent      string    `json:"agent"`
	State      string    `json:"state"`
	Since      time.Time `json:"paused_since"`
	TurnedAway int64     `json:"turned_away,omitempty"` // requests refused in the pause that ended
}

// balanceEvent is the data of balance.low, balance.empty and balance.restored.
type balanceEvent struct {
	Spendable tokens.Amount `json:"spendable"`
	Held      tokens.Amount `json:"held"`
	Threshold tokens.Amount `json:"threshold"`
}

// grantEvent is the data of grant.created, purchase.completed and purchase.refunded.
type grantEvent struct {
	Transaction string        `json:"transaction"`
	Kind        string        `json:"kind"`
	Amount      tokens.Amount `json:"amount"`
	Purchase    string        `json:"purchase,omitempty"`
}

func (s *State) emitGrant(e *Entry) {
	data := grantEvent{
		Transaction: e.ID(),
		Kind:        e.LotKind.String(),
		Amount:      e.Amount,
	}
	if e.LotKind == LotPurchase {
		data.Purchase = e.Reference
		s.emit(EventPurchaseDone, e.At, data)
		return
	}
	s.emit(EventGrantCreated, e.At, data)
}

// holdEvent is the data of hold.expired.
type holdEvent struct {
	Hold      string        `json:"hold"`
	Feature   string        `json:"feature"`
	Agent     string        `json:"agent,omitempty"`
	Amount    tokens.Amount `json:"amount"`
	Reference string        `json:"reference,omitempty"`
}
