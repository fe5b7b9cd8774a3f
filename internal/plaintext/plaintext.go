// Package plaintext checks texts that people and services write: ids, names, reasons, references,
// metadata. It accepts every script and emoji, and refuses characters that make a text look
// different from what it is.
package plaintext

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Valid reports whether a text of one or more lines is UTF-8 without dangerous characters. Tabs and
// line feeds are accepted.
func Valid(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	ok := true
	eachRune(s, func(r rune, dangerous bool) { ok = ok && (!dangerous || r == '\n' || r == '\t') })
	return ok
}

// OneLine is Valid for one line without tabs, such as a name.
func OneLine(s string) bool { return Valid(s) && !strings.ContainsAny(s, "\n\t") }

// What callers are told about a text that is refused. NameRule is a format for MaxName.
const (
	IDRule   = `must be 1 to 64 of A-Za-z0-9_-.: and not "me", "." or ".."`
	NameRule = "must be at most %d printable characters"
)

// MaxName is the length of the longest name of an account or agent, in characters.
const MaxName = 200

// Name says whether s may be the name of an account or agent: one line of at most MaxName characters.
func Name(s string) bool { return utf8.RuneCountInString(s) <= MaxName && OneLine(s) }

var idSyntax = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)

// ID says whether a host may use s as the id of an account or agent: 1 to 64 of A-Za-z0-9_-.: and
// not "me", "." or "..", which have a meaning in paths.
func ID(s string) bool { return idSyntax.MatchString(s) && s != "me" && s != "." && s != ".." }

// Clean replaces each dangerous character, line feeds and tabs included, with a space.
func Clean(s string) string {
	var b strings.Builder
	eachRune(strings.ToValidUTF8(s, " "), func(r rune, dangerous bool) {
		if dangerous {
			r = ' '
		}
		b.WriteRune(r)
	})
	return b.String()
}

// Tag characters after a black flag spell a region, as in the flag of Scotland.
const (
	blackFlag = '\U0001F3F4'
	firstTag  = '\U000E0020'
	lastTag   = '\U000E007E'
	endTag    = '\U000E007F'
)

// eachRune calls see for each character and reports whether it is dangerous at its position.
func eachRune(s string, see func(r rune, dangerous bool)) {
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

// regionLength is the length in bytes of the region tags that s starts with; 0 if there are none or
// they have no end.
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

// allowedInvisible are the invisible characters that scripts and emoji need: joiners, direction
// marks that reorder nothing, soft hyphen and word joiner.
var allowedInvisible = []rune{'\u00ad', '\u061c', '\u200c', '\u200d', '\u200e', '\u200f', '\u2060'}

// dangerous reports whether a character is invisible and changes what is visible: control characters,
// line and paragraph separators, direction overrides, and other format characters.
func dangerous(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	if !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) ||
		unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
		return false
	}
	for _, n := range allowedInvisible {
		if r == n {
			return false
		}
	}
	return true
}
