package demo

import "math/rand/v2"

// agentProfile is one of the demo's agents, with its name and its kinds of work.
type agentProfile struct {
	id, name, feature string
}

var demoAgents = []agentProfile{
	{"auto-selling", "Auto Selling", "auto_selling"},
	{"brand-scout", "Brand Scout", "brand_deal_scan"},
	{"comment-replies", "Comment Replies", "social_comment_reply"},
	{"dm-automation", "DM Automation", "comment_to_dm"},
}

// work is a charge that an agent requests.
type work struct {
	Feature  string `json:"feature"`
	Agent    string `json:"agent"`
	Quantity int    `json:"quantity,omitempty"`
	Amount   string `json:"amount,omitempty"`
}

// nextWork is mostly comment replies: about 0.7 tokens on average, so that the demo's balance lasts three
// or four minutes at one piece every three seconds. A sale costs so much that its agent stops first.
func nextWork() work {
	switch n := rand.IntN(24); {
	case n < 6:
		return work{
			Feature:  "comment_to_dm",
			Agent:    "dm-automation",
			Quantity: 4 + rand.IntN(8),
		}
	case n < 9:
		return work{
			Feature:  "brand_deal_scan",
			Agent:    "brand-scout",
			Quantity: 2 + rand.IntN(5),
		}
	case n < 10:
		return work{
			Feature: "auto_selling",
			Agent:   "auto-selling",
			Amount:  []string{"6", "6.5", "7.25", "8"}[rand.IntN(4)],
		}
	}
	return work{
		Feature:  "social_comment_reply",
		Agent:    "comment-replies",
		Quantity: 8 + rand.IntN(10),
	}
}

// result is the result of a piece of work.
type result struct {
	Charge   string `json:"charge"`
	Kind     string `json:"kind"`
	Count    int    `json:"count,omitempty"`
	Money    string `json:"money,omitempty"`
	Currency string `json:"currency,omitempty"`
}

// outcome returns the result of a piece of work; most have none that can be counted.
func (w work) outcome(charge string) (result, bool) {
	switch {
	case w.Agent == "auto-selling":
		return result{
			Charge:   charge,
			Kind:     "sale",
			Count:    1,
			Money:    []string{"12.00", "24.00", "49.00"}[rand.IntN(3)],
			Currency: "USD",
		}, true
	case w.Agent == "dm-automation" && rand.IntN(4) == 0:
		return result{
			Charge:   charge,
			Kind:     "sale",
			Count:    1,
			Money:    "24.00",
			Currency: "USD",
		}, true
	case w.Agent == "brand-scout" && rand.IntN(4) == 0:
		return result{
			Charge: charge,
			Kind:   "lead",
			Count:  1,
		}, true
	}
	return result{}, false
}
