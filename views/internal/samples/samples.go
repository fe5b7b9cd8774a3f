// Package samples holds every page of the product in every state, with made-up facts: for the tests
// of the views, and for looking at them (see ../preview).
package samples

import (
	"time"

	"github.com/a-h/templ"

	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// Page is one page in one state. Fragment is set for what is answered to htmx alone.
type Page struct {
	Name      string
	Component templ.Component
	Fragment  bool
}

// Zone is the sample creator's; Now is a Friday afternoon there.
var (
	Zone = mustZone("Europe/Berlin")
	Now  = time.Date(2026, time.November, 27, 14, 5, 0, 0, Zone)
)

// Pages are all pages, in the order in which one would look at them.
func Pages() []Page {
	var all []Page
	all = append(all, signIn()...)
	all = append(all, home()...)
	all = append(all, credits()...)
	all = append(all, history()...)
	all = append(all, guide()...)
	all = append(all, agentPages()...)
	all = append(all, tools()...)
	all = append(all, plans()...)
	all = append(all, buy()...)
	all = append(all, purchases()...)
	all = append(all, receipts()...)
	all = append(all, settings()...)
	all = append(all, standing()...)
	all = append(all, others()...)
	return all
}

func mustZone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return zone
}

func amount(s string) tokens.Amount { return tokens.MustParse(s) }

func thursday() time.Time { return time.Date(2026, time.December, 3, 9, 0, 0, 0, Zone) }

func good(images, pdfs, replies int64) []views.Equivalent {
	return []views.Equivalent{
		{
			Count:    images,
			Singular: "image",
			Plural:   "images",
		},
		{
			Count:    pdfs,
			Singular: "PDF",
			Plural:   "PDFs",
		},
		{
			Count:    replies,
			Singular: "comment reply",
			Plural:   "comment replies",
			About:    true,
		},
	}
}

// chrome is the frame of a shop that has enough tokens.
func chrome(nav views.Nav) views.Layout {
	return views.Layout{
		ShopName:    "Maya's Studio",
		SignedIn:    true,
		Nav:         nav,
		Now:         Now,
		DisplayZone: Zone,
		Demo:        true,
		Badge: &views.BadgeModel{
			Level:     views.LevelOK,
			Spendable: amount("142"),
			Every:     30 * time.Second,
		},
	}
}

func withBadge(c views.Layout, b views.BadgeModel, n *views.NoticeModel) views.Layout {
	c.Badge, c.Notice = &b, n
	return c
}

func low(c views.Layout) views.Layout {
	return withBadge(c, views.BadgeModel{
		Level:     views.LevelLow,
		Spendable: amount("18"),
		Held:      amount("30"),
		Every:     5 * time.Second,
	},
		&views.NoticeModel{
			Level:     views.LevelLow,
			Spendable: amount("18"),
			NextGrant: &views.NextGrant{Amount: amount("200"), At: thursday()},
			Forecast: &views.Forecast{
				Who: "Comment Replies",
				At:  time.Date(2026, time.December, 1, 14, 10, 0, 0, Zone),
			},
		})
}

func lowUnknown(c views.Layout) views.Layout {
	return withBadge(c, views.BadgeModel{Level: views.LevelLow, Spendable: amount("18")},
		&views.NoticeModel{
			Level:     views.LevelLow,
			Spendable: amount("18"),
			Equivalents: []views.Equivalent{
				{
					Count:    1,
					Singular: "image",
					Plural:   "images",
				},
				{
					Count:    360,
					Singular: "reply",
					Plural:   "replies",
					About:    true,
				},
			},
		})
}

func empty(c views.Layout, left string) views.Layout {
	return withBadge(c, views.BadgeModel{
		Level:        views.LevelEmpty,
		Spendable:    amount(left),
		PausedAgents: 2,
		Stopped:      stopped(),
		Every:        2 * time.Minute,
	},
		&views.NoticeModel{
			Level:     views.LevelEmpty,
			Spendable: amount(left),
			Waiting:   2,
			NextGrant: &views.NextGrant{Amount: amount("200"), At: thursday()},
		})
}

func paused(c views.Layout) views.Layout {
	return withBadge(c, views.BadgeModel{
		Level:        views.LevelLow,
		Spendable:    amount("6"),
		PausedAgents: 2,
		Stopped:      stopped(),
	},
		&views.NoticeModel{
			Level:     views.LevelLow,
			Spendable: amount("6"),
			NextGrant: &views.NextGrant{Amount: amount("200"), At: thursday()},
		})
}

func stopped() []views.StoppedModel {
	out := views.StopModel{Reason: views.WhyTokens, URL: "/credits/buy?next=%2Fagents"}
	return []views.StoppedModel{
		{
			Name: "Comment Replies",
			Stop: out,
			Back: views.ResumedModel{Name: "Comment Replies", For: "comments"}.Text(),
		},
		{
			Name: "Auto Selling",
			Stop: out,
			Back: views.ResumedModel{Name: "Auto Selling"}.Text(),
		},
	}
}

func working(c views.Layout) views.Layout {
	return withBadge(c, views.BadgeModel{
		Level:     views.LevelOK,
		Spendable: amount("112"),
		Held:      amount("30"),
		Every:     3 * time.Second,
	}, nil)
}

func rows() []views.HistoryRow {
	at := func(day, hour, minute int) time.Time {
		return time.Date(2026, time.November, day, hour, minute, 12, 0, Zone)
	}
	return []views.HistoryRow{
		{
			Kind:    views.EntryHold,
			At:      at(27, 14, 2),
			Feature: "5-second video",
			Held:    amount("30"),
			Balance: amount("18"),
		},
		{
			Kind:     views.EntryCharge,
			At:       at(27, 13, 58),
			Feature:  "Comment Replies",
			Quantity: 184,
			Unit:     "replies",
			Amount:   amount("-9.2"),
			Balance:  amount("48"),
		},
		{
			Kind:    views.EntryRefund,
			At:      at(26, 19, 40),
			Feature: "PDF",
			Amount:  amount("75"),
			Balance: amount("57.2"),
			Note:    "the file was empty",
		},
		{
			Kind:    views.EntryGrant,
			At:      at(20, 9, 12),
			Source:  views.LotPurchase,
			Amount:  amount("1000"),
			Balance: amount("1013.05"),
			Href:    "/credits/purchases/pur_7Kd2",
		},
		{
			Kind:    views.EntryCharge,
			At:      at(19, 23, 5),
			Feature: "Brand deal scan",
			Agent:   "Deal Finder",
			Amount:  amount("-0.1"),
			Balance: amount("13.05"),
		},
		{
			Kind:       views.EntryGrant,
			At:         at(3, 9, 0),
			Source:     views.LotPlan,
			SourceName: "Starter plan",
			Amount:     amount("200"),
			Balance:    amount("213.15"),
		},
		{
			Kind:       views.EntryExpiry,
			At:         at(3, 9, 0),
			Source:     views.LotPlan,
			SourceName: "Starter plan",
			Amount:     amount("-13.15"),
			Balance:    0,
		},
		{
			Kind:       views.EntryGrant,
			At:         time.Date(2025, time.December, 31, 18, 0, 0, 0, Zone),
			Source:     views.LotPromo,
			SourceName: "Welcome gift",
			Amount:     amount("5"),
			Balance:    amount("5"),
		},
	}
}
