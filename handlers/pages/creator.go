package pages

import (
	"time"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/notice"
)

// creatorRequest is a signed-in creator's request for a page.
type creatorRequest struct {
	echo.Context
	notice.Overview
	now time.Time
}

// requireCreator serves signed-in creators: it reads the session and the account's overview, and
// limits the account's concurrent requests.
func (h *Handlers) requireCreator(serve func(req *creatorRequest) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		visitor, ok, err := h.Sessions.Visitor(c.Request())
		if err != nil {
			return err
		}
		if !ok {
			return web.ErrSignedOut
		}
		done, err := h.Reads.Acquire(c.Request().Context(), visitor.AccountID)
		if err != nil {
			return err
		}
		defer done()
		overview, err := h.Notices.Overview(c.Request().Context(), visitor.AccountID)
		if err != nil {
			return err
		}
		return serve(&creatorRequest{
			Context:  c,
			Overview: overview,
			now:      h.Clock(),
		})
	}
}
