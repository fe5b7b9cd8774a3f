package strictjson_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/strictjson"
	"pop.store/credits/internal/tokens"
)

type reference struct {
	Reference string `json:"reference"`
	Unique    *bool  `json:"unique_reference"`
}

type charge struct {
	reference
	Feature  string            `json:"feature" max:"20"`
	Quantity *int64            `json:"quantity"`
	Small    int8              `json:"small"`
	Amount   *tokens.Amount    `json:"amount"`
	Price    tokens.Amount     `json:"price,omitempty"`
	Kind     kind              `json:"kind"`
	Expires  *time.Time        `json:"expires_at"`
	Metadata map[string]string `json:"metadata" max:"10" maxitems:"3"`
	secret   string            //nolint:unused // an unexported field is no field of the body
	Skipped  string            `json:"-"`
}

type kind string

type bulk struct {
	Charges  []charge `json:"charges" maxitems:"4"`
	Accounts []string `json:"accounts" max:"3"`
	Nested   struct {
		On bool `json:"on"`
	} `json:"nested"`
}

func ptr[T any](v T) *T { return &v }

func TestDecodeReadsEveryForm(t *testing.T) {
	t.Parallel()
	body := ` { "charges" : [ {"feature":"pdf \u00e9\ud83d\ude00\n","quantity":3,"small":-128,"amount":"0.05",
		"price":"42.5","kind":"promo","expires_at":"2026-01-31T09:30:00Z","metadata":{"post":"a\tb","":""},
		"reference":"r\/1","unique_reference":false}, {} ],
		"accounts":["a","é🙂b"], "nested":{"on":true}}` + "\r\n\t "
	body = strings.Replace(body, `,"":""`, `,"x":""`, 1)
	var got bulk
	if err := strictjson.Decode([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := bulk{
		Charges: []charge{{
			reference: reference{Reference: "r/1", Unique: ptr(false)},
			Feature:   "pdf é😀\n",
			Quantity:  ptr(int64(3)),
			Small:     -128,
			Amount:    ptr(tokens.Amount(50_000)),
			Price:     42_500_000,
			Kind:      "promo",
			Expires:   ptr(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)),
			Metadata:  map[string]string{"post": "a\tb", "x": ""},
		}, {}},
		Accounts: []string{"a", "é🙂b"},
	}
	want.Nested.On = true
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAbsentFieldsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	got := charge{
		Feature:  "kept",
		Quantity: ptr(int64(7)),
		Metadata: map[string]string{"old": "1"},
	}
	quantity := got.Quantity
	if err := strictjson.Decode([]byte(`{"metadata":{"new":"2"}}`), &got); err != nil {
		t.Fatal(err)
	}
	if got.Feature != "kept" || got.Quantity != quantity ||
		!reflect.DeepEqual(got.Metadata, map[string]string{"new": "2"}) {
		t.Errorf("got %+v", got)
	}
	if err := strictjson.Decode([]byte(`{"quantity":9}`), &got); err != nil || *quantity != 7 || *got.Quantity != 9 {
		t.Errorf("a value behind a pointer was written through the old pointer: %v, %d", err, *quantity)
	}
}

// refusals has every junk case of the reliability specification, and the borders of each rule.
var refusals = []struct {
	name, body string
	kind       problem.Kind
	code       string
	field      string
	message    string // a part of it
}{
	{"empty", "", problem.Malformed, "invalid_json", "", "A JSON object is needed."},
	{"white space", " \n", problem.Malformed, "invalid_json", "", "A JSON object is needed."},
	{"array", "[]", problem.Malformed, "invalid_json", "", "A JSON object is needed, not an array."},
	{"null", "null", problem.Malformed, "invalid_json", "", "not null"},
	{"byte order mark", "\xef\xbb\xbf{}", problem.Malformed, "invalid_json", "", "byte 0xef at byte 1"},
	{"breaks off", `{"charges":[{"feature":"x"`, problem.Malformed, "invalid_json", "charges[0]", "ends too early"},
	{"breaks off in text", `{"accounts":["x`, problem.Malformed, "invalid_json", "accounts[0]", "ends too early"},
	{"breaks off in an escape", `{"accounts":["x\`, problem.Malformed, "invalid_json", "accounts[0]", "ends too early"},
	{"breaks off in \\u", `{"accounts":["x\u00`, problem.Malformed, "invalid_json", "accounts[0]", "ends too early"},
	{"trailing comma", `{"accounts":["x",]}`, problem.Malformed, "invalid_json", "accounts[1]", `unexpected ']'`},
	{"trailing comma in object", `{"accounts":[],}`, problem.Malformed, "invalid_json", "", `unexpected '}'`},
	{"missing comma", `{"accounts":["x" "y"]}`, problem.Malformed, "invalid_json", "accounts", `unexpected '"'`},
	{"missing colon", `{"accounts" []}`, problem.Malformed, "invalid_json", "", `unexpected '['`},
	{"bare name", `{accounts:[]}`, problem.Malformed, "invalid_json", "", `unexpected 'a'`},
	{"single quotes", `{'accounts':[]}`, problem.Malformed, "invalid_json", "", `unexpected '\''`},
	{"comment", `{/* */}`, problem.Malformed, "invalid_json", "", `unexpected '/'`},
	{"trailing junk", `{} x`, problem.Malformed, "invalid_json", "", "something follows the object at byte 4"},
	{"second object", `{}{}`, problem.Malformed, "invalid_json", "", "something follows"},
	{"NUL after the object", "{}\x00", problem.Malformed, "invalid_json", "", "something follows"},
	{
		"trailing junk after a wrong type", `{"accounts":1} x`, problem.Malformed, "invalid_json", "",
		"something follows",
	},
	{"duplicate", `{"accounts":[],"accounts":[]}`, problem.Malformed, "invalid_json", "accounts", "appears twice"},
	{
		"duplicate, escaped", `{"accounts":[],"\u0061ccounts":[]}`, problem.Malformed, "invalid_json", "accounts",
		"appears twice",
	},
	{
		"duplicate in an item", `{"charges":[{},{"amount":"1","amount":"2"}]}`, problem.Malformed, "invalid_json",
		"charges[1].amount", "appears twice",
	},
	{
		"duplicate flattened", `{"charges":[{"reference":"1","reference":"2"}]}`, problem.Malformed, "invalid_json",
		"charges[0].reference", "twice",
	},
	{
		"duplicate in metadata", `{"charges":[{"metadata":{"a":"1","a":"1"}}]}`, problem.Malformed, "invalid_json",
		"charges[0].metadata.a", "twice",
	},
	{"duplicate unknown", `{"x":1,"x":1}`, problem.Malformed, "invalid_json", "x", "twice"},
	{"duplicate deep in unknown", `{"x":[{"y":1,"y":2}]}`, problem.Malformed, "invalid_json", "x[0].y", "twice"},
	{"bad UTF-8", "{\"accounts\":[\"\xff\"]}", problem.Malformed, "invalid_json", "accounts[0]", "not valid UTF-8"},
	{
		"bad UTF-8 after an escape", "{\"accounts\":[\"\\n\xc3\x28\"]}", problem.Malformed, "invalid_json",
		"accounts[0]", "not valid UTF-8",
	},
	{"bad UTF-8 in a name", "{\"a\xed\xa0\x80\":1}", problem.Malformed, "invalid_json", "", "not valid UTF-8"},
	{"bad UTF-8 outside text", "{\"accounts\":[\xff]}", problem.Malformed, "invalid_json", "accounts[0]", "byte 0xff"},
	{"NUL outside", "{\x00}", problem.Malformed, "invalid_json", "", "byte 0x00"},
	{"NUL raw", "{\"accounts\":[\"a\x00\"]}", problem.Malformed, "invalid_json", "accounts[0]", "control character"},
	{"NUL escaped", `{"accounts":["a\u0000"]}`, problem.Malformed, "invalid_json", "accounts[0]", "NUL"},
	{"raw line end", "{\"accounts\":[\"a\n\"]}", problem.Malformed, "invalid_json", "accounts[0]", "control character"},
	{"unknown escape", `{"accounts":["\x41"]}`, problem.Malformed, "invalid_json", "accounts[0]", "unexpected 'x'"},
	{"bad hex", `{"accounts":["\u00g0"]}`, problem.Malformed, "invalid_json", "accounts[0]", "unexpected 'g'"},
	{"lone high surrogate", `{"accounts":["\ud83d"]}`, problem.Malformed, "invalid_json", "accounts[0]", "surrogate"},
	{"lone low surrogate", `{"accounts":["\ude00"]}`, problem.Malformed, "invalid_json", "accounts[0]", "surrogate"},
	{
		"high, then a letter", `{"accounts":["\ud83d\u0041"]}`, problem.Malformed, "invalid_json", "accounts[0]",
		"surrogate",
	},
	{
		"NaN", `{"charges":[{"quantity":NaN}]}`, problem.Malformed, "invalid_json", "charges[0].quantity",
		"unexpected 'N'",
	},
	{
		"Infinity", `{"charges":[{"quantity":-Infinity}]}`, problem.Malformed, "invalid_json", "charges[0].quantity",
		"unexpected 'I'",
	},
	{
		"plus", `{"charges":[{"quantity":+1}]}`, problem.Malformed, "invalid_json", "charges[0].quantity",
		"unexpected '+'",
	},
	{
		"leading zero", `{"charges":[{"quantity":01}]}`, problem.Malformed, "invalid_json", "charges[0].quantity",
		"starts with 0",
	},
	{
		"negative leading zero", `{"charges":[{"quantity":-01}]}`, problem.Malformed, "invalid_json",
		"charges[0].quantity", "starts with 0",
	},
	{
		"bare point", `{"charges":[{"quantity":1.}]}`, problem.Malformed, "invalid_json", "charges[0].quantity",
		"unexpected '}'",
	},
	{
		"bare exponent", `{"charges":[{"quantity":1e}]}`, problem.Malformed, "invalid_json", "charges[0].quantity",
		"unexpected '}'",
	},
	{
		"hexadecimal", `{"charges":[{"quantity":0x1}]}`, problem.Malformed, "invalid_json", "charges[0]",
		"unexpected 'x'",
	},
	{"half a literal", `{"nested":{"on":tru}}`, problem.Malformed, "invalid_json", "nested.on", "unexpected '}'"},
	{"not null after all", `{"nested":nope}`, problem.Malformed, "invalid_json", "nested", "unexpected 'o'"},
	{
		"9 levels", `{"x":` + strings.Repeat("[", 8) + strings.Repeat("]", 8) + `}`, problem.Malformed, "invalid_json",
		"x" + strings.Repeat("[0]", 7), "more than 8 levels",
	},
	{
		"100,000 levels", `{"x":` + strings.Repeat("[", 100_000), problem.Malformed, "invalid_json",
		"x" + strings.Repeat("[0]", 7), "more than 8 levels",
	},

	{
		"8 levels", `{"x":` + strings.Repeat("[", 7) + strings.Repeat("]", 7) + `}`, problem.Unprocessable,
		"unknown_field", "x", "x is not a known field.",
	},
	{
		"unknown", `{"charges":[{},{"amuont":"1"}]}`, problem.Unprocessable, "unknown_field", "charges[1].amuont",
		"charges[1].amuont is not a known field.",
	},
	{"other case", `{"Accounts":[]}`, problem.Unprocessable, "unknown_field", "Accounts", "not a known field"},
	{
		"unexported", `{"charges":[{"secret":"x"}]}`, problem.Unprocessable, "unknown_field", "charges[0].secret",
		"not a known field",
	},
	{
		"skipped", `{"charges":[{"Skipped":"x"}]}`, problem.Unprocessable, "unknown_field", "charges[0].Skipped",
		"not a known field",
	},
	{
		"embedded by its name", `{"charges":[{"reference":{}}]}`, problem.Unprocessable, "invalid_field",
		"charges[0].reference", "must be a string, not an object",
	},
	{"empty name", `{"":1}`, problem.Unprocessable, "unknown_field", `""`, "not a known field"},
	{
		"ugly name", `{"a\u001b\u202eb` + strings.Repeat("x", 500) + `":1}`, problem.Unprocessable, "unknown_field",
		"a??b" + strings.Repeat("x", 60) + "…", "not a known field",
	},
	{
		"null text", `{"charges":[{"feature":null}]}`, problem.Unprocessable, "invalid_field", "charges[0].feature",
		"must not be null",
	},
	{
		"null pointer", `{"charges":[{"amount":null}]}`, problem.Unprocessable, "invalid_field", "charges[0].amount",
		"must not be null: leave it out instead.",
	},
	{"null item", `{"charges":[null]}`, problem.Unprocessable, "invalid_field", "charges[0]", "must not be null"},
	{
		"amount as a number", `{"charges":[{},{},{},{"amount":0.05}]}`, problem.Unprocessable, "invalid_field",
		"charges[3].amount", `charges[3].amount must be a string such as "0.05", not a number.`,
	},
	{
		"amount as an object", `{"charges":[{"price":{}}]}`, problem.Unprocessable, "invalid_field", "charges[0].price",
		`must be a string such as "0.05", not an object.`,
	},
	{
		"amount 1e3", `{"charges":[{"price":"1e3"}]}`, problem.Unprocessable, "invalid_field", "charges[0].price",
		"must be a decimal number of tokens",
	},
	{
		"amount -0", `{"charges":[{"price":"-0"}]}`, problem.Unprocessable, "invalid_field", "charges[0].price",
		"must be a decimal number of tokens",
	},
	{
		"amount too fine", `{"charges":[{"amount":"0.0000001"}]}`, problem.Unprocessable, "invalid_field",
		"charges[0].amount", "at most 6 decimals",
	},
	{
		"amount too large", `{"charges":[{"amount":"100000000001"}]}`, problem.Unprocessable, "invalid_field",
		"charges[0].amount", "is too large",
	},
	{
		"amount far too long", `{"charges":[{"amount":"` + strings.Repeat("9", 5000) + `"}]}`, problem.Unprocessable,
		"invalid_field", "charges[0].amount", "at most 1000 characters",
	},
	{
		"count as text", `{"charges":[{"quantity":"1"}]}`, problem.Unprocessable, "invalid_field",
		"charges[0].quantity", "must be a whole number, not a string",
	},
	{
		"count 1e3", `{"charges":[{"quantity":1e3}]}`, problem.Unprocessable, "invalid_field", "charges[0].quantity",
		"digits only",
	},
	{
		"count 1.0", `{"charges":[{"quantity":1.0}]}`, problem.Unprocessable, "invalid_field", "charges[0].quantity",
		"digits only",
	},
	{
		"count -0", `{"charges":[{"quantity":-0}]}`, problem.Unprocessable, "invalid_field", "charges[0].quantity",
		"digits only",
	},
	{
		"count overflows", `{"charges":[{"quantity":9223372036854775808}]}`, problem.Unprocessable, "invalid_field",
		"charges[0].quantity", "out of range",
	},
	{
		"small count overflows", `{"charges":[{"small":128}]}`, problem.Unprocessable, "invalid_field",
		"charges[0].small", "out of range",
	},
	{
		"bool as a number", `{"nested":{"on":1}}`, problem.Unprocessable, "invalid_field", "nested.on",
		"must be true or false, not a number",
	},
	{
		"object as an array", `{"nested":[]}`, problem.Unprocessable, "invalid_field", "nested",
		"must be an object, not an array",
	},
	{
		"array as an object", `{"charges":{}}`, problem.Unprocessable, "invalid_field", "charges",
		"must be an array, not an object",
	},
	{
		"too long", `{"charges":[{"feature":"` + strings.Repeat("é", 21) + `"}]}`, problem.Unprocessable,
		"invalid_field", "charges[0].feature", "at most 20 characters",
	},
	{
		"item too long", `{"accounts":["abcd"]}`, problem.Unprocessable, "invalid_field", "accounts[0]",
		"at most 3 characters",
	},
	{
		"escape sequence", `{"accounts":["\u001b"]}`, problem.Unprocessable, "invalid_field", "accounts[0]",
		"control characters",
	},
	{
		"delete", "{\"accounts\":[\"\x7f\"]}", problem.Unprocessable, "invalid_field", "accounts[0]",
		"control characters",
	},
	{
		"C1 control", `{"accounts":["\u0085"]}`, problem.Unprocessable, "invalid_field", "accounts[0]",
		"control characters",
	},
	{
		"carriage return", `{"accounts":["\r"]}`, problem.Unprocessable, "invalid_field", "accounts[0]",
		"control characters",
	},
	{
		"too many items", `{"charges":[{},{},{},{},{}]}`, problem.Unprocessable, "invalid_field", "charges",
		"at most 4 items",
	},
	{
		"metadata as text", `{"charges":[{"metadata":"x"}]}`, problem.Unprocessable, "invalid_field",
		"charges[0].metadata", "must be an object",
	},
	{
		"metadata of numbers", `{"charges":[{"metadata":{"a":1}}]}`, problem.Unprocessable, "invalid_field",
		"charges[0].metadata.a", "must be a string, not a number",
	},
	{
		"too much metadata", `{"charges":[{"metadata":{"a":"","b":"","c":"","d":""}}]}`, problem.Unprocessable,
		"invalid_field", "charges[0].metadata", "at most 3 entries",
	},
	{
		"long metadata", `{"charges":[{"metadata":{"a":"12345678901"}}]}`, problem.Unprocessable, "invalid_field",
		"charges[0].metadata.a", "at most 10 characters",
	},
	{
		"long metadata name", `{"charges":[{"metadata":{"` + strings.Repeat("n", 101) + `":""}}]}`,
		problem.Unprocessable, "invalid_field", "charges[0].metadata", "has a name that must be at most 100",
	},
	{
		"empty metadata name", `{"charges":[{"metadata":{"":""}}]}`, problem.Unprocessable, "invalid_field",
		"charges[0].metadata", "empty name",
	},
	{
		"time as a number", `{"charges":[{"expires_at":1767225600}]}`, problem.Unprocessable, "invalid_field",
		"charges[0].expires_at", "must be a string, not a number",
	},
	{
		"time without zone", `{"charges":[{"expires_at":"2026-01-31T09:30:00"}]}`, problem.Unprocessable,
		"invalid_field", "charges[0].expires_at", "must be a time such as",
	},
	{
		"no such day", `{"charges":[{"expires_at":"2026-02-30T09:30:00Z"}]}`, problem.Unprocessable, "invalid_field",
		"charges[0].expires_at", "must be a time such as",
	},
	{
		"time with escapes", `{"charges":[{"expires_at":"2026-01-31T09:30:00\u005a"}]}`, problem.Unprocessable,
		"invalid_field", "charges[0].expires_at", "must be a time such as",
	},
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := strictjson.Decode([]byte(c.body), new(bulk))
			var e *problem.Error
			if !errors.As(err, &e) {
				t.Fatalf("Decode(%q) = %v, want a problem", c.body, err)
			}
			if e.Kind != c.kind || e.Code != c.code || e.Field != c.field || !strings.Contains(e.Message, c.message) {
				t.Errorf("Decode(%.80q)\ngot  kind %d, code %q, field %q, message %q\n"+
					"want kind %d, code %q, field %q, message with %q",
					c.body, e.Kind, e.Code, e.Field, e.Message, c.kind, c.code, c.field, c.message)
			}
			if !strings.HasSuffix(e.Message, ".") || len(e.Message) > 250 {
				t.Errorf("message is not one short sentence: %q", e.Message)
			}
		})
	}
}

func TestDecodeOptional(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", " \r\n", "{}"} {
		if err := strictjson.DecodeOptional([]byte(body), new(bulk)); err != nil {
			t.Errorf("DecodeOptional(%q) = %v", body, err)
		}
	}
	if err := strictjson.DecodeOptional([]byte("x"), new(bulk)); err == nil {
		t.Error("DecodeOptional accepts x")
	}
}

func TestNullTakesAwayWhereItMay(t *testing.T) {
	t.Parallel()
	type put struct {
		Budget strictjson.Nullable[tokens.Amount] `json:"budget"`
		Name   strictjson.Nullable[string]        `json:"name" max:"3"`
	}
	for body, want := range map[string]put{
		`{}`:              {},
		`{"budget":null}`: {Budget: strictjson.Nullable[tokens.Amount]{Given: true}},
		`{"budget": null ,"name":"abc"}`: {
			strictjson.Nullable[tokens.Amount]{Given: true},
			strictjson.Nullable[string]{Given: true, Value: ptr("abc")},
		},
		`{"budget":"0.05","name":null}`: {strictjson.Nullable[tokens.Amount]{
			Given: true,
			Value: ptr(tokens.Amount(50_000)),
		}, strictjson.Nullable[string]{Given: true}},
	} {
		var got put
		if err := strictjson.Decode([]byte(body), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Decode(%s) = %+v, %v", body, got, err)
		}
	}
	for body, want := range map[string]string{
		`{"budget":nul}`:                 "invalid_json: The body is not valid JSON: at budget, unexpected '}'",
		`{"budget":null,"budget":null}`:  "appears twice",
		`{"budget":1}`:                   `budget must be a string such as "0.05", not a number.`,
		`{"budget":{"Given":true}}`:      `budget must be a string such as "0.05", not an object.`,
		`{"name":"abcd"}`:                "name must be at most 3 characters long.",
		`{"budget":"1e3"}`:               "budget must be a decimal number of tokens",
		`{"budget":null,"unknown":null}`: "unknown is not a known field.",
	} {
		if err := strictjson.Decode([]byte(body), new(put)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Decode(%s): %v, want %q", body, err, want)
		}
	}
}

func TestBordersAreAccepted(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"charges":[{"quantity":9223372036854775807}]}`, `{"charges":[{"quantity":-9223372036854775808}]}`,
		`{"charges":[{"quantity":0}]}`,
		`{"charges":[{"feature":"` + strings.Repeat("é", 20) + `"}]}`, `{"charges":[{},{},{},{}]}`,
		`{"accounts":["\ud83d\ude00"]}`,
		`{"charges":[{"amount":"-100000000000"}]}`, `{"charges":[{"reference":"` + strings.Repeat("x", 1000) + `"}]}`,
		`{"charges":[{"expires_at":"2026-01-31T09:30:00.123456789+05:30"}]}`,
		`{"accounts":["\"\\\/","\b"]}`[:len(`{"accounts":["\"\\\/"`)] + `]}`,
	} {
		if err := strictjson.Decode([]byte(body), new(bulk)); err != nil {
			t.Errorf("Decode(%.80q) = %v", body, err)
		}
	}
}

func TestTypesThatCannotBeDecodedPanic(t *testing.T) {
	t.Parallel()
	type recursive struct {
		Next []recursive `json:"next"`
	}
	type embedded struct{ *reference }
	for name, into := range map[string]any{
		"no pointer":       bulk{},
		"no struct":        new(int),
		"nil":              (*bulk)(nil),
		"recursive":        new(recursive),
		"embedded pointer": new(embedded),
		"float":            new(struct{ F float64 }),
		"bytes":            new(struct{ B []byte }),
		"any":              new(struct{ A any }),
		"two pointers":     new(struct{ P **int }),
		"map of numbers":   new(struct{ M map[string]int }),
		"number as text": new(struct {
			N int `json:",string"`
		}),
		"bad tag": new(struct {
			S string `max:"many"`
		}),
		"one name twice":  new(sameName),
		"its own JSON":    new(struct{ R rawJSON }),
		"time at the top": new(time.Time),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			_ = strictjson.Decode([]byte(`{}`), into)
		}()
	}
}

type sameName struct {
	A string `json:"a"`
	B string `json:"A"` // encoding/json does not tell them apart
}

type rawJSON struct{}

func (*rawJSON) UnmarshalJSON([]byte) error { return nil }

type colour struct{ name string }

func (c *colour) UnmarshalText(text []byte) error {
	if string(text) != "red" {
		return errors.New("a secret reason")
	}
	c.name = string(text)
	return nil
}

func TestTextUnmarshaler(t *testing.T) {
	t.Parallel()
	var into struct {
		Colour colour `json:"colour"`
	}
	if err := strictjson.Decode([]byte(`{"colour":"r\u0065d"}`), &into); err != nil || into.Colour.name != "red" {
		t.Errorf("%v, %v", into, err)
	}
	err := strictjson.Decode([]byte(`{"colour":"blue"}`), &into)
	if err == nil || err.Error() != "invalid_field: colour is not in the right form." {
		t.Errorf("got %v", err)
	}
}
