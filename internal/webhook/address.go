package webhook

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"pop.store/credits/internal/problem"
)

// errAddress means that a connection was refused because its address is not public.
var errAddress = errors.New("webhook: this address is not allowed")

// closedRanges are the address ranges that are not public: private, shared (carrier NAT), loopback,
// link-local, protocol assignments, documentation, 6to4, benchmarks, multicast, reserved.
var closedRanges = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	// Within global unicast: protocol assignments with Teredo, documentation, 6to4.
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

// globalUnicast has all public IPv6 addresses. Loopback, mapped, NAT64, unique local, link-local
// and multicast addresses are outside.
var globalUnicast = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// public reports whether an address is on the public internet.
func public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || (a.Is6() && !globalUnicast.Contains(a)) {
		return false
	}
	for _, closed := range closedRanges {
		if closed.Contains(a) {
			return false
		}
	}
	return true
}

// onlyPublic checks the resolved address just before connecting, so a changed DNS answer cannot
// bypass the check.
func onlyPublic(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !public(to.Addr()) {
		return errAddress
	}
	return nil
}

// maxURL limits an endpoint's URL, in characters.
const maxURL = 1000

// checkURL validates an endpoint's URL without resolving it. The resolved address is checked when
// dialling. The error is a problem.Error for the field "url".
func checkURL(text string, allowPrivate bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxURL || strings.ContainsFunc(text, unprintable) || u.Opaque != "" ||
		u.Hostname() == "":
		return problem.Invalid("url",
			`must be an address such as "https://example.com/credits", of at most %d characters`, maxURL)
	case u.Scheme != "https" && (u.Scheme != "http" || !allowPrivate):
		return problem.Invalid("url", "must begin with https://")
	case u.User != nil:
		return problem.Invalid("url", "must not carry a name or a password")
	case strings.Contains(text, "#"):
		return problem.Invalid("url", "must not carry a fragment")
	case !validPort(u.Host):
		return problem.Invalid("url", "must have a port between 1 and 65535, if any")
	case !allowPrivate && !publicHost(u.Hostname()):
		return problem.Invalid("url", "must be on the public internet")
	}
	return nil
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }

// validPort checks the port, since url.Parse accepts any digits and an empty port.
func validPort(host string) bool {
	at := strings.LastIndexByte(host, ':')
	if at < 0 || strings.HasSuffix(host, "]") {
		return true
	}
	port, err := strconv.ParseUint(host[at+1:], 10, 16)
	return err == nil && port > 0
}

// publicHost refuses non-public addresses and local names. A name with a numeric last label is
// another notation of an IP address.
func publicHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return public(a)
	}
	if strings.Contains(host, ":") {
		return false
	}
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(host, ".")), ".")
	last := labels[len(labels)-1]
	return last != "" && last != "localhost" && (last[0] < '0' || last[0] > '9')
}
