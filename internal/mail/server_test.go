package mail_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// mailServer is an SMTP server that keeps what it gets.
type mailServer struct {
	t        *testing.T
	host     string // how clients call it
	port     string
	tls      *tls.Config
	implicit bool // TLS from the first byte
	starttls bool
	login    string // "user password" that it wants; empty: nobody has to sign in

	mu        sync.Mutex
	down      bool
	hasty     bool // hangs up once it has taken an e-mail
	calls     int
	rcptReply string // its answer to RCPT, if not 250
	dataReply string // its answer after DATA, if not 250
	heard     []string
	got       []delivery
}

// delivery is an e-mail that the server took.
type delivery struct {
	from, to  string
	data      string
	encrypted bool
	signedIn  bool
}

// anyAddress reaches this machine, and does not look as if it did: over it a password is only sent encrypted.
const anyAddress = "0.0.0.0"

func newMailServer(t *testing.T, set func(*mailServer)) (*mailServer, *x509.CertPool) {
	t.Helper()
	s := &mailServer{t: t, host: "127.0.0.1"}
	set(s)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, s.port, _ = net.SplitHostPort(listener.Addr().String())
	certificate, roots := selfSigned(t, net.ParseIP(s.host))
	s.tls = &tls.Config{Certificates: []tls.Certificate{certificate}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(connection) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return s, roots
}

func selfSigned(t *testing.T, ip net.IP) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{ip},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// address is the server as the configuration names it.
func (s *mailServer) address() *url.URL {
	u := &url.URL{Scheme: "smtp", Host: net.JoinHostPort(s.host, s.port)}
	if s.implicit {
		u.Scheme = "smtps"
	}
	if user, password, ok := strings.Cut(s.login, " "); ok {
		u.User = url.UserPassword(user, password)
	}
	return u
}

// change changes how the server behaves from now on.
func (s *mailServer) change(set func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set()
}

func (s *mailServer) deliveries() []delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]delivery(nil), s.got...)
}

// said is every line that clients sent, but for the e-mails.
func (s *mailServer) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.heard, "\n")
}

// talk is one client's connection.
type talk struct {
	s    *mailServer
	net  net.Conn
	in   *bufio.Reader
	mail delivery
}

func (s *mailServer) serve(connection net.Conn) {
	defer connection.Close()
	s.mu.Lock()
	down := s.down
	s.calls++
	s.mu.Unlock()
	if down {
		return
	}
	_ = connection.SetDeadline(time.Now().Add(time.Minute))
	c := &talk{s: s, net: connection}
	if s.implicit {
		c.net = tls.Server(connection, s.tls)
		c.mail.encrypted = true
	}
	c.in = bufio.NewReader(c.net)
	c.say("220 test ESMTP")
	for {
		line, err := c.in.ReadString('\n')
		if err != nil || !c.answer(strings.TrimRight(line, "\r\n")) {
			return
		}
	}
}

func (c *talk) say(lines ...string) {
	for _, line := range lines {
		fmt.Fprintf(c.net, "%s\r\n", line)
	}
}

// answer answers a command; false ends the conversation.
func (c *talk) answer(line string) bool {
	c.s.mu.Lock()
	c.s.heard = append(c.s.heard, line)
	rcpt := c.s.rcptReply
	c.s.mu.Unlock()
	verb, rest, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		c.greet()
	case "STARTTLS":
		c.say("220 go on")
		secure := tls.Server(c.net, c.s.tls)
		c.net, c.in, c.mail.encrypted = secure, bufio.NewReader(secure), true
	case "AUTH":
		c.authenticate(rest)
	case "MAIL":
		if c.s.login != "" && !c.mail.signedIn {
			c.say("530 5.7.0 sign in first")
			return true
		}
		c.mail.from = rest
		c.say("250 2.1.0 ok")
	case "RCPT":
		c.mail.to = rest
		c.say(or(rcpt, "250 2.1.5 ok"))
	case "DATA":
		c.say("354 go on")
		return c.take()
	case "QUIT":
		c.say("221 bye")
		return false
	default:
		c.say("250 ok")
	}
	return true
}

func (c *talk) greet() {
	lines := []string{"250-test", "250-8BITMIME", "250-ENHANCEDSTATUSCODES"}
	if c.s.starttls && !c.mail.encrypted {
		lines = append(lines, "250-STARTTLS")
	}
	if c.s.login != "" {
		lines = append(lines, "250-AUTH PLAIN LOGIN")
	}
	c.say(append(lines, "250 SIZE 1000000")...)
}

func (c *talk) authenticate(rest string) {
	_, encoded, _ := strings.Cut(rest, " ")
	raw, _ := base64.StdEncoding.DecodeString(encoded)
	if strings.Join(strings.Split(strings.TrimPrefix(string(raw), "\x00"), "\x00"), " ") != c.s.login {
		c.say("535 5.7.8 " + string(raw) + " is not who it says")
		return
	}
	c.mail.signedIn = true
	c.say("235 2.7.0 welcome")
}

// take takes an e-mail; false ends the conversation.
func (c *talk) take() bool {
	var data strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		data.WriteString(strings.TrimPrefix(line, "."))
	}
	c.mail.data = data.String()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.dataReply != "" {
		c.say(c.s.dataReply)
		return true
	}
	c.s.got = append(c.s.got, c.mail)
	c.say("250 2.0.0 taken")
	return !c.s.hasty
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
