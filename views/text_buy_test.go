package views

import (
	"testing"
	"time"

	"pop.store/credits/internal/tokens"
)

func TestHowLongAPackLastsInText(t *testing.T) {
	t.Parallel()
	const day, hour = 24 * time.Hour, time.Hour
	for d, want := range map[time.Duration]string{
		0:                     "",
		time.Minute:           "less than an hour at your pace",
		hour:                  "about 1 hour at your pace",
		day - 1:               "about 23 hours at your pace",
		day:                   "about 1 day at your pace",
		9*day + 23*hour:       "about 9 days at your pace",
		90*day - 1:            "about 89 days at your pace",
		90 * day:              "about 3 months at your pace",
		365 * day:             "about 12 months at your pace",
		365*day + time.Second: "more than a year at your pace",
	} {
		if got := lastsText(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestOwedText(t *testing.T) {
	t.Parallel()
	pack := func(size tokens.Amount, gets tokens.Amount) PackModel {
		return PackModel{Tokens: size * tokens.One, Gets: gets * tokens.One}
	}
	for _, c := range []struct {
		owed tokens.Amount
		pack PackModel
		want string
	}{
		{0, pack(500, 500), ""},
		{120, pack(500, 380), "500 − 120 owed from a returned payment = 380 tokens."},
		{100, pack(100, 0), "All of it pays what is owed from a returned payment: you get no tokens to spend, and nothing stays owed."},
		{120, pack(100, 0), "All of it pays part of the 120 owed from a returned payment: you get no tokens to spend, and 20 stay owed."},
	} {
		if got := (BuyModel{Owed: c.owed * tokens.One}).owedText(c.pack); got != c.want {
			t.Errorf("%d owed: %q, want %q", c.owed, got, c.want)
		}
	}
}

func TestWhoGoesOnWithAPack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		waiting int
		names   []string
		want    string
	}{
		{0, nil, ""},
		{2, nil, "Not enough for the agents that wait."},
		{2, []string{"A"}, "A restarts, for new requests."},
		{2, []string{"A", "B"}, "A and B restart, for new requests."},
		{3, []string{"A", "B", "C"}, "A, B and C restart, for new requests."},
		{5, []string{"A", "B", "C", "D"}, "4 agents restart, for new requests."},
	} {
		if got := (BuyModel{Waiting: c.waiting}).resumeText(PackModel{Resumes: c.names}); got != c.want {
			t.Errorf("%v: %q, want %q", c.names, got, c.want)
		}
	}
}

// The pack that is suggested for what is missing comes first; without a need the packs stand by size.
func TestTheOrderOfPacks(t *testing.T) {
	t.Parallel()
	m := BuyModel{Packs: []PackModel{{ID: "s"}, {
		ID:        "m",
		Suggested: true,
		Covers:    true,
	}, {ID: "l", Covers: true}}}
	for need, want := range map[tokens.Amount]string{0: "sml", tokens.One: "msl"} {
		m.Need = need
		got := ""
		for _, p := range m.ordered() {
			got += p.ID
		}
		if got != want || m.Packs[0].ID != "s" {
			t.Errorf("%s in need of %s, want %s", got, need, want)
		}
	}
	m.Need = tokens.One
	if got := m.needText(); got != "You're 1 short." {
		t.Errorf("got %q", got)
	}
	m.Need, m.Packs = 5_000*tokens.One, []PackModel{{}}
	if got := m.needText(); got != "You're 5,000 short. No pack alone covers that: the largest comes nearest." {
		t.Errorf("got %q", got)
	}
}

func TestTheNoticeLeadsBack(t *testing.T) {
	t.Parallel()
	for here, want := range map[string]string{
		"":                       "/credits/buy",
		"/tools?tool=x&text=a+b": "/credits/buy?next=%2Ftools%3Ftool%3Dx%26text%3Da%2Bb",
	} {
		if got := string((Layout{Here: here}).buyHref()); got != want {
			t.Errorf("%q: %q, want %q", here, got, want)
		}
	}
}
