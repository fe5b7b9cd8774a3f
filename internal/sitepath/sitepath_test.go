package sitepath_test

import (
	"net/url"
	"strings"
	"testing"

	"pop.store/credits/internal/sitepath"
)

var goodNext = []string{
	"/", "/credits", "/credits/", "/credits?x=1", "/credits/history?kind=charge&from=2026-01-01T00:00:00Z",
	"/a#part", "/?q=100%25", "/a?q=%20b+c%C3%A9",
	"/caf%C3%A9", "/logins", "/loginx/link", "/a/login", "/v10", "/a?u=https://elsewhere.example/x", "/@name",
	"/:80", "/.well-known/x", "/a..b", "/" + strings.Repeat("a", 511),
}

var badNext = []string{
	"", "credits", "//evil", "///evil", "/\\evil", "\\\\evil", "\\/evil", "/a\\b", "http:", "http://evil",
	"https:evil", "javascript:alert(1)", "?x", "#x", " /credits",
	"/ credits", "/\t/evil", "/\n/evil", "/\r\nSet-Cookie: a=b", "/\x00", "/\x7f", "/café", "/\u2028", "/\xff",
	"/a//b", "/./a", "/../a", "/a/..//evil", "/a/.", "/..",
	"/%2fevil", "/%2Fevil", "/%5cevil", "/%255cevil", "/%252fevil", "/%25252f/evil", "/%2e%2e//evil", "/%2e/",
	"/%09/evil", "/a%00b", "/a%0d%0ab", "/a?b=%0d%0a",
	"/login", "/login?next=/credits", "/login/link/abc", "/logout", "/logout/", "/LOGOUT", "/%6cogin/link/abc",
	"/%256cogout", "/login%2flink", "/login#x",
	"/unsubscribe/abc", "/v1", "/v1/accounts/me", "/webhooks/stripe", "/sandbox/checkout/cs", "/static/x/app.js",
	"/healthz", "/readyz",
	"/a?b=%5c", "/a#%00", "/%", "/%zz", "/a?b=%", "/%25", "/a%25zz%255cb", "/" + strings.Repeat("a", 512),
}

func TestSafe(t *testing.T) {
	t.Parallel()
	for _, next := range goodNext {
		if got := sitepath.Safe(next); got != next {
			t.Errorf("%q became %q", next, got)
		}
	}
	for _, next := range badNext {
		if got := sitepath.Safe(next); got != "/" {
			t.Errorf("%q passed as %q", next, got)
		}
	}
}

func FuzzSafe(f *testing.F) {
	for _, next := range append(goodNext, badNext...) {
		f.Add(next)
	}
	base, err := url.Parse("https://credits.example/login/link")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := sitepath.Safe(next)
		if got != next && got != "/" {
			t.Fatalf("%q became %q, which is neither", next, got)
		}
		if again := sitepath.Safe(got); again != got {
			t.Fatalf("%q is safe but became %q", got, again)
		}
		u, err := base.Parse(got)
		if err != nil || u.Scheme != base.Scheme || u.Host != base.Host || u.User != nil {
			t.Fatalf("%q leads to %v (%v)", got, u, err)
		}
		// What browsers make of it: they drop tabs and line ends, and take a backslash for a slash.
		// And what a proxy may: decode the path.
		for seen := got; ; {
			read := strings.NewReplacer("\t", "", "\r", "", "\n", "", "\\", "/").Replace(seen)
			if read != seen || strings.HasPrefix(read, "//") || !strings.HasPrefix(read, "/") || len(read) > 512 {
				t.Fatalf("%q can be read as %q", got, read)
			}
			at := strings.IndexAny(seen, "?#")
			if at < 0 {
				at = len(seen)
			}
			decoded, err := url.PathUnescape(seen[:at])
			if err != nil {
				t.Fatalf("%q does not decode: %v", got, err)
			}
			if decoded == seen[:at] {
				break
			}
			seen = decoded
		}
	})
}
