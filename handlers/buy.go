package handlers

import (
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/recap"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// wish is what a creator wants tokens for: how many are missing, and where to go back to. What an address says wrongly is as if it said nothing.
type wish struct {
	need tokens.Amount
	next string
	keep bool // the card, for auto top-up
}

func readWish(get func(string) string) wish {
	w := wish{keep: get("keep") == "1"}
	if need, err := tokens.Parse(get("need")); err == nil && need > 0 {
		w.need = need
	}
	if next := get("next"); next != "/" && session.SafeNext(next) == next && len(next) <= maxReturn {
		w.next = next
	}
	return w
}

// maxReturn is the longest way back that billing keeps.
const maxReturn = 500

func (a *App) buyPage(v *visit) error {
	m, err := a.buyModel(v, readWish(v.QueryParam))
	if err != nil {
		return err
	}
	return render(v, http.StatusOK, views.BuyPage(m))
}

func (a *App) buyModel(v *visit, w wish) (views.BuyModel, error) {
	m := views.BuyModel{Chrome: a.chrome(v, views.NavCredits), Available: a.Billing.Available(), Spendable: v.Spendable, Need: w.need, Next: w.next, Keep: w.keep}
	for _, p := range a.Prices().Packs {
		pack := a.packModel(p)
		pack.Key = uuid.NewString()
		m.Packs = append(m.Packs, pack)
	}
	if w.need > 0 {
		suggestCovering(m.Packs, w.need+v.Owed)
	}
	account, err := a.Ledger.Account(v.Request().Context(), v.ID)
	if err != nil {
		return views.BuyModel{}, err
	}
	m.Advice, err = a.advice(v, account.Lots)
	return m, err
}

// suggestCovering suggests the smallest pack that covers a need, or the largest there is; packs are sorted by size.
func suggestCovering(packs []views.PackModel, need tokens.Amount) {
	suggested := false
	for i := range packs {
		packs[i].Suggested = !suggested && (packs[i].Tokens >= need || i == len(packs)-1)
		suggested = suggested || packs[i].Suggested
	}
}

// packModel is a pack as it is shown, without the key that its form needs.
func (a *App) packModel(p catalog.Pack) views.PackModel {
	return views.PackModel{
		ID: p.ID, Name: p.Name, Tokens: p.Tokens, Price: p.Price, GoodFor: a.equivalents(p.Tokens, creditsFeatures),
		ExpiresAfter: time.Duration(p.ExpiresDays) * 24 * time.Hour, Suggested: p.Popular,
	}
}

// buy orders a pack and sends the browser to the payment page. The key was made with the form, so a form that is sent twice is one
// purchase.
func (a *App) buy(v *visit) error {
	form, err := formParams(v)
	if err != nil {
		return err
	}
	key, pack, w := form.Get("key"), form.Get("pack"), readWish(form.Get)
	if !validKey(key) {
		return errKeyInvalid
	}
	p, _, err := a.Billing.Start(v.Request().Context(), v.ID, key, billing.StartParams{Pack: pack, ReturnPath: w.next, KeepMethod: w.keep})
	var refused *problem.Error
	if errors.As(err, &refused) && statuses[refused.Kind] < http.StatusInternalServerError {
		m, err := a.buyModel(v, w)
		if err != nil {
			return err
		}
		m.Problem, m.ProblemPack = refused.Message, pack
		return render(v, statuses[refused.Kind], views.BuyPage(m))
	}
	if err != nil {
		return err
	}
	return v.Redirect(http.StatusSeeOther, p.CheckoutURL)
}

func (a *App) purchasePage(v *visit) error {
	m, err := a.purchaseModel(v)
	if err != nil {
		return err
	}
	return render(v, http.StatusOK, views.PurchasePage(m))
}

// purchaseStatus answers the return page's poll; once the tokens are there, the badge is told to look at once.
func (a *App) purchaseStatus(v *visit) error {
	m, err := a.purchaseModel(v)
	if err != nil {
		return err
	}
	if m.State == views.PurchasePaid {
		v.Response().Header().Set("HX-Trigger", "credits-changed")
	}
	return render(v, http.StatusOK, views.PurchaseStatus(m))
}

// purchaseModel asks the provider, never the browser, where the payment stands, and reads the balance after that.
func (a *App) purchaseModel(v *visit) (views.PurchaseModel, error) {
	id, err := uuid.Parse(v.Param("id"))
	if err != nil {
		return views.PurchaseModel{}, billing.ErrNoPurchase
	}
	ctx := v.Request().Context()
	p, err := a.Billing.Refresh(ctx, v.ID, id)
	if err != nil {
		return views.PurchaseModel{}, err
	}
	if v.Overview, err = a.Accounts.Overview(ctx, v.ID); err != nil {
		return views.PurchaseModel{}, err
	}
	m := views.PurchaseModel{
		Chrome: a.chrome(v, views.NavCredits), ID: p.ID.String(), PackName: a.packName(p.Pack), Tokens: p.Tokens, Price: p.Price, At: p.CreatedAt,
		Balance: v.Spendable, BackURL: p.ReturnPath, RetryURL: buyURL(0, p.ReturnPath),
	}
	if m.State, m.Every = purchaseState(p, v.QueryParam("cancelled") == "1", v.now); m.State != views.PurchasePaid || v.now.Sub(p.CreatedAt) > freshFor {
		return m, nil
	}
	m.Resumed, err = a.backOn(v, p.ID)
	return m, err
}

// freshFor is how long the page of a purchase tells which agents it has put back on.
const freshFor = time.Hour

func (a *App) backOn(v *visit, purchase uuid.UUID) ([]views.ResumedModel, error) {
	list, err := recap.BackOn(v.Request().Context(), a.Ledger, &v.Account, purchase)
	if err != nil {
		return nil, err
	}
	var back []views.ResumedModel
	for i := range list {
		back = append(back, a.resumedModel(&list[i]))
	}
	return back, nil
}

// packName is what the pack was sold as; one that left the catalog keeps a plain name.
func (a *App) packName(id string) string {
	if pack, ok := a.Prices().Pack(id); ok {
		return pack.Name
	}
	return "Pack"
}

// A purchase that is not settled after this long is called slow, and its page stops asking.
const slowAfter = 2 * time.Minute

// purchaseState says what the return page shows and how soon it asks again: after 1, then 2, then 5 seconds.
func purchaseState(p billing.Purchase, cancelled bool, now time.Time) (views.PurchaseState, time.Duration) {
	switch p.Status {
	case billing.StatusCompleted, billing.StatusRefunded, billing.StatusDisputed:
		return views.PurchasePaid, 0
	case billing.StatusFailed:
		return views.PurchaseFailed, 0
	case billing.StatusExpired:
		return views.PurchaseCancelled, 0
	case billing.StatusPending, billing.StatusProcessing:
	}
	if cancelled && p.Status == billing.StatusPending {
		return views.PurchaseCancelled, 0
	}
	switch waited := now.Sub(p.CreatedAt); {
	case waited > slowAfter:
		return views.PurchaseSlow, 0
	case waited < 5*time.Second:
		return views.PurchaseProcessing, time.Second
	case waited < 20*time.Second:
		return views.PurchaseProcessing, 2 * time.Second
	}
	return views.PurchaseProcessing, 5 * time.Second
}
