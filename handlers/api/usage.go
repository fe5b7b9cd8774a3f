package api

import (
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// getUsage adds up what an account has spent, by feature, agent or day.
func (h *Handlers) getUsage(c echo.Context, account uuid.UUID) error {
	query, err := usageQuery(c)
	if err != nil {
		return err
	}
	u, err := h.Ledger.UsageSums(c.Request().Context(), account, query)
	if err != nil {
		return err
	}
	list := make([]map[string]any, len(u.Sums))
	for i, s := range u.Sums {
		list[i] = usageJSON(s)
		list[i][string(query.By)] = nullIfEmpty(s.Name)
	}
	return c.JSON(http.StatusOK, map[string]any{
		"group_by": query.By,
		"from":     u.First.Format(time.DateOnly),
		"to":       u.Last.Format(time.DateOnly),
		"usage":    list,
		"total":    usageJSON(u.Total),
	})
}

func usageJSON(s ledger.UsageSum) map[string]any {
	return map[string]any{
		"amount":   s.Amount,
		"quantity": s.Quantity,
		"count":    s.Count,
		"returned": s.Returned,
	}
}

func usageQuery(c echo.Context) (ledger.UsageQuery, error) {
	q := ledger.UsageQuery{By: ledger.UsageBy(c.QueryParam("group_by"))}
	switch q.By {
	case ledger.ByFeature, ledger.ByAgent, ledger.ByDay:
	case "":
		q.By = ledger.ByFeature
	default:
		return q, problem.Invalid("group_by", `must be "feature", "agent" or "day"`)
	}
	var err error
	if q.First, err = dayParam(c, "from"); err != nil {
		return q, err
	}
	q.Last, err = dayParam(c, "to")
	return q, err
}

// dayParam reads an optional date of the query string, as midnight UTC. No account is older than 2000.
func dayParam(c echo.Context, name string) (time.Time, error) {
	text := c.QueryParam(name)
	if text == "" {
		return time.Time{}, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil || day.Year() < 2000 {
		return time.Time{}, problem.Invalid(name, `must be a day such as "2026-11-22"`)
	}
	return day, nil
}
