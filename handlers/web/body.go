package web

import (
	"errors"
	"mime"
	"net/http"
	"strings"

	"pop.store/credits/internal/problem"
)

// ErrInvalidKey refuses an idempotency key that ValidKey rejects.
var ErrInvalidKey = problem.New(problem.Malformed, "invalid_idempotency_key",
	"The idempotency key must be 1 to 200 printable characters.")

// ValidKey reports whether key is an idempotency key: 1 to 200 printable ASCII characters.
func ValidKey(key string) bool {
	if key == "" || len(key) > 200 {
		return false
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return false
		}
	}
	return true
}

// IsMediaType reports whether a Content-Type is want, in UTF-8 if it names a character set.
func IsMediaType(contentType, want string) bool {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != want {
		return false
	}
	charset, named := params["charset"]
	return !named || strings.EqualFold(charset, "utf-8")
}

// BodyError turns a failed read of a body into a client error: it was cut off or too large.
func BodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return problem.New(problem.Malformed, "body_unreadable", "The body could not be read to its end.").Wrap(err)
}

// Malformed is a problem about one parameter, field or header.
func Malformed(code, field, message string) error {
	return &problem.Error{
		Kind:    problem.Malformed,
		Code:    code,
		Field:   field,
		Message: message,
	}
}
