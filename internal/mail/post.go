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

// errAddress is an address that is none to a mail server.
var errAddress = errors.New("the address cannot be used")

// unreachableError is a server that could not be asked at all.
type unreachableError struct{ cause error }

func (e *unreachableError) Error() string { return "no connection: " + e.cause.Error() }
func (e *unreachableError) Unwrap() error { return e.cause }

// toServer sends an e-mail over a connection of its own.
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
		return nil // whatever went wrong afterwards
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

// authentication is the best that the server offers. To one on this machine a password may go as it is.
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

// failure is why an e-mail did not go out. Its reason has no address in it and no secret: what a
// server says is left out but for its number.
type failure struct {
	reason      string
	unreachable bool // the server, for everybody
	final       bool // it will never take this one
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
	return failure{reason: err.Error(), unreachable: true} // of the folder
}

// connectionReason words what has to do with the network or with certificates. Anything else may
// repeat what was sent.
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

// maxFiles is how many e-mails the folder keeps: the newest.
const maxFiles = 500

// intoFolder writes an e-mail into a file that only the server's user can read. Its name begins
// with the time, so that files stand in order.
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
	entries, err := os.ReadDir(m.Folder) // in the order of their names
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
