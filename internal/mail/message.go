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

// message is an e-mail on its way. The same occasions make the same id: one that is sent twice,
// since a server died in between, can be told.
type message struct {
	*gomail.Msg
	at time.Time
	id string
}

// message writes an e-mail: text and HTML, with nothing in it that is fetched from elsewhere or
// tells when it is read.
func (m *Mailer) message(to string, w content, about []notification, now time.Time) (*message, error) {
	last, w := about[len(about)-1], w.breakable()
	l := &message{
		Msg: gomail.NewMsg(gomail.WithNoDefaultUserAgent()),
		at:  now,
		id:  last.account.String() + "." + strconv.FormatInt(last.seq, 10),
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
	if w.Unsubscribe != "" && m.BaseURL.Scheme == "https" { // without TLS nobody may offer it (RFC 8058)
		l.SetListUnsubscribePost()
	}
	if err := l.SetBodyTextTemplate(textTemplate, w); err != nil {
		return nil, err
	}
	return l, l.AddAlternativeHTMLTemplate(htmlTemplate, w)
}

// host is the app's name among mail servers.
func (m *Mailer) host() string {
	if name := m.BaseURL.Hostname(); name != "" {
		return name
	}
	return "localhost"
}
