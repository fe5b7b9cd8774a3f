package strictjson

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pop.store/credits/internal/tokens"
)

const (
	defaultMaxText  = 1000
	defaultMaxList  = 1000
	defaultMaxPairs = 20
	// maxFields is how many fields of one object fit into the set of those seen, a uint64.
	maxFields = 64
)

// form is how a value is decoded.
type form uint8

const (
	formText form = iota
	formInt
	formBool
	formAmount
	formTime
	formUnmarshaler
	formObject
	formPairs
	formList
	formNullable
)

// shape is what is known about a Go type before a body is read. It is made once per type.
type shape struct {
	form     form
	typ      reflect.Type
	optional bool   // a pointer to typ
	max      int    // characters of a text
	maxItems int    // items of a list or map
	item     *shape // of a list, or of what may be null
	fields   []field
}

type field struct {
	name  string
	index []int
	shape *shape
}

var (
	amountType          = reflect.TypeFor[tokens.Amount]()
	timeType            = reflect.TypeFor[time.Time]()
	pairsType           = reflect.TypeFor[map[string]string]()
	nullableType        = reflect.TypeFor[nullable]()
	unmarshalerType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonUnmarshalerType = reflect.TypeFor[json.Unmarshaler]()

	shapes sync.Map // reflect.Type of a struct -> *shape
)

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	root := build(t, "", 1)
	if root.form != formObject {
		unsupported(t, "reads text, not an object")
	}
	s, _ := shapes.LoadOrStore(t, root)
	return s.(*shape)
}

// build makes the shape of a type; level is the depth that an object or array of it has. A type
// that could take in more than MaxDepth levels is refused here, so that the decoder need not count.
func build(t reflect.Type, tag reflect.StructTag, level int) *shape {
	s := &shape{typ: t, max: limit(tag, "max", defaultMaxText)}
	if t.Kind() == reflect.Pointer {
		s.typ, s.optional = t.Elem(), true
	}
	if form, ok := scalarForm(s.typ); ok {
		s.form = form
		return s
	}
	s.addItems(t, tag, level)
	return s
}

// scalarForm is the form of a type that is read from one string, number or boolean.
func scalarForm(t reflect.Type) (form, bool) {
	switch kind := t.Kind(); {
	case t == amountType:
		return formAmount, true
	case t == timeType:
		return formTime, true
	case t.Implements(nullableType):
		return 0, false
	case reflect.PointerTo(t).Implements(jsonUnmarshalerType):
		unsupported(t, "reads JSON itself, and nothing is known about how strictly")
		return 0, false
	case reflect.PointerTo(t).Implements(unmarshalerType):
		return formUnmarshaler, true
	case kind == reflect.String:
		return formText, true
	case reflect.Int <= kind && kind <= reflect.Int64:
		return formInt, true
	case kind == reflect.Bool:
		return formBool, true
	default:
		return 0, false
	}
}

// addItems sets the form of an object, map, list or nullable value, and builds what it contains.
func (s *shape) addItems(t reflect.Type, tag reflect.StructTag, level int) {
	switch kind := s.typ.Kind(); {
	case s.typ.Implements(nullableType):
		s.form = formNullable
		s.item = build(s.typ.Field(valueIndex).Type, tag, level)
	case level > MaxDepth && (kind == reflect.Struct || kind == reflect.Map || kind == reflect.Slice):
		unsupported(t, "is nested too deeply")
	case kind == reflect.Struct:
		s.form = formObject
		s.addFields(s.typ, nil, level)
	case s.typ.ConvertibleTo(pairsType) && kind == reflect.Map:
		s.form, s.maxItems = formPairs, limit(tag, "maxitems", defaultMaxPairs)
	case kind == reflect.Slice && s.typ.Elem().Kind() != reflect.Uint8:
		s.form, s.maxItems = formList, limit(tag, "maxitems", defaultMaxList)
		s.item = build(s.typ.Elem(), tag, level+1)
	default:
		unsupported(t, "cannot be decoded")
	}
}

// addFields adds the fields of struct t, which is reached by the index prefix, and those of its
// embedded structs.
func (s *shape) addFields(t reflect.Type, prefix []int, level int) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		index := slices.Concat(prefix, []int{i})
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			s.addFields(f.Type, index, level)
			continue
		}
		if name == "-" && options == "" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if f.Anonymous || strings.Contains(options, "string") {
			unsupported(t, "has a field "+f.Name+" of a sort that cannot be decoded")
		}
		if name == "" {
			name = f.Name
		}
		for _, other := range s.fields {
			if strings.EqualFold(other.name, name) {
				unsupported(t, "has two fields "+name)
			}
		}
		s.fields = append(s.fields, field{
			name:  name,
			index: index,
			shape: build(f.Type, f.Tag, level+1),
		})
	}
	if len(s.fields) > maxFields {
		unsupported(t, "has too many fields")
	}
}

func limit(tag reflect.StructTag, key string, otherwise int) int {
	value, ok := tag.Lookup(key)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		panic(fmt.Sprintf("strictjson: tag %s:%q is not a number above 0", key, value))
	}
	return n
}

func unsupported(t reflect.Type, why string) {
	panic(fmt.Sprintf("strictjson: type %s %s", t, why))
}
