// Package strictjson decodes the JSON body of a request into a struct and accepts nothing that
// leaves room for two readings: no unknown or repeated field, no null, no number where an amount is
// text, no "1e3" for a count. What it accepts, encoding/json with DisallowUnknownFields decodes to
// the same value; much of what that accepts is refused.
//
// A field may be a string, an integer, a bool, a tokens.Amount, a time.Time (RFC 3339), a type with
// UnmarshalText, a struct, a slice of these, or a map[string]string; a pointer to one makes
// "absent" visible. Null is accepted for a Nullable alone. Embedded structs are flattened. Tags:
// `json:"name"`, `max:"200"` bounds a text in characters (default 1,000), `maxitems:"50"` bounds a
// list (default 1,000) or a map (default 20).
package strictjson

import (
	"bytes"
	"reflect"

	"pop.store/credits/internal/problem"
)

// Nullable is a field of which null takes away what was set: absent, null and a value are three things.
type Nullable[T any] struct {
	Given bool // the field is there
	Value *T   // nil when it is absent or null
}

func (Nullable[T]) nullable() {}

type nullable interface{ nullable() }

// The places of the fields of a Nullable.
const givenIndex, valueIndex = 0, 1

// MaxDepth is how deep objects and arrays may be nested.
const MaxDepth = 8

// Decode reads a body, which must be one JSON object, into the struct that into points to. Fields
// that are absent stay as they are. The error is always a *problem.Error: 400 "invalid_json" for
// what cannot be read, even if something else is wrong too; else 422 "unknown_field" or
// "invalid_field", with the path of the field, such as "charges[3].amount". After an error the
// struct may be filled in part. A type that cannot be decoded is a mistake in the program: a panic.
func Decode(body []byte, into any) error {
	pointer := reflect.ValueOf(into)
	if pointer.Kind() != reflect.Pointer || pointer.IsNil() || pointer.Type().Elem().Kind() != reflect.Struct {
		panic("strictjson: Decode needs a pointer to a struct")
	}
	target := pointer.Elem()
	f := decode(body, target, shapeOf(target.Type()))
	if f == nil {
		return nil
	}
	if f.kind == problem.Unprocessable {
		// Readable comes before sensible: a body that breaks off after a wrong value is a 400
		// wherever the break is.
		if unreadable := check(body); unreadable != nil {
			f = unreadable
		}
	}
	return f.problem()
}

// DecodeOptional is Decode for calls whose body may be left out: an empty body is read as {}.
func DecodeOptional(body []byte, into any) error {
	if len(bytes.Trim(body, " \t\r\n")) == 0 {
		body = []byte("{}")
	}
	return Decode(body, into)
}

func decode(body []byte, target reflect.Value, s *shape) *fault {
	d := decoder{scanner{body: body}}
	switch what := d.peek(); what {
	case nothing:
		return &fault{kind: problem.Malformed, whole: "A JSON object is needed."}
	case object:
		if f := d.object(target, s); f != nil {
			return f
		}
		return d.end()
	case junk:
		return d.unexpected()
	default:
		return &fault{kind: problem.Malformed, whole: "A JSON object is needed, not " + what.String() + "."}
	}
}
