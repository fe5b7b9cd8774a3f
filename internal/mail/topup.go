package mail

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/views"
)

// topUpStopped begins the kinds of occasions that tell of a stopped auto top-up; why it was stopped
// follows. The books know nothing of it.
const topUpStopped = "topup.stopped."

// TopUpStopped has a creator written to whose auto top-up was stopped at an instant, for one of the
// reasons that views knows. Told twice it is one e-mail. It is about money, so it goes out whatever
// e-mails about the balance are wanted.
func (m *Mailer) TopUpStopped(ctx context.Context, account uuid.UUID, why string, at time.Time) error {
	if m.Clock().Sub(at) >= maxAge {
		return nil
	}
	// Events count up from one, so below zero there is room. The same stop has the same place.
	return m.keep(ctx, []notification{{
		account: account,
		seq:     -at.UnixMicro(),
		at:      at,
		kind:    topUpStopped + why,
		agents:  []string{},
		due:     at,
	}})
}

// aboutTopUp says whether an occasion is a stopped auto top-up.
func (o *notification) aboutTopUp() bool { return strings.HasPrefix(o.kind, topUpStopped) }

// topUpContent says what the notice on the pages says.
func (m *Mailer) topUpContent(r *reader, o notification, now time.Time) content {
	notice := views.TopUpNotice{Why: views.TopUpStop(strings.TrimPrefix(o.kind, topUpStopped)), At: o.at}
	title, rest := notice.Lead(views.Layout{Now: now, DisplayZone: r.DisplayZone}), notice.Rest()
	return content{
		Shop:       oneLine(r.Name),
		Title:      strings.TrimSuffix(title, "."),
		Paragraphs: []string{rest},
		Button:     notice.Action(),
		URL:        m.url(notice.Href()),
		Foot:       "This is about auto top-up in your shop.",
	}
}

// url is link for a path with a query.
func (m *Mailer) url(path string) string {
	path, query, _ := strings.Cut(path, "?")
	u := *m.BaseURL.JoinPath(path)
	u.RawQuery = query
	return u.String()
}
