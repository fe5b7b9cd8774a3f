package ledgertest

import (
	"strings"
	"testing"
)

// The cutter finds a COMMIT however the bytes are cut up, and nothing else.
func TestTheCutterFindsCommits(t *testing.T) {
	t.Parallel()
	text := func(parts ...string) []byte { return []byte(strings.Join(parts, "\x00") + "\x00") }
	c := &cutConn{commits: map[string]bool{}}
	for _, m := range []struct {
		kind byte
		body []byte
		want bool
	}{
		{'P', text("s1", "insert into entries values ('commit')", ""), false},
		{'P', text("s2", "commit", ""), false},
		{'B', text("", "s1", "commit"), false},
		{'B', text("", "s2", ""), true},
		{'P', text("s2", "begin", ""), false},
		{'B', text("", "s2", ""), false},
		{'Q', text(" COMMIT "), true},
		{'Q', text("select 'commit'"), false},
		{'S', nil, false},
	} {
		if got := c.isCommit(m.kind, m.body); got != m.want {
			t.Errorf("%c %q: %v", m.kind, m.body, got)
		}
	}
	whole := append([]byte{'C', 0, 0, 0, 11}, "COMMIT\x00Z"...)
	for n := range whole {
		kind, body, rest, ok := firstMessage(whole[:n], true)
		if ok != (n >= 12) || (ok && (kind != 'C' || string(body) != "COMMIT\x00" || len(rest) != n-12)) {
			t.Errorf("%d bytes: %c %q %q %v", n, kind, body, rest, ok)
		}
	}
}
