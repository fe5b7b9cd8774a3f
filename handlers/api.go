package handlers

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/strictjson"
)

var (
	errNoKey = problem.New(problem.Unauthenticated, "missing_api_key",
		"Send an API key: Authorization: Bearer <key>.")
	errScope      = problem.New(problem.Forbidden, "insufficient_scope", "This API key's scope does not allow that.")
	errKeyMissing = problem.New(problem.Malformed, "missing_idempotency_key",
		"Send an Idempotency-Key header: 1 to 200 printable characters.")
	errKeyInvalid = problem.New(problem.Malformed, "invalid_idempotency_key",
		"The idempotency key must be 1 to 200 printable characters.")
	errMediaType = problem.New(problem.MediaType, "unsupported_media_type", "Send the body as application/json.")
)

// key serves requests that bring an API key with the scope.
func (a *App) key(scope apikey.Scope, serve echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := a.authorize(c, scope); err != nil {
			return err
		}
		if err := serve(c); err != nil {
			return err
		}
		if isAct(c, scope) {
			a.logAct(c, uuid.Nil)
		}
		return nil
	}
}

// account serves requests about one account: for an API key with the scope or, for reading one's
// own as "me", a signed-in creator. What needs no more than the scope Read takes its turn among the
// account's other reads.
func (a *App) account(scope apikey.Scope, serve func(c echo.Context, account uuid.UUID) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := a.accountOf(c, scope)
		if err != nil {
			return err
		}
		if scope == apikey.Read {
			done, err := a.takeTurn(c.Request().Context(), id)
			if err != nil {
				return err
			}
			defer done()
		}
		if err := serve(c, id); err != nil {
			return err
		}
		if isAct(c, scope) {
			a.logAct(c, id)
		}
		return nil
	}
}

// accountOf finds the account that the path names, for who may ask about it.
func (a *App) accountOf(c echo.Context, scope apikey.Scope) (uuid.UUID, error) {
	if c.Param("account") == "me" && reads(c.Request()) && bearer(c.Request()) == "" {
		visitor, ok, err := a.Sessions.Visitor(c.Request())
		if err == nil && !ok {
			err = errSignedOut
		}
		return visitor.Account, err
	}
	if err := a.authorize(c, scope); err != nil {
		return uuid.Nil, err
	}
	return a.Accounts.Find(c.Request().Context(), c.Param("account"))
}

// reads says whether a request can change nothing.
func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

func (a *App) authorize(c echo.Context, scope apikey.Scope) error {
	secret := bearer(c.Request())
	if secret == "" {
		return errNoKey
	}
	key, err := a.Keys.Verify(c.Request().Context(), secret)
	if err != nil {
		return err
	}
	c.Set(keyID, key.ID)
	if !key.Scope.Allows(scope) {
		return errScope
	}
	return nil
}

func bearer(r *http.Request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

// decode reads a request's body, bounded and strictly.
func decode(c echo.Context, into any) error {
	body, err := jsonBody(c)
	if err != nil {
		return err
	}
	return strictjson.Decode(body, into)
}

// decodeOptional is decode for calls whose body may be left out.
func decodeOptional(c echo.Context, into any) error {
	body, err := jsonBody(c)
	if err != nil {
		return err
	}
	return strictjson.DecodeOptional(body, into)
}

// jsonBody reads a request's body, which has to say that it is JSON in UTF-8 and nothing on top,
// such as compression. An empty one need not.
func jsonBody(c echo.Context) ([]byte, error) {
	body, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return nil, unreadable(err)
	}
	h := c.Request().Header
	if len(body) > 0 && (!isMedia(h.Get("Content-Type"), "application/json") || h.Get("Content-Encoding") != "") {
		return nil, errMediaType
	}
	return body, nil
}

// isMedia says whether a Content-Type is this type, in UTF-8 if it names a character set.
func isMedia(contentType, want string) bool {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != want {
		return false
	}
	charset, named := params["charset"]
	return !named || strings.EqualFold(charset, "utf-8")
}

// unreadable is a body that broke off or was too large: the caller's doing, not ours.
func unreadable(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return problem.New(problem.Malformed, "body_unreadable", "The body could not be read to its end.").Wrap(err)
}

// idempotencyKey reads the header that every POST that writes needs.
func idempotencyKey(c echo.Context) (string, error) {
	key := c.Request().Header.Get("Idempotency-Key")
	if key == "" {
		return "", errKeyMissing
	}
	if !validKey(key) {
		return "", errKeyInvalid
	}
	return key, nil
}

func validKey(key string) bool {
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

// created answers a POST that wrote an entry, or replays its answer.
func created(c echo.Context, replayed bool, body any) error {
	if replayed {
		c.Response().Header().Set("Idempotent-Replayed", "true")
	}
	return c.JSON(http.StatusCreated, body)
}

// limit reads the size of a page: 50 unless asked otherwise, at most ledger.MaxPage.
func limit(c echo.Context) (int, error) {
	text := c.QueryParam("limit")
	if text == "" {
		return historyRows, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > ledger.MaxPage {
		return 0, problem.Invalid("limit", "must be between 1 and %d", ledger.MaxPage)
	}
	return n, nil
}

// instantParam reads an optional time of the query string.
func instantParam(c echo.Context, name string) (time.Time, error) {
	text := c.QueryParam(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, problem.Invalid(name, `must be a time such as "2026-11-22T14:02:00Z"`)
	}
	return instant(name, t)
}

// instant is a time that came in as the books keep it: in UTC, to the microsecond. The first
// instant of year 1 is refused, since further in a zero time means none, and so is what in UTC lies
// in a year of five digits.
func instant(field string, t time.Time) (time.Time, error) {
	t = t.UTC().Truncate(time.Microsecond)
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, problem.Invalid(field, "must be within the years 1 to 9999")
	}
	return t, nil
}

// stamp writes an instant as the API does, null for none.
func stamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format(time.RFC3339Nano)
	return &text
}

// unlessEmpty writes a text, null for none.
func unlessEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
