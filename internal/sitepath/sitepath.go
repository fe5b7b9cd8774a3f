// Package sitepath decides where a browser may be sent by an address that came from outside: a next
// or a return_url. It is the one check for all of them.
package sitepath

import (
	"net/url"
	"path"
	"strings"
)

// MaxLength is the longest path that Safe passes, in bytes.
const MaxLength = 512

// elsewhere are the paths that are no pages to arrive at: they sign in or out, spend a link's
// token, or answer programs.
var elsewhere = []string{
	"/login", "/logout", "/unsubscribe", "/sandbox", "/v1", "/webhooks", "/static",
	"/healthz", "/readyz",
}

// Valid says whether Safe would give the path back.
func Valid(next string) bool { return next != "" && Safe(next) == next }

// Safe gives next back if a browser that is sent there stays among this site's pages: a plain
// absolute path with an optional query and fragment, such as "/credits?x=1". Anything else becomes
// "/".
func Safe(next string) string {
	if len(next) > MaxLength || !strings.HasPrefix(next, "/") || !plain(next) {
		return "/"
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	if !straight(u.EscapedPath()) || !isPage(u.EscapedPath()) || !decodesPlain(u.EscapedPath()) ||
		!decodesPlain(u.RawQuery) || !decodesPlain(u.EscapedFragment()) {
		return "/"
	}
	return next
}

// plain tells whether s is printable ASCII without what browsers drop (tab, line feed) or read as a
// slash (the backslash).
func plain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '\\' {
			return false
		}
	}
	return true
}

// isPage tells whether an escaped path is none of elsewhere, however often it is decoded on the way
// and whatever its case.
func isPage(p string) bool {
	for {
		for _, prefix := range elsewhere {
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

// straight tells whether an escaped path says where it leads: no empty and no dot segment, however
// often it is decoded on the way, as a proxy or a router might do. "//evil" and "/%252f/evil" are
// not.
func straight(p string) bool {
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

// decodesPlain tells whether s is well escaped and no amount of decoding brings a control character
// or a backslash to light. Spaces and letters of any language are welcome once they are encoded.
func decodesPlain(s string) bool {
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
