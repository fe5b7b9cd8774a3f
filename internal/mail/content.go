package mail

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/notice"
	"pop.store/credits/internal/plaintext"
	"pop.store/credits/internal/present"
	"pop.store/credits/views"
)

// content is the text of an e-mail. Title is also the subject.
type content struct {
	Shop       string
	Title      string
	Paragraphs []string
	Sums       []views.ReceiptLine // amounts of a receipt
	Facts      []fact              // shown below Sums
	Button     string
	URL        string
	Foot       string
	// Other is the label of a second link; both empty for none.
	Other, OtherURL string
	// Unsubscribe is a link; empty for e-mails that are always sent.
	Unsubscribe string
}

// breakable replaces no-break spaces, so that lines wrap and searches match.
func (w content) breakable() content {
	w.Title, w.Paragraphs, w.Sums = views.Breakable(w.Title), slices.Clone(w.Paragraphs), slices.Clone(w.Sums)
	for i := range w.Paragraphs {
		w.Paragraphs[i] = views.Breakable(w.Paragraphs[i])
	}
	for i := range w.Sums {
		w.Sums[i].Name, w.Sums[i].Value = views.Breakable(w.Sums[i].Name), views.Breakable(w.Sums[i].Value)
	}
	return w
}

// alertContent has the notice from the pages and the reason for each paused agent.
func (m *Mailer) alertContent(ctx context.Context, r *reader, a alert, now time.Time) (content, error) {
	notice, err := m.notice(ctx, r, max(a.level, r.level))
	if err != nil {
		return content{}, err
	}
	w := content{
		Shop:   oneLine(r.Name),
		Button: "+ Get More Credits",
		URL:    m.link("/credits/buy"),
	}
	if w.Unsubscribe, err = m.unsubscribeLink(ctx, r.ID); err != nil {
		return content{}, err
	}
	w.Foot = "We write when tokens run low, when they run out, and when agents stop."
	title, rest := notice.Lead(), notice.Rest(views.Layout{Now: now, DisplayZone: r.DisplayZone})
	stops := m.stops(r)
	w.Title = title
	switch {
	case a.level != ledger.LevelOK:
		w.Paragraphs = []string{rest}
		for _, s := range stops {
			w.Paragraphs = append(w.Paragraphs, s.says()+" "+s.advice())
		}
	case len(stops) == 1:
		w.Title, w.Paragraphs = stops[0].says(), []string{stops[0].advice(), title + " " + rest}
		m.setButton(&w, stops[0].stop)
	default:
		w.Title = areOrIs(m.pausedNames(r)) + " paused"
		for _, s := range stops {
			w.Paragraphs = append(w.Paragraphs, s.says()+" "+s.advice())
		}
		w.Paragraphs = append(w.Paragraphs, title+" "+rest)
		w.Button, w.URL = "See the agents", m.link("/agents")
	}
	w.Title = strings.TrimSuffix(w.Title, ".")
	return w, nil
}

// setButton links to what ends the pause. The default button already helps when tokens are missing.
func (m *Mailer) setButton(w *content, stop views.StopModel) {
	if stop.Reason != views.WhyTokens && stop.Reason != views.WhyHeld {
		w.Button, w.URL = stop.Button(), m.link("/agents")
	}
}

// stop is a reason and the agents paused for it.
type stop struct {
	names []string
	stop  views.StopModel
}

func (s *stop) says() string {
	return areOrIs(s.names) + " paused: " + s.stop.Clause(len(s.names) > 1) + "."
}
func (s *stop) advice() string { return s.stop.Advice(len(s.names) > 1, "requests") }

// stops groups paused agents by reason, missing tokens first.
func (m *Mailer) stops(r *reader) []stop {
	var list []stop
	for i := range r.agents {
		a := &r.agents[i]
		why, paused := r.paused[a.ID]
		if !paused {
			continue
		}
		model := present.Stop(a, why)
		if r.own > 0 {
			model.KeptFor = "your own tools"
		}
		at := slices.IndexFunc(list, func(s stop) bool { return s.stop.Clause(false) == model.Clause(false) })
		if at < 0 {
			list, at = append(list, stop{stop: model}), len(list)
		}
		list[at].names = append(list[at].names, m.agentName(a))
	}
	slices.SortStableFunc(list, func(x, y stop) int {
		return cmp.Compare(presence(x.stop.Reason != views.WhyTokens), presence(y.stop.Reason != views.WhyTokens))
	})
	return list
}

func presence(b bool) int {
	if b {
		return 1
	}
	return 0
}

// notice is the notice from the pages, with open holds counted as released.
func (m *Mailer) notice(ctx context.Context, r *reader, level ledger.Level) (views.NoticeModel, error) {
	shown := views.LevelLow
	if level == ledger.LevelEmpty {
		shown = views.LevelEmpty
	}
	n := present.Notice(m.Prices(), &r.Overview, shown, r.agents)
	if level == ledger.LevelEmpty {
		return n, nil
	}
	if r.Notice == notice.Low {
		n.Forecast = forecastOf(r.First, r.Pace, r.Hurried)
		return n, nil
	}
	account, err := m.Ledger.Account(ctx, r.ID)
	if err != nil {
		return n, err
	}
	outlook, err := m.Notices.Outlook(ctx, &r.Overview, account.Lots)
	if err != nil {
		return n, err
	}
	if stop, ok := outlook.First(); ok {
		n.Forecast = forecastOf(&stop, outlook.Pace, outlook.Hour.Known())
	}
	return n, nil
}

// forecastOf is present.Forecast with a sanitized agent name.
func forecastOf(stop *forecast.Stop, pace forecast.Pace, lastHour bool) *views.Forecast {
	f := present.Forecast(stop, pace, lastHour)
	if f != nil {
		f.Who = oneLine(f.Who)
	}
	return f
}

func (m *Mailer) pausedNames(r *reader) []string {
	var names []string
	for i := range r.agents {
		if _, paused := r.paused[r.agents[i].ID]; paused {
			names = append(names, m.agentName(&r.agents[i]))
		}
	}
	return names
}

// resumedNames are the names of those agents that are still on.
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

// agentName is present.AgentName, sanitized for e-mail.
func (m *Mailer) agentName(a *ledger.Agent) string {
	clean := ledger.Agent{
		ID:      oneLine(a.ID),
		Name:    oneLine(a.Name),
		Feature: a.Feature,
	}
	return present.AgentName(m.Prices(), &clean)
}

// maxNames is how many agents are listed by name.
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

// maxText limits a name in an e-mail, in characters.
const maxText = 80

// oneLine sanitizes a user-chosen name for headers and text: no line ends, invisible or
// bidirectional control characters, or encoded words.
func oneLine(name string) string {
	name = plaintext.Clean(strings.NewReplacer("=?", "= ?", "\ufffd", " ").Replace(name))
	runes := []rune(strings.Join(strings.Fields(name), " "))
	if len(runes) > maxText {
		return string(runes[:maxText-1]) + "…"
	}
	return string(runes)
}

// link is an absolute URL of the app.
func (m *Mailer) link(path string) string { return m.BaseURL.JoinPath(path).String() }
