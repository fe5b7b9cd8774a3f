package samples

import (
	"fmt"
	"time"

	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

func pointer(a tokens.Amount) *tokens.Amount { return &a }

// agents are one in each state.
func agents() []views.AgentModel {
	sales := views.ResultModel{
		Count: 9,
		One:   "sale",
		Many:  "sales",
		Money: usd(21400),
	}
	return []views.AgentModel{
		{
			ID:      "dm-automation",
			Name:    "DM Automation",
			Does:    "Comment to DM",
			State:   views.AgentOn,
			Spent:   amount("12"),
			Count:   240,
			One:     "DM",
			Many:    "DMs",
			Results: []views.ResultModel{sales},
			Reserve: amount("20"),
			Form:    views.LimitsForm{Reserve: "20"},
		},
		{
			ID:         "comment-replies",
			Name:       "Comment Replies",
			State:      views.AgentOutOfTokens,
			Since:      Now.Add(-89 * time.Hour),
			TurnedAway: 38,
			Spent:      amount("46.35"),
			Stop:       views.StopModel{Reason: views.WhyTokens, URL: "/credits/buy?need=0.05&next=%2Fagents"},
			Count:      927,
			One:        "reply",
			Many:       "replies",
		},
		{
			ID:         "auto-selling",
			Name:       "Auto Selling",
			State:      views.AgentOverBudget,
			Since:      Now.Add(-25 * time.Hour),
			TurnedAway: 1,
			Spent:      amount("49.5"),
			Stop: views.StopModel{
				Reason: views.WhyBudget,
				URL:    "/agents#" + views.AgentAnchor("auto-selling") + "-budget",
			},
			Results: []views.ResultModel{{
				Count: 31,
				One:   "sale",
				Many:  "sales",
				Money: usd(98750),
			}, {
				Count: 4,
				One:   "lead",
				Many:  "leads",
			}},
			Budget: pointer(amount("50")),
			Form:   views.LimitsForm{Budget: "50"},
		},
		{
			ID:    "brand-scout",
			Name:  "Deal Finder for the shop that has everything",
			Does:  "Brand Deal Scans",
			State: views.AgentByCreator,
			Since: Now.Add(-2 * time.Hour),
		},
		{
			ID:    "video/1",
			Name:  "Clips",
			State: views.AgentOn,
			Held:  amount("30"),
			Spent: amount("30"),
			Count: 1,
			One:   "five-second video",
			Many:  "five-second videos",
		},
	}
}

// ManyAgents is a page of a long list, counted from 0: the first has three agents that are stopped.
func ManyAgents(all, page int) views.AgentsModel {
	const most = 50
	m := views.AgentsModel{
		Layout:  chrome(views.NavAgents),
		All:     all,
		Stopped: 3,
		Found:   all,
		Page:    page + 1,
		Pages:   (all + most - 1) / most,
		First:   page*most + 1,
		OwnForm: views.LimitsForm{Reserve: "25"},
	}
	for i := page * most; i < min((page+1)*most, all); i++ {
		a := views.AgentModel{
			ID:    fmt.Sprintf("agent-%d", i+1),
			Name:  fmt.Sprintf("Shop assistant %d", i+1),
			State: views.AgentOn,
			Spent: amount("50") / tokens.Amount(i+1) / 10_000 * 10_000,
			Count: int64(1000 / (i + 1)),
			One:   "reply",
			Many:  "replies",
		}
		if i < 3 {
			a = agents()[i+1]
		}
		if i%7 == 4 {
			a.Does, a.Results = "Comment to DM", []views.ResultModel{{
				Count: 9,
				One:   "sale",
				Many:  "sales",
				Money: usd(21400),
			}}
		}
		m.Agents = append(m.Agents, a)
	}
	return m
}

// heldBackAgents are paused by a reserve, by a request that was too large, and by a job that holds
// what is left.
func heldBackAgents() []views.AgentModel {
	list := agents()[:3]
	list[0].State, list[0].Since, list[0].TurnedAway = views.AgentOutOfTokens, Now.Add(-time.Hour), 12
	list[0].Stop = views.StopModel{
		Reason:  views.WhyReserve,
		KeptFor: "your own tools",
		URL:     "/agents#own-reserve",
	}
	list[1].Stop = views.StopModel{Reason: views.WhyHeld, URL: "/credits/buy?next=%2Fagents"}
	list[2].State, list[2].Stop = views.AgentOutOfTokens,
		views.StopModel{Reason: views.WhySize, URL: "/agents#" + views.AgentAnchor(list[2].ID)}
	return list
}

func heldBack(c views.Layout) views.Layout {
	reserve := views.StopModel{
		Reason:  views.WhyReserve,
		KeptFor: "your own tools",
		URL:     "/agents#own-reserve",
	}
	return withBadge(c, views.BadgeModel{
		Level:        views.LevelOK,
		Spendable:    amount("199"),
		PausedAgents: 1,
		Stopped:      []views.StoppedModel{{Name: "DM Automation", Stop: reserve}},
	}, nil)
}

func agentPages() []Page {
	m := views.AgentsModel{
		Layout:  chrome(views.NavAgents),
		Agents:  agents(),
		All:     5,
		Found:   5,
		Page:    1,
		Pages:   1,
		First:   1,
		Own:     amount("25"),
		OwnForm: views.LimitsForm{Reserve: "25"},
	}
	waits, none, wrong, reserved, saved := m, m, m, m, m
	waits.Layout = paused(m.Layout)
	none.All, none.Agents, none.Own, none.OwnForm = 0, nil, 0, views.LimitsForm{}
	forty, thousand, nothing := ManyAgents(40, 0), ManyAgents(1000, 3), ManyAgents(40, 0)
	nothing.Search, nothing.Agents, nothing.Found = "sellr", nil, 0
	wrong.Agents, wrong.Still = agents(), true
	wrong.Agents[0].Form = views.LimitsForm{
		Budget:  "ten",
		Reserve: "-1",
		Problems: map[string]string{
			"budget":  "Type a number of tokens, such as 20 or 42.5.",
			"reserve": "Must not be below zero.",
		},
	}
	wrong.OwnForm = views.LimitsForm{
		Reserve:  "1.0000001",
		Problems: map[string]string{"reserve": "Use at most 6 decimals."},
	}
	reserved.Layout, reserved.Agents, reserved.Saved = heldBack(m.Layout), heldBackAgents(), true
	reserved.Own, reserved.Reserved, reserved.Spendable, reserved.OwnForm = amount("500"), amount("500"),
		amount("199"), views.LimitsForm{Reserve: "500"}
	saved.Saved, saved.Agents = true, agents()[:1]
	return []Page{
		page("agents", views.AgentsPage(m)),
		page("agents-waiting", views.AgentsPage(waits)),
		page("agents-none", views.AgentsPage(none)),
		page("agents-wrong", views.AgentsPage(wrong)),
		page("agents-reserved", views.AgentsPage(reserved)),
		page("agents-saved", views.AgentsPage(saved)),
		page("agents-40", views.AgentsPage(forty)),
		page("agents-1000", views.AgentsPage(thousand)),
		page("agents-no-match", views.AgentsPage(nothing)),
	}
}

// priceList is what each tool takes, for a creator who can spend so much.
func priceList(available string) []views.ToolModel {
	var list []views.ToolModel
	for _, t := range []struct{ id, name, one, price string }{
		{"image_generation", "AI image", "image", "10"},
		{"photoshoot", "AI photoshoot", "photoshoot", "10"},
		{"video_5s", "5-second video", "five-second video", "30"},
		{"video_10s", "10-second video", "ten-second video", "50"},
		{"motion_reference_video", "Motion-reference video", "motion video", "55"},
		{"lip_sync", "Lip sync", "lip sync", "5"},
		{"voice_dubbing", "Voice dubbing", "dubbing", "5"},
		{"pdf_creation", "PDF", "PDF", "75"},
	} {
		m := views.ToolModel{
			ID:     t.id,
			Name:   t.name,
			One:    t.one,
			Price:  amount(t.price),
			BuyURL: "/credits/buy?need=33",
		}
		if m.Left = amount(available) - m.Price; m.Left < 0 {
			m.Short, m.Left = -m.Left, 0
		}
		list = append(list, m)
	}
	return list
}

func tools() []Page {
	m := views.ToolsModel{
		Layout:    chrome(views.NavTools),
		Tools:     priceList("142"),
		Available: amount("142"),
		Runs:      true,
		Key:       "k",
		Draft:     "maya:image_generation",
	}
	chosen, declined, wrong, running, done, failed, elsewhere := m, m, m, m, m, m, m
	chosen.Chosen, chosen.Text = &chosen.Tools[0], "A mug on a shelf"
	declined.Layout, declined.Tools, declined.Available, declined.Kept = low(m.Layout), priceList("42"),
		amount("42"), amount("20")
	declined.Chosen, declined.Text, declined.Declined = &declined.Tools[7], "Forty glazes for a home kiln", true
	short := declined
	short.Declined = false
	wrong.Chosen, wrong.Problem = &wrong.Tools[0], "That is too long for a sample. Use fewer words."
	job := views.JobModel{
		ToolName: "PDF",
		Text:     "Forty glazes for a home kiln",
		Amount:   amount("75"),
		State:    views.JobRunning,
		Percent:  40,
		Every:    time.Second,
	}
	over, broken := job, job
	over.State, over.Every, broken.State, broken.Every = views.JobDone, 0, views.JobFailed, 0
	running.Layout, running.Job, done.Job, failed.Job = working(m.Layout), &job, &over, &broken
	elsewhere.Runs = false
	shop := views.StorefrontModel{Layout: empty(chrome(views.NavShop), "0"), Products: []views.ProductModel{
		{
			ID:    "glaze-guide",
			Name:  "The Glaze Guide",
			Text:  "Forty glazes that work in a home kiln, as a PDF.",
			Price: usd(1200),
		},
		{
			ID:    "first-bowl",
			Name:  "Your First Bowl",
			Text:  "Six short lessons, from a lump of clay to the table.",
			Price: usd(4900),
		},
		{
			ID:    "studio-mug",
			Name:  "Studio Mug",
			Text:  "Thrown and glazed by hand. No two are alike.",
			Price: usd(2400),
		},
	}}
	ordered := shop
	ordered.Layout, ordered.Ordered = chrome(views.NavShop), &shop.Products[2]
	return []Page{
		page("tools", views.ToolsPage(m)),
		page("tools-chosen", views.ToolsPage(chosen)),
		page("tools-declined", views.ToolsPage(declined)),
		page("tools-short", views.ToolsPage(short)),
		page("tools-wrong", views.ToolsPage(wrong)),
		page("tools-running", views.ToolsPage(running)),
		page("tools-done", views.ToolsPage(done)),
		page("tools-failed", views.ToolsPage(failed)),
		page("tools-elsewhere", views.ToolsPage(elsewhere)),
		{
			Name:      "job-fragment",
			Component: views.JobPanel(&job),
			Fragment:  true,
		},
		page("storefront", views.StorefrontPage(shop)),
		page("storefront-ordered", views.StorefrontPage(ordered)),
	}
}
