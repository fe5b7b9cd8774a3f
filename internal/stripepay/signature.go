package stripepay

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"

	"pop.store/credits/internal/payment"
)

// tolerance bounds the distance of an event's timestamp from the wall clock, either way.
const tolerance = webhook.DefaultTolerance

// Verify reads an event that is signed with one of the secrets; there are several during a rotation. Like
// the library it uses the wall clock, since the age of a request is independent of the app's clock. Unlike
// the library it rejects an empty secret and timestamps in the future. Any API version will do, since the
// few fields that are read have not changed for years. Errors: payment.ErrBadSignature,
// payment.ErrUnreadable.
func Verify(payload []byte, header string, secrets []string) (payment.Event, error) {
	if err := checkSignature(payload, header, secrets); err != nil {
		return payment.Event{}, fmt.Errorf("%w: %w", payment.ErrBadSignature, err)
	}
	return Parse(payload)
}

func checkSignature(payload []byte, header string, secrets []string) error {
	signedAt, err := timestamp(header)
	if err != nil {
		return err
	}
	if time.Until(signedAt) > tolerance {
		return errors.New("timestamp is in the future")
	}
	err = errors.New("there is no secret to verify it with")
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		if err = webhook.ValidatePayloadWithTolerance(payload, header, secret, tolerance); err == nil {
			return nil
		}
	}
	return err
}

// Parse reads an event from a trusted source. Error: payment.ErrUnreadable.
func Parse(payload []byte) (payment.Event, error) {
	var event stripe.Event
	if err := json.Unmarshal(payload, &event); err != nil {
		return payment.Event{}, fmt.Errorf("%w: %w", payment.ErrUnreadable, err)
	}
	return eventOf(&event), nil
}

// timestamp reads the only t=... of a signature header. The library would take the last of several, so
// several are refused.
func timestamp(header string) (time.Time, error) {
	var found []string
	for pair := range strings.SplitSeq(header, ",") {
		if t, ok := strings.CutPrefix(pair, "t="); ok {
			found = append(found, t)
		}
	}
	if len(found) != 1 {
		return time.Time{}, errors.New("header does not have exactly one timestamp")
	}
	seconds, err := strconv.ParseInt(found[0], 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(seconds, 0), nil
}
