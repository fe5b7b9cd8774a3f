package handlers

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
)

// Listen wraps a listener for NewServer. net/http answers requests that it cannot parse in plain text;
// behind this listener those answers are problem documents.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// conn replaces net/http's own answers. Each is a single write in a form that no handler produces.
type conn struct{ net.Conn }

var refusedByServer = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")

// serverCodes are the problem codes for net/http's own statuses.
var serverCodes = map[int]struct{ code, detail string }{
	http.StatusBadRequest:                  {"bad_request", "The request cannot be read."},
	http.StatusRequestHeaderFieldsTooLarge: {"headers_too_large", "The headers are larger than 16 KiB."},
	http.StatusExpectationFailed:           {"bad_request", "The request expects what this server does not do."},
	http.StatusNotImplemented: {
		"bad_request",
		"The request is sent in a way that this server does not read.",
	},
	http.StatusHTTPVersionNotSupported: {"bad_request", "This server does not speak that version of HTTP."},
}

func (c *conn) Write(p []byte) (int, error) {
	answer, ok := problemInstead(p)
	if !ok {
		return c.Conn.Write(p)
	}
	if _, err := c.Conn.Write(answer); err != nil {
		return 0, err
	}
	return len(p), nil
}

func problemInstead(p []byte) ([]byte, bool) {
	end := bytes.IndexByte(p, '\r')
	if end < 0 || !bytes.HasPrefix(p, []byte("HTTP/1.1 ")) || !bytes.HasPrefix(p[end:], refusedByServer) {
		return nil, false
	}
	var status int
	if _, err := fmt.Sscanf(string(p[:end]), "HTTP/1.1 %d", &status); err != nil {
		return nil, false
	}
	said, ok := serverCodes[status]
	if !ok {
		return nil, false
	}
	body := fmt.Sprintf(`{"code":%q,"detail":%q,"status":%d,"title":%q,"type":"about:blank"}`+"\n", said.code,
		said.detail, status, http.StatusText(status))
	return fmt.Appendf(
		nil,
		"HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\nCache-Control: no-store\r\n"+
			"X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n%s",
		status,
		http.StatusText(status),
		len(body),
		body,
	), true
}
