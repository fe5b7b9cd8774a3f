package pages

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/internal/topup"
	"pop.store/credits/views"
)

func (h *Handlers) settingsPage(req *creatorRequest) error {
	m, err := h.settingsModel(req)
	if err != nil {
		return err
	}
	m.Saved = req.QueryParam("saved") == "1"
	return render(req, http.StatusOK, views.SettingsPage(m))
}

func (h *Handlers) settingsModel(req *creatorRequest) (views.SettingsModel, error) {
	m := views.SettingsModel{Layout: h.layout(req, views.NavSettings)}
	var err error
	m.TopUp, err = h.topUpModel(req)
	m.Layout.TopUp = nil // shown in its own section
	return m, err
}

func (h *Handlers) topUpModel(req *creatorRequest) (views.TopUpModel, error) {
	o, err := h.TopUp.Overview(req.Request().Context(), &req.Account)
	if err != nil {
		return views.TopUpModel{}, err
	}
	prices := h.Prices()
	m := views.TopUpModel{
		Available: h.Billing.Available() && len(prices.Packs) > 0,
		On:        o.On,
		Kept:      o.Kept.Any,
		Card:      o.Kept.Card,
		Wait:      string(o.Wait),
		Threshold: o.Threshold,
		Spendable: req.Spendable,
		Form:      topUpForm(req, prices, &o),
		Currency:  oneCurrency(prices.Packs),
	}
	for _, p := range prices.Packs {
		m.Packs = append(m.Packs, views.Option{
			Value: packValue(p),
			Label: p.Name + ", " + views.Tokens(p.Tokens) + ", " + p.Price.String(),
		})
	}
	if o.Set {
		m.Times, m.MostTimes, m.Spent, m.Limit = o.Times, o.Settings.Times, o.Spent, o.Limit
	}
	if o.Stopped.Why != "" {
		m.Stopped = &views.TopUpNotice{Why: views.TopUpStop(o.Stopped.Why), At: o.Stopped.At}
	}
	if p := o.Last; p != nil {
		m.Last = &views.TopUpAttempt{
			At:      p.CreatedAt,
			State:   string(p.Status),
			Failure: string(p.Failure),
			Tokens:  p.Tokens,
			Price:   p.Price,
			Href:    "/credits/purchases/" + p.ID.String(),
		}
	}
	return m, nil
}

// suggestedTimes is the suggested number of top-ups a month.
const suggestedTimes = 3

// topUpForm has the saved settings, or suggestions if there are none.
func topUpForm(req *creatorRequest, prices *catalog.Catalog, o *topup.Overview) views.TopUpForm {
	pack, sold := prices.Pack(o.Agreed.Pack)
	if o.Set {
		f := views.TopUpForm{
			Threshold: o.Threshold.String(),
			Times:     strconv.Itoa(o.Settings.Times),
			Limit:     o.Limit.Decimal(),
		}
		if sold {
			f.Pack = packValue(pack)
		}
		return f
	}
	for i, p := range prices.Packs {
		if i == 0 || p.Popular {
			pack = p
		}
	}
	limit := money.Amount{Minor: suggestedTimes * pack.Price.Minor, Currency: pack.Price.Currency}
	f := views.TopUpForm{
		Pack:  packValue(pack),
		Times: strconv.Itoa(suggestedTimes),
		Limit: limit.Decimal(),
	}
	if req.Threshold > 0 && req.Threshold < pack.Tokens {
		f.Threshold = req.Threshold.String()
	}
	return f
}

// oneCurrency is the currency of all packs; empty if they have several.
func oneCurrency(packs []catalog.Pack) string {
	for _, p := range packs {
		if p.Price.Currency != packs[0].Price.Currency {
			return ""
		}
	}
	if len(packs) == 0 {
		return ""
	}
	return packs[0].Price.Currency
}

// packValue is the form value of a pack, with the terms that the creator agrees to. The id comes
// last because it may contain colons.
func packValue(p catalog.Pack) string {
	return fmt.Sprintf("%d:%s:%s:%d:%s", p.Price.Minor, p.Price.Currency, p.Tokens, p.ExpiresDays, p.ID)
}

// parsePackValue reads packValue. The zero Terms, which no pack has, stand for an invalid value.
func parsePackValue(value string) billing.Terms {
	parts := strings.SplitN(value, ":", 5)
	if len(parts) != 5 {
		return billing.Terms{}
	}
	minor, badPrice := strconv.ParseInt(parts[0], 10, 64)
	amount, badTokens := tokens.Parse(parts[2])
	days, badDays := strconv.Atoi(parts[3])
	if badPrice != nil || badTokens != nil || badDays != nil {
		return billing.Terms{}
	}
	return billing.Terms{
		Pack:        parts[4],
		Tokens:      amount,
		Price:       money.Amount{Minor: minor, Currency: parts[1]},
		ExpiresDays: days,
	}
}

// saveTopUp saves the settings and turns auto top-up on.
func (h *Handlers) saveTopUp(req *creatorRequest) error {
	form, err := completeForm(req, "threshold", "pack", "times", "limit")
	if err != nil {
		return err
	}
	typed := views.TopUpForm{
		Threshold: form.Get("threshold"),
		Pack:      form.Get("pack"),
		Times:     form.Get("times"),
		Limit:     form.Get("limit"),
		Problems:  map[string]string{},
	}
	p := readTopUp(typed)
	for _, wrong := range h.TopUp.Check(p) {
		if typed.Problems[wrong.Field] == "" {
			typed.Problems[wrong.Field] = wrong.Message
		}
	}
	if len(typed.Problems) > 0 {
		return h.rejectTopUpForm(req, typed)
	}
	if err := h.TopUp.Save(req.Request().Context(), req.ID, p); err != nil {
		return err
	}
	return req.Redirect(http.StatusSeeOther, "/settings?saved=1")
}

// readTopUp parses the form. Invalid values are added to its problems.
func readTopUp(typed views.TopUpForm) topup.SaveParams {
	var p topup.SaveParams
	p.Agreed = parsePackValue(typed.Pack)
	if strings.TrimSpace(typed.Threshold) == "" {
		typed.Problems["threshold"] = "Type a number of tokens, such as 20 or 42.5."
	} else {
		p.Threshold = *parseAmount(typed.Threshold, "threshold", typed.Problems)
	}
	var err error
	if p.Times, err = strconv.Atoi(strings.TrimSpace(typed.Times)); err != nil {
		typed.Problems["times"] = "Choose a number from 1 to " + strconv.Itoa(topup.MostTimes) + "."
	}
	if p.Limit, err = parseMoney(typed.Limit, p.Agreed.Price); err != nil {
		typed.Problems["limit"] = "Type an amount of money, such as 100 or 117.50."
	}
	return p
}

// grouped is a number with commas between thousands. Other commas may be decimal ones: "117,50" is not
// 11750.
var grouped = regexp.MustCompile(`^[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?$`)

// parseMoney parses an amount of money, with or without the currency sign.
func parseMoney(text string, price money.Amount) (money.Amount, error) {
	sign := strings.TrimRight(money.Amount{Currency: price.Currency}.String(), "0.")
	text = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), strings.TrimSpace(sign)))
	if grouped.MatchString(text) {
		text = strings.ReplaceAll(text, ",", "")
	}
	return money.Parse(text, price.Currency)
}

// rejectTopUpForm shows the page again with the form as typed and its problems.
func (h *Handlers) rejectTopUpForm(req *creatorRequest, typed views.TopUpForm) error {
	m, err := h.settingsModel(req)
	if err != nil {
		return err
	}
	m.TopUp.Form = typed
	return render(req, http.StatusUnprocessableEntity, views.SettingsPage(m))
}

// turnTopUpOff turns auto top-up off, or leaves it off.
func (h *Handlers) turnTopUpOff(req *creatorRequest) error {
	if err := h.TopUp.TurnOff(req.Request().Context(), req.ID); err != nil {
		return err
	}
	return req.Redirect(http.StatusSeeOther, "/settings?saved=1")
}

// forgetCard removes the saved card.
func (h *Handlers) forgetCard(req *creatorRequest) error {
	if err := h.Billing.Forget(req.Request().Context(), req.ID); err != nil {
		return err
	}
	return req.Redirect(http.StatusSeeOther, "/settings?saved=1")
}

// topUpStopped is the notice that auto top-up was stopped. If it cannot be read, the page has none.
func (h *Handlers) topUpStopped(req *creatorRequest) *views.TopUpNotice {
	stopped, is, err := h.TopUp.Stopped(req.Request().Context(), req.ID)
	if err != nil {
		h.Log.Warn("auto top-up cannot be read", "request_id", web.RequestID(req), "error", err)
	}
	if err != nil || !is {
		return nil
	}
	return &views.TopUpNotice{Why: views.TopUpStop(stopped.Why), At: stopped.At}
}
