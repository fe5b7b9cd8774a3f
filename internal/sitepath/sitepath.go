// Package sitepath checks paths that come from outside, such as next and return_url, before a
// browser is sent there. It is the only such check.
package sitepath

import (
	"net/url"
	"path"
	"strings"
)

// MaxLength is the longest path that Safe accepts, in bytes.
const MaxLength = 512

// nonPages are paths that must not be a destination: they sign in or out, use up a token, or answer
// programs.
var nonPages = []string{
	"/login", "/logout", "/unsubscribe", "/sandbox", "/v1", "/webhooks", "/static",
	"/healthz", "/readyz",
}

// Valid reports whether Safe returns next unchanged.
func Valid(next string) bool { return next != "" && Safe(next) == next }

// Safe returns next if it is a page of this site: a plain absolute path with an optional query and
// fragment, such as "/credits?x=1". Otherwise it returns "/".
func Safe(next string) string {
	if len(next) > MaxLength || !strings.HasPrefix(next, "/") || !isPrintable(next) {
		return "/"
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	if !isCanonical(u.EscapedPath()) || !isPage(u.EscapedPath()) || !decodesSafely(u.EscapedPath()) ||
		!decodesSafely(u.RawQuery) || !decodesSafely(u.EscapedFragment()) {
		return "/"
	}
	return next
}

// isPrintable reports whether s is printable ASCII without the backslash, which browsers read as a
// slash.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '\\' {
			return false
		}
	}
	return true
}

// isPage reports whether an escaped path is none of nonPages, in any case and however often it is
// decoded on the way.
func isPage(p string) bool {
	for {
		for _, prefix := range nonPages {
			rest, found := strings.CutPrefix(strings.ToLower(p), prefix)
			if found && (rest == "" || rest[0] == '/') {
				return false
			}
		}
		decoded, err := url.PathUnescape(p)
		if err != nil || decoded == p {
			return err == nil
		}
		p = decoded
	}
}

// isCanonical reports whether an escaped path has no empty and no dot segment, however often a proxy
// or router decodes it. "//evil" and "/%252f/evil" have.
func isCanonical(p string) bool {
	for {
		if strings.HasPrefix(p, "//") {
			return false
		}
		if clean := path.Clean(p); p != clean && p != clean+"/" {
			return false
		}
		decoded, err := url.PathUnescape(p)
		if err != nil || decoded == p {
			return err == nil
		}
		p = decoded
	}
}

// decodesSafely reports whether s is escaped correctly and no number of decodings gives a control
// character or a backslash.
func decodesSafely(s string) bool {
	decoded, err := url.PathUnescape(s)
	if err != nil {
		return false
	}
	for err == nil && decoded != s {
		for i := range len(decoded) {
			if decoded[i] < ' ' || decoded[i] == 0x7f || decoded[i] == '\\' {
				return false
			}
		}
		s = decoded
		decoded, err = url.PathUnescape(s) // fails on a percent sign that means itself
	}
	return true
}
