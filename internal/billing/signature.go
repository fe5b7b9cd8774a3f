package billing

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"

	"pop.store/credits/internal/problem"
)

// tolerance is how far an event's timestamp may be from the wall clock, either way.
const tolerance = webhook.DefaultTolerance

// ErrBadSignature is the answer to an event that the provider did not send, or not just now.
var ErrBadSignature = problem.New(problem.Syntax, "bad_signature", "This event's signature cannot be accepted.")

// verify reads an event that the provider signed. It compares with the wall clock, as the library does: how old a request is has nothing
// to do with the time at which we decide. The library accepts an empty secret and timestamps in the future; this does not. Any API
// version will do, since the few members that are read have not changed for years.
func verify(payload []byte, header, secret string) (stripe.Event, error) {
	if secret == "" {
		return stripe.Event{}, ErrBadSignature.Because(errors.New("there is no secret to check it with"))
	}
	signedAt, err := timestamp(header)
	if err != nil {
		return stripe.Event{}, ErrBadSignature.Because(err)
	}
	if time.Until(signedAt) > tolerance {
		return stripe.Event{}, ErrBadSignature.Because(errors.New("timestamp is in the future"))
	}
	event, err := webhook.ConstructEventWithOptions(payload, header, secret, webhook.ConstructEventOptions{
		Tolerance: tolerance, IgnoreAPIVersionMismatch: true,
	})
	if err != nil {
		return stripe.Event{}, ErrBadSignature.Because(err)
	}
	return event, nil
}

// timestamp reads the one t=... of a signature header. Of several the library would take the last, so several are none.
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
