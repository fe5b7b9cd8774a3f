package views

import "pop.store/credits/internal/tokens"

// own is the creator's own plan, the zero plan when it has left the catalog.
func (m PlansModel) own() PlanModel {
	for _, p := range m.Plans {
		if p.Current {
			return p
		}
	}
	return PlanModel{}
}

// mine describes the creator's plan: "You're on Starter and have 18 tokens. Your next 200 arrive on
// Thursday."
func (m PlansModel) mine() string {
	text := "You have " + Tokens(m.Spendable) + "."
	if own := m.own(); own.Name != "" {
		text = "You're on " + own.Name + " and have " + Tokens(m.Spendable) + "."
	}
	switch s := m.Layout.AccountStatus; {
	case m.Layout.closed():
		return "This account is closed: no more plan tokens arrive."
	case s != nil:
		return text + " Your plan was cancelled, so no more plan tokens arrive."
	}
	if m.ResetsAt.IsZero() {
		return text + " No more plan tokens arrive until your plan is paid for."
	}
	if next := m.monthlyNext(); next > 0 {
		text += " Your next " + Number(next) + " arrive " + m.Layout.when(m.ResetsAt).on() + "."
	}
	return text
}

// monthlyNext is the allowance that comes at the next reset.
func (m PlansModel) monthlyNext() tokens.Amount {
	for _, p := range m.Plans {
		if p.Next {
			return p.Monthly
		}
	}
	return m.own().Monthly
}

// changed says what a change did.
func (m PlansModel) changed() string {
	if m.NextPlan != "" {
		return "Your plan will be " + m.NextPlan + " " + m.fromReset() + ". Until then nothing changes."
	}
	return "You're on " + m.own().Name + " now."
}

// fromReset is "from Sat 12 Dec", the start of a plan that waits for the reset.
func (m PlansModel) fromReset() string {
	if m.ResetsAt.IsZero() {
		return "when your plan is paid for"
	}
	return "from " + m.Layout.when(m.ResetsAt).Date()
}

// resetWord goes before the date of the reset on the creator's own plan.
func (m PlansModel) resetWord() string {
	if m.NextPlan != "" {
		return "Until"
	}
	return "Resets"
}

// choice is the label of the button on a plan, empty for none.
func (m PlansModel) choice(p PlanModel) string {
	switch {
	case p.Next, p.Current && m.NextPlan == "", !m.Switch && p.URL == "", m.Layout.closed():
		return ""
	case p.Current:
		return "Keep " + p.Name
	}
	return "Change to " + p.Name
}

// effect says what the button will do, before it is pressed.
func (m PlansModel) effect(p PlanModel) string {
	more := p.Monthly - m.own().Monthly
	switch {
	case p.Next:
		return "Your plan " + m.fromReset() + "."
	case m.choice(p) == "":
		return ""
	case p.Current:
		return "Keeping it takes the change to " + m.NextPlan + " back."
	case !m.Switch:
		return ""
	case more > 0:
		return m.upgrade(more)
	case m.ResetsAt.IsZero():
		return "Starts when your plan is paid for. Until then you keep " + m.own().Name + "."
	}
	return "Starts when your plan's tokens reset. Until then you keep " + m.own().Name + "."
}

func (m PlansModel) upgrade(more tokens.Amount) string {
	switch {
	case m.ResetsAt.IsZero():
		return "Starts at once. Its tokens arrive when your plan is paid for."
	case m.own().Name == "":
		return "Starts at once."
	case m.Prorated:
		return "Starts at once, with the part of " + Number(more) + " more tokens that is left until they reset."
	}
	return "Starts at once: " + Number(more) + " more tokens until they reset."
}
