package ledger_test

import (
	"encoding/hex"
	"reflect"
	"testing"
	"time"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

type fingerprinted interface{ Fingerprint() ledger.Fingerprint }

var (
	threeUnits = int64(3)
	fiveTokens = 5 * tokens.One
	metadata   = map[string]string{"b": "2", "a": "1"}
)

// fingerprints are requests with every field, and their fingerprints with no field and with every field.
// Fingerprints are stored: a change would turn retries of requests from before into conflicts.
var fingerprints = map[string]struct {
	request       fingerprinted
	empty, filled string
}{
	"charge": {&ledger.Charge{
		Feature:         "lip_sync",
		Quantity:        &threeUnits,
		Amount:          &fiveTokens,
		Agent:           "replies",
		Reference:       "r-1",
		UniqueReference: true,
		Reason:          "a reason",
		Metadata:        metadata,
		KeepAgentOn:     true,
	}, "b103a538ad0e8420a960b42c714c4802", "14c23e30a0708446dbcdcc0b0a46aa2a"},
	"hold": {&ledger.Hold{
		Feature:     "lip_sync",
		Quantity:    &threeUnits,
		Amount:      &fiveTokens,
		Agent:       "replies",
		Reference:   "r-1",
		ExpiresIn:   time.Hour,
		Reason:      "a reason",
		Metadata:    metadata,
		KeepAgentOn: true,
	}, "37174a2c4df93b6847bf670c6fcbef2b", "9454db5a41a1efa6ccff9143d20ae873"},
	"capture": {&ledger.Capture{
		Hold:      7,
		Amount:    &fiveTokens,
		Reference: "r-1",
		Reason:    "a reason",
		Metadata:  metadata,
	}, "08d6e2c0bc2b1924a4dadb075ddcf85e", "481c0c383a2209a6b4560a28b93fcec1"},
	"release": {&ledger.Release{
		Hold:      7,
		Reference: "r-1",
		Reason:    "a reason",
		Metadata:  metadata,
	}, "3702a773e873a3a3f730e117282ae321", "56f14c635a7310149d0e3f26d4a4dfed"},
	"extend": {&ledger.Extend{
		Hold:      7,
		ExpiresIn: time.Hour,
	}, "584d1da9597266606e2c889643a7e499", "bd9cced6ed890cd98b290bbd5862f682"},
	"refund": {&ledger.Refund{
		Entry:     7,
		Amount:    &fiveTokens,
		Reference: "r-1",
		Reason:    "a reason",
		Metadata:  metadata,
	}, "b838381799b4c11ba4fc4291d2cd2d63", "7c5d7cedfda1270b07c8417af250376c"},
	"grant": {&ledger.Grant{
		Kind:      ledger.LotPromo,
		Amount:    fiveTokens,
		ExpiresAt: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		Source:    "s-1",
		Reference: "r-1",
		Reason:    "a reason",
		Metadata:  metadata,
	}, "f038336c355693f75b5226bd23241027", "1aa809074c6ef937965118b38157f1d9"},
	"take back": {&ledger.TakeBack{
		Amount:    fiveTokens,
		Lot:       7,
		Reference: "r-1",
		Reason:    "a reason",
		Metadata:  metadata,
	}, "a8c11b06e70adc9bcb5161484a819830", "20d9c1b983ab9264ea3bd2f291315286"},
}

func TestFingerprintsStayTheSame(t *testing.T) {
	t.Parallel()
	for name, c := range fingerprints {
		empty := reflect.New(reflect.TypeOf(c.request).Elem()).Interface().(fingerprinted)
		if got := text(empty); got != c.empty {
			t.Errorf("%s without fields: %s, want %s", name, got, c.empty)
		}
		if got := text(c.request); got != c.filled {
			t.Errorf("%s with all fields: %s, want %s", name, got, c.filled)
		}
	}
}

// Requests that differ in any one field, or are of different kinds, have different fingerprints.
func TestEveryFieldIsInTheFingerprint(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	add := func(name string, request fingerprinted) {
		if other, ok := seen[text(request)]; ok {
			t.Errorf("%s has the fingerprint of %s", name, other)
		}
		seen[text(request)] = name
	}
	for name, c := range fingerprints {
		filled := reflect.ValueOf(c.request).Elem()
		add(name, c.request)
		for i := range filled.NumField() {
			without := reflect.New(filled.Type())
			without.Elem().Set(filled)
			without.Elem().Field(i).SetZero()
			add(name+" without "+filled.Type().Field(i).Name, without.Interface().(fingerprinted))
			only := reflect.New(filled.Type())
			only.Elem().Field(i).Set(filled.Field(i))
			if filled.NumField() > 2 { // without one of two fields is with the other only
				add(name+" with only "+filled.Type().Field(i).Name, only.Interface().(fingerprinted))
			}
		}
	}
}

func text(request fingerprinted) string {
	sum := request.Fingerprint()
	return hex.EncodeToString(sum[:])
}
