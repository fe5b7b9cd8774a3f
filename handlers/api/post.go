package api

import (
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// keyedRequest is a POST that writes, with the idempotency key that makes it safe to repeat.
type keyedRequest[Body any] struct {
	echo.Context
	id   uuid.UUID // of the account or webhook endpoint that the path names
	key  string
	body Body
}

// post serves a POST that writes: it reads the key and the body, and answers 201 with what serve
// returns. replayed says that an earlier request with the same key did the work.
func post[Body any](
	serve func(r *keyedRequest[Body]) (answer any, replayed bool, err error),
) func(echo.Context, uuid.UUID) error {
	return postDecoding(decode, serve)
}

// postOptional is post for calls whose body may be left out.
func postOptional[Body any](
	serve func(r *keyedRequest[Body]) (answer any, replayed bool, err error),
) func(echo.Context, uuid.UUID) error {
	return postDecoding(decodeOptional, serve)
}

func postDecoding[Body any](
	decode func(echo.Context, any) error,
	serve func(r *keyedRequest[Body]) (answer any, replayed bool, err error),
) func(echo.Context, uuid.UUID) error {
	return func(c echo.Context, id uuid.UUID) error {
		key, err := idempotencyKey(c)
		if err != nil {
			return err
		}
		r := &keyedRequest[Body]{
			Context: c,
			id:      id,
			key:     key,
		}
		if err := decode(c, &r.body); err != nil {
			return err
		}
		answer, replayed, err := serve(r)
		if err != nil {
			return err
		}
		if replayed {
			c.Response().Header().Set("Idempotent-Replayed", "true")
		}
		return c.JSON(http.StatusCreated, answer)
	}
}
