package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// Limits of one request to an endpoint.
const (
	requestTime  = 15 * time.Second
	dialTime     = 5 * time.Second
	maxAnswer    = 4 << 10 // bytes read of a response body, which is discarded
	maxHeader    = 16 << 10
	idleTime     = 30 * time.Second
	idlePerHost  = 8
	userAgent    = "Credits-Webhooks/1.0"
	statusOK     = 200
	statusBeyond = 300
)

// newClient makes the client for endpoints. It uses no proxy and follows no redirects.
func newClient(allowPrivate bool) *http.Client {
	dialer := &net.Dialer{Timeout: dialTime}
	if !allowPrivate {
		dialer.Control = onlyPublic
	}
	return &http.Client{
		Timeout:       requestTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    dialTime,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true,
			MaxIdleConnsPerHost:    idlePerHost,
			IdleConnTimeout:        idleTime,
			ForceAttemptHTTP2:      true,
		},
	}
}

// message is an event to send to an endpoint.
type message struct {
	url     string
	id      string
	secrets [][]byte
	body    []byte
}

// bodyOf is the request body: the event's data with the host's account id.
func bodyOf(kind string, at time.Time, externalID string, data []byte) ([]byte, error) {
	members := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&members); err != nil {
		return nil, fmt.Errorf("the data of an event: %w", err)
	}
	members["account"] = externalID
	return json.Marshal(struct {
		Type      string         `json:"type"`
		Timestamp string         `json:"timestamp"`
		Data      map[string]any `json:"data"`
	}{kind, at.UTC().Format(time.RFC3339Nano), members})
}

// outcome is the result of a request. The failure is shown to subscribers, so it reveals nothing
// about internal networks.
type outcome struct {
	status  int // 0: no response
	failure string
}

func (o outcome) delivered() bool { return o.failure == "" }

// gone means that the receiver answered 410 and wants no more events.
func (o outcome) gone() bool { return o.status == http.StatusGone }

func (s *Service) send(ctx context.Context, m message) outcome {
	at := s.o.Clock()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(m.body))
	if err != nil {
		return outcome{failure: "the address cannot be used"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("webhook-id", m.id)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	req.Header.Set("webhook-signature", signatures(m.secrets, m.id, at, m.body))
	res, err := s.client.Do(req)
	if err != nil {
		return outcome{failure: reason(err)}
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // so that the connection is reused
	switch {
	case res.StatusCode >= statusOK && res.StatusCode < statusBeyond:
		return outcome{status: res.StatusCode}
	case res.StatusCode >= statusBeyond && res.StatusCode < http.StatusBadRequest:
		return outcome{res.StatusCode, fmt.Sprintf("answered %d: redirects are not followed", res.StatusCode)}
	}
	return outcome{res.StatusCode, fmt.Sprintf("answered %d", res.StatusCode)}
}

// reason describes why there was no response, without the text of the error.
func reason(err error) string {
	var timeout net.Error
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, errAddress):
		return "the address is not on the public internet"
	case errors.As(err, &name):
		return "the name cannot be resolved"
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %d seconds", int(requestTime.Seconds()))
	case errors.As(err, &certificate), errors.As(err, &record):
		return "TLS failed"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	}
	return "the connection failed"
}
