package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// errAddress means that an address is not valid for SMTP.
var errAddress = errors.New("the address cannot be used")

// unreachableError means that no SMTP session could be opened.
type unreachableError struct{ cause error }

func (e *unreachableError) Error() string { return "no connection: " + e.cause.Error() }
func (e *unreachableError) Unwrap() error { return e.cause }

// toServer sends over a new connection.
func (m *Mailer) toServer(ctx context.Context, l *message) error {
	client, err := m.client()
	if err != nil {
		return err
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return &unreachableError{err}
	}
	err = client.SendWithSMTPClient(connection, l.Msg)
	_ = client.CloseWithSMTPClient(connection)
	if l.IsDelivered() {
		return nil // errors after acceptance do not matter
	}
	return err
}

func (m *Mailer) client() (*gomail.Client, error) {
	host := m.Server.Hostname()
	o := []gomail.Option{
		gomail.WithTimeout(sendTime), gomail.WithTLSConfig(&tls.Config{
			MinVersion: tls.VersionTLS12,
			ServerName: host,
			RootCAs:    m.roots,
		}),
		gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithHELO(m.host()),
	}
	port := 587
	switch {
	case m.Server.Scheme == "smtps":
		port = 465
		o = append(o, gomail.WithSSL())
	case loopback(host):
		o = append(o, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if p, err := strconv.Atoi(m.Server.Port()); err == nil {
		port = p
	}
	if user := m.Server.User; user != nil {
		password, _ := user.Password()
		o = append(o, gomail.WithUsername(user.Username()), gomail.WithPassword(password), authentication(m.Server))
	}
	return gomail.NewClient(host, append(o, gomail.WithPort(port))...)
}

// authentication is the best method that the server offers. Only a server on this machine may get
// the password unencrypted.
func authentication(server *url.URL) gomail.Option {
	if server.Scheme == "smtp" && loopback(server.Hostname()) {
		return gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc)
	}
	return gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover)
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && address.IsLoopback())
}

// failure is why a send failed. The reason has no addresses and no secrets: of a server's reply
// only the codes are kept.
type failure struct {
	reason      string
	unreachable bool // the server, for all e-mails
	final       bool // no retry
}

func failureOf(err error) failure {
	var unreachable *unreachableError
	var sending *gomail.SendError
	var reply *textproto.Error
	switch {
	case errors.Is(err, errAddress):
		return failure{reason: err.Error(), final: true}
	case errors.As(err, &sending):
		f := failure{reason: sending.Reason.String() + ": " +
			strings.TrimSpace(fmt.Sprint(sending.ErrorCode(), " ", sending.EnhancedStatusCode()))}
		refused := sending.ErrorCode() >= 500
		f.final = refused && (sending.Reason == gomail.ErrSMTPRcptTo || sending.Reason == gomail.ErrSMTPDataClose)
		f.unreachable = !refused && sending.ErrorCode() == 0
		return f
	case errors.As(err, &unreachable) && errors.As(err, &reply):
		return failure{reason: "the mail server refuses us: " + strconv.Itoa(reply.Code), unreachable: true}
	case errors.As(err, &unreachable):
		return failure{reason: connectionReason(unreachable.cause), unreachable: true}
	}
	return failure{reason: err.Error(), unreachable: true} // writing to the folder failed
}

// connectionReason describes network and certificate errors. Other errors may repeat what was sent,
// so their text is not used.
func connectionReason(err error) string {
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &network):
		return "no connection: " + network.Error()
	case errors.As(err, &certificate):
		return "the mail server's certificate: " + certificate.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no connection: timeout"
	case errors.Is(err, gomail.ErrNoSupportedAuthDiscovered):
		return "the mail server offers no way to sign in that we know"
	}
	return "no connection, or none that is encrypted"
}

// maxFiles is how many e-mails the folder keeps, newest first.
const maxFiles = 500

// intoFolder writes an e-mail to a file with mode 0600. Names start with the time, so they sort.
func (m *Mailer) intoFolder(_ context.Context, l *message) error {
	if err := os.MkdirAll(m.Folder, 0o700); err != nil {
		return err
	}
	name := filepath.Join(m.Folder, l.at.Format("20060102T150405.000000Z")+"-"+l.id+ending)
	file, err := os.OpenFile(name+".part", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = l.WriteTo(file)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(name+".part", name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(name+".part"))
	}
	return m.tidy()
}

const ending = ".eml"

// tidy deletes the oldest files.
func (m *Mailer) tidy() error {
	entries, err := os.ReadDir(m.Folder) // sorted by name
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return filepath.Ext(e.Name()) != ending })
	for _, e := range entries[:max(0, len(entries)-maxFiles)] {
		if err := os.Remove(filepath.Join(m.Folder, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
