package handlers_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"pop.store/credits/handlers/handlerstest"
)

// Requests that net/http refuses before routing get a problem document, too.
func TestWhatTheServerRefusesIsAProblemDocument(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	for name, c := range map[string]struct {
		request string
		status  int
		code    string
	}{
		"an escape that is none": {"GET /v1/%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"},
		"no host":                {"GET /v1/catalog HTTP/1.1\r\n\r\n", 400, "bad_request"},
		"junk":                   {"junk\r\n\r\n", 400, "bad_request"},
		"a header with a space":  {"GET /v1/catalog HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n", 400, "bad_request"},
		"headers too large": {"GET /v1/catalog HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) +
			"\r\n\r\n", 431, "headers_too_large"},
		"a transfer encoding": {
			"POST /v1/charges HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501,
			"bad_request",
		},
	} {
		c2, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c2, c.request) // the server may have closed the connection
		res, err := http.ReadResponse(bufio.NewReader(c2), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var document map[string]any
		if err := json.NewDecoder(res.Body).Decode(&document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if res.StatusCode != c.status || res.Header.Get("Content-Type") != "application/problem+json" ||
			document["code"] != c.code || document["status"] != float64(c.status) {
			t.Errorf("%s: %d %s %v", name, res.StatusCode, res.Header.Get("Content-Type"), document)
		}
		_ = res.Body.Close()
		_ = c2.Close()
	}
	s.Send("GET", "/healthz", "").Want(http.StatusOK) // the log of this test must contain a request
}
