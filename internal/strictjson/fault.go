package strictjson

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"pop.store/credits/internal/problem"
)

// longestName is how much of a name that a caller made up is repeated to the caller.
const longestName = 64

// fault is what is wrong with a body. The path is collected from the inside out while the decoder
// returns, so that a body without a fault pays nothing for it.
type fault struct {
	kind  problem.Kind
	code  string
	text  string // follows the field: "must be ..."
	whole string // the whole message, for the few faults that are not about one field
	path  []string
}

// unreadable is a fault of syntax.
func unreadable(format string, args ...any) *fault {
	return &fault{kind: problem.Malformed, text: fmt.Sprintf(format, args...)}
}

// invalid is a value that can be read but makes no sense where it is.
func invalid(format string, args ...any) *fault {
	return &fault{
		kind: problem.Unprocessable,
		code: "invalid_field",
		text: fmt.Sprintf(format, args...),
	}
}

// in says that the fault is inside the field called name.
func (f *fault) in(name string) *fault {
	f.path = append(f.path, name)
	return f
}

// at says that the fault is inside item i of a list.
func (f *fault) at(i int) *fault {
	return f.in("[" + strconv.Itoa(i) + "]")
}

// field is the path from the outside in.
func (f *fault) field() string {
	var b strings.Builder
	for i := len(f.path) - 1; i >= 0; i-- {
		if b.Len() > 0 && f.path[i][0] != '[' {
			b.WriteByte('.')
		}
		b.WriteString(f.path[i])
	}
	return b.String()
}

func (f *fault) problem() *problem.Error {
	path := f.field()
	e := &problem.Error{
		Kind:    f.kind,
		Code:    f.code,
		Field:   path,
		Message: f.whole,
	}
	if f.kind == problem.Malformed {
		e.Code = "invalid_json"
	}
	switch {
	case e.Message != "":
	case f.kind != problem.Malformed:
		e.Message = path + " " + f.text + "."
	case path == "":
		e.Message = "The body is not valid JSON: " + f.text + "."
	default:
		e.Message = "The body is not valid JSON: at " + path + ", " + f.text + "."
	}
	return e
}

// shown makes a name that came with the body fit to stand in a message: short, and printable.
func shown(name []byte) string {
	clean := make([]byte, 0, min(len(name), 4*longestName))
	runes := 0
	for len(name) > 0 {
		if runes == longestName {
			return string(clean) + "…"
		}
		r, size := utf8.DecodeRune(name)
		if !unicode.IsPrint(r) {
			r = '?'
		}
		clean = utf8.AppendRune(clean, r)
		name, runes = name[size:], runes+1
	}
	if runes == 0 {
		return `""`
	}
	return string(clean)
}
