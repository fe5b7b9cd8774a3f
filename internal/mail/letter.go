package mail

import (
	"embed"
	htmltemplate "html/template"
	"strconv"
	texttemplate "text/template"
	"time"

	gomail "github.com/wneessen/go-mail"
)

//go:embed letter.txt letter.html
var templates embed.FS

var (
	textLetter = texttemplate.Must(texttemplate.ParseFS(templates, "letter.txt"))
	htmlLetter = htmltemplate.Must(htmltemplate.ParseFS(templates, "letter.html"))
)

// letter is an e-mail on its way. The same occasions make the same id: one that is sent twice,
// since a server died in between, can be told.
type letter struct {
	*gomail.Msg
	at time.Time
	id string
}

// letter writes an e-mail: text and HTML, with nothing in it that is fetched from elsewhere or
// tells when it is read.
func (m *Mailer) letter(to string, w words, about []occasion, now time.Time) (*letter, error) {
	last, w := about[len(about)-1], w.breakable()
	l := &letter{
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
	if err := l.SetBodyTextTemplate(textLetter, w); err != nil {
		return nil, err
	}
	return l, l.AddAlternativeHTMLTemplate(htmlLetter, w)
}

// host is the app's name among mail servers.
func (m *Mailer) host() string {
	if name := m.BaseURL.Hostname(); name != "" {
		return name
	}
	return "localhost"
}
