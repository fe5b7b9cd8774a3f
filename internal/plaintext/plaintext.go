// Package plaintext is the one rule for texts that people and services write: names, reasons,
// references, metadata. It passes what every script and every emoji needs, and refuses what shows a
// reader something else than what is there.
package plaintext

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Valid says whether a text, of one or several lines, is valid UTF-8 and without dangerous
// characters. Tabs and line feeds are fine.
func Valid(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	ok := true
	walk(s, func(r rune, dangerous bool) { ok = ok && (!dangerous || r == '\n' || r == '\t') })
	return ok
}

// OneLine says whether a text is valid and one line without tabs, as a name is.
func OneLine(s string) bool { return Valid(s) && !strings.ContainsAny(s, "\n\t") }

// Clean puts a space in the place of each dangerous character, line feeds and tabs included.
func Clean(s string) string {
	var b strings.Builder
	walk(strings.ToValidUTF8(s, " "), func(r rune, dangerous bool) {
		if dangerous {
			r = ' '
		}
		b.WriteRune(r)
	})
	return b.String()
}

// Bounds of the characters that spell the name of a region behind a black flag, as in the flag of Scotland.
const (
	blackFlag = '\U0001F3F4'
	firstTag  = '\U000E0020'
	lastTag   = '\U000E007E'
	endTag    = '\U000E007F'
)

// walk calls see with each character, and whether it is dangerous where it stands.
func walk(s string, see func(r rune, dangerous bool)) {
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		see(r, dangerous(r))
		if r != blackFlag {
			continue
		}
		for n := regionLength(s); n > 0; {
			tag, size := utf8.DecodeRuneInString(s)
			see(tag, false)
			s, n = s[size:], n-size
		}
	}
}

// regionLength is how many bytes the name of a region takes that a text begins with; 0 when there
// is none, or its end is missing.
func regionLength(s string) int {
	for i, r := range s {
		switch {
		case r == endTag && i > 0:
			return i + utf8.RuneLen(endTag)
		case r < firstTag || r > lastTag:
			return 0
		}
	}
	return 0
}

// needed are the invisible characters that scripts and emoji are written with: joiners, the marks
// of direction, which turn nothing around, the soft hyphen and the word joiner.
var needed = []rune{'\u00ad', '\u061c', '\u200c', '\u200d', '\u200e', '\u200f', '\u2060'}

// dangerous says whether a character cannot be seen and changes what can: control characters, line
// and paragraph separators, what embeds, overrides or isolates the direction of a text, and other
// format characters.
func dangerous(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	if !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) ||
		unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
		return false
	}
	for _, n := range needed {
		if r == n {
			return false
		}
	}
	return true
}
