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

// tolerance is how far an event's timestamp may be from the wall clock, either way.
const tolerance = webhook.DefaultTolerance

// Verify reads an event that was signed with one of the secrets: while they are changed there are
// several. It compares with the wall clock, as the library does: how old a request is has nothing
// to do with the time at which we decide. The library accepts an empty secret and timestamps in the
// future; this does not. Any API version will do, since the few members that are read have not
// changed for years. Errors: payment.ErrBadSignature, payment.ErrUnreadable.
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
	err = errors.New("there is no secret to check it with")
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

// Parse reads an event whose sender is known. Error: payment.ErrUnreadable.
func Parse(payload []byte) (payment.Event, error) {
	var event stripe.Event
	if err := json.Unmarshal(payload, &event); err != nil {
		return payment.Event{}, fmt.Errorf("%w: %w", payment.ErrUnreadable, err)
	}
	return eventOf(&event), nil
}

// timestamp reads the one t=... of a signature header. Of several the library would take the last,
// so several are none.
func timestamp(header string) (time.Time, error) {
	var found []string
	for pair := range strings.SplitSeq(header, ",") {
		if t, ok := strings.CutPrefix(pair, "t="); ok {
			found = append(found, t)
		}
	}
	if len(found) != 1 {
		return time.Time{}, errors.New("header has not exactly one timestamp")
	}
	seconds, err := strconv.ParseInt(found[0], 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(seconds, 0), nil
}
