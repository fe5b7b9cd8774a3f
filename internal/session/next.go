package session

import (
	"net/url"
	"path"
	"strings"
)

// maxNext is the longest path that SafeNext passes, in bytes.
const maxNext = 512

// SafeNext gives next back if a browser that is sent there stays on this site: a plain absolute path with an optional query and
// fragment, such as "/credits?x=1". Anything else becomes "/". To tell a caller of the API that its next was refused, compare.
func SafeNext(next string) string {
	if len(next) > maxNext || !strings.HasPrefix(next, "/") || !plain(next) {
		return "/"
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "/"
	}
	if !straight(u.EscapedPath()) || !decodesPlain(u.EscapedPath()) || !decodesPlain(u.RawQuery) || !decodesPlain(u.EscapedFragment()) {
		return "/"
	}
	return next
}

// plain tells whether s is printable ASCII without what browsers drop (tab, line feed) or read as a slash (the backslash).
func plain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '\\' {
			return false
		}
	}
	return true
}

// straight tells whether an escaped path says where it leads: no empty and no dot segment, however often it is decoded on the way, as
// a proxy or a router might do. "//evil" and "/%252f/evil" are not.
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

// decodesPlain tells whether s is well escaped and no amount of decoding brings a control character or a backslash to light. Spaces
// and letters of any language are welcome once they are encoded.
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
