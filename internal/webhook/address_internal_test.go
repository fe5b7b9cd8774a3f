package webhook

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"pop.store/credits/internal/problem"
)

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"8.8.8.8":              true,
		"1.1.1.1":              true,
		"100.63.255.255":       true,
		"100.128.0.0":          true,
		"172.15.255.255":       true,
		"172.32.0.0":           true,
		"223.255.255.255":      true,
		"192.0.1.0":            true,
		"198.17.255.255":       true,
		"198.20.0.0":           true,
		"2606:4700:4700::1111": true,
		"2a00:1450::1":         true,
		"2001:200::1":          true,
		// loopback, this network, private, carrier NAT, link-local
		"127.0.0.1":       false,
		"127.255.255.254": false,
		"0.0.0.0":         false,
		"0.1.2.3":         false,
		"10.0.0.1":        false,
		"172.16.0.1":      false,
		"172.31.255.255":  false,
		"192.168.1.1":     false,
		"100.64.0.1":      false,
		"100.127.255.255": false,
		"169.254.169.254": false,
		// protocol assignments, documentation, benchmarks, 6to4 relay, multicast, reserved, broadcast
		"192.0.0.1":       false,
		"192.0.2.1":       false,
		"198.51.100.1":    false,
		"203.0.113.1":     false,
		"198.18.0.1":      false,
		"198.19.255.255":  false,
		"192.88.99.1":     false,
		"224.0.0.1":       false,
		"239.255.255.255": false,
		"240.0.0.1":       false,
		"255.255.255.255": false,
		// IPv6: unspecified, loopback, mapped, compatible, NAT64, discard, Teredo, documentation,
		// 6to4, segments, unique local, link-local, multicast
		"::":                        false,
		"::1":                       false,
		"::ffff:8.8.8.8":            false,
		"::ffff:127.0.0.1":          false,
		"::8.8.8.8":                 false,
		"64:ff9b::808:808":          false,
		"64:ff9b::7f00:1":           false,
		"64:ff9b:1::1":              false,
		"100::1":                    false,
		"2001::1":                   false,
		"2001:2::1":                 false,
		"2001:20::1":                false,
		"2001:db8::1":               false,
		"2002:7f00:1::1":            false,
		"3fff::1":                   false,
		"5f00::1":                   false,
		"fc00::1":                   false,
		"fd00:ec2::254":             false,
		"fe80::1":                   false,
		"fe80::1%eth0":              false,
		"fec0::1":                   false,
		"ff02::1":                   false,
		"2606:4700:4700::1111%eth0": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is public: %v", text, got)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestURLPolicy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ strict, private bool }{
		"https://example.com/credits":          {true, true},
		"https://example.com:8443/a?b=c%20d":   {true, true},
		"https://EXAMPLE.com":                  {true, true},
		"https://8.8.8.8/x":                    {true, true},
		"https://[2606:4700:4700::1111]:44/x":  {true, true},
		"https://xn--bcher-kva.example/":       {true, true},
		"http://example.com/":                  {false, true},
		"https://localhost/":                   {false, true},
		"https://shop.localhost./":             {false, true},
		"https://127.0.0.1/":                   {false, true},
		"https://[::1]/":                       {false, true},
		"https://[::ffff:8.8.8.8]/":            {false, true},
		"https://[fe80::1%25eth0]/":            {false, true},
		"https://169.254.169.254/latest":       {false, true},
		"https://127.1/":                       {false, true},
		"https://2130706433/":                  {false, true},
		"https://0x7f000001/":                  {false, true},
		"https://0x7f.0.0.1/":                  {false, true},
		"https://0177.0.0.1/":                  {false, true},
		"https://127.0.0.1./":                  {false, true},
		"":                                     {},
		"https://":                             {},
		"https:///path":                        {},
		"https:example.com":                    {},
		"//example.com":                        {},
		"/path":                                {},
		"ftp://example.com/":                   {},
		"file:///etc/passwd":                   {},
		"gopher://example.com/":                {},
		"https://user:pass@example.com/":       {},
		"https://user@example.com/":            {},
		"https://@example.com/":                {},
		"https://example.com/#x":               {},
		"https://example.com/#":                {},
		"https://example.com:0/":               {},
		"https://example.com:65536/":           {},
		"https://example.com:/":                {},
		"https://example.com/a b":              {},
		"https://example.com/\n":               {},
		"https://exam\tple.com/":               {},
		"https://example.com\\@127.0.0.1/":     {},
		"https://bücher.example/":              {},
		"https://example.com/%zz":              {},
		"https://" + strings.Repeat("a", 1000): {},
	} {
		if err := checkURL(text, false); (err == nil) != want.strict || err != nil && problem.Of(err).Field != "url" {
			t.Errorf("%q: %v", text, err)
		}
		if err := checkURL(text, true); (err == nil) != want.private || err != nil && problem.Of(err).Field != "url" {
			t.Errorf("%q, private allowed: %v", text, err)
		}
	}
}

// What the policy lets pass is what is then called: the same host over TLS, no credentials, and no
// address that is closed.
func FuzzURLPolicy(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/credits", "https://[::ffff:127.0.0.1]/", "https://127.1/", "https://a@b/",
		"https://example.com:99999/", "https://[fe80::1%25a]/",
		"https://0x7f.1/", "https://localhost", "https://a\\@b", "https://a#b", "HTTPS://A/",
		"https://[64:ff9b::1]:1/", "https://1.1.1.1:443/?x=%00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if checkURL(text, false) != nil {
			return
		}
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, text, http.NoBody)
		if err != nil {
			t.Fatalf("%q cannot be called: %v", text, err)
		}
		u, err := url.Parse(text)
		if err != nil || r.URL.Host != u.Host || r.URL.Scheme != "https" || r.URL.User != nil ||
			r.URL.Hostname() == "" || r.URL.Fragment != "" {
			t.Errorf("%q is called as %q", text, r.URL)
		}
		for i := range len(text) {
			if text[i] <= ' ' || text[i] > '~' {
				t.Errorf("%q has a byte %#x", text, text[i])
			}
		}
		if ip := net.ParseIP(u.Hostname()); ip != nil &&
			(ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast()) {
			t.Errorf("%q is in nobody's public network", text)
		}
		if checkURL(text, true) != nil {
			t.Errorf("%q is refused where more is allowed", text)
		}
	})
}

func FuzzEventID(f *testing.F) {
	for _, seed := range []string{
		"", "evt_", EventID([16]byte{1}, 1), EventID([16]byte{255}, 1<<62),
		strings.ToUpper(EventID([16]byte{1}, 1)), "evt_zzzz", "evt_ÿ",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if account, seq, ok := parseEventID(id); ok && (seq < 1 || EventID(account, seq) != id) {
			t.Errorf("%q is %v %d", id, account, seq)
		}
	})
}

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{
		"", "AAAA", string(cursorAfter(Delivery{CreatedAt: latest, Seq: 1})),
		strings.Repeat("_", 43),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := Cursor(text).parse(); err == nil && text != "" && string(cursorAfter(d)) != text {
			t.Errorf("%q is %+v", text, d)
		}
	})
}

// caller is a service that only sends.
func caller(client *http.Client) *Service {
	return &Service{o: Options{Clock: func() time.Time { return time.Unix(1, 0) }}, client: client}
}

// The name leads to a closed address: that is seen when it is dialled, whatever the name looked like before.
func TestNamesThatLeadToClosedAddresses(t *testing.T) {
	t.Parallel()
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	strict := newClient(false)
	named := newClient(false)
	dialer := &net.Dialer{Control: onlyPublic, Resolver: &net.Resolver{PreferGo: true, Dial: nameServer("127.0.0.1")}}
	named.Transport.(*http.Transport).DialContext = dialer.DialContext
	for _, c := range []struct {
		client *http.Client
		host   string
	}{
		{strict, "127.0.0.1"},
		{strict, "localhost"},
		{strict, "[::ffff:127.0.0.1]"},
		{strict, "[::1]"},
		{strict, "0.0.0.0"},
		{named, "hooks.example.com"},
	} {
		o := caller(c.client).send(t.Context(), message{url: "http://" + c.host + ":" + port, secrets: [][]byte{{1}}})
		if o.status != 0 || o.failure != "the address is not on the public internet" {
			t.Errorf("%s: %+v", c.host, o)
		}
	}
	if reached {
		t.Error("a closed address was reached")
	}
	// The name does lead there.
	dialer.Control = nil
	if o := caller(named).send(t.Context(),
		message{url: "http://hooks.example.com:" + port, secrets: [][]byte{{1}}}); !o.delivered() || !reached {
		t.Errorf("without the policy: %+v", o)
	}
}

// nameServer answers every question for an address with one.
func nameServer(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer ours.Close()
			size := make([]byte, 2) // over a pipe questions come as over TCP
			for {
				if _, err := ours.Read(size); err != nil {
					return
				}
				question := make([]byte, int(size[0])<<8|int(size[1]))
				if _, err := ours.Read(question); err != nil {
					return
				}
				answer := answerTo(question, netip.MustParseAddr(address))
				if _, err := ours.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))},
					answer...)); err != nil {
					return
				}
			}
		}()
		return theirs, nil
	}
}

func answerTo(question []byte, address netip.Addr) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil
	}
	m.Response, m.Additionals = true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{
				Name:  q.Name,
				Type:  q.Type,
				Class: q.Class,
				TTL:   1,
			}, Body: &dnsmessage.AResource{A: address.As4()},
		}}
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// What goes wrong is worded for the operator of the endpoint, and says nothing of our network.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect was followed")
	}))
	t.Cleanup(elsewhere.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		case "/hang-up":
			panic(http.ErrAbortHandler)
		case "/long-header":
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		default:
			var status int
			if _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); err != nil {
				t.Error(err)
			}
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(server.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	withTLS := httptest.NewTLSServer(nil)
	withTLS.Config.ErrorLog = nil
	t.Cleanup(withTLS.Close)
	for to, want := range map[string]outcome{
		server.URL + "/200":         {200, ""},
		server.URL + "/204":         {204, ""},
		server.URL + "/299":         {299, ""},
		server.URL + "/301":         {301, "answered 301: redirects are not followed"},
		server.URL + "/302":         {302, "answered 302: redirects are not followed"},
		server.URL + "/307":         {307, "answered 307: redirects are not followed"},
		server.URL + "/308":         {308, "answered 308: redirects are not followed"},
		server.URL + "/400":         {400, "answered 400"},
		server.URL + "/410":         {410, "answered 410"},
		server.URL + "/500":         {500, "answered 500"},
		server.URL + "/endless":     {200, ""},
		server.URL + "/hang-up":     {0, "the connection failed"},
		server.URL + "/long-header": {0, "the connection failed"},
		closed.URL:                  {0, "the connection was refused"},
		withTLS.URL:                 {0, "TLS failed"},
		"http://nobody.invalid/":    {0, "the name cannot be resolved"},
	} {
		client := newClient(true)
		if strings.Contains(to, "invalid") {
			client.Transport.(*http.Transport).DialContext = (&net.Dialer{Resolver: &net.Resolver{
				PreferGo: true,
				Dial:     noNames,
			}}).DialContext
		}
		if got := caller(client).send(t.Context(), message{url: to, secrets: [][]byte{{1}}}); got != want {
			t.Errorf("%s: %+v, want %+v", to, got, want)
		}
		client.CloseIdleConnections()
	}
}

// noNames is a name server that has been cut off.
func noNames(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }

// A receiver that does not answer has its time, and no more.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	client := newClient(true)
	if client.Timeout != requestTime || requestTime != 15*time.Second {
		t.Errorf("the time is %v", client.Timeout)
	}
	client.Timeout = time.Millisecond
	if got := caller(client).send(t.Context(), message{url: server.URL, secrets: [][]byte{{1}}}); got !=
		(outcome{0, "no answer within 15 seconds"}) {
		t.Errorf("%+v", got)
	}
}

func TestWaits(t *testing.T) {
	t.Parallel()
	for attempts, want := range []time.Duration{
		5 * time.Second, 15 * time.Second, 45 * time.Second,
		135 * time.Second, 405 * time.Second, 1215 * time.Second, time.Hour, time.Hour,
	} {
		for range 100 {
			if got := wait(attempts); got < want*4/5 || got > want*6/5 {
				t.Errorf("after %d attempts: %v, want about %v", attempts, got, want)
			}
		}
	}
	if got := wait(1 << 30); got > longestWait*6/5 {
		t.Errorf("%v", got)
	}
	seen := map[time.Duration]bool{}
	for range 100 {
		seen[wait(7)] = true
	}
	if len(seen) < 50 {
		t.Errorf("a hundred that failed together come back at %d times", len(seen))
	}
}
