package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/strictjson"
)

// agree fails unless Decode refuses a body, or decodes it as encoding/json with
// DisallowUnknownFields does. It gives what Decode said.
func agree(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, body []byte,
) error {
	t.Helper()
	var ours, theirs bulk
	err := strictjson.Decode(bytes.Clone(body), &ours)
	if err != nil {
		var e *problem.Error
		if !errors.As(err, &e) || (e.Kind != problem.Malformed && e.Kind != problem.Unprocessable) || e.Code == "" ||
			e.Message == "" {
			t.Fatalf("Decode(%q) = %#v", body, err)
		}
		if readable := json.Valid(body); !readable && e.Kind != problem.Malformed {
			t.Fatalf("Decode(%q) = %v, which is not readable", body, err)
		}
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&theirs); err != nil {
		t.Fatalf("Decode accepts %q, encoding/json says %v", body, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Fatalf("Decode accepts %q with something after it", body)
	}
	if !reflect.DeepEqual(ours, theirs) {
		t.Fatalf("Decode(%q)\ngot  %+v\nwant %+v", body, ours, theirs)
	}
	return nil
}

// Bodies that are right or nearly right: every form of field, each sometimes with a value that is
// not its own.
func TestAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	accepted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		if agree(t, []byte(bulkBody(t))) == nil {
			accepted++
		} else {
			refused++
		}
	})
	if accepted == 0 || refused == 0 {
		t.Errorf("the generator is one-sided: %d accepted, %d refused", accepted, refused)
	}
}

func bulkBody(t *rapid.T) string {
	return members(t, map[string]func(*rapid.T) string{
		"charges":  func(t *rapid.T) string { return items(t, chargeBody) },
		"accounts": func(t *rapid.T) string { return items(t, textValue) },
		"nested": func(t *rapid.T) string {
			return members(t, map[string]func(*rapid.T) string{"on": one("true", "false", "true ")})
		},
	})
}

func chargeBody(t *rapid.T) string {
	return members(t, map[string]func(*rapid.T) string{
		"reference":        textValue,
		"unique_reference": one("true", "false"),
		"feature":          textValue,
		"kind":             textValue,
		"quantity":         intValue,
		"small":            intValue,
		"amount":           one(`"1"`, `"0.05"`, `"-3"`, `"\u0031"`),
		"price":            one(`"100"`, `"0"`),
		"expires_at":       one(`"2026-01-31T09:30:00Z"`, `"2026-01-31T09:30:00.5+01:00"`),
		"metadata": func(t *rapid.T) string {
			return members(t, map[string]func(*rapid.T) string{
				"a":       textValue,
				"é":       textValue,
				"Feature": textValue,
			})
		},
	})
}

func one(values ...string) func(*rapid.T) string {
	return func(t *rapid.T) string { return rapid.SampledFrom(values).Draw(t, "value") }
}

func textValue(t *rapid.T) string {
	part := rapid.SampledFrom([]string{
		"a", "é", "🙂", " ", `\n`, `\t`, `\u00e9`, `\ud83d\ude00`, `\/`, `\\`,
		`\"`, "\u2028", "<",
	})
	return `"` + strings.Join(rapid.SliceOfN(part, 0, 3).Draw(t, "text"), "") + `"`
}

func intValue(t *rapid.T) string {
	return string(must(json.Marshal(rapid.Int64Range(-128, 127).Draw(t, "int"))))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func items(t *rapid.T, item func(*rapid.T) string) string {
	parts := make([]string, rapid.IntRange(0, 3).Draw(t, "items"))
	for i := range parts {
		parts[i] = item(t)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// members writes an object with some of the fields in any order; one in forty values is swapped for
// a stray one.
func members(t *rapid.T, fields map[string]func(*rapid.T) string) string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	names = rapid.Permutation(names).Draw(t, "order")[:rapid.IntRange(0, len(names)).Draw(t, "fields")]
	space := one("", " ", "\n\t")
	parts := make([]string, len(names))
	for i, name := range names {
		value := fields[name](t)
		if rapid.IntRange(0, 39).Draw(t, "stray") == 0 {
			value = one("null", "1", `"x"`, "[]", "{}", "1e3", "-0", "1.0", "NaN", "", "true", `"\ud800"`,
				"[[[[[[[[[]]]]]]]]]")(t)
		}
		parts[i] = space(t) + `"` + name + `"` + space(t) + ":" + space(t) + value
	}
	return space(t) + "{" + strings.Join(parts, ",") + space(t) + "}"
}

func FuzzDecode(f *testing.F) {
	for _, c := range refusals {
		if len(c.body) < 4096 {
			f.Add([]byte(c.body))
		}
	}
	f.Add([]byte(smallCharge))
	f.Add([]byte(` {"charges":[{"amount":"1","metadata":{"a":"b\n"},"expires_at":"2026-01-31T09:30:00Z"}],` +
		`"accounts":["x"],"nested":{"on":true}} `))
	f.Fuzz(func(t *testing.T, body []byte) { _ = agree(t, body) })
}

const smallCharge = `{"charges":[{"feature":"social_reply","quantity":3,"reference":"post-123456",` +
	`"metadata":{"post":"42"}}]}`
