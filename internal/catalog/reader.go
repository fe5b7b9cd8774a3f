package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"pop.store/credits/internal/plaintext"
	"pop.store/credits/internal/tokens"
)

// maxDepth is the deepest nesting that is accepted.
const maxDepth = 12

// reader reads typed values from YAML nodes. It collects all errors; an invalid value is reported and read
// as zero.
type reader struct {
	file   string
	errors []Finding
}

func (r *reader) fail(line int, format string, args ...any) {
	if len(r.errors) > 100*maxFindings {
		return // more are of no use
	}
	r.errors = append(r.errors, Finding{
		File:   r.file,
		Line:   line,
		Reason: fmt.Sprintf(format, args...),
	})
}

// document reads the only YAML document of a text; nil if it cannot be read.
func (r *reader) document(text []byte) *yaml.Node {
	if line := unreadable(text); line > 0 {
		r.fail(line, "must be UTF-8 text without control characters")
		return nil
	}
	doc, second, err := decode(text)
	if err != nil {
		r.failSyntax(text, err)
		return nil
	}
	if second != nil {
		r.fail(second.Line, "a second document: the file must have one")
	}
	if len(doc.Content) != 1 {
		r.fail(1, "is empty")
		return nil
	}
	if !r.plain(doc.Content[0], 0) {
		return nil
	}
	return doc.Content[0]
}

// unreadable is the line of the first byte that is not valid text; 0 if there is none.
func unreadable(text []byte) int {
	line := 1
	for len(text) > 0 {
		char, size := utf8.DecodeRune(text)
		if (char == utf8.RuneError && size == 1) ||
			(unicode.IsControl(char) && char != '\n' && char != '\r' && char != '\t') {
			return line
		}
		if char == '\n' {
			line++
		}
		text = text[size:]
	}
	return 0
}

// decode reads the first document, and the second one if there is one.
func decode(text []byte) (doc yaml.Node, second *yaml.Node, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return doc, nil, err
	}
	var next yaml.Node
	if err := decoder.Decode(&next); errors.Is(err, io.EOF) {
		return doc, nil, nil
	} else if err != nil {
		return doc, nil, err
	}
	return doc, &next, nil
}

var yamlPrefix = regexp.MustCompile(`^yaml: (?:line \d+: )?`)

// failSyntax reports an error of the YAML parser. The parser names the line where the enclosing block
// starts. The line of the error is the first one up to which the text fails in the same way.
func (r *reader) failSyntax(text []byte, err error) {
	lines := bytes.SplitAfter(text, []byte("\n"))
	failing := sort.Search(len(lines)-1, func(i int) bool {
		_, _, other := decode(bytes.Join(lines[:i+1], nil))
		return other != nil && other.Error() == err.Error()
	})
	r.fail(failing+1, "is not YAML: %s",
		strings.Join(strings.Fields(yamlPrefix.ReplaceAllString(err.Error(), "")), " "))
}

// plain refuses anchors, aliases, tags and deep nesting. It returns false if the nodes are too deep to
// continue.
func (r *reader) plain(n *yaml.Node, depth int) bool {
	if depth > maxDepth {
		r.fail(n.Line, "is nested too deeply")
		return false
	}
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		r.fail(n.Line, "anchors and aliases are not allowed")
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.fail(n.Line, "tags such as %.20q are not allowed", n.Tag)
	}
	for _, child := range n.Content {
		if !r.plain(child, depth+1) {
			return false
		}
	}
	return true
}

// object is a YAML mapping whose fields are read one by one.
type object struct {
	*reader
	line   int
	fields map[string]*yaml.Node // nil: not a mapping, which was reported
}

// object opens a mapping; what names it in errors: "a plan". Unknown and repeated fields are
// errors.
func (r *reader) object(n *yaml.Node, what string, known ...string) object {
	if n.Kind != yaml.MappingNode {
		r.failType(n, what, "must be fields with values")
		return object{reader: r, line: n.Line}
	}
	o, lines := object{
		reader: r,
		line:   n.Line,
		fields: map[string]*yaml.Node{},
	}, map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode || !slices.Contains(known, key.Value):
			r.fail(key.Line, "unknown field %s in %s; it can have %s", quote(key.Value), what,
				strings.Join(known, ", "))
		case lines[key.Value] > 0:
			r.fail(key.Line, "%s is there twice: first at line %d", key.Value, lines[key.Value])
		default:
			o.fields[key.Value], lines[key.Value] = value, key.Line
		}
	}
	return o
}

// failType reports a node of the wrong kind. Aliases are already reported.
func (r *reader) failType(n *yaml.Node, name, must string) {
	if n.Kind != yaml.AliasNode {
		r.fail(n.Line, "%s %s", name, must)
	}
}

// quote shortens and quotes a value of the file.
func quote(s string) string { return fmt.Sprintf("%.40q", s) }

// has reports whether the field is present.
func (o object) has(name string) bool { return o.fields[name] != nil }

// lineOf is the line of the field's value, or of the object if the field is missing.
func (o object) lineOf(name string) int {
	if n := o.fields[name]; n != nil {
		return n.Line
	}
	return o.line
}

// needs reports missing fields.
func (o object) needs(names ...string) {
	for _, name := range names {
		if !o.has(name) && o.fields != nil {
			o.fail(o.line, "%s is missing", name)
		}
	}
}

// scalar returns the node of a plain value; nil if it is missing or was reported as wrong.
func (o object) scalar(name, must string) *yaml.Node {
	n := o.fields[name]
	if n == nil {
		return nil
	}
	if n.Kind != yaml.ScalarNode {
		o.failType(n, name, must)
		return nil
	}
	if n.ShortTag() == "!!null" {
		o.fail(n.Line, "%s is empty", name)
		return nil
	}
	return n
}

// text reads a text of at most so many visible characters.
func (o object) text(name string, most int) string {
	const must = "must be text: put it in quotes"
	n := o.scalar(name, must)
	if n == nil {
		return ""
	}
	switch s := n.Value; {
	case n.ShortTag() != "!!str":
		o.fail(n.Line, "%s %s", name, must)
	case strings.TrimSpace(s) == "":
		o.fail(n.Line, "%s is empty", name)
	case strings.TrimSpace(s) != s:
		o.fail(n.Line, "%s must not begin or end with a space", name)
	case utf8.RuneCountInString(s) > most:
		o.fail(n.Line, "%s must have at most %d characters", name, most)
	case !plaintext.OneLine(s):
		o.fail(n.Line, "%s must be one line without control characters", name)
	default:
		return s
	}
	return ""
}

var idSyntax = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)

// id reads an identifier in the syntax of the API.
func (o object) id(name string) string {
	s := o.text(name, maxURL)
	if s != "" && !idSyntax.MatchString(s) {
		o.fail(o.lineOf(name), "%s must be 1 to 64 of A-Za-z0-9_-.:, not %s", name, quote(s))
		return ""
	}
	return s
}

// oneOf reads one of the values; the first one if the field is missing.
func (o object) oneOf(name string, values ...string) string {
	must := "must be " + strings.Join(values[:len(values)-1], ", ") + " or " + values[len(values)-1]
	n := o.scalar(name, must)
	if n == nil {
		return values[0]
	}
	if !slices.Contains(values, n.Value) {
		o.fail(n.Line, "%s %s, not %s", name, must, quote(n.Value))
		return values[0]
	}
	return n.Value
}

// flag reads true or false; false if the field is missing.
func (o object) flag(name string) bool {
	const must = "must be true or false"
	n := o.scalar(name, must)
	if n != nil && (n.ShortTag() != "!!bool" || (n.Value != "true" && n.Value != "false")) {
		o.fail(n.Line, "%s %s, not %s", name, must, quote(n.Value))
		return false
	}
	return n != nil && n.Value == "true"
}

// number reads a whole number between least and most; otherwise if the field is missing.
func (o object) number(name string, least, most, otherwise int) int {
	must := fmt.Sprintf("must be a whole number from %d to %d", least, most)
	n := o.scalar(name, must)
	if n == nil {
		return otherwise
	}
	a, err := tokens.Parse(n.Value) // it accepts no signs, exponents or leading zeros
	if err != nil || strings.Contains(n.Value, ".") || a < tokens.Amount(least)*tokens.One ||
		a > tokens.Amount(most)*tokens.One {
		o.fail(n.Line, "%s %s, not %s", name, must, quote(n.Value))
		return otherwise
	}
	return int(a / tokens.One)
}

// maxAmount is the largest amount of a catalog. A percentage of it cannot overflow.
const maxAmount = 1_000_000_000 * tokens.One

// amount reads a number of tokens that is not negative.
func (o object) amount(name string) (tokens.Amount, bool) {
	n := o.scalar(name, tokens.ErrSyntax.Error())
	if n == nil {
		return 0, false
	}
	a, err := tokens.Parse(n.Value)
	switch {
	case errors.Is(err, tokens.ErrRange) || a > maxAmount:
		o.fail(n.Line, "%s must be at most %s tokens", name, maxAmount)
	case err != nil:
		o.fail(n.Line, "%s %s, not %s", name, err, quote(n.Value))
	case a < 0:
		o.fail(n.Line, "%s must not be negative", name)
	default:
		return a, true
	}
	return 0, false
}

// instant reads an RFC 3339 time in whole seconds and returns it in UTC.
func (o object) instant(name string) (time.Time, bool) {
	const must = "must be a date and time with a time zone, such as 2027-01-01T00:00:00Z"
	n := o.scalar(name, must)
	if n == nil {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, n.Value)
	at = at.UTC()
	switch {
	case err != nil:
		o.fail(n.Line, "%s %s, not %s", name, must, quote(n.Value))
	case at.Nanosecond() != 0:
		o.fail(n.Line, "%s must be a whole second", name)
	case at.Year() < 2000 || at.Year() >= 2200:
		o.fail(n.Line, "%s must be between the years 2000 and 2199", name)
	default:
		return at, true
	}
	return time.Time{}, false
}

// list reads a list. Items beyond most are reported and left out.
func (o object) list(name string, least, most int) []*yaml.Node {
	n := o.fields[name]
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		o.failType(n, name, "must be a list")
		return nil
	}
	if len(n.Content) < least {
		o.fail(n.Line, "%s is an empty list", name)
	}
	if len(n.Content) > most {
		o.fail(n.Content[most].Line, "%s has %d items: at most %d are allowed", name, len(n.Content), most)
		return n.Content[:most]
	}
	return n.Content
}
