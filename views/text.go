package views

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Version names what the badge and the notice show: the badge's poll sends it back as ?v=, and the
// same version is answered with 204. It is made from the words on the page and not from a row's
// version: an expiry changes no row, and at midnight "Thursday" becomes "tomorrow". The pace of the
// polls is part of it, or a tab would go on asking every few seconds long after the work has ended;
// its jitter is not.
func (c Layout) Version() string {
	shown := []string{c.Owner}
	if b := c.Badge; b != nil {
		shown = append(shown, string(b.Level), b.state().Word, b.Label(), b.Pace.String(), b.PausedAnnouncement())
	}
	if n := c.Notice; n != nil {
		shown = append(shown, string(n.Level), n.Lead(), n.Rest(c))
	}
	sum := sha256.Sum256([]byte(strings.Join(shown, "|")))
	return hex.EncodeToString(sum[:8])
}

// badgeState is what the badge says, the first match of: closed, empty, agents paused, low, work
// under way, ok.
type badgeState struct {
	// Name is for tests and styles; Word is shown after the amount, empty when all is well.
	Name, Word string
}

func (m BadgeModel) state() badgeState {
	switch {
	case m.Closed:
		return badgeState{"closed", "Closed"}
	case m.Level == LevelEmpty && m.PausedAgents > 0:
		return badgeState{"empty", "Empty, " + Count(int64(m.PausedAgents)) + " paused"}
	case m.Level == LevelEmpty:
		return badgeState{"empty", "Empty"}
	case m.PausedAgents > 0:
		return badgeState{"paused", Count(int64(m.PausedAgents)) + " paused"}
	case m.Level == LevelLow:
		return badgeState{"low", "Low"}
	case m.Held > 0:
		return badgeState{"working", Number(m.Held) + " in use"}
	}
	return badgeState{"ok", ""}
}

// Label is what a screen reader says: "Balance: 42.5 tokens, low". It holds the visible words in
// their order, as voice control needs.
func (m BadgeModel) Label() string {
	label := "Balance: " + Tokens(m.Spendable)
	if word := m.state().Word; word != "" {
		label += ", " + strings.ToLower(word)
	}
	return label
}

// Announcement is the sentence that the status region says when the level changes to this one.
func (m BadgeModel) Announcement() string {
	switch m.Level {
	case LevelEmpty:
		return "Your tokens have run out: " + Tokens(m.Spendable) + " left."
	case LevelLow:
		return "Your balance is low: " + Tokens(m.Spendable) + " left."
	case LevelOK:
	}
	return "Your balance is restored: " + Tokens(m.Spendable) + "."
}

// poll is the badge's htmx trigger. The pause is written in whole milliseconds: htmx reads "2.5s"
// as a path of keys and then polls every 2 ms.
func (m BadgeModel) poll() string {
	if m.Every <= 0 {
		return "credits-changed from:body"
	}
	return every(m.Every) + ", credits-changed from:body"
}

func every(d time.Duration) string {
	return "every " + strconv.FormatInt(max(d.Milliseconds(), 1), 10) + "ms"
}

// Lead is the notice's first sentence, the one in bold.
func (m NoticeModel) Lead() string {
	left := m.Spendable + m.Held
	text := Tokens(left) + " left"
	if m.Held > 0 {
		text += ", " + Number(m.Held) + " of them in use"
	}
	switch {
	case m.Level == LevelEmpty && left > 0:
		return text + ", not enough for an AI tool."
	case m.Level == LevelEmpty:
		return "You're out of tokens."
	case m.Forecast == nil && equivalents(m.Equivalents) != "":
		return text + ": " + equivalents(m.Equivalents) + "."
	}
	return text + "."
}

// Rest is the notice's text after the lead.
func (m NoticeModel) Rest(c Layout) string {
	var s []string
	if m.Level == LevelEmpty {
		s = append(s, "Your shop is open as usual. "+m.waits())
	} else if c.Badge != nil && c.Badge.PausedAgents > 0 {
		s = append(s, c.Badge.pausedText())
	} else if f := m.Forecast; f != nil {
		s = append(s, f.paceText()+f.Who+" stops "+c.when(f.At).expected()+".")
	}
	if g := m.NextGrant; g != nil {
		s = append(s, "Your next "+Number(g.Amount)+" arrive "+c.when(g.At).Arrives()+".")
	}
	return strings.Join(s, " ")
}

// paceText begin a sentence that rests on a pace, and say on which: "At this week's pace, ".
func (f *Forecast) paceText() string {
	switch {
	case f.Hour:
		return "At the last hour's pace, "
	case f.Days > 0 && f.Days < 7:
		return "At the pace of the last " + counted(int64(f.Days), "day", "days") + ", "
	}
	return "At this week's pace, "
}

// Title names the notice for a screen reader's list of regions.
func (m NoticeModel) Title() string {
	switch {
	case m.Level == LevelEmpty:
		return "Out of tokens"
	case m.Soon:
		return "Tokens running out"
	}
	return "Low balance"
}

// equivalents joins what tokens are good for: "1 image or about 360 replies". What does not fit
// once is left out.
func equivalents(list []Equivalent) string {
	var parts []string
	for _, e := range list {
		if e.Count <= 0 {
			continue
		}
		text := counted(e.Count, e.Singular, e.Plural)
		if e.About {
			text = "about " + text
		}
		parts = append(parts, text)
	}
	return either(parts)
}

// either joins with "or": "a", "a or b", "a, b or c".
func either(parts []string) string { return join(parts, " or ") }

// both joins with "and".
func both(parts []string) string { return join(parts, " and ") }

func join(parts []string, last string) string {
	n := len(parts)
	if n < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:n-1], ", ") + last + parts[n-1]
}

// StatusText says how long a lot can be spent: "of 200, resets Thu 3 Dec", "until 31 Dec", "never
// expire", or why it is frozen. The date after "until" is the last day on which it can be spent.
func (m LotModel) StatusText(c Layout) string {
	switch {
	case m.Frozen == FrozenByReturn:
		return "frozen: you are returning this pack"
	case m.Frozen != NotFrozen:
		return "frozen: your bank is looking into the payment"
	case m.ExpiresAt.IsZero():
		return "never expire"
	}
	text := "until " + c.end(m.ExpiresAt).Date()
	if m.Resets {
		text = "resets " + c.when(m.ExpiresAt).Date()
	}
	if m.Kind == LotPlan && m.Of > 0 {
		return "of " + Number(m.Of) + ", " + text
	}
	return text
}

// upperFirst begins a sentence with a text, whatever its first character is.
func upperFirst(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return strings.ToUpper(s[:size]) + s[size:]
}

// lowerFirst puts a sentence into another one.
func lowerFirst(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return strings.ToLower(s[:size]) + s[size:]
}

// usable leaves out what is frozen.
func usable(lots []LotModel) []LotModel {
	return slices.DeleteFunc(slices.Clone(lots), func(lot LotModel) bool { return lot.Frozen != NotFrozen })
}
