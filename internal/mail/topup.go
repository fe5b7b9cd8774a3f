package mail

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/views"
)

// topUpStopped prefixes the kind of a stopped auto top-up; the reason follows. The ledger has no
// such event.
const topUpStopped = "topup.stopped."

// TopUpStopped queues an e-mail that auto top-up was stopped at an instant, for a reason known to
// views. It is idempotent per instant, and is sent even to those who unsubscribed from alerts. The
// error has kind Unavailable.
func (m *Mailer) TopUpStopped(ctx context.Context, account uuid.UUID, why string, at time.Time) error {
	if m.Clock().Sub(at) >= maxAge {
		return nil
	}
	return m.keep(ctx, []notification{{
		account: account,
		source:  sourceTopUp,
		seq:     at.UnixMicro(),
		at:      at,
		kind:    topUpStopped + why,
		agents:  []string{},
		due:     at,
	}})
}

// aboutTopUp says whether a notification is a stopped auto top-up.
func (o *notification) aboutTopUp() bool { return strings.HasPrefix(o.kind, topUpStopped) }

// topUpContent uses the text of the notice on the pages.
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
