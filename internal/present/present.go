// Package present turns an account's facts into what pages and e-mails both show: the notice, why
// agents are paused, what an amount is good for. It decides nothing and reads nothing.
package present

import (
	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/notice"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// NoticeFeatures are the features that a notice counts an amount in: one tool and one agent.
var NoticeFeatures = []string{"image_generation", "social_comment_reply"}

// CreditsFeatures are those where there is room for one more tool.
var CreditsFeatures = []string{"image_generation", "pdf_creation", "social_comment_reply"}

// Equivalents says how often an amount pays for each feature. A feature that it does not pay for
// once is left out.
func Equivalents(prices *catalog.Catalog, amount tokens.Amount, features []string) []views.Equivalent {
	var list []views.Equivalent
	for _, e := range forecast.Equivalents(prices, amount, features...) {
		list = append(list, views.Equivalent{
			Count:    e.Count,
			Singular: e.Feature.One,
			Plural:   e.Feature.Many,
			About:    e.Feature.Agent,
		})
	}
	return list
}

// AgentName is what a creator calls an agent: its own name, else its feature's, else its id.
func AgentName(prices *catalog.Catalog, a *ledger.Agent) string {
	return agents.Label(prices, ledger.AgentName{
		ID:      a.ID,
		Name:    a.Name,
		Feature: a.Feature,
	})
}

// NextGrant is the allowance of the next month; nil when none comes.
func NextGrant(prices *catalog.Catalog, o *notice.Overview) *views.NextGrant {
	if amount := o.NextAllowance(prices); amount > 0 {
		return &views.NextGrant{Amount: amount, At: o.NextReset}
	}
	return nil
}

// Forecast says what stops first; nil for no stop. lastHour says that pace is the last hour's.
func Forecast(stop *forecast.Stop, pace forecast.Pace, lastHour bool) *views.Forecast {
	if stop == nil {
		return nil
	}
	return &views.Forecast{
		Who:  stop.Who(),
		At:   stop.At,
		Days: pace.CompleteDays(),
		Hour: lastHour,
	}
}

// Notice is the notice of a low or empty balance without its forecast. agents are all agents of an
// empty account; others need none.
func Notice(
	prices *catalog.Catalog, o *notice.Overview, level views.Level, agents []ledger.Agent,
) views.NoticeModel {
	m := views.NoticeModel{
		Level:     level,
		Spendable: o.Spendable,
		Held:      o.Held,
		NextGrant: NextGrant(prices, o),
	}
	if level == views.LevelEmpty {
		m.Waiting, m.GoOn = ledger.AtEmpty(agents)
		return m
	}
	m.Equivalents = Equivalents(prices, m.Spendable+m.Held, NoticeFeatures)
	return m
}

// Stop says why an agent is paused. KeptFor and URL are the caller's: they depend on where it is shown.
func Stop(a *ledger.Agent, reason ledger.Reason) views.StopModel {
	m := views.StopModel{Reason: views.AgentReason(reason), Budget: a.Budget}
	if a.Budget != nil {
		m.Left = *a.Budget - a.Spent - a.Held
	}
	return m
}
