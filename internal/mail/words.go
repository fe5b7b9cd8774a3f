package mail

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// words are all that an e-mail says. Its subject is its title.
type words struct {
	Shop       string
	Title      string
	Paragraphs []string
	Sums       []views.ReceiptLine // what was paid, for a receipt
	Facts      []fact              // below them
	Button     string
	URL        string
	Foot       string
	// Other is a second link, with its own words; both empty for none.
	Other, OtherURL string
	// Unsubscribe is where one asks for no more of these; empty for what is sent in any case.
	Unsubscribe string
}

// breakable is the same with plain spaces: mail programs break lines as they like, and what people search for in their mail is what they type.
func (w words) breakable() words {
	w.Title, w.Paragraphs, w.Sums = views.Breakable(w.Title), slices.Clone(w.Paragraphs), slices.Clone(w.Sums)
	for i := range w.Paragraphs {
		w.Paragraphs[i] = views.Breakable(w.Paragraphs[i])
	}
	for i := range w.Sums {
		w.Sums[i].Name, w.Sums[i].Value = views.Breakable(w.Sums[i].Name), views.Breakable(w.Sums[i].Value)
	}
	return w
}

// usual is what a balance is said to be good for, as in the notice on the pages: one tool, one agent.
var usual = []string{"image_generation", "social_comment_reply"}

// alertWords says what the notice on the pages says, and which agents wait.
func (m *Mailer) alertWords(ctx context.Context, r *reader, a alert, now time.Time) (words, error) {
	notice, err := m.notice(ctx, r, max(a.level, r.worst))
	if err != nil {
		return words{}, err
	}
	w := words{Shop: oneLine(r.Name), Button: "+ Get More Credits", URL: m.link("/credits/buy")}
	if w.Unsubscribe, err = m.unsubscribeLink(ctx, r.ID); err != nil {
		return words{}, err
	}
	w.Foot = "We write when tokens run low, when they run out, and when agents stop for lack of them."
	title, rest := notice.Lead(), notice.Rest(views.Chrome{Now: now, Zone: r.Zone})
	paused := m.pausedNames(r)
	switch {
	case a.level == ledger.LevelOK:
		w.Title = areOrIs(paused) + " paused: out of tokens"
		w.Paragraphs = []string{restarts(paused), title + " " + rest}
	case len(paused) > 0:
		w.Title, w.Paragraphs = title, []string{rest, areOrIs(paused) + " paused: out of tokens. " + restarts(paused)}
	default:
		w.Title, w.Paragraphs = title, []string{rest}
	}
	w.Title = strings.TrimSuffix(w.Title, ".")
	return w, nil
}

// notice is the one on the pages, but that what jobs under way hold counts as if it came back.
func (m *Mailer) notice(ctx context.Context, r *reader, level ledger.Level) (views.NoticeModel, error) {
	n := views.NoticeModel{Level: views.LevelLow, Spendable: r.Spendable + r.Held}
	if amount := r.NextAllowance(m.Prices()); amount > 0 {
		n.NextGrant = &views.NextGrant{Amount: amount, At: r.NextReset}
	}
	if level == ledger.LevelEmpty {
		n.Level = views.LevelEmpty
		return n, nil
	}
	n.Equivalents = m.equivalents(n.Spendable)
	account, err := m.Ledger.Account(ctx, r.ID)
	if err != nil {
		return n, err
	}
	outlook, err := m.Accounts.Outlook(ctx, &r.Overview, account.Lots)
	if err != nil {
		return n, err
	}
	if stop, ok := outlook.First(); ok {
		n.Forecast = &views.Forecast{Feature: stop.Feature.Name, At: stop.At, Days: outlook.Pace.CompleteDays()}
	}
	return n, nil
}

func (m *Mailer) equivalents(amount tokens.Amount) []views.Equivalent {
	var list []views.Equivalent
	for _, e := range forecast.Equivalents(m.Prices(), amount, usual...) {
		list = append(list, views.Equivalent{Count: e.Count, Singular: e.Feature.One, Plural: e.Feature.Many, About: e.Feature.Agent})
	}
	return list
}

func (m *Mailer) pausedNames(r *reader) []string {
	var names []string
	for i := range r.agents {
		if r.paused[r.agents[i].ID] {
			names = append(names, m.agentName(&r.agents[i]))
		}
	}
	return names
}

// resumedNames are those of the agents that are still on.
func (m *Mailer) resumedNames(r *reader, ids []string) []string {
	var names []string
	for _, id := range ids {
		for i := range r.agents {
			if a := &r.agents[i]; a.ID == id && a.State == ledger.AgentOn {
				names = append(names, m.agentName(a))
			}
		}
	}
	return names
}

// agentName is what the creator calls an agent, else its feature's name, else its id.
func (m *Mailer) agentName(a *ledger.Agent) string {
	if name := oneLine(a.Name); name != "" {
		return name
	}
	if f, ok := m.Prices().Feature(a.Feature); ok {
		return f.Name
	}
	return oneLine(a.ID)
}

// maxNames is how many agents are named.
const maxNames = 3

// areOrIs begins a sentence about agents: "Comment Replies is", "Comment Replies and Brand Scout are".
func areOrIs(names []string) string {
	switch n := len(names); {
	case n == 0:
		return "An agent is"
	case n == 1:
		return names[0] + " is"
	case n > maxNames:
		return strings.Join(names[:maxNames], ", ") + " and " + views.Count(int64(n-maxNames)) + " more are"
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1] + " are"
	}
}

func restarts(names []string) string {
	if len(names) > 1 {
		return "Add tokens and they restart by themselves, for new requests."
	}
	return "Add tokens and it restarts by itself, for new requests."
}

// maxText bounds a name in an e-mail, in characters.
const maxText = 80

// oneLine is a name that somebody chose, fit for a header and a sentence: no line ends, nothing that cannot be seen or that turns text around, and
// nothing that a reader of headers would decode.
func oneLine(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ReplaceAll(name, "=?", "= ?"))
	runes := []rune(strings.Join(strings.Fields(name), " "))
	if len(runes) > maxText {
		return string(runes[:maxText-1]) + "…"
	}
	return string(runes)
}

// link is an address of the app, for use outside of it.
func (m *Mailer) link(path string) string { return m.BaseURL.JoinPath(path).String() }
