package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/session"
	"pop.store/credits/internal/strictjson"
	"pop.store/credits/internal/tokens"
)

const chargeBody = `{"feature":"social_comment_reply","agent":"replies","quantity":3,"reference":"comment-184467"}`

func postRequest(path, key, idempotency, body string) []byte {
	head := "POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + key +
		"\r\nContent-Type: application/json\r\n"
	if idempotency != "" {
		head += "Idempotency-Key: " + idempotency + "\r\n"
	}
	return []byte(head + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

func is(want int) func(int) bool { return func(status int) bool { return status == want } }

// setHTTP makes one charge per request, and compares with a handler that only decodes the request and
// encodes the answer.
func setHTTP(ctx context.Context, l *lab, o Options) (*experiment, error) {
	s, err := l.site(ctx)
	if err != nil {
		return nil, err
	}
	names, err := s.accounts(ctx, orDefault(o.Accounts, 10_000))
	if err != nil {
		return nil, err
	}
	request := func(int) []byte {
		return postRequest("/v1/accounts/"+names[rand.IntN(len(names))]+"/charges", s.key, newKey(), chargeBody)
	}
	answer, err := s.once(request(0), http.StatusCreated)
	if err != nil {
		return nil, err
	}
	bare, err := l.serve(bareCharge(answer))
	if err != nil {
		return nil, err
	}
	return &experiment{
		run:       l.over(s.addr, o.Callers, 1, request, is(http.StatusCreated)),
		baselines: []baseline{{"bare_handler", l.over(bare, o.Callers, 1, request, is(http.StatusCreated))}},
		goals:     []Goal{{Against: "bare_handler", AtLeast: 0.5}},
	}, nil
}

// once makes one request and returns the answer's body.
func (s *site) once(request []byte, want int) ([]byte, error) {
	w, err := dial(s.addr)
	if err != nil {
		return nil, err
	}
	defer w.conn.Close()
	status, body, err := w.ask(request)
	if err == nil && status != want {
		err = fmt.Errorf("answered %d, not %d: %.300s", status, want, body)
	}
	return body, err
}

// bareCharge is echo with one route that decodes a charge and encodes an answer of the same size.
func bareCharge(answer []byte) http.Handler {
	var decoded any
	if err := json.Unmarshal(answer, &decoded); err != nil {
		panic(err)
	}
	e := echo.New()
	e.POST("/v1/accounts/:account/charges", func(c echo.Context) error {
		var body struct {
			Feature   string         `json:"feature"`
			Quantity  *int64         `json:"quantity"`
			Amount    *tokens.Amount `json:"amount"`
			Agent     string         `json:"agent"`
			Reference string         `json:"reference"`
		}
		raw, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return err
		}
		if err := strictjson.Decode(raw, &body); err != nil {
			return err
		}
		return c.JSON(http.StatusCreated, decoded)
	})
	return e
}

// setBulk makes 500 charges per request.
func setBulk(ctx context.Context, l *lab, o Options) (*experiment, error) {
	s, err := l.site(ctx)
	if err != nil {
		return nil, err
	}
	names, err := s.accounts(ctx, orDefault(o.Accounts, 10_000))
	if err != nil {
		return nil, err
	}
	e, err := l.againstPostgres(ctx)
	if err != nil {
		return nil, err
	}
	const perRequest = 500
	e.run = l.over(s.addr, o.Callers, perRequest, func(int) []byte {
		var body strings.Builder
		body.WriteString(`{"charges":[`)
		for i := range perRequest {
			if i > 0 {
				body.WriteByte(',')
			}
			fmt.Fprintf(&body, `{"account":%q,"idempotency_key":%q,"feature":"social_comment_reply","agent":"replies"}`, names[rand.IntN(len(names))], newKey())
		}
		body.WriteString(`]}`)
		return postRequest("/v1/charges", s.key, "", body.String())
	}, is(http.StatusOK))
	e.goals = []Goal{{Against: "pgbench_n", AtLeast: 20}}
	return e, nil
}

// setBadge polls the badge, of which four polls in five find nothing new, and compares with a handler that
// answers the same bytes at once.
func setBadge(ctx context.Context, l *lab, o Options) (*experiment, error) {
	s, err := l.site(ctx)
	if err != nil {
		return nil, err
	}
	names, err := s.accounts(ctx, orDefault(o.Accounts, 1_000))
	if err != nil {
		return nil, err
	}
	tabs := make([]tab, len(names))
	if err := inParallel(16, len(names), func(i int) (err error) {
		tabs[i], err = s.open(ctx, names[i])
		return err
	}); err != nil {
		return nil, err
	}
	fragment, err := s.once(tabs[0].poll("old"), http.StatusOK)
	if err != nil {
		return nil, err
	}
	request := func(int) []byte {
		t := tabs[rand.IntN(len(tabs))]
		if rand.IntN(5) == 0 {
			return t.poll("old")
		}
		return t.poll(t.version)
	}
	bare, err := l.serve(bareBadge(fragment))
	if err != nil {
		return nil, err
	}
	fine := func(status int) bool { return status == http.StatusOK || status == http.StatusNoContent }
	return &experiment{
		run:       l.over(s.addr, o.Callers, 1, request, fine),
		baselines: []baseline{{"bare_handler", l.over(bare, o.Callers, 1, request, fine)}},
		goals:     []Goal{{Against: "bare_handler", AtLeast: 0.75}},
	}, nil
}

// tab is a browser's tab that polls the badge.
type tab struct {
	cookie  string
	version string // of the badge that it shows
}

// open opens a creator's tab: an account's badge has a version of its own.
func (s *site) open(ctx context.Context, name string) (t tab, err error) {
	if t.cookie, err = s.signIn(ctx, name); err != nil {
		return t, err
	}
	fragment, err := s.once(t.poll("old"), http.StatusOK)
	if err != nil {
		return t, err
	}
	_, rest, _ := strings.Cut(string(fragment), "/credits/badge?v=")
	t.version, _, _ = strings.Cut(rest, `"`)
	_, err = s.once(t.poll(t.version), http.StatusNoContent)
	return t, err
}

func (t tab) poll(version string) []byte {
	return []byte("GET /credits/badge?v=" + version +
		" HTTP/1.1\r\nHost: 127.0.0.1\r\nHX-Request: true\r\nCookie: " + t.cookie + "\r\n\r\n")
}

// signIn returns the cookie of a signed-in browser.
func (s *site) signIn(ctx context.Context, name string) (string, error) {
	id, err := s.app.Directory.Find(ctx, name)
	if err != nil {
		return "", err
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/login", nil)
	if err := s.app.Sessions.SignIn(w, r, session.Visitor{AccountID: id, Role: session.RoleCreator}); err != nil {
		return "", err
	}
	cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	return cookie, nil
}

func bareBadge(fragment []byte) http.Handler {
	e := echo.New()
	e.GET("/credits/badge", func(c echo.Context) error {
		if c.QueryParam("v") == "old" {
			return c.HTMLBlob(http.StatusOK, fragment)
		}
		return c.NoContent(http.StatusNoContent)
	})
	return e
}

func orDefault(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}
