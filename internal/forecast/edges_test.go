package forecast_test

import (
	"testing"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/forecast"
)

// A plan that gives exactly a month's use is enough, and a millionth less is not.
func TestAPlanThatIsExactlyEnough(t *testing.T) {
	t.Parallel()
	for allowance, want := range map[string]string{
		"300":        "pro",
		"299.999999": "",
		"300.000001": "pro",
	} {
		f := starter(ten(), "200", 0) // 300 in thirty days
		f.Prices.Plans = []catalog.Plan{
			{
				ID:        "starter",
				Allowance: amount("200"),
				Price:     dollars(1000),
			},
			{
				ID:        "pro",
				Allowance: amount(allowance),
				Price:     dollars(1100),
			},
		}
		if got, _ := advice(t, f, forecast.Wish{}, forecast.Upgrade); got.Plan.ID != want {
			t.Errorf("%s: %+v", allowance, got)
		}
	}
	// An own plan that gives exactly that needs no upgrade.
	f := starter(ten(), "300", 0)
	f.Prices.Plans = []catalog.Plan{
		{
			ID:        "starter",
			Allowance: amount("300"),
			Price:     dollars(1000),
		},
		{
			ID:        "pro",
			Allowance: amount("400"),
			Price:     dollars(1100),
		},
	}
	if got, ok := advice(t, f, forecast.Wish{}, forecast.Upgrade); ok {
		t.Errorf("%+v", got)
	}
}

// Packs without a price, without tokens, or in another currency are ignored.
func TestPacksWithoutAPrice(t *testing.T) {
	t.Parallel()
	dear := catalog.Pack{
		ID:     "dear",
		Tokens: amount("100"),
		Price:  dollars(3000),
	}
	for name, other := range map[string]catalog.Pack{
		"free": {ID: "free", Tokens: amount("100")},
		"free of charge": {
			ID:     "free",
			Tokens: amount("100"),
			Price:  dollars(0),
		},
		"empty": {ID: "empty", Price: dollars(1)},
		"euros": {
			ID:     "euros",
			Tokens: amount("100"),
			Price:  euros(1),
		},
	} {
		f := starter(ten(), "300", 0)
		f.Prices.Packs = []catalog.Pack{other, dear}
		// 100 above Starter's 200 cost 30 dollars of the expensive pack; Pro costs 14 more.
		got, ok := advice(t, f, forecast.Wish{}, forecast.Upgrade)
		if !ok || got.Plan.ID != "pro" || got.Count != 1 || got.Packs != dollars(3000) {
			t.Errorf("%s: %v %+v", name, ok, got)
		}
		f.Prices.Packs = []catalog.Pack{other}
		if got, ok := advice(t, f, forecast.Wish{}, forecast.Upgrade); ok {
			t.Errorf("%s alone: %+v", name, got)
		}
	}
}

// An account without a plan on sale gets no advice about plans, and advice is never empty.
func TestNoPlanNoUpgrade(t *testing.T) {
	t.Parallel()
	for _, plan := range []string{"", "retired"} {
		f := starter(ten(), "300", 0)
		f.Plan = plan
		w := forecast.Wish{Bought: forecast.Purchases{
			Count:  9,
			Tokens: amount("100"),
			Paid:   dollars(99_99),
		}}
		if list := forecast.Advise(f, w); len(list) != 0 {
			t.Errorf("%q: %+v", plan, list)
		}
	}
	f := starter(ten(), "300", 0)
	for i := range f.Prices.Plans {
		f.Prices.Plans[i].Price.Currency = ""
	}
	if list := forecast.Advise(f, forecast.Wish{}); len(list) != 0 {
		t.Errorf("without a price: %+v", list)
	}
}
