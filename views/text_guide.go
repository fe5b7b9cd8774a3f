package views

import (
	"github.com/a-h/templ"
)

// question is a question of the article with its answer.
type question struct {
	Title, Text string
	Link        string
	Href        templ.SafeURL
}

// questions are the article's, in its order, with this creator's numbers in the answers.
func (m GuideModel) questions() []question {
	list := []question{
		{Title: "What are tokens?", Text: "They are what AI tools and agents run on. " + m.monthly() +
			" What you don't use of them doesn't roll over. Tokens that you buy are spent last."},
		{
			Title: "What can I do with mine?",
			Text:  m.goodFor(),
			Link:  "See the plans",
			Href:  "/plans",
		},
		{
			Title: "What happens when I run out?",
			Text:  m.atZero() + " Agents pause and restart by themselves when tokens arrive, for new requests only: what came in meanwhile isn't answered.",
		},
		{
			Title: "Can I keep using my shop without tokens?",
			Text:  "Yes. Your storefront, products, subscriptions and everything else work as usual. Only AI tools and agents wait.",
		},
		{Title: "Can I get more without changing my plan?", Text: m.buying()},
		{
			Title: "Can I see how many tokens I've used?",
			Text:  "Yes, to the last one: every purchase, every use and everything that came back is in your history. Your balance is at the top right of every page.",
			Link:  "See your history",
			Href:  "/credits/history",
		},
	}
	if m.CanBuy {
		list[4].Link, list[4].Href = "See the packs", "/credits/buy"
	}
	return list
}

func (m GuideModel) planName() string {
	if m.PlanName == "" {
		return "your plan"
	}
	return m.PlanName
}

func (m GuideModel) monthly() string {
	text := "Your plan, " + m.planName() + ", gives you " + Number(m.Allowance) + " every month."
	if m.Next != nil {
		text += " The next " + Number(m.Next.Amount) + " arrive " + m.Layout.when(m.Next.At).on() + "."
	}
	return text
}

func (m GuideModel) goodFor() string {
	text := equivalents(m.Equivalents)
	if text == "" {
		return "You have " + Tokens(m.Spendable) + ", which is less than the cheapest AI tool takes. A month of " +
			m.planName() + " gives you " + Number(m.Allowance) + "."
	}
	return "Your " + Tokens(m.Spendable) + " are good for " + text +
		", or a mix. Agents' counts are estimates: they use tokens by what they do."
}

// atZero explains the rule by a tool that the balance does not cover, if there is one.
func (m GuideModel) atZero() string {
	text := "A tool only runs when you have all the tokens that it takes."
	if p, ok := m.beyond(); ok {
		text += " One " + p.Unit + " takes " + Number(p.Price) + ": with your " + Number(m.Spendable) +
			" it won't run until you have " +
			Number(p.Price-m.Spendable) + " more, and no tokens are used for what doesn't run."
	} else {
		text += " Otherwise it won't run, and no tokens are used."
	}
	return text
}

// beyond is the cheapest tool that the balance does not cover.
func (m GuideModel) beyond() (PriceModel, bool) {
	var found PriceModel
	for _, p := range m.Tools {
		if p.Price > m.Spendable && (found.Price == 0 || p.Price < found.Price) {
			found = p
		}
	}
	return found, found.Price > 0
}

func (m GuideModel) buying() string {
	if !m.CanBuy {
		return "Packs are not on sale here yet. Your plan's tokens arrive as usual."
	}
	text := "Yes. Packs start at " + Tokens(m.Pack.Tokens) + " for " + m.Pack.Price.String()
	if m.Pack.ExpiresAfter == 0 {
		return text + " and never expire."
	}
	return text + ": " + packExpiryText(m.Pack.ExpiresAfter) + "."
}

func (m GuideModel) spendableLine() string {
	if m.Held > 0 {
		return unit(m.Spendable) + ", and " + Number(m.Held) + " in use"
	}
	return unit(m.Spendable) + " right now"
}

func (m GuideModel) nextLine() string {
	return Tokens(m.Next.Amount) + " at " + m.Layout.when(m.Next.At).Clock()
}

// price is what one use takes: "75", "about 0.05", "by activity".
func (p PriceModel) price(about bool) string {
	switch {
	case p.Price == 0:
		return "by activity"
	case about:
		return "about " + Number(p.Price)
	}
	return Number(p.Price)
}

// reach is how often the balance covers it: "4", "about 360", "57 short".
func (m GuideModel) reach(p PriceModel, about bool) string {
	switch n := m.Spendable.Fits(p.Price); {
	case p.Price == 0:
		return ""
	case n == 0:
		return Number(p.Price-max(m.Spendable, 0)) + " short"
	case about:
		return "about " + Count(n)
	default:
		return Count(n)
	}
}
