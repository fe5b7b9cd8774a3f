// Package problem is the one error type that may reach a caller: what kind of failure it is, a
// stable code, a message that is safe to show, and a cause that never leaves the process.
package problem

import (
	"errors"
	"fmt"
)

// Kind says whose fault a failure is and what a caller can do about it. The handlers map it to a
// status in one place.
type Kind uint8

// The kinds, with the HTTP status each becomes (the contract of the JSON API).
const (
	Internal         Kind = iota // 500: ours; the caller learns nothing more
	Malformed                    // 400: cannot be read, or a header is missing
	Unauthenticated              // 401: who are you?
	Insufficient                 // 402: not enough tokens
	Forbidden                    // 403: known, but not allowed
	NotFound                     // 404: no such thing, or not yours
	MethodNotAllowed             // 405: the path exists, not with this method
	Conflict                     // 409: the state does not allow it
	TooLarge                     // 413: the body is over its limit
	MediaType                    // 415: a body of another type
	Unprocessable                // 422: readable, but makes no sense
	RateLimited                  // 429: slow down
	KindUnavailable              // 503: try again with the same key
)

// Error is a failure as a caller may see it.
type Error struct {
	Kind    Kind
	Code    string         // stable, snake_case: what a program switches on
	Message string         // one safe sentence for a person
	Field   string         // the input field that is wrong, if one is
	Details map[string]any // further members of the problem document, such as "shortfall"
	Cause   error          // for the log only
}

// New returns an Error with a formatted safe message.
func New(kind Kind, code, format string, args ...any) *Error {
	return &Error{
		Kind:    kind,
		Code:    code,
		Message: fmt.Sprintf(format, args...),
	}
}

// Invalid is a field whose value makes no sense: 422 "invalid_field".
func Invalid(field, format string, args ...any) *Error {
	return &Error{
		Kind:    Unprocessable,
		Code:    "invalid_field",
		Message: field + " " + fmt.Sprintf(format, args...) + ".",
		Field:   field,
	}
}

// unavailable is what Unavailable copies.
var unavailable = New(KindUnavailable, "unavailable",
	"Credits cannot answer just now. Try again in a moment, with the same idempotency key if you sent one.")

// Unavailable is a failure that may pass, such as a database that does not answer: 503
// "unavailable". The cause is for the log only.
func Unavailable(cause error) *Error { return unavailable.Wrap(cause) }

// IsUnavailable reports whether err is or wraps an error of Unavailable. Other codes of the kind
// KindUnavailable, such as "busy", are not.
func IsUnavailable(err error) bool { return errors.Is(err, unavailable) }

// Error gives the safe message and the cause, for logs and tests.
func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Message + " (" + e.Cause.Error() + ")"
	}
	return e.Code + ": " + e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Wrap returns a copy of e that carries a cause for the log.
func (e *Error) Wrap(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// With returns a copy of e with one more member of the problem document.
func (e *Error) With(name string, value any) *Error {
	c := *e
	c.Details = map[string]any{name: value}
	for k, v := range e.Details {
		c.Details[k] = v
	}
	return &c
}

// Is makes errors.Is match by kind and code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Code == e.Code
}

// Of finds the Error in err. Anything else is Internal, with err as its cause.
func Of(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{
		Kind:    Internal,
		Code:    "internal",
		Message: "Something went wrong on our side.",
		Cause:   err,
	}
}
