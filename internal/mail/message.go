package mail

import (
	"embed"
	htmltemplate "html/template"
	"strconv"
	texttemplate "text/template"
	"time"

	gomail "github.com/wneessen/go-mail"
)

//go:embed message.txt message.html
var templates embed.FS

var (
	textTemplate = texttemplate.Must(texttemplate.ParseFS(templates, "message.txt"))
	htmlTemplate = htmltemplate.Must(htmltemplate.ParseFS(templates, "message.html"))
)

// message is an e-mail ready to send. The same notifications give the same id, so a message that is
// sent again after a crash can be recognized.
type message struct {
	*gomail.Msg
	at time.Time
	id string
}

// message renders an e-mail as text and HTML, without remote content or tracking.
func (m *Mailer) message(to string, w content, about []notification, now time.Time) (*message, error) {
	last, w := about[len(about)-1], w.breakable()
	l := &message{
		Msg: gomail.NewMsg(gomail.WithNoDefaultUserAgent()),
		at:  now,
		id:  last.account.String() + "." + last.source + "." + strconv.FormatInt(last.seq, 10),
	}
	l.FromMailAddress(m.From)
	if err := l.To(to); err != nil {
		return nil, errAddress
	}
	l.Subject(w.Title)
	l.SetDateWithValue(now)
	l.SetMessageIDWithValue(l.id + "@" + m.host())
	l.SetGenHeader("Auto-Submitted", "auto-generated")
	l.SetGenHeader("X-Auto-Response-Suppress", "All")
	if w.Unsubscribe != "" {
		l.SetListUnsubscribe(w.Unsubscribe)
	}
	if w.Unsubscribe != "" && m.BaseURL.Scheme == "https" { // one-click requires https (RFC 8058)
		l.SetListUnsubscribePost()
	}
	if err := l.SetBodyTextTemplate(textTemplate, w); err != nil {
		return nil, err
	}
	return l, l.AddAlternativeHTMLTemplate(htmlTemplate, w)
}

// host is the name sent in HELO and in message ids.
func (m *Mailer) host() string {
	if name := m.BaseURL.Hostname(); name != "" {
		return name
	}
	return "localhost"
}
