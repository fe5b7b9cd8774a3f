package api

import (
	"cmp"
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// getTransactions lists an account's entries, newest first.
func (h *Handlers) getTransactions(c echo.Context, account uuid.UUID) error {
	filter, err := transactionFilter(c)
	if err != nil {
		return err
	}
	size, err := pageSize(c)
	if err != nil {
		return err
	}
	before, err := web.EntriesBefore(c, account)
	if err != nil {
		return err
	}
	page, err := h.Ledger.History(c.Request().Context(), account, filter, before, size)
	if err != nil {
		return err
	}
	list := make([]entryJSON, len(page.Lines))
	for i := range page.Lines {
		list[i] = lineAnswer(&page.Lines[i])
	}
	return c.JSON(http.StatusOK, map[string]any{
		"transactions": list,
		"next_cursor":  nullIfEmpty(web.EntryCursor(c, account, page.Before)),
		"searched_to":  formatTime(page.SearchedTo),
	})
}

// getTransaction answers one entry, as the list does.
func (h *Handlers) getTransaction(c echo.Context, account uuid.UUID) error {
	line, err := h.Ledger.Transaction(c.Request().Context(), account, entryOf(c, account))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, lineAnswer(&line))
}

// lineAnswer is an entry with its reason and metadata.
func lineAnswer(l *ledger.Line) entryJSON {
	j := entryAnswer(&l.Entry)
	j.Reason, j.Metadata = nullIfEmpty(cmp.Or(l.Reason, causeReasons[l.Cause])), l.Metadata
	return j
}

// causeReasons are the default reasons of clawbacks, by cause.
var causeReasons = map[ledger.Cause]string{
	ledger.CauseRefund:  "refunded",
	ledger.CauseReturn:  "returned by the creator",
	ledger.CauseDispute: "payment dispute lost",
	ledger.CauseOwed:    "owed from a returned payment",
}

func transactionFilter(c echo.Context) (ledger.Filter, error) {
	f := ledger.Filter{
		Feature:   c.QueryParam("feature"),
		Agent:     c.QueryParam("agent"),
		Reference: c.QueryParam("reference"),
	}
	if name := c.QueryParam("kind"); name != "" {
		kind, ok := ledger.ParseKind(name)
		if !ok {
			return f, problem.Invalid("kind", "is not a kind of transaction")
		}
		f.Kinds = []ledger.Kind{kind}
	}
	var err error
	if f.From, err = timeParam(c, "from"); err != nil {
		return f, err
	}
	f.To, err = timeParam(c, "to")
	return f, err
}

// getCatalog answers with the current prices.
func (h *Handlers) getCatalog(c echo.Context) error {
	prices := h.Prices()
	return c.JSON(http.StatusOK, map[string]any{
		"version":           prices.Version,
		"plans":             plansJSON(prices),
		"features":          featuresJSON(prices),
		"packs":             packsJSON(prices),
		"plan_table":        tableJSON(prices),
		"effective_from":    formatTime(prices.From),
		"next_change_at":    formatTime(prices.NextChange()),
		"upgrade_rule":      prices.Upgrade,
		"low_percent":       prices.LowPercent,
		"refund_grace_days": prices.RefundGraceDays,
		"return_days":       prices.ReturnDays,
	})
}

func plansJSON(prices *catalog.Catalog) []map[string]any {
	list := make([]map[string]any, 0, len(prices.Plans))
	for _, p := range prices.Plans {
		list = append(list, map[string]any{
			"id":        p.ID,
			"name":      p.Name,
			"allowance": p.Allowance,
			"price":     priceJSON(p.Price),
			"url":       nullIfEmpty(p.URL),
		})
	}
	return list
}

func featuresJSON(prices *catalog.Catalog) []map[string]any {
	list := make([]map[string]any, 0, len(prices.Features))
	for _, f := range prices.Features {
		var price *tokens.Amount
		if f.Pricing != catalog.Metered {
			price = &f.Price
		}
		list = append(list, map[string]any{
			"id":      f.ID,
			"name":    f.Name,
			"pricing": f.Pricing,
			"price":   price,
			"unit":    f.One,
			"agent":   f.Agent,
		})
	}
	return list
}

func packsJSON(prices *catalog.Catalog) []map[string]any {
	list := make([]map[string]any, 0, len(prices.Packs))
	for _, p := range prices.Packs {
		list = append(list, map[string]any{
			"id":           p.ID,
			"name":         p.Name,
			"tokens":       p.Tokens,
			"price":        priceJSON(p.Price),
			"expires_days": p.ExpiresDays,
			"popular":      p.Popular,
		})
	}
	return list
}

func tableJSON(prices *catalog.Catalog) []map[string]any {
	list := make([]map[string]any, 0, len(prices.Table))
	for _, r := range prices.Table {
		counts := map[string]int64{}
		for i, n := range prices.Counts(r) {
			counts[prices.Plans[i].ID] = n
		}
		list = append(list, map[string]any{
			"feature": r.Feature,
			"name":    r.Name,
			"rate":    r.Rate,
			"about":   r.About,
			"counts":  counts,
		})
	}
	return list
}

// priceJSON is null for no price.
func priceJSON(price money.Amount) any {
	if price.Currency == "" {
		return nil
	}
	return map[string]any{"minor": price.Minor, "currency": price.Currency}
}
