package views

import "strings"

// Title is the row's headline: what was done, bought, granted or lost.
func (r HistoryRow) Title() string {
	switch r.Kind {
	case EntryGrant:
		return r.grantTitle()
	case EntryExpiry:
		if r.Source == LotPlan {
			return r.source() + " tokens expired"
		}
		return r.source() + " expired"
	case EntryClawback:
		return r.clawbackTitle()
	case EntryCharge, EntryHold, EntryRelease, EntryCapture, EntryRefund:
	}
	if r.Feature != "" {
		return r.Feature
	}
	return "AI tool"
}

// clawbackTitle says why tokens of a purchase were taken back.
func (r HistoryRow) clawbackTitle() string {
	switch r.Cause {
	case CauseReturn:
		return "Returned by you"
	case CauseRefund:
		return "Payment refunded"
	case CauseDispute:
		return "Payment disputed and lost"
	case CauseOwed:
		return "Owed tokens paid back"
	}
	return "Purchase taken back"
}

func (r HistoryRow) grantTitle() string {
	if r.takenBack() {
		if r.Note == "" { // it may have been erased
			return "Taken back"
		}
		return "Taken back: " + r.Note
	}
	switch r.Source {
	case LotPurchase:
		return "Bought " + Tokens(r.Amount)
	case LotPlan:
		return r.source() + " tokens"
	case LotPromo:
		return r.source()
	case LotAdjustment:
	}
	return "Adjustment"
}

// takenBack reports whether support took tokens out of the account.
func (r HistoryRow) takenBack() bool { return r.Kind == EntryGrant && r.Amount < 0 }

// source names the source of tokens, by default the kind.
func (r HistoryRow) source() string {
	if r.SourceName != "" {
		return r.SourceName
	}
	switch r.Source {
	case LotPlan:
		return "Plan"
	case LotPromo:
		return "Gift"
	case LotPurchase:
		return "Bought tokens"
	case LotAdjustment:
	}
	return "Tokens"
}

// Detail is the second line, below the title.
func (r HistoryRow) Detail() string {
	var parts []string
	if what := r.outcome(); what != "" {
		parts = append(parts, what)
	}
	if r.Quantity > 1 && r.Unit != "" {
		parts = append(parts, Count(r.Quantity)+" "+r.Unit)
	}
	if r.Agent != "" && r.Agent != r.Feature {
		parts = append(parts, "by "+r.Agent)
	}
	if r.Note != "" && !r.takenBack() {
		parts = append(parts, r.Note)
	}
	return strings.Join(parts, ", ")
}

func (r HistoryRow) outcome() string {
	switch r.Kind {
	case EntryHold:
		return "in use, not charged yet"
	case EntryRelease:
		return "not charged, tokens released"
	case EntryRefund:
		return "tokens returned"
	case EntryClawback:
		return r.clawbackOutcome()
	case EntryGrant:
		switch {
		case r.Upgrade:
			return "more tokens this month, with your new plan"
		case r.Source == LotPlan:
			return "your monthly tokens arrived"
		}
	case EntryCharge, EntryCapture, EntryExpiry:
	}
	return ""
}

func (r HistoryRow) clawbackOutcome() string {
	switch {
	case r.Cause == CauseOwed:
		return "from a returned payment"
	case r.Amount == 0:
		return "all of the tokens were used already"
	case r.Cause == "":
		return "the payment was returned"
	}
	return "the tokens went back with the money"
}

// Change is the row's effect on the balance: "−9.2", "+75", "30 held", "0".
func (r HistoryRow) Change() string {
	if r.Kind == EntryHold && r.Held > 0 {
		return Number(r.Held) + " held"
	}
	return Signed(r.Amount)
}

// title names the page: the tab, the filter, and whether it is an older part.
func (m HistoryModel) title() string {
	f := m.Filter
	var parts []string
	for _, choice := range []struct {
		options []Option
		value   string
	}{{m.Kinds, f.Kind}, {m.Features, f.Feature}, {m.Agents, f.Agent}} {
		if choice.value != "" {
			parts = append(parts, labelOf(choice.options, choice.value))
		}
	}
	if f.From != "" {
		parts = append(parts, "from "+f.From)
	}
	if f.To != "" {
		parts = append(parts, "to "+f.To)
	}
	text := historyTitle(f.Tab)
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if m.Continued {
		text += ", older"
	}
	return text
}

// labelOf is the label of an option, by default its value.
func labelOf(options []Option, value string) string {
	for _, o := range options {
		if o.Value == value {
			return o.Label
		}
	}
	return value
}

// filtered reports whether a filter beyond the tab is set.
func (f HistoryFilter) filtered() bool {
	return f.Kind != "" || f.Feature != "" || f.Agent != "" || f.From != "" || f.To != ""
}
