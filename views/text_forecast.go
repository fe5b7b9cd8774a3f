package views

import (
	"strconv"
	"time"

	"pop.store/credits/internal/tokens"
)

// Forecast says how long the tokens last and at which pace: "At this week's pace (about 6.4 tokens
// a day) your tokens last until Tuesday; your plan resets on Thursday." It is empty without enough
// usage, or with nothing left.
func (m OutlookModel) Forecast(c Layout) string {
	if m.PerDay <= 0 && m.PerHour <= 0 {
		return ""
	}
	text := m.pace() + " your tokens last "
	switch left := m.RunsOut.Sub(c.Now); {
	case !m.RunsOut.IsZero() && left <= 0:
		return "" // nothing is left, which the page says already
	case m.Next != nil && m.NextFirst:
		return text + "beyond your plan's reset " + c.when(m.Next.At).on() + "."
	case m.RunsOut.IsZero():
		return text + "for more than three months."
	case left < 10*time.Minute:
		return text + "for a few minutes."
	case left < time.Hour:
		return text + "for less than an hour."
	case m.Next != nil:
		return text + "until " + c.end(m.RunsOut).until() + "; your plan resets " + c.when(m.Next.At).on() + "."
	}
	return text + "until " + c.end(m.RunsOut).until() + "."
}

// pace names what a forecast rests on: the last hour, or days.
func (m OutlookModel) pace() string {
	if m.PerHour > 0 {
		return "At the last hour's pace (about " + About(m.PerHour) + " " + unit(rounded(m.PerHour)) + " an hour)"
	}
	return m.days() + " (about " + About(m.PerDay) + " " + unit(rounded(m.PerDay)) + " a day)"
}

func (m OutlookModel) days() string {
	whole := m.PaceDays
	if m.WithToday {
		whole--
	}
	text := "At this week's pace"
	if whole < 7 {
		text = "At the pace of the last " + counted(int64(m.PaceDays), "day", "days")
	}
	if m.WithToday {
		text += ", today included"
	}
	return text
}

// About rounds an amount to the precision of an average: whole tokens from a hundred on, one
// decimal from one on, two below.
func About(a tokens.Amount) string { return Number(rounded(a)) }

// aboutTokens is an amount in a sentence: exact if short, else "about 375 tokens".
func aboutTokens(a tokens.Amount) string {
	if a <= 0 || rounded(a) == a {
		return Tokens(a)
	}
	return "about " + About(a) + " " + unit(rounded(a))
}

// rounded is the amount of About; never zero.
func rounded(a tokens.Amount) tokens.Amount {
	step := tokens.One / 100
	switch {
	case a >= 100*tokens.One:
		step = tokens.One
	case a >= tokens.One:
		step = tokens.One / 10
	}
	return max((a+step/2)/step, 1) * step
}

// Reminder says what will expire: "12 gift tokens expire on Friday.", and "About 12 gift tokens
// will expire unused on Friday." where that is a forecast and not a fact.
func (m OutlookModel) Reminder(c Layout, e ExpiryModel) string {
	what := sourceWord(e.Kind) + " " + unit(e.Amount)
	on := c.end(e.At).on()
	if m.PerDay > 0 {
		return "About " + About(e.Amount) + " " + sourceWord(e.Kind) + " " + unit(rounded(e.Amount)) +
			" will expire unused " + on + "."
	}
	verb := " expire "
	if e.Amount == tokens.One {
		verb = " expires "
	}
	return Number(e.Amount) + " " + what + verb + on + "."
}

func sourceWord(kind LotKind) string {
	switch kind {
	case LotPlan:
		return "plan"
	case LotPurchase:
		return "bought"
	case LotPromo, LotAdjustment:
	}
	return "gift"
}

// text is the advice as a sentence.
func (a AdviceModel) Text(c Layout) string {
	switch a.Kind {
	case AdviceWait:
		return a.wait(c)
	case AdviceBuy:
		return a.buy(c)
	case AdviceUpgrade:
	}
	return a.upgrade()
}

func (a AdviceModel) wait(c Layout) string {
	text := "Your " + Number(a.Next.Amount) + " arrive " + c.when(a.Next.At).on()
	if a.Lasts {
		return text + " and your tokens last until then: you may not need a pack."
	}
	return text + ": you may not need a pack."
}

func (a AdviceModel) buy(c Layout) string {
	text := "If you buy, " + Tokens(a.PackTokens) + " for " + a.PackPrice.String()
	switch {
	case a.Covers:
		return text + " are enough until your next ones arrive."
	case !a.Until.IsZero():
		return text + " last until about " + c.end(a.Until).until() + "."
	}
	return text + " are enough for now."
}

func (a AdviceModel) upgrade() string {
	more := a.PlanName + " is " + a.Extra.String() + " a month more than your plan and gives you enough"
	if a.Count == 1 {
		return "A pack a month costs " + a.Packs.String() + ". " + more + "."
	}
	return small(a.Count) + " packs a month cost " + a.Packs.String() + ". " + more + "."
}

// small writes a count at the beginning of a sentence.
func small(n int) string {
	words := []string{"No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"}
	if n >= 0 && n < len(words) {
		return words[n]
	}
	return strconv.Itoa(n)
}

// on is the day of something, after a verb: "today at 14:00", "tomorrow", "on Thursday", "on 3
// December".
func (w when) on() string {
	if days := w.daysAhead(); days > 1 && days < 7 {
		return "on " + w.Arrives()
	}
	return w.Arrives()
}

// until is how far something lasts, without false precision: "today, 14:00", "tomorrow", "Tuesday",
// "3 December".
func (w when) until() string {
	switch days := w.daysAhead(); {
	case days <= 0:
		return w.Around()
	case days == 1:
		return "tomorrow"
	case days < 7:
		return w.format("Monday")
	case w.at.Year() == w.now.Year():
		return w.format("2 January")
	}
	return w.format("2 January 2006")
}
