package samples

import (
	"cmp"
	"slices"
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

func usd(cents int64) money.Amount { return money.Amount{Minor: cents, Currency: "USD"} }

// series is made up: a steady part and, every few days, a large one.
func series(name, unit, each, steady string, every, days int) views.UsageSeries {
	s := views.UsageSeries{
		Name: name,
		Unit: unit,
		Days: make([]tokens.Amount, days),
	}
	for n := range s.Days {
		if every > 0 && (n*7+3)%every == 0 {
			s.Days[n] = amount(each) * tokens.Amount(1+n%3)
		}
		s.Days[n] += amount(steady) * tokens.Amount(4+n*n%9) / 4
		s.Total += s.Days[n]
	}
	if unit != "" {
		s.Quantity = int64(s.Total / tokens.One)
	}
	return s
}

// Usage is what a shop with a few agents uses.
func Usage(days int) views.UsageModel {
	return usageOf(views.UsageByFeature, days,
		series("AI image", "images", "10", "0", 3, days), series("Comment Replies", "replies", "0", "3.2", 0, days),
		series("5-second video", "", "30", "0", 9, days), series("Comment to DM", "DMs", "0", "0.8", 0, days))
}

func usageOf(by views.UsageBy, days int, list ...views.UsageSeries) views.UsageModel {
	m := views.UsageModel{
		By:     by,
		Days:   days,
		First:  time.Date(2026, time.November, 28-days, 0, 0, 0, 0, time.UTC),
		Series: list,
	}
	for _, s := range list {
		m.Total += s.Total
	}
	slices.SortStableFunc(m.Series, func(a, b views.UsageSeries) int {
		return cmp.Compare(b.Total, a.Total)
	})
	for i := range m.Series {
		m.Series[i].Colour = i
	}
	return m
}

// crowd is as many series as there can be, one of them the creator's own work.
func crowd(days int) views.UsageModel {
	m := usageOf(views.UsageByAgent, days,
		series("comment-replies", "", "8", "12", 4, days), series("", "", "75", "0", 5, days),
		series("dm-automation", "", "0", "9.5", 0, days),
		series("brand-scout", "", "4", "4.2", 6, days), series("auto-selling", "", "2.5", "3", 2, days),
		series("the-agent-with-the-longest-name-that-the-ledger-will-take-64-abc", "", "0", "2", 0, days),
		series("night-watch", "", "0", "0.05", 0, days), views.UsageSeries{
			Rest:  true,
			Days:  make([]tokens.Amount, days),
			Total: amount("0.123456"),
		})
	m.Series[7].Days[days-2] = amount("0.123456")
	m.Series[3].Colour, m.Series[4].Colour = views.SeriesColours-1, views.SeriesColours-2 // striped
	return m
}

// lone is one feature, used a little, once.
func lone(days int) views.UsageModel {
	s := views.UsageSeries{
		Name:     "Comment Replies",
		Quantity: 1,
		Unit:     "replies",
		Total:    amount("0.05"),
		Days:     make([]tokens.Amount, days),
	}
	s.Days[days-1] = amount("0.05")
	return usageOf(views.UsageByFeature, days, s)
}

// ahead is an outlook with everything in it.
func ahead() views.OutlookModel {
	return views.OutlookModel{
		PerDay:   amount("6.412345"),
		PaceDays: 7,
		RunsOut:  time.Date(2026, time.December, 1, 14, 10, 0, 0, Zone),
		Next:     &views.NextGrant{Amount: amount("200"), At: thursday()},
		Expiries: []views.ExpiryModel{{
			Kind:   views.LotPromo,
			Amount: amount("2"),
			At:     Now.AddDate(0, 0, 4),
		}},
		Advice: []views.AdviceModel{
			{
				Kind:       views.AdviceBuy,
				PackTokens: amount("100"),
				PackPrice:  usd(900),
				Covers:     true,
			}, upgrade(),
		},
	}
}

func upgrade() views.AdviceModel {
	return views.AdviceModel{
		Kind:     views.AdviceUpgrade,
		PlanName: "Pro",
		Extra:    usd(1000),
		Packs:    usd(1800),
		Count:    2,
	}
}

func guide() []Page {
	price := func(name, unit, takes string) views.PriceModel {
		return views.PriceModel{
			Name:  name,
			Unit:  unit,
			Price: amount(takes),
		}
	}
	m := views.GuideModel{
		Layout:      low(chrome(views.NavCredits)),
		PlanName:    "Starter",
		Allowance:   amount("200"),
		Next:        &views.NextGrant{Amount: amount("200"), At: thursday()},
		Spendable:   amount("18"),
		Held:        amount("30"),
		Equivalents: good(1, 0, 360),
		CanBuy:      true,
		Pack:        views.PackModel{Tokens: amount("100"), Price: usd(900)},
		Tools: []views.PriceModel{
			price("AI image", "image", "10"), price("AI photoshoot", "photoshoot", "10"),
			price("5-second video", "five-second video", "30"), price("10-second video", "ten-second video", "50"),
			price("Motion-reference video", "video", "55"), price("Lip sync", "lip sync", "5"),
			price("Voice dubbing", "dubbing", "5"), price("PDF", "PDF", "75"),
		},
		Agents: []views.PriceModel{
			price("Comment Replies", "reply", "0.05"), price("Comment to DM", "DM", "0.05"),
			price("Brand Deal Scans", "scan", "0.1"), price("Auto Selling", "conversation", "0"),
		},
	}
	bare := m
	bare.Layout, bare.Spendable, bare.Held = empty(chrome(views.NavCredits), "0"), 0, 0
	bare.Equivalents, bare.CanBuy, bare.Next = nil, false, nil
	rich := m
	rich.Layout, rich.Spendable, rich.Held, rich.Equivalents = chrome(views.NavCredits), amount("12345.678901"), 0,
		good(1234, 164, 246913)
	rich.Pack.ExpiresAfter = 365 * 24 * time.Hour
	return []Page{
		page("guide", views.GuidePage(m)), page("guide-empty", views.GuidePage(bare)),
		page("guide-rich", views.GuidePage(rich)),
	}
}
