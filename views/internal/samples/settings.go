package samples

import (
	"time"

	"pop.store/credits/views"
)

func settings() []Page {
	m := views.SettingsModel{Layout: chrome(views.NavSettings), TopUp: views.TopUpModel{
		Available: true,
		Currency:  "USD",
		Packs: []views.Option{
			{Value: "small:900:USD", Label: "Small, 100 tokens, $9.00"},
			{Value: "medium:3900:USD", Label: "Medium, 500 tokens, $39.00"},
		},
		Form: views.TopUpForm{
			Threshold: "40",
			Pack:      "medium:3900:USD",
			Times:     "3",
			Limit:     "117.00",
		},
	}}
	on := m
	on.Saved, on.TopUp.On, on.TopUp.Kept, on.TopUp.Card = true, true, true, "Visa 4242"
	on.TopUp.Threshold, on.TopUp.Spendable = amount("40"), amount("142")
	on.TopUp.Times, on.TopUp.MostTimes, on.TopUp.Spent, on.TopUp.Limit = 1, 3, usd(3900), usd(11700)
	on.TopUp.Last = &views.TopUpAttempt{
		At:     Now.Add(-26 * time.Hour),
		State:  "completed",
		Tokens: amount("500"),
		Price:  usd(3900),
		Href:   "/credits/purchases/1",
	}
	waiting := on
	waiting.Saved, waiting.TopUp.Kept, waiting.TopUp.Card = false, false, ""
	waiting.TopUp.Times, waiting.TopUp.Spent, waiting.TopUp.Last = 0, usd(0), nil
	stopped := on
	stopped.Saved, stopped.TopUp.On = false, false
	stopped.TopUp.Stopped = &views.TopUpNotice{Why: views.TopUpDeclined, At: Now.Add(-3 * 24 * time.Hour)}
	stopped.TopUp.Last = &views.TopUpAttempt{
		At:      Now.Add(-3 * 24 * time.Hour),
		State:   "failed",
		Failure: "declined",
		Tokens:  amount("500"),
		Price:   usd(3900),
		Href:    "/credits/purchases/1",
	}
	wrong := m
	wrong.TopUp.Form = views.TopUpForm{
		Threshold: "lots",
		Pack:      "small:900:USD",
		Times:     "99",
		Limit:     "1",
		Problems: map[string]string{
			"threshold": "Type a number of tokens, such as 20 or 42.5.",
			"pack":      "This pack is $9.50 now. Save again if that is fine.",
			"times":     "Choose a number from 1 to 30.",
			"limit":     "Must be enough for one pack: at least $9.50.",
		},
	}
	missing := m
	missing.TopUp = views.TopUpModel{}
	pages := []Page{
		page("settings", views.SettingsPage(m)),
		page("settings-on", views.SettingsPage(on)),
		page("settings-waiting", views.SettingsPage(waiting)),
		page("settings-stopped", views.SettingsPage(stopped)),
		page("settings-wrong", views.SettingsPage(wrong)),
		page("settings-not-set-up", views.SettingsPage(missing)),
	}
	for _, why := range []views.TopUpStop{views.TopUpDeclined, views.TopUpConfirm} {
		c := chrome(views.NavHome)
		c.TopUp = &views.TopUpNotice{Why: why, At: Now.Add(-3 * 24 * time.Hour)}
		pages = append(pages, page("top-up-"+string(why), views.HomePage(views.HomeModel{
			Layout:    c,
			PlanName:  "Starter",
			Allowance: amount("200"),
			Spendable: amount("10"),
		})))
	}
	return pages
}
