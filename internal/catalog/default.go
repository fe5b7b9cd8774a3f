package catalog

import (
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// DefaultVersion names the built-in prices.
const DefaultVersion = "2026-11-pop-store"

// Builtin is the catalog of the help article "How to Understand AI Token Usage and Credits on POP.STORE". Numbers that the article does
// not give are marked; the packs are samples, since it names none.
func Builtin() *Catalog {
	return &Catalog{
		Version: DefaultVersion,
		Plans: []Plan{
			{ID: "starter", Name: "Starter", Allowance: 200 * tokens.One},
			{ID: "pro", Name: "Pro", Allowance: 400 * tokens.One},
			{ID: "star", Name: "Star", Allowance: 1000 * tokens.One},
		},
		Features:        append(tools(), agents()...),
		Packs:           packs(),
		Table:           table(),
		LowPercent:      20, // product.md, "Low-balance notice"
		RefundGraceDays: 30, // our decision: a month, as long as a plan's tokens live
		ToolMinimum:     tokens.MustParse("5"),
	}
}

func tools() []Feature {
	return []Feature{
		{ID: "image_generation", Name: "AI image", One: "image", Many: "images", Pricing: Fixed, Price: tokens.MustParse("10")},
		// Inferred: 200 tokens are 20 photoshoots in the plan table.
		{ID: "photoshoot", Name: "AI photoshoot", One: "photoshoot", Many: "photoshoots", Pricing: Fixed, Price: tokens.MustParse("10")},
		{ID: "video_5s", Name: "5-second video", One: "five-second video", Many: "five-second videos", Pricing: Fixed, Price: tokens.MustParse("30")},
		{ID: "video_10s", Name: "10-second video", One: "ten-second video", Many: "ten-second videos", Pricing: Fixed, Price: tokens.MustParse("50")},
		{ID: "motion_reference_video", Name: "Motion-reference video", One: "motion video", Many: "motion videos", Pricing: Fixed, Price: tokens.MustParse("55")},
		{ID: "lip_sync", Name: "Lip sync", One: "lip sync", Many: "lip syncs", Pricing: Fixed, Price: tokens.MustParse("5")},
		// Inferred: 200 tokens are 40 dubbings in the plan table.
		{ID: "voice_dubbing", Name: "Voice dubbing", One: "dubbing", Many: "dubbings", Pricing: Fixed, Price: tokens.MustParse("5")},
		{ID: "pdf_creation", Name: "PDF", One: "PDF", Many: "PDFs", Pricing: Fixed, Price: tokens.MustParse("75")},
	}
}

// agents spend by activity; the default rates follow from the plan table: 200 tokens are 4,000 replies.
func agents() []Feature {
	return []Feature{
		{ID: "social_comment_reply", Name: "Comment Replies", One: "reply", Many: "replies", Pricing: Default, Price: tokens.MustParse("0.05"), Agent: true},
		{ID: "comment_to_dm", Name: "Comment to DM", One: "DM", Many: "DMs", Pricing: Default, Price: tokens.MustParse("0.05"), Agent: true},
		{ID: "brand_deal_scan", Name: "Brand Deal Scans", One: "scan", Many: "scans", Pricing: Default, Price: tokens.MustParse("0.1"), Agent: true},
		{ID: "auto_selling", Name: "Auto Selling", One: "conversation", Many: "conversations", Pricing: Metered, Agent: true},
	}
}

func table() []Row {
	return []Row{
		{Feature: "pdf_creation", Name: "AI Generated PDFs", Rate: tokens.MustParse("75")},
		{Feature: "photoshoot", Name: "AI Photoshoots", Rate: tokens.MustParse("10")},
		{Feature: "social_comment_reply", Name: "Social Comment Replies", Rate: tokens.MustParse("0.05"), About: true},
		{Feature: "comment_to_dm", Name: "Comment to DM Automation", Rate: tokens.MustParse("0.05"), About: true},
		// The article counts 20 tokens a video here and 30 in its price list: both are kept as published.
		{Feature: "video_5s", Name: "AI Generated Videos", Rate: tokens.MustParse("20")},
		{Feature: "voice_dubbing", Name: "AI Voice Dubbing", Rate: tokens.MustParse("5")},
		{Feature: "brand_deal_scan", Name: "Brand Deal Scans", Rate: tokens.MustParse("0.1"), About: true},
	}
}

// packs are samples: the operator sets the real ones.
func packs() []Pack {
	return []Pack{
		{ID: "pack_100", Name: "Small pack", Tokens: 100 * tokens.One, Price: money.Amount{Minor: 900, Currency: "USD"}},
		{ID: "pack_500", Name: "Medium pack", Tokens: 500 * tokens.One, Price: money.Amount{Minor: 3900, Currency: "USD"}, Popular: true},
		{ID: "pack_1000", Name: "Large pack", Tokens: 1000 * tokens.One, Price: money.Amount{Minor: 6900, Currency: "USD"}},
	}
}
