package stripepay_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85/webhook"

	"pop.store/credits/internal/stripepay"
)

const payload = `{"id":"evt_1","object":"event","created":1769851800,"type":"charge.refunded","data":{"object":{}}}`

func sign(secret string, at time.Time) string {
	return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{
		Payload:   []byte(payload),
		Secret:    secret,
		Timestamp: at,
	}).Header
}

// Two gaps of the library: it accepts an empty secret, and any timestamp in the future.
func TestTheLibrarysHolesAreClosed(t *testing.T) {
	t.Parallel()
	now := time.Now()
	if _, err := webhook.ConstructEventWithOptions([]byte(payload), sign("", now), "",
		webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true, Tolerance: time.Minute}); err != nil {
		t.Error("the library has closed the first gap:", err)
	}
	for name, c := range map[string]struct {
		header  string
		secrets []string
	}{
		"no secrets":          {sign("", now), nil},
		"an empty secret":     {sign("", now), []string{""}},
		"empty among others":  {sign("", now), []string{"whsec_a", "", "whsec_b"}},
		"far in the future":   {sign("whsec_a", now.AddDate(400, 0, 0)), []string{"whsec_a"}},
		"soon":                {sign("whsec_a", now.Add(6*time.Minute)), []string{"whsec_a"}},
		"long ago":            {sign("whsec_a", now.Add(-6*time.Minute)), []string{"whsec_a"}},
		"two timestamps":      {"t=1," + sign("whsec_a", now), []string{"whsec_a"}},
		"another secret":      {sign("whsec_c", now), []string{"whsec_a", "whsec_b"}},
		"nothing":             {"", []string{"whsec_a"}},
		"signature cut short": {sign("whsec_a", now)[:60], []string{"whsec_a"}},
	} {
		if e, err := stripepay.Verify([]byte(payload), c.header, c.secrets); err == nil {
			t.Errorf("%s: accepted %+v", name, e)
		}
	}
}

// During a rotation both secrets are valid, and one header has both signatures.
func TestRotation(t *testing.T) {
	t.Parallel()
	now := time.Now()
	both := []string{"whsec_new", "whsec_old"}
	for _, header := range []string{
		sign("whsec_old", now), sign("whsec_new", now),
		sign("whsec_old", now) + strings.TrimLeft(sign("whsec_new", now), "t=0123456789"),
	} {
		e, err := stripepay.Verify([]byte(payload), header, both)
		if err != nil || e.ID != "evt_1" || e.Type != "charge.refunded" || e.Created.Unix() != 1769851800 {
			t.Errorf("%s: %+v, %v", header, e, err)
		}
	}
	if _, err := stripepay.Verify([]byte(payload), sign("whsec_old", now), both[:1]); err == nil {
		t.Error("the old secret is still valid")
	}
}
