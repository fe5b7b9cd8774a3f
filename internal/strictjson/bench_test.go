package strictjson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pop.store/credits/internal/strictjson"
	"pop.store/credits/internal/tokens"
)

// hot is what a charge on the hot path carries.
type hot struct {
	Feature   string            `json:"feature" max:"64"`
	Quantity  *int64            `json:"quantity"`
	Amount    *tokens.Amount    `json:"amount"`
	Agent     string            `json:"agent" max:"64"`
	Reference string            `json:"reference" max:"200"`
	Metadata  map[string]string `json:"metadata"`
}

var hotBody = []byte(`{"feature":"social_comment_reply","quantity":1,"amount":"0.05","agent":"replies",` +
	`"reference":"comment-18290"}`)

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var into hot
		if err := strictjson.Decode(hotBody, &into); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var into hot
		dec := json.NewDecoder(bytes.NewReader(hotBody))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&into); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeBulk(b *testing.B) {
	var into struct {
		Charges []hot `json:"charges"`
	}
	body := []byte(`{"charges":[` + strings.Repeat(string(hotBody)+",", 999) + string(hotBody) + `]}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := strictjson.Decode(body, &into); err != nil {
			b.Fatal(err)
		}
	}
}
