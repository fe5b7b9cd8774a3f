package samples

import (
	"time"

	"pop.store/credits/views"
)

// over is the frame of a shop whose account was closed with some tokens left.
func over(c views.Layout) views.Layout {
	c = withBadge(c, views.BadgeModel{
		Level:     views.LevelOK,
		Spendable: amount("150"),
		Closed:    true,
	}, nil)
	c.AccountStatus = &views.AccountStatusModel{
		Closed: true,
		Date:   "25 November 2026",
		Plan:   "Starter",
		Left:   amount("150"),
	}
	return c
}

// cancelled is the frame of a shop whose plan was cancelled.
func cancelled(c views.Layout) views.Layout {
	c.AccountStatus = &views.AccountStatusModel{Plan: "Starter", Left: amount("142")}
	return c
}

// standing are pages of accounts that get no more plan tokens.
func standing() []Page {
	bought := []views.LotModel{{
		Kind:      views.LotPurchase,
		Name:      "Bought",
		Spendable: amount("150"),
	}}
	closed := views.CreditsModel{
		Layout:      over(chrome(views.NavCredits)),
		Spendable:   amount("150"),
		Equivalents: good(15, 2, 3000),
		Lots:        bought,
		Usage:       Usage(30),
	}
	ended := closed
	ended.Layout, ended.Spendable, ended.Equivalents = cancelled(chrome(views.NavCredits)), amount("142"),
		good(14, 1, 2840)
	home := views.HomeModel{
		Layout:      over(chrome(views.NavHome)),
		PlanName:    "Starter",
		Allowance:   amount("200"),
		Spendable:   amount("150"),
		Equivalents: good(15, 2, 3000),
	}
	closedPlans, endedPlans := PlansModel(), PlansModel()
	closedPlans.Layout, closedPlans.ResetsAt, closedPlans.Switch = over(closedPlans.Layout), time.Time{}, true
	endedPlans.Layout, endedPlans.ResetsAt, endedPlans.Spendable = cancelled(chrome(views.NavPlans)), time.Time{},
		amount("142")
	history := views.HistoryModel{Layout: over(chrome(views.NavCredits)), Rows: append([]views.HistoryRow{
		{
			Kind:    views.EntryGrant,
			At:      Now,
			Source:  views.LotAdjustment,
			Amount:  amount("-25"),
			Balance: amount("150"),
			Note:    "granted twice on Monday",
		},
		{
			Kind:    views.EntryGrant,
			At:      Now,
			Source:  views.LotAdjustment,
			Amount:  amount("-2"),
			Balance: amount("175"),
		},
	}, rows()...)}
	shut := views.SettingsModel{Layout: over(chrome(views.NavSettings)), TopUp: views.TopUpModel{Available: true}}
	return []Page{
		page("closed-credits", views.CreditsPage(closed)),
		page("closed-home", views.HomePage(home)),
		page("closed-plans", views.PlansPage(closedPlans)),
		page("closed-buy", views.BuyPage(views.BuyModel{
			Layout:    over(chrome(views.NavCredits)),
			Available: true,
			Spendable: amount("150"),
		})),
		page("closed-history", views.HistoryPage(history)),
		page("closed-settings", views.SettingsPage(shut)),
		page("cancelled-credits", views.CreditsPage(ended)),
		page("cancelled-plans", views.PlansPage(endedPlans)),
	}
}
