package samples

import (
	"fmt"
	"net/http"
	"time"

	"github.com/a-h/templ"

	"pop.store/credits/views"
)

func page(name string, c templ.Component) Page { return Page{Name: name, Component: c} }

func signIn() []Page {
	out := views.Layout{Now: Now, DisplayZone: Zone}
	demo := out
	demo.Demo = true
	return []Page{
		page("signin-demo", views.SignInPage(views.SignInModel{
			Layout:   demo,
			Demo:     true,
			DemoName: "Maya",
			Next:     "/credits",
		})),
		page("signin", views.SignInPage(views.SignInModel{Layout: out})),
		page("switch-account", views.SwitchPage(views.SwitchModel{
			Layout: out,
			From:   "Maya",
			To:     "Noor's Atelier",
			Action: "/login/link/x",
		})),
		page("signin-expired", views.SignInPage(views.SignInModel{Layout: out, Expired: true})),
		page("signed-out", views.SignInPage(views.SignInModel{
			Layout:    demo,
			Demo:      true,
			DemoName:  "Maya",
			SignedOut: true,
		})),
		page("unsubscribe", views.UnsubscribePage(views.UnsubscribeModel{Layout: out, URL: "/unsubscribe/x"})),
		page("unsubscribed", views.UnsubscribePage(views.UnsubscribeModel{Layout: out, Done: true})),
	}
}

func home() []Page {
	m := views.HomeModel{
		Layout:          chrome(views.NavHome),
		PlanName:        "Starter",
		Allowance:       amount("200"),
		ResetsAt:        thursday(),
		Spendable:       amount("142"),
		PlanLeft:        amount("142"),
		SpentThisPeriod: amount("58"),
		PeriodStart:     time.Date(2026, time.November, 3, 0, 0, 0, 0, time.UTC),
		Equivalents:     good(14, 1, 2840),
		Latest:          rows()[:4],
	}
	atLow, atEmpty, fresh := m, m, m
	atLow.Layout, atLow.Spendable, atLow.Held, atLow.SpentThisPeriod, atLow.PlanLeft = low(m.Layout), amount("18"),
		amount("30"), amount("194"), amount("6")
	atLow.Equivalents = good(1, 0, 360)
	atEmpty.Layout, atEmpty.Spendable, atEmpty.Equivalents = empty(m.Layout, "0"), 0, nil
	atEmpty.SpentThisPeriod, atEmpty.PlanLeft = amount("200"), 0
	fresh.Latest, fresh.SpentThisPeriod = nil, 0
	away := m
	away.Recap = views.RecapModel{
		Since:   Now.Add(-41 * time.Hour),
		Spent:   amount("62.35"),
		Bought:  amount("100"),
		Arrived: amount("200"),
		Expired: amount("13.15"),
		Back:    []string{"Comment Replies"},
		Paused: []views.AgentModel{{
			Name:       "Brand Scout",
			State:      views.AgentOutOfTokens,
			Since:      Now.Add(-17 * time.Hour),
			TurnedAway: 12,
		}},
	}
	return []Page{
		page("home", views.HomePage(m)),
		page("home-low", views.HomePage(atLow)),
		page("home-empty", views.HomePage(atEmpty)),
		page("home-fresh", views.HomePage(fresh)),
		page("home-away", views.HomePage(away)),
	}
}

func credits() []Page {
	m := views.CreditsModel{
		Layout:      low(chrome(views.NavCredits)),
		Spendable:   amount("18"),
		Held:        amount("30"),
		Jobs:        1,
		Equivalents: good(1, 0, 360),
		Lots: []views.LotModel{
			{
				Kind:      views.LotPlan,
				Name:      "Starter plan",
				Spendable: amount("6"),
				Of:        amount("200"),
				ExpiresAt: thursday(),
				Resets:    true,
			},
			{
				Kind:      views.LotPromo,
				Name:      "Welcome gift",
				Spendable: amount("2"),
				Of:        amount("10"),
				ExpiresAt: time.Date(2027, 1, 1, 0, 0, 0, 0, Zone),
			},
			{
				Kind:      views.LotPurchase,
				Name:      "Bought",
				Spendable: amount("10"),
				Of:        amount("100"),
			},
		},
		Latest: rows(),
	}
	m.Outlook, m.Usage = ahead(), Usage(30)
	ok, gone, remainder, many, plain, quarter := m, m, m, m, m, m
	ok.Outlook = views.OutlookModel{
		PerDay:    amount("24.4"),
		PaceDays:  4,
		WithToday: true,
		NextFirst: true,
		Next:      &views.NextGrant{Amount: amount("200"), At: thursday()},
	}
	ok.Usage = Usage(7)
	gone.Outlook, gone.Usage = views.OutlookModel{}, usageOf(views.UsageByAgent, 7)
	remainder.Outlook, remainder.Usage = views.OutlookModel{}, lone(30)
	ok.Open = openOrders()[:1]
	many.Usage, plain.Outlook, plain.Usage = crowd(30), views.OutlookModel{}, usageOf(views.UsageByFeature, 30)
	plain.Usage.Never = true
	quarter.Usage = Usage(90)
	ok.Layout, ok.Spendable, ok.Held, ok.Equivalents, ok.Lots = chrome(views.NavCredits), amount("142"), 0,
		good(14, 1, 2840), m.Lots[:1]
	ok.Lots = []views.LotModel{{
		Kind:      views.LotPlan,
		Name:      "Starter plan",
		Spendable: amount("142"),
		Of:        amount("200"),
		ExpiresAt: thursday(),
		Resets:    true,
	}}
	gone.Layout, gone.Spendable, gone.Held, gone.Lots, gone.Equivalents = empty(chrome(views.NavCredits), "0"), 0,
		0, nil, nil
	remainder.Layout, remainder.Spendable, remainder.Held, remainder.Equivalents = empty(chrome(views.NavCredits),
		"0.03"), amount("0.03"), 0, nil
	remainder.Lots = []views.LotModel{{
		Kind:      views.LotPurchase,
		Name:      "Bought",
		Spendable: amount("0.03"),
	}}
	many.Layout = withBadge(m.Layout, views.BadgeModel{
		Level:     views.LevelOK,
		Spendable: amount("1234567.891234"),
		Held:      amount("1250.5"),
	}, nil)
	many.Spendable, many.Equivalents = amount("1234567.891234"), good(123456, 16460, 24691357)
	many.Lots = append([]views.LotModel{{
		Kind:      views.LotAdjustment,
		Name:      "Goodwill for the outage in the first week of November",
		Spendable: amount("1234567.891234"),
	}}, m.Lots...)
	many.Lots = append(many.Lots,
		views.LotModel{
			Kind:   views.LotPurchase,
			Name:   "Bought",
			Frozen: views.FrozenByDispute,
			Waits:  amount("100"),
			Href:   "/credits/purchases/1",
		},
		views.LotModel{
			Kind:   views.LotPurchase,
			Name:   "Bought",
			Frozen: views.FrozenByReturn,
			Waits:  amount("500"),
			Href:   "/credits/purchases/2",
		})
	plain.Layout = lowUnknown(chrome(views.NavCredits))
	plain.Latest = nil
	return []Page{
		page("credits-low", views.CreditsPage(m)),
		page("credits", views.CreditsPage(ok)),
		page("credits-empty", views.CreditsPage(gone)),
		page("credits-remainder", views.CreditsPage(remainder)),
		page("credits-long", views.CreditsPage(many)),
		page("credits-unknown", views.CreditsPage(plain)),
		page("credits-quarter", views.CreditsPage(quarter)),
	}
}

func history() []Page {
	m := views.HistoryModel{
		Layout: working(chrome(views.NavCredits)),
		Kinds: []views.Option{
			{Value: "charge", Label: "Spent"},
			{Value: "grant", Label: "Received"},
			{Value: "refund", Label: "Returned"},
		},
		Features: []views.Option{
			{Value: "pdf_creation", Label: "AI PDF Creation"},
			{Value: "social_comment_reply", Label: "Social Comment Replies"},
		},
		Agents:  []views.Option{{Value: "deals", Label: "Deal Finder"}},
		Rows:    rows(),
		NextURL: "/credits/history?cursor=abc",
	}
	filtered, wrong, none, older, usage := m, m, m, m, m
	filtered.Filter = views.HistoryFilter{
		Tab:     views.TabUsage,
		Feature: "pdf_creation",
		From:    "2026-11-01",
	}
	filtered.Rows, filtered.NextURL = nil, ""
	wrong.Filter, wrong.Rows = views.HistoryFilter{From: "2026-11-31", To: "2026-11-01"}, nil
	wrong.Problems = map[string]string{"from": "That day doesn't exist."}
	none.Rows, none.NextURL, none.Agents = nil, "", nil
	older.Rows, older.NextURL, older.Continued = nil, "", true
	usage.Filter.Tab, usage.Rows = views.TabUsage, nil
	return []Page{
		page("history", views.HistoryPage(m)),
		page("history-filtered", views.HistoryPage(filtered)),
		page("history-wrong", views.HistoryPage(wrong)),
		page("history-none", views.HistoryPage(none)),
		page("history-older", views.HistoryPage(older)),
		page("history-usage", views.HistoryPage(usage)),
	}
}

// PlansModel is the article's plan table, for a creator on Starter.
func PlansModel() views.PlansModel {
	row := func(feature string, about bool, counts ...int64) views.PlanTableRow {
		return views.PlanTableRow{
			Feature: feature,
			Counts:  counts,
			About:   about,
		}
	}
	videos := row("AI Generated Videos", false, 10, 20, 50)
	videos.TodayCount, videos.TodayNoun = 6, "five-second videos"
	return views.PlansModel{
		Layout:    paused(chrome(views.NavPlans)),
		ResetsAt:  thursday(),
		Spendable: amount("6"),
		Plans: []views.PlanModel{
			{
				ID:      "starter",
				Name:    "Starter",
				Monthly: amount("200"),
				Current: true,
			},
			{
				ID:      "pro",
				Name:    "Pro",
				Monthly: amount("400"),
			},
			{
				ID:      "star",
				Name:    "Star",
				Monthly: amount("1000"),
			},
		},
		Table: []views.PlanTableRow{
			row("AI Generated PDFs", false, 2, 5, 13),
			row("AI Photoshoots", false, 20, 40, 100),
			row("Social Comment Replies", true, 4000, 8000, 20000),
			row("Comment to DM Automation", true, 4000, 8000, 20000),
			videos,
			row("AI Voice Dubbing", false, 40, 80, 200),
			row("Brand Deal Scans", true, 2000, 4000, 10000),
		},
	}
}

func plans() []Page {
	m := PlansModel()
	priced, waiting, changed, unpaid := m, m, m, m
	priced.Plans = append([]views.PlanModel{}, m.Plans...)
	for i, cents := range []int64{1900, 4900, 9900} {
		priced.Plans[i].Price, priced.Plans[i].URL = usd(cents), "/account/plan"
	}
	priced.Layout, priced.Spendable = chrome(views.NavPlans), amount("142")
	waiting.Plans = []views.PlanModel{m.Plans[0], m.Plans[1], m.Plans[2]}
	waiting.Plans[0].Current, waiting.Plans[0].Next, waiting.Plans[1].Current = false, true, true
	waiting.Table = append([]views.PlanTableRow{}, m.Table...)
	waiting.Table[4].TodayCount = 13
	waiting.Layout, waiting.Spendable, waiting.Switch, waiting.NextPlan, waiting.Changed = chrome(views.NavPlans),
		amount("312.5"), true, "Starter", true
	changed.Layout, changed.Spendable, changed.Switch, changed.Changed = chrome(views.NavPlans), amount("142"),
		true, true
	unpaid.ResetsAt, unpaid.Switch, unpaid.Problem = time.Time{}, true, "There is no such plan. Nothing was changed."
	return []Page{
		page("plans", views.PlansPage(m)),
		page("plans-priced", views.PlansPage(priced)),
		page("plans-waiting", views.PlansPage(waiting)),
		page("plans-changed", views.PlansPage(changed)),
		page("plans-unpaid", views.PlansPage(unpaid)),
	}
}

func buy() []Page {
	pack := func(id, name, size string, cents int64, goodFor []views.Equivalent) views.PackModel {
		return views.PackModel{
			ID:      id,
			Name:    name,
			Tokens:  amount(size),
			Gets:    amount(size),
			Price:   usd(cents),
			GoodFor: goodFor,
			Key:     "key-" + id,
		}
	}
	m := views.BuyModel{
		Layout:    empty(chrome(views.NavCredits), "0"),
		Available: true,
		Packs: []views.PackModel{
			pack("small", "Small", "100", 900, good(10, 1, 2000)),
			pack("medium", "Medium", "500", 3900, good(50, 6, 10000)),
			pack("large", "Large", "1200", 7900, good(120, 16, 24000)),
		},
	}
	m.Packs[1].Suggested = true
	m.Waiting = 2
	for i, days := range []int{2, 11, 27} {
		m.Packs[i].Lasts, m.Packs[i].Resumes = time.Duration(days)*24*time.Hour+time.Hour,
			[]string{"Comment Replies", "Auto DM"}
	}
	problem, missing, none := m, m, m
	problem.Problem, problem.ProblemPack = "The payment page could not be opened. Nothing was bought. Please try again.", "large"
	problem.Advice = []views.AdviceModel{{
		Kind: views.AdviceWait,
		Next: views.NextGrant{Amount: amount("200"), At: Now.AddDate(0, 0, 1)},
	}, upgrade()}
	m.Advice = []views.AdviceModel{{
		Kind:       views.AdviceBuy,
		PackTokens: amount("100"),
		PackPrice:  usd(900),
		Covers:     true,
	}}
	problem.Packs = append([]views.PackModel{}, m.Packs...)
	problem.Packs[0].ExpiresAfter = 90 * 24 * time.Hour
	short := m
	short.Layout, short.Spendable, short.Need, short.Next = low(chrome(views.NavCredits)), amount("18"),
		amount("57"), "/tools?tool=pdf_creation&text=Glazes"
	short.Packs = append([]views.PackModel{}, m.Packs...)
	short.Packs[0].Suggested, short.Packs[1].Suggested = true, false
	for i := range short.Packs {
		short.Packs[i].Covers, short.Packs[i].Resumes = true, nil
	}
	short.Waiting, short.Taxed = 0, true
	owed := m
	owed.Advice = []views.AdviceModel{{
		Kind:       views.AdviceBuy,
		PackTokens: amount("500"),
		PackPrice:  usd(3900),
		Covers:     true,
	}}
	owed.Owed, owed.Packs = amount("120"), append([]views.PackModel{}, m.Packs...)
	owed.Packs[0].Gets, owed.Packs[0].GoodFor, owed.Packs[0].Lasts, owed.Packs[0].Resumes = 0, nil, 0, nil
	owed.Packs[1].Gets, owed.Packs[1].GoodFor, owed.Packs[1].Lasts = amount("380"), good(38, 5, 7600), 8*24*time.Hour
	owed.Packs[2].Gets, owed.Packs[2].GoodFor, owed.Packs[2].Lasts = amount("1080"), good(108, 14, 21600),
		24*24*time.Hour
	ordered := m
	ordered.Open = openOrders()
	ordered.Problem = "You have another order that isn't paid yet. Nothing new was ordered. Continue or cancel it below, or press Pay again to order this pack as well."
	keep := m
	keep.Layout, keep.OfferKeep, keep.Keep, keep.Waiting = chrome(views.NavCredits), true, true, 0
	missing.Available, missing.Layout = false, chrome(views.NavCredits)
	none.Packs, none.Layout = nil, chrome(views.NavCredits)
	return []Page{
		page("buy", views.BuyPage(m)),
		page("buy-problem", views.BuyPage(problem)),
		page("buy-short", views.BuyPage(short)),
		page("buy-owed", views.BuyPage(owed)),
		page("buy-keep", views.BuyPage(keep)),
		page("buy-open-order", views.BuyPage(ordered)),
		page("buy-not-set-up", views.BuyPage(missing)),
		page("buy-none", views.BuyPage(none)),
	}
}

// PurchaseModel is a pack of 500 in the given state.
func PurchaseModel(state views.PurchaseState) views.PurchaseModel {
	return views.PurchaseModel{
		Layout:   chrome(views.NavCredits),
		ID:       "5f0c7cf8-0f0c-4c8c-9d5f-6b2c1f0a8e11",
		State:    state,
		PackName: "Medium pack",
		Tokens:   amount("500"),
		Price:    usd(3900),
		At:       Now.Add(-time.Minute),
		Balance:  amount("518"),
		Fresh:    true,
		Receipt:  state == views.PurchasePaid,
		Paid:     usd(3900),
		PayURL:   "/sandbox/checkout/cs_test_1",
		Resumed: []views.ResumedModel{{
			Name:   "Comment Replies",
			For:    "comments",
			Missed: 38,
		}},
		Every: 2 * time.Second,
	}
}

// openOrders are two orders that nobody has paid yet.
func openOrders() []views.OpenOrder {
	return []views.OpenOrder{
		{
			ID:       "5f0c7cf8-0f0c-4c8c-9d5f-6b2c1f0a8e11",
			PackName: "Medium pack",
			Tokens:   amount("500"),
			Price:    usd(3900),
			At:       Now.Add(-time.Minute),
			PayURL:   "/sandbox/checkout/1",
		},
		{
			ID:       "5f0c7cf8-0f0c-4c8c-9d5f-6b2c1f0a8e12",
			PackName: "Small pack",
			Tokens:   amount("100"),
			Price:    usd(900),
			At:       Now.Add(-19 * time.Hour),
			PayURL:   "/sandbox/checkout/2",
		},
	}
}

func purchases() []Page {
	var out []Page
	for _, state := range []views.PurchaseState{
		views.PurchasePaid, views.PurchaseProcessing, views.PurchaseSlow, views.PurchaseFailed,
		views.PurchaseCancelled, views.PurchaseUnpaid,
	} {
		out = append(out, page(fmt.Sprintf("purchase-%s", state), views.PurchasePage(PurchaseModel(state))))
	}
	auto := PurchaseModel(views.PurchaseFailed)
	auto.Auto, auto.Failure = true, "authentication"
	out = append(out, page("purchase-failed-auto", views.PurchasePage(auto)))
	owed := PurchaseModel(views.PurchasePaid)
	owed.Owed, owed.Balance, owed.Resumed = amount("120"), amount("398"),
		[]views.ResumedModel{{Name: "Comment Replies", For: "comments"}, {Name: "Deal Finder"}}
	old := PurchaseModel(views.PurchasePaid)
	old.Fresh, old.At, old.Resumed = false, Now.AddDate(0, 0, -24), nil
	turnedBack := PurchaseModel(views.PurchaseCancelled)
	turnedBack.Open = true
	back := PurchaseModel(views.PurchasePaid)
	back.BackURL, back.Resumed = "/tools?tool=pdf_creation&text=Glazes",
		[]views.ResumedModel{{Name: "Comment Replies"}}
	retry := PurchaseModel(views.PurchaseCancelled)
	retry.BackURL, retry.RetryURL = back.BackURL, "/credits/buy?next=%2Ftools"
	out = append(out, returns()...)
	return append(out, page("purchase-owed", views.PurchasePage(owed)),
		page("purchase-back", views.PurchasePage(back)),
		page("purchase-cancelled-back", views.PurchasePage(retry)), page("purchase-old", views.PurchasePage(old)),
		page("purchase-cancelled-open", views.PurchasePage(turnedBack)),
		Page{
			Name:      "purchase-fragment",
			Component: views.PurchaseStatus(PurchaseModel(views.PurchaseProcessing)),
			Fragment:  true,
		})
}

// returns are purchases that can be given back, and those whose money went back.
func returns() []Page {
	all := views.BackModel{
		Money:  usd(3900),
		Tokens: amount("500"),
		At:     Now.Add(-time.Hour),
	}
	returnable := PurchaseModel(views.PurchasePaid)
	returnable.Return = &views.ReturnModel{
		Until: Now.AddDate(0, 0, 14),
		Key:   "key",
		Paid:  usd(3900),
		Card:  "Visa 4242",
	}
	refused := PurchaseModel(views.PurchasePaid)
	refused.Problem = "Some of these tokens were used, so this pack cannot be returned."
	used := PurchaseModel(views.PurchaseRefunded)
	used.Back, used.Debt = all, amount("120")
	used.Back.Used, used.Back.At, used.Back.Reason = amount("120"), Now.AddDate(0, 0, -3),
		"The videos came out wrong, sorry about that."
	partly := PurchaseModel(views.PurchasePartly)
	partly.Back = views.BackModel{
		Money:  usd(975),
		Tokens: amount("125"),
		At:     Now.AddDate(0, 0, -3),
	}
	disputed := PurchaseModel(views.PurchaseDisputed)
	disputed.Left = amount("380")
	returning := PurchaseModel(views.PurchaseReturning)
	returning.Back.Money = usd(3900)
	out := []Page{
		page("purchase-returnable", views.PurchasePage(returnable)),
		page("purchase-return-refused", views.PurchasePage(refused)),
		page("purchase-refunded-used", views.PurchasePage(used)), page("purchase-partly", views.PurchasePage(partly)),
		page("purchase-disputed", views.PurchasePage(disputed)),
		page("purchase-returning", views.PurchasePage(returning)),
	}
	for _, state := range []views.PurchaseState{views.PurchaseReturned, views.PurchaseRefunded, views.PurchaseLost} {
		m := PurchaseModel(state)
		m.Back = all
		out = append(out, page("purchase-"+string(state), views.PurchasePage(m)))
	}
	return out
}

func others() []Page {
	sandbox := views.SandboxModel{
		Merchant:   "Maya's Studio",
		Item:       "500 tokens",
		Price:      usd(3900),
		WithVAT:    usd(4680),
		Others:     []views.SandboxCard{{ID: "FREE", Label: "Use a coupon for all of it"}},
		PayURL:     "/sandbox/checkout/1/pay",
		DeclineURL: "/sandbox/checkout/1/decline",
		CancelURL:  "/sandbox/checkout/1/cancel",
	}
	declined, done := sandbox, sandbox
	declined.Problem = "The card was declined. Nothing was charged."
	done.Done, done.BackURL = "This checkout is paid.", "/credits/purchases/1"
	signedIn, signedOut := chrome(views.NavNone), views.Layout{Now: Now, DisplayZone: Zone}
	out := []Page{
		page("sandbox", views.SandboxPage(sandbox)),
		page("sandbox-declined", views.SandboxPage(declined)),
		page("sandbox-done", views.SandboxPage(done)),
		page("sandbox-receipt", views.SandboxReceiptPage(views.SandboxReceiptModel{
			Merchant: "Credits",
			Item:     "500 tokens",
			Price:    usd(3900),
			Tax:      usd(780),
			Total:    usd(4680),
			Refunded: usd(1000),
			Card:     "Visa 4242",
			Company:  "Maya Ceramics GmbH & Co. KG",
			TaxID:    "DE123456789",
		})),
		page("not-found", views.ErrorPage(views.ErrorModel{Layout: signedIn, Status: http.StatusNotFound})),
		page("conflict", views.ErrorPage(views.ErrorModel{
			Layout:    empty(chrome(views.NavNone), "0"),
			Status:    http.StatusConflict,
			Detail:    "This notice stays until there are tokens again.",
			RequestID: requestID,
		})),
		{
			Name:      "badge-fragment",
			Component: views.BadgeFragment(low(chrome(views.NavHome))),
			Fragment:  true,
		},
	}
	for _, status := range []int{
		http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge,
		http.StatusUnprocessableEntity,
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
	} {
		out = append(out, page(fmt.Sprintf("error-%d", status), views.ErrorPage(views.ErrorModel{
			Layout:    signedOut,
			Status:    status,
			RequestID: requestID,
		})))
	}
	return out
}

const requestID = "8f2c51d07e44ab10"
