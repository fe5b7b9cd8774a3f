package views

import (
	"net/url"
	"slices"
	"time"

	"github.com/a-h/templ"

	"pop.store/credits/internal/tokens"
)

// buyHref leads to the packs, and from there back to the present page.
func (c Layout) buyHref() templ.SafeURL {
	if c.Here == "" {
		return "/credits/buy"
	}
	return templ.URL("/credits/buy?next=" + url.QueryEscape(c.Here))
}

// ordered are the packs as shown: the one that covers the need comes first, also in the tab order.
func (m BuyModel) ordered() []PackModel {
	list := slices.Clone(m.Packs)
	if m.Need > 0 {
		slices.SortStableFunc(list, func(a, b PackModel) int {
			switch {
			case a.Suggested == b.Suggested:
				return 0
			case a.Suggested:
				return -1
			}
			return 1
		})
	}
	return list
}

// needText says why the suggested pack is suggested.
func (m BuyModel) needText() string {
	text := "You're " + Number(m.Need) + " short."
	if !slices.ContainsFunc(m.Packs, func(p PackModel) bool { return p.Covers }) {
		text += " No pack alone covers that: the largest comes nearest."
	}
	if m.Next != "" {
		text += " After paying you are back where you were, with everything as you left it."
	}
	return text
}

// owedText is what is left of a pack after the debt: "500 − 120 owed from a returned payment = 380
// tokens."
func (m BuyModel) owedText(p PackModel) string {
	switch {
	case m.Owed <= 0:
		return ""
	case p.Gets > 0:
		return netText(p.Tokens, m.Owed)
	case m.Owed == p.Tokens:
		return "All of it pays what is owed from a returned payment: you get no tokens to spend, and nothing stays owed."
	}
	return "All of it pays part of the " + Number(m.Owed) +
		" owed from a returned payment: you get no tokens to spend, and " +
		Number(m.Owed-p.Tokens) + " stay owed."
}

// netText says what is left of tokens after the debt.
func netText(bought, owed tokens.Amount) string {
	return Number(bought) + " " + minus + " " + Number(owed) + " owed from a returned payment = " +
		Tokens(max(bought-owed, 0)) + "."
}

// resumeText names the agents that a pack resumes: "Comment Replies and Auto DM restart, for new
// requests."
func (m BuyModel) resumeText(p PackModel) string {
	switch n := len(p.Resumes); {
	case m.Waiting == 0:
		return ""
	case n == 0:
		return "Not enough for the agents that wait."
	case n == 1:
		return p.Resumes[0] + " restarts, for new requests."
	case n > 3:
		return counted(int64(n), "agent restarts", "agents restart") + ", for new requests."
	}
	return both(p.Resumes) + " restart, for new requests."
}

const (
	aDay   = 24 * time.Hour
	aMonth = 30 * aDay
	aYear  = 365 * aDay
)

// lastsText says how long a pack lasts, rounded down: "about 9 days at your pace". Empty if
// unknown.
func lastsText(d time.Duration) string {
	const pace = " at your pace"
	switch {
	case d <= 0:
		return ""
	case d < time.Hour:
		return "less than an hour" + pace
	case d < aDay:
		return "about " + counted(int64(d/time.Hour), "hour", "hours") + pace
	case d < 3*aMonth:
		return "about " + counted(int64(d/aDay), "day", "days") + pace
	case d <= aYear:
		return "about " + counted(int64(d/aMonth), "month", "months") + pace
	}
	return "more than a year" + pace
}
