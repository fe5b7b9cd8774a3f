package strictjson

import (
	"unicode/utf16"
	"unicode/utf8"
)

// what is the kind of a JSON value, known from its first byte.
type what uint8

const (
	nothing what = iota
	junk
	object
	array
	text
	number
	boolean
	null
)

// String names the kind for a message: "not a number".
func (w what) String() string {
	return [...]string{"nothing", "junk", "an object", "an array", "a string", "a number", "true or false", "null"}[w]
}

// scanner reads the tokens of RFC 8259 from a body, and no more than those: it knows no types.
type scanner struct {
	body    []byte
	pos     int
	scratch []byte // the last text that had escapes
	escapes bool   // the last text had escapes
}

// peek skips white space and says what begins there.
func (s *scanner) peek() what {
	s.space()
	if s.pos == len(s.body) {
		return nothing
	}
	switch c := s.body[s.pos]; c {
	case '{':
		return object
	case '[':
		return array
	case '"':
		return text
	case 't', 'f':
		return boolean
	case 'n':
		return null
	default:
		if c == '-' || isDigit(c) {
			return number
		}
		return junk
	}
}

func (s *scanner) space() {
	for s.pos < len(s.body) {
		switch s.body[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// take skips white space and then c, if c is there.
func (s *scanner) take(c byte) bool {
	s.space()
	if s.pos < len(s.body) && s.body[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// unexpected is the fault of the byte at hand. The byte is not shown when it is not plain ASCII.
func (s *scanner) unexpected() *fault {
	if s.pos >= len(s.body) {
		return unreadable("it ends too early")
	}
	if c := s.body[s.pos]; c > ' ' && c < utf8.RuneSelf-1 {
		return unreadable("unexpected %q at byte %d", c, s.pos+1)
	}
	return unreadable("unexpected byte 0x%02x at byte %d", s.body[s.pos], s.pos+1)
}

// end wants nothing but white space up to the end of the body.
func (s *scanner) end() *fault {
	if s.peek() == nothing {
		return nil
	}
	return unreadable("something follows the object at byte %d", s.pos+1)
}

// more steps through the items of an object or array, whose opening byte has been read: it says
// whether another item follows, and reads the comma before it or the closing byte.
func (s *scanner) more(first bool, closing byte) (bool, *fault) {
	if s.take(closing) {
		return false, nil
	}
	if !first && !s.take(',') {
		return false, s.unexpected()
	}
	return true, nil
}

// key reads a member's name and the colon. The bytes are good until the next text is read.
func (s *scanner) key() ([]byte, *fault) {
	if s.peek() != text {
		return nil, s.unexpected()
	}
	name, f := s.text()
	if f != nil {
		return nil, f
	}
	if !s.take(':') {
		return nil, s.unexpected()
	}
	return name, nil
}

// literal reads true, false or null.
func (s *scanner) literal(word string) *fault {
	for i := range len(word) {
		if s.pos == len(s.body) || s.body[s.pos] != word[i] {
			return s.unexpected()
		}
		s.pos++
	}
	return nil
}

func (s *scanner) boolean() (bool, *fault) {
	if s.body[s.pos] == 't' {
		return true, s.literal("true")
	}
	return false, s.literal("false")
}

// number reads a number by the grammar of JSON and gives its bytes; whole says that it has neither
// fraction nor exponent, and is not -0.
func (s *scanner) number() (digits []byte, whole bool, f *fault) {
	start := s.pos
	negative := s.body[s.pos] == '-'
	if negative {
		s.pos++
	}
	first := s.pos
	if !s.digits() {
		return nil, false, s.unexpected()
	}
	zero := s.body[first] == '0'
	if zero && s.pos-first > 1 {
		return nil, false, unreadable("a number starts with 0 at byte %d", start+1)
	}
	whole = !zero || !negative
	if s.pos < len(s.body) && s.body[s.pos] == '.' {
		whole = false
		s.pos++
		if !s.digits() {
			return nil, false, s.unexpected()
		}
	}
	if s.pos < len(s.body) && s.body[s.pos]|0x20 == 'e' {
		whole = false
		s.pos++
		if s.pos < len(s.body) && (s.body[s.pos] == '+' || s.body[s.pos] == '-') {
			s.pos++
		}
		if !s.digits() {
			return nil, false, s.unexpected()
		}
	}
	return s.body[start:s.pos], whole, nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.body) && isDigit(s.body[s.pos]) {
		s.pos++
	}
	return s.pos > start
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// text reads a string, whose quote is at hand. The bytes are good until the next text is read.
func (s *scanner) text() ([]byte, *fault) {
	s.pos++
	s.escapes = false
	start := s.pos
	for s.pos < len(s.body) {
		switch c := s.body[s.pos]; {
		case c == '"':
			s.pos++
			return s.body[start : s.pos-1], nil
		case c == '\\':
			return s.escaped(start)
		case ' ' <= c && c < utf8.RuneSelf:
			s.pos++
		default:
			if f := s.rune(c); f != nil {
				return nil, f
			}
		}
	}
	return nil, s.unexpected()
}

// escaped goes on with a string at its first escape, and puts it together in scratch.
func (s *scanner) escaped(start int) ([]byte, *fault) {
	s.escapes = true
	s.scratch = append(s.scratch[:0], s.body[start:s.pos]...)
	for s.pos < len(s.body) {
		switch c := s.body[s.pos]; c {
		case '"':
			s.pos++
			return s.scratch, nil
		case '\\':
			if f := s.escape(); f != nil {
				return nil, f
			}
		default:
			before := s.pos
			if f := s.rune(c); f != nil {
				return nil, f
			}
			s.scratch = append(s.scratch, s.body[before:s.pos]...)
		}
	}
	return nil, s.unexpected()
}

// rune steps over one character inside a string.
func (s *scanner) rune(c byte) *fault {
	if c < ' ' {
		return unreadable("a control character stands in a string at byte %d", s.pos+1)
	}
	if c < utf8.RuneSelf {
		s.pos++
		return nil
	}
	if r, size := utf8.DecodeRune(s.body[s.pos:]); r != utf8.RuneError || size > 1 {
		s.pos += size
		return nil
	}
	return unreadable("byte %d is not valid UTF-8", s.pos+1)
}

// escape reads one escape sequence, or the two of a surrogate pair, into scratch.
func (s *scanner) escape() *fault {
	at := s.pos + 1
	if at == len(s.body) {
		s.pos = at
		return s.unexpected()
	}
	s.pos += 2
	switch c := s.body[at]; c {
	case '"', '\\', '/':
		s.scratch = append(s.scratch, c)
	case 'b':
		s.scratch = append(s.scratch, '\b')
	case 'f':
		s.scratch = append(s.scratch, '\f')
	case 'n':
		s.scratch = append(s.scratch, '\n')
	case 'r':
		s.scratch = append(s.scratch, '\r')
	case 't':
		s.scratch = append(s.scratch, '\t')
	case 'u':
		return s.unicode(at)
	default:
		s.pos = at
		return s.unexpected()
	}
	return nil
}

// unicode reads what follows \u. Half a surrogate pair is no character: other decoders replace it,
// each in its way.
func (s *scanner) unicode(at int) *fault {
	r, ok := s.hex()
	if !ok {
		return s.unexpected()
	}
	if r == 0 {
		return unreadable("a NUL character stands in a string at byte %d", at)
	}
	if utf16.IsSurrogate(r) {
		low := rune(0)
		if s.pos+1 < len(s.body) && s.body[s.pos] == '\\' && s.body[s.pos+1] == 'u' {
			s.pos += 2
			if low, ok = s.hex(); !ok {
				return s.unexpected()
			}
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return unreadable("half a surrogate pair stands in a string at byte %d", at)
		}
	}
	s.scratch = utf8.AppendRune(s.scratch, r)
	return nil
}

func (s *scanner) hex() (r rune, ok bool) {
	for range 4 {
		if s.pos == len(s.body) {
			return 0, false
		}
		c := s.body[s.pos]
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
		s.pos++
	}
	return r, true
}
