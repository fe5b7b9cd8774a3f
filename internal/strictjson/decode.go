package strictjson

import (
	"encoding"
	"reflect"
	"strconv"
	"unicode/utf8"

	"pop.store/credits/internal/plaintext"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// maxPairName bounds the names of a map, in characters.
const maxPairName = 100

// decoder fills Go values in one pass over the body.
type decoder struct{ scanner }

func (d *decoder) value(target reflect.Value, s *shape) *fault {
	if s.optional {
		fresh := reflect.New(s.typ)
		target.Set(fresh)
		target = fresh.Elem()
	}
	switch s.form {
	case formInt:
		return d.int(target)
	case formBool:
		return d.bool(target)
	case formObject:
		if f := d.want(object, "an object"); f != nil {
			return f
		}
		return d.object(target, s)
	case formPairs:
		return d.pairs(target, s)
	case formList:
		return d.list(target, s)
	case formNullable:
		return d.nullable(target, s)
	default:
		return d.worded(target, s)
	}
}

// want refuses any value but one of the wanted kind. Null is refused everywhere but in a Nullable:
// an absent field says the same, and a reader cannot tell whether null means "leave it" or "clear
// it".
func (d *decoder) want(wanted what, description string) *fault {
	switch found := d.peek(); found {
	case wanted:
		return nil
	case nothing, junk:
		return d.unexpected()
	case null:
		return invalid("must not be null: leave it out instead")
	default:
		return invalid("must be %s, not %s", description, found)
	}
}

func (d *decoder) nullable(target reflect.Value, s *shape) *fault {
	target.Field(givenIndex).SetBool(true)
	if d.peek() == null {
		return d.literal("null")
	}
	return d.value(target.Field(valueIndex), s.item)
}

func (d *decoder) object(target reflect.Value, s *shape) *fault {
	d.pos++
	var seen uint64
	for first := true; ; first = false {
		more, f := d.more(first, '}')
		if !more {
			return f
		}
		key, f := d.key()
		if f != nil {
			return f
		}
		i := s.find(key)
		if i < 0 {
			return (&fault{
				kind: problem.Unprocessable,
				code: "unknown_field",
				text: "is not a known field",
			}).in(shown(key))
		}
		field := &s.fields[i]
		if seen&(1<<i) != 0 {
			return twice().in(field.name)
		}
		seen |= 1 << i
		if f := d.value(target.FieldByIndex(field.index), field.shape); f != nil {
			return f.in(field.name)
		}
	}
}

// find looks a name up, exactly as written: objects here are small, and a walk beats a map.
func (s *shape) find(name []byte) int {
	for i := range s.fields {
		if s.fields[i].name == string(name) {
			return i
		}
	}
	return -1
}

func (d *decoder) list(target reflect.Value, s *shape) *fault {
	if f := d.want(array, "an array"); f != nil {
		return f
	}
	d.pos++
	target.Set(reflect.MakeSlice(s.typ, 0, 0))
	for i := 0; ; i++ {
		more, f := d.more(i == 0, ']')
		if !more {
			return f
		}
		if i == s.maxItems {
			return invalid("must have at most %d items", s.maxItems)
		}
		if i == target.Cap() {
			target.Grow(1)
		}
		target.SetLen(i + 1)
		if f := d.value(target.Index(i), s.item); f != nil {
			return f.at(i)
		}
	}
}

// pairs reads a map[string]string, the metadata of a request.
func (d *decoder) pairs(target reflect.Value, s *shape) *fault {
	if f := d.want(object, "an object"); f != nil {
		return f
	}
	d.pos++
	found := map[string]string{}
	for first := true; ; first = false {
		more, f := d.more(first, '}')
		if !more {
			target.Set(reflect.ValueOf(found).Convert(s.typ))
			return f
		}
		key, f := d.key()
		if f != nil {
			return f
		}
		if _, ok := found[string(key)]; ok {
			return twice().in(shown(key))
		}
		if len(found) == s.maxItems {
			return invalid("must have at most %d entries", s.maxItems)
		}
		if len(key) == 0 {
			return invalid("must not have an empty name")
		}
		if f := proper(key, maxPairName); f != nil {
			return invalid("has a name that %s", f.text)
		}
		name := string(key)
		value, f := d.words(s.max)
		if f != nil {
			return f.in(shown([]byte(name)))
		}
		found[name] = string(value)
	}
}

func (d *decoder) bool(target reflect.Value) *fault {
	if f := d.want(boolean, "true or false"); f != nil {
		return f
	}
	b, f := d.boolean()
	if f != nil {
		return f
	}
	target.SetBool(b)
	return nil
}

// int reads a whole number written as such: 1e3 and 1.0 are whole too, but only to some readers.
func (d *decoder) int(target reflect.Value) *fault {
	if f := d.want(number, "a whole number"); f != nil {
		return f
	}
	digits, whole, f := d.number()
	if f != nil {
		return f
	}
	if !whole {
		return invalid("must be a whole number, written with digits only")
	}
	n, err := strconv.ParseInt(string(digits), 10, target.Type().Bits())
	if err != nil {
		return invalid("is out of range")
	}
	target.SetInt(n)
	return nil
}

// worded reads the types that are strings in JSON.
func (d *decoder) worded(target reflect.Value, s *shape) *fault {
	if s.form == formAmount {
		if f := d.want(text, `a string such as "0.05"`); f != nil {
			return f
		}
	}
	value, f := d.words(s.max)
	if f != nil {
		return f
	}
	switch s.form {
	case formAmount:
		amount, err := tokens.Parse(string(value))
		if err != nil {
			return invalid("%s", err)
		}
		target.SetInt(int64(amount))
	case formTime:
		// encoding/json gives time.Time the text as it stands, with its escapes, which then is no time.
		if err := unmarshal(target, value); err != nil || d.escapes {
			return invalid("must be a time such as %q", "2026-01-31T09:30:00Z")
		}
	case formUnmarshaler:
		if err := unmarshal(target, value); err != nil {
			return invalid("is not in the right form")
		}
	default:
		target.SetString(string(value))
	}
	return nil
}

func unmarshal(target reflect.Value, value []byte) error {
	return target.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(value)
}

// words reads a string that a person may have written, by the rule of plaintext, and not too long.
func (d *decoder) words(most int) ([]byte, *fault) {
	if f := d.want(text, "a string"); f != nil {
		return nil, f
	}
	value, f := d.text()
	if f != nil {
		return nil, f
	}
	return value, proper(value, most)
}

func proper(value []byte, most int) *fault {
	runes, ascii := 0, true
	for i := 0; i < len(value); runes++ {
		r, size := rune(value[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(value[i:])
			ascii = false
		}
		if isControl(r) && r != '\n' && r != '\t' {
			return invalid("must not contain control characters")
		}
		i += size
	}
	if !ascii && !plaintext.Valid(string(value)) {
		return invalid("must not contain invisible characters that change what others show")
	}
	if runes > most {
		return invalid("must be at most %d characters long", most)
	}
	return nil
}

// isControl is unicode.IsControl: the characters of C0 and C1, and DEL.
func isControl(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }
