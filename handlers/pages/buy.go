package pages

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/present"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/recap"
	"pop.store/credits/internal/receipt"
	"pop.store/credits/internal/sitepath"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// purchaseIntent is why a creator buys: how many tokens are missing, and where to return. Invalid
// parameters are ignored.
type purchaseIntent struct {
	need tokens.Amount
	next string
	keep bool // the card, for auto top-up
	asks bool // the form has the choice
}

func readPurchaseIntent(get func(string) string) purchaseIntent {
	w := purchaseIntent{keep: get("keep") == "1"}
	w.asks = w.keep || get("offer") == "1"
	if need, err := tokens.Parse(get("need")); err == nil && need > 0 {
		w.need = need
	}
	w.next = returnPath(get("next"))
	return w
}

// returnPath is next if a purchase may return there, else empty.
func returnPath(next string) string {
	if next == "/" || !sitepath.Valid(next) || len(next) > maxReturnPath {
		return ""
	}
	return next
}

// maxReturnPath is the longest path that billing stores, in bytes.
const maxReturnPath = 500

func (h *Handlers) buyPage(req *creatorRequest) error {
	m, err := h.buyModel(req, readPurchaseIntent(req.QueryParam))
	if err != nil {
		return err
	}
	return render(req, http.StatusOK, views.BuyPage(m))
}

func (h *Handlers) buyModel(req *creatorRequest, intent purchaseIntent) (views.BuyModel, error) {
	open, err := h.openOrders(req)
	if err != nil {
		return views.BuyModel{}, err
	}
	m := views.BuyModel{
		Layout:    h.layout(req, views.NavCredits),
		Open:      open,
		Available: h.Billing.Available(),
		Spendable: req.Spendable,
		Need:      intent.need,
		Next:      intent.next,
		Owed:      req.Owed,
		Waiting:   req.Paused,
		Taxed:     h.Billing.Taxed(),
		OfferKeep: intent.asks,
		Keep:      intent.keep,
	}
	account, err := h.Ledger.Account(req.Request().Context(), req.ID)
	if err != nil {
		return views.BuyModel{}, err
	}
	outlook, err := h.Notices.Outlook(req.Request().Context(), &req.Overview, account.Lots)
	if err != nil {
		return views.BuyModel{}, err
	}
	packs := h.Prices().Packs
	resumes, err := h.resumes(req, packs)
	if err != nil {
		return views.BuyModel{}, err
	}
	for i, p := range packs {
		pack := h.packModel(p, req.Owed)
		pack.Key, pack.Resumes, pack.Covers = uuid.NewString(), resumes[i], intent.need > 0 && pack.Gets >= intent.need
		pack.Lasts = outlook.Pace.GoodFor(pack.Gets, pack.ExpiresAfter)
		m.Packs = append(m.Packs, pack)
	}
	advice, err := h.advice(req, account.Lots, intent.need)
	if err != nil {
		return views.BuyModel{}, err
	}
	m.Advice = suggest(m.Packs, intent.need, advice)
	return m, nil
}

// suggest selects one pack, and drops advice to buy another one. With a need it is the smallest
// pack that covers it; without one it is the pack that the advice names, if any.
func suggest(packs []views.PackModel, need tokens.Amount, advice []views.AdviceModel) []views.AdviceModel {
	buy := slices.IndexFunc(advice, func(one views.AdviceModel) bool { return one.Kind == views.AdviceBuy })
	if need == 0 && buy >= 0 {
		for i := range packs {
			packs[i].Suggested = packs[i].ID == advice[buy].PackID
		}
		return advice
	}
	preselect(packs, need)
	other := func(p views.PackModel) bool { return p.Suggested && p.ID != advice[buy].PackID }
	if buy >= 0 && slices.ContainsFunc(packs, other) {
		return slices.Delete(advice, buy, buy+1)
	}
	return advice
}

// preselect suggests the smallest pack that covers a need, or the largest one if none does; packs
// are sorted by size. Without a need it keeps the catalog's suggestion, unless the debt takes that
// whole pack.
func preselect(packs []views.PackModel, need tokens.Amount) {
	worthless := func(p views.PackModel) bool { return p.Suggested && p.Gets <= 0 }
	if need == 0 && !slices.ContainsFunc(packs, worthless) {
		return
	}
	suggested := false
	for i := range packs {
		packs[i].Suggested = !suggested && (packs[i].Gets >= max(need, 1) || i == len(packs)-1)
		suggested = suggested || packs[i].Suggested
	}
}

// resumes names, for each pack, the paused agents that it would resume.
func (h *Handlers) resumes(req *creatorRequest, packs []catalog.Pack) ([][]string, error) {
	names := make([][]string, len(packs))
	if req.Paused == 0 {
		return names, nil
	}
	grants := make([]ledger.Grant, len(packs))
	for i, p := range packs {
		grants[i] = ledger.Grant{Kind: ledger.LotPurchase, Amount: p.Tokens}
	}
	lists, err := h.Ledger.WouldResume(req.Request().Context(), req.ID, grants)
	for i, list := range lists {
		for j := range list {
			names[i] = append(names[i], h.agentName(&list[j]))
		}
	}
	return names, err
}

// packModel is a pack as shown to an account that owes tokens, without the form's idempotency key.
func (h *Handlers) packModel(p catalog.Pack, owed tokens.Amount) views.PackModel {
	gets := max(p.Tokens-owed, 0)
	return views.PackModel{
		ID:           p.ID,
		Name:         p.Name,
		Tokens:       p.Tokens,
		Price:        p.Price,
		Gets:         gets,
		GoodFor:      present.Equivalents(h.Prices(), gets, present.CreditsFeatures),
		ExpiresAfter: time.Duration(p.ExpiresDays) * 24 * time.Hour,
		Suggested:    p.Popular,
	}
}

// buy orders a pack and redirects to the payment page. The form contains its idempotency key, so a
// form that is sent twice is one purchase.
func (h *Handlers) buy(req *creatorRequest) error {
	form, err := formParams(req)
	if err != nil {
		return err
	}
	key, pack, w := form.Get("key"), form.Get("pack"), readPurchaseIntent(form.Get)
	if !web.ValidKey(key) {
		return web.ErrInvalidKey
	}
	p, _, err := h.Billing.Start(req.Request().Context(), req.ID, key, billing.StartParams{
		Pack:       pack,
		ReturnPath: w.next,
		KeepMethod: w.keep,
		Shown:      shownOrder(form),
	})
	var refused *problem.Error
	if errors.As(err, &refused) && web.Status(refused.Kind) < http.StatusInternalServerError {
		m, err := h.buyModel(req, w)
		if err != nil {
			return err
		}
		m.Problem, m.ProblemPack = refused.Message, pack
		switch {
		case errors.Is(refused, idempotency.ErrKeyReused):
			m.Problem = "This page was used for another order already. Nothing new was ordered. Press Pay again to order what you see."
		case errors.Is(refused, billing.ErrOpenOrder):
			m.Problem = "You have another order that isn't paid yet. Nothing new was ordered. Continue or cancel it below, or press Pay again to order this pack as well."
		}
		return render(req, web.Status(refused.Kind), views.BuyPage(m))
	}
	if err != nil {
		return err
	}
	return req.Redirect(http.StatusSeeOther, p.CheckoutURL)
}

// shownOrder is the newest open order that the form's page has shown: the zero UUID for none, nil
// if the form has no such field.
func shownOrder(form url.Values) *uuid.UUID {
	if !form.Has("open") {
		return nil
	}
	id, err := uuid.Parse(form.Get("open"))
	if err != nil {
		id = uuid.Nil
	}
	return &id
}

// openOrders are the unpaid orders, newest first.
func (h *Handlers) openOrders(req *creatorRequest) ([]views.OpenOrder, error) {
	list, err := h.Billing.OpenOrders(req.Request().Context(), req.ID)
	if err != nil {
		return nil, err
	}
	open := make([]views.OpenOrder, len(list))
	for i := range list {
		p := &list[i]
		open[i] = views.OpenOrder{
			ID:       p.ID.String(),
			PackName: receipt.PackName(h.Prices(), p.Pack),
			Tokens:   p.Tokens,
			Price:    p.Price,
			At:       p.CreatedAt,
			PayURL:   p.CheckoutURL,
		}
	}
	return open, nil
}

// cancelPurchase closes an unpaid order.
func (h *Handlers) cancelPurchase(req *creatorRequest) error {
	id, err := web.PurchaseID(req)
	if err != nil {
		return err
	}
	_, err = h.Billing.Cancel(req.Request().Context(), req.ID, id)
	if errors.Is(err, billing.ErrNoCheckout) {
		return h.rejectPurchaseForm(req, http.StatusConflict, billing.ErrNoCheckout.Message)
	}
	if err != nil {
		return err
	}
	return req.Redirect(http.StatusSeeOther, "/credits/purchases/"+id.String())
}

func (h *Handlers) purchasePage(req *creatorRequest) error {
	m, err := h.purchaseModel(req)
	if err != nil {
		return err
	}
	return render(req, http.StatusOK, views.PurchasePage(m))
}

// purchaseStatus answers the purchase page's poll: 204 while nothing has changed. Once the tokens
// have arrived, it makes the badge poll immediately.
func (h *Handlers) purchaseStatus(req *creatorRequest) error {
	m, err := h.purchaseModel(req)
	if err != nil {
		return err
	}
	if m.State.Arrived() {
		req.Response().Header().Set("HX-Trigger", "credits-changed")
	} else if req.QueryParam("shown") == m.Version() {
		return req.NoContent(http.StatusNoContent)
	}
	return render(req, http.StatusOK, views.PurchaseStatus(m))
}

// returnPurchase returns an unused pack. The form contains its idempotency key. If the refund
// cannot be completed now, a job completes it.
func (h *Handlers) returnPurchase(req *creatorRequest) error {
	form, err := formParams(req)
	if err != nil {
		return err
	}
	if !web.ValidKey(form.Get("key")) {
		return web.ErrInvalidKey
	}
	id, err := web.PurchaseID(req)
	if err != nil {
		return err
	}
	ctx := req.Request().Context()
	_, _, err = h.Billing.Return(ctx, req.ID, id, form.Get("key"))
	if refused := problem.Of(err); err != nil && web.Status(refused.Kind) < http.StatusInternalServerError &&
		refused.Kind != problem.NotFound {
		return h.rejectPurchaseForm(req, web.Status(refused.Kind), refused.Message)
	}
	if err != nil {
		if p, unknown := h.Billing.Get(ctx, req.ID, id); unknown != nil || !p.Returning() {
			return err
		}
	}
	return req.Redirect(http.StatusSeeOther, "/credits/purchases/"+id.String())
}

// rejectPurchaseForm shows the purchase again, with the reason why the form failed.
func (h *Handlers) rejectPurchaseForm(req *creatorRequest, status int, why string) error {
	m, err := h.purchaseModel(req)
	if err != nil {
		return err
	}
	m.Problem = why
	return render(req, status, views.PurchasePage(m))
}

// purchaseModel asks the provider for the payment's state, since the browser could forge it, and
// then reads the balance.
func (h *Handlers) purchaseModel(req *creatorRequest) (views.PurchaseModel, error) {
	id, err := web.PurchaseID(req)
	if err != nil {
		return views.PurchaseModel{}, err
	}
	ctx := req.Request().Context()
	p, err := h.Billing.Refresh(ctx, req.ID, id)
	if err != nil {
		return views.PurchaseModel{}, err
	}
	breakdown, err := h.Billing.TokenBreakdown(ctx, p)
	if err != nil {
		return views.PurchaseModel{}, err
	}
	if req.Overview, err = h.Notices.Overview(ctx, req.ID); err != nil {
		return views.PurchaseModel{}, err
	}
	m := views.PurchaseModel{
		Layout:   h.layout(req, views.NavCredits),
		ID:       p.ID.String(),
		PackName: receipt.PackName(h.Prices(), p.Pack),
		Tokens:   p.Tokens,
		Price:    p.Price,
		At:       p.CreatedAt,
		Owed:     breakdown.Netted,
		Balance:  req.Spendable,
		BackURL:  p.ReturnPath,
		RetryURL: web.BuyURL(0, p.ReturnPath),
		Left:     breakdown.Left,
		Debt:     req.Owed,
		Back: views.BackModel{
			Money:  p.Refunded,
			Tokens: breakdown.Back,
			Used:   breakdown.Used,
			At:     breakdown.BackAt,
			Reason: breakdown.Reason,
		},
		Receipt: !p.CompletedAt.IsZero(),
		Paid:    p.Paid,
		PayURL:  p.CheckoutURL,
		Open:    p.Open,
		Auto:    p.Auto,
		Failure: string(p.Failure),
	}
	if p.Auto {
		m.RetryURL = views.KeepCardURL
	}
	m.State, m.Every = purchaseState(&p, req.QueryParam("cancelled") == "1", req.now)
	if m.State.Arrived() {
		m.State = arrivedState(&p, breakdown.Cause)
	}
	m.Fresh = req.now.Sub(latestOf(p.CompletedAt, breakdown.BackAt)) <= recentFor
	if m.State == views.PurchaseReturning {
		m.Back.Money = p.Paid
	}
	if m.State != views.PurchasePaid {
		return m, nil
	}
	return m, h.addRecent(req, p, &m)
}

// addRecent adds the agents that the purchase resumed and whether it can be returned. It applies to
// purchases without refunds.
func (h *Handlers) addRecent(req *creatorRequest, p billing.Purchase, m *views.PurchaseModel) (err error) {
	if req.now.Sub(p.CreatedAt) <= recentFor {
		if m.Resumed, err = h.resumedBy(req, p.ID); err != nil {
			return err
		}
	}
	until, ok, err := h.Billing.Returnable(req.Request().Context(), p)
	if ok {
		m.Return = &views.ReturnModel{
			Until: until,
			Key:   uuid.NewString(),
			Paid:  p.Paid,
			Card:  p.Card,
		}
	}
	return err
}

func latestOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// recentFor is how long the purchase page shows its effects: the current balance and the resumed
// agents.
const recentFor = time.Hour

func (h *Handlers) resumedBy(req *creatorRequest, purchase uuid.UUID) ([]views.ResumedModel, error) {
	list, err := recap.BackOn(req.Request().Context(), h.Ledger, &req.Account, purchase)
	if err != nil {
		return nil, err
	}
	var back []views.ResumedModel
	for i := range list {
		back = append(back, h.resumedModel(&list[i]))
	}
	return back, nil
}

// After slowAfter without a final state from the provider a purchase is shown as slow, and its page
// stops polling. After unpaidAfter it is shown as unpaid.
const (
	slowAfter   = 2 * time.Minute
	unpaidAfter = 10 * time.Minute
)

// openPoll is the poll interval of an open order, which another tab may pay or cancel.
func openPoll(waited time.Duration) time.Duration {
	if waited < unpaidAfter {
		return 5 * time.Second
	}
	return time.Minute
}

// purchaseState is what the purchase page shows, and its poll interval: 1, then 2, then 5 seconds while
// a payment is being confirmed.
func purchaseState(p *billing.Purchase, cancelled bool, now time.Time) (views.PurchaseState, time.Duration) {
	switch p.Status {
	case billing.StatusCompleted, billing.StatusRefunded, billing.StatusDisputed:
		return views.PurchasePaid, 0
	case billing.StatusFailed:
		return views.PurchaseFailed, 0
	case billing.StatusExpired:
		return views.PurchaseCancelled, 0
	case billing.StatusPending, billing.StatusProcessing:
	}
	waited := now.Sub(p.CreatedAt)
	switch {
	case cancelled && p.Status == billing.StatusPending:
		return views.PurchaseCancelled, openPoll(waited)
	case p.Open, p.Status == billing.StatusPending && p.CheckoutURL == "" && !p.Auto:
		return views.PurchaseUnpaid, openPoll(waited)
	case waited > unpaidAfter && p.Status == billing.StatusPending && !p.Auto:
		return views.PurchaseUnpaid, 0
	case waited > slowAfter:
		return views.PurchaseSlow, 0
	case waited < 5*time.Second:
		return views.PurchaseProcessing, time.Second
	case waited < 20*time.Second:
		return views.PurchaseProcessing, 2 * time.Second
	}
	return views.PurchaseProcessing, 5 * time.Second
}

// arrivedState is the state of a purchase whose tokens arrived; cause is why its money was refunded.
func arrivedState(p *billing.Purchase, cause ledger.Cause) views.PurchaseState {
	switch {
	case p.FullyRefunded() && cause == ledger.CauseReturn:
		return views.PurchaseReturned
	case p.FullyRefunded() && cause == ledger.CauseDispute:
		return views.PurchaseLost
	case p.FullyRefunded():
		return views.PurchaseRefunded
	case p.Status == billing.StatusDisputed:
		return views.PurchaseDisputed
	case p.Returning():
		return views.PurchaseReturning
	case p.Refunded.Minor > 0:
		return views.PurchasePartly
	}
	return views.PurchasePaid
}
