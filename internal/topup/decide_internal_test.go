package topup

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

var noon = time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)

func usd(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "USD"} }

func some(n int64) tokens.Amount { return tokens.Amount(n) * tokens.One }

func agreed500() billing.Terms {
	return billing.Terms{
		Pack:   "pack_500",
		Tokens: some(500),
		Price:  usd(3900),
	}
}

// ready returns settings and facts with which a pack of 500 for $39 is bought.
func ready() (Settings, facts) {
	s := Settings{
		On:        true,
		Threshold: some(40),
		Agreed:    agreed500(),
		Times:     3,
		Limit:     usd(12000),
		ChangedAt: noon.Add(-5 * 24 * time.Hour),
	}
	return s, facts{
		available: some(39),
		kept:      true,
		month:     time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
	}
}

// bought is an attempt of the given age.
func bought(ago time.Duration, status billing.Status, failure billing.Failure) billing.Purchase {
	p := billing.Purchase{
		ID:        uuid.New(),
		Price:     usd(3900),
		Paid:      usd(0),
		Status:    status,
		Failure:   failure,
		CreatedAt: noon.Add(-ago),
		Auto:      true,
	}
	if status == billing.StatusCompleted {
		p.Paid = usd(3900)
	}
	return p
}

func TestEveryRule(t *testing.T) {
	t.Parallel()
	const hour, day = time.Hour, 24 * time.Hour
	done := func(ago time.Duration) billing.Purchase { return bought(ago, billing.StatusCompleted, "") }
	failed := func(ago time.Duration, why billing.Failure) billing.Purchase {
		return bought(ago, billing.StatusFailed, why)
	}
	for name, c := range map[string]struct {
		set  func(s *Settings, f *facts)
		want decision
	}{
		"below":                 {func(*Settings, *facts) {}, decision{buy: true, most: 12000}},
		"off":                   {func(s *Settings, _ *facts) { s.On = false }, decision{}},
		"just at the threshold": {func(_ *Settings, f *facts) { f.available = some(40) }, decision{}},
		"a millionth below": {func(_ *Settings, f *facts) {
			f.available = some(40) - 1
		}, decision{buy: true, most: 12000}},
		"no card": {func(_ *Settings, f *facts) { f.kept = false }, decision{wait: WaitCard}},
		"pack gone": {func(s *Settings, _ *facts) {
			s.Agreed.Pack = "pack_7"
		}, decision{stop: StopPack}},
		"dearer": {func(s *Settings, _ *facts) {
			s.Agreed.Price = usd(3899)
		}, decision{stop: StopPrice}},
		"cheaper": {func(s *Settings, _ *facts) {
			s.Agreed.Price = usd(4000)
		}, decision{buy: true, most: 12000}},
		"another currency": {func(s *Settings, _ *facts) {
			s.Agreed.Price.Currency = "EUR"
		}, decision{stop: StopPrice}},
		"some owed": {func(_ *Settings, f *facts) {
			f.owed = some(498)
		}, decision{buy: true, most: 12000}},
		"as much owed as lifts to it": {func(_ *Settings, f *facts) {
			f.owed = some(499)
		}, decision{stop: StopOwed}},
		"more owed than a pack brings": {func(_ *Settings, f *facts) {
			f.owed = some(9000)
		}, decision{stop: StopOwed}},
		"pending": {func(_ *Settings, f *facts) {
			f.attempts = append(f.attempts, bought(2*hour, billing.StatusPending, ""))
		}, decision{wait: WaitUnderWay}},
		"processing, the newest failed without saying why": {func(_ *Settings, f *facts) {
			f.attempts = append(f.attempts, failed(hour, ""), bought(2*hour, billing.StatusProcessing, ""))
		}, decision{wait: WaitUnderWay}},
		"nine minutes after": {func(_ *Settings, f *facts) {
			f.attempts = append(f.attempts, done(coolDown-time.Microsecond))
		}, decision{wait: WaitCoolDown}},
		"ten minutes after": {func(_ *Settings, f *facts) {
			f.attempts = append(f.attempts, done(coolDown))
		}, decision{buy: true, most: 8100}},
		"nine minutes after none": {func(_ *Settings, f *facts) {
			f.attempts = append(f.attempts, bought(9*time.Minute, billing.StatusExpired, ""))
		}, decision{wait: WaitCoolDown}},
		"twice this month": {func(_ *Settings, f *facts) {
			f.attempts = append(f.attempts, done(hour), done(2*hour))
		}, decision{buy: true, most: 4200}},
		"three times this month": {func(s *Settings, f *facts) {
			s.Limit = usd(100000)
			f.attempts = append(f.attempts, done(hour), done(day), done(2*day))
		}, decision{wait: WaitTimes}},
		"three times, one failed": {func(_ *Settings, f *facts) {
			f.attempts = append(f.attempts, done(hour), done(day), failed(9*day, "declined"))
		}, decision{buy: true, most: 4200}},
		"three times, one earlier": {func(_ *Settings, f *facts) {
			f.attempts = append(f.attempts, done(hour), done(day), done(15*day))
		}, decision{buy: true, most: 4200}},
		"what went back counts": {func(s *Settings, f *facts) {
			s.ChangedAt, s.Times = noon, 2
			f.attempts = append(f.attempts, bought(hour, billing.StatusRefunded, ""),
				bought(day, billing.StatusDisputed, ""))
		}, decision{wait: WaitTimes}},
		"a cent too little money": {func(s *Settings, f *facts) {
			s.Limit = usd(7799)
			f.attempts = append(f.attempts, done(hour))
		}, decision{wait: WaitMoney}},
		"just enough money": {func(s *Settings, f *facts) {
			s.Limit = usd(7800)
			f.attempts = append(f.attempts, done(hour))
		}, decision{buy: true, most: 3900}},
		"with tax too little": {func(s *Settings, f *facts) {
			s.Limit = usd(7800)
			p := done(hour)
			p.Paid = usd(4641)
			f.attempts = append(f.attempts, p)
		}, decision{wait: WaitMoney}},
		"its tax was too much": {func(_ *Settings, f *facts) {
			f.attempts = append(f.attempts, failed(day, billing.FailureTooMuch))
		}, decision{wait: WaitMoney}},
		"too much, last month": {func(s *Settings, f *facts) {
			s.ChangedAt = noon.Add(-60 * day)
			f.attempts = append(f.attempts, failed(16*day, billing.FailureTooMuch))
		}, decision{buy: true, most: 12000}},
		"too much, then set anew": {func(s *Settings, f *facts) {
			s.ChangedAt = noon
			f.attempts = append(f.attempts, failed(day, billing.FailureTooMuch))
		}, decision{buy: true, most: 12000}},
		"declined, then set anew": {func(s *Settings, f *facts) {
			s.ChangedAt = noon
			f.attempts = append(f.attempts, failed(hour, billing.FailureDeclined))
		}, decision{buy: true, most: 12000}},
		"declined, set anew at once": {func(s *Settings, f *facts) {
			s.ChangedAt = noon
			f.attempts = append(f.attempts, failed(time.Minute, billing.FailureDeclined))
		}, decision{wait: WaitCoolDown}},
		"the failure of another time": {func(_ *Settings, f *facts) {
			f.attempts = append(f.attempts, failed(6*day, billing.FailureDeclined))
		}, decision{buy: true, most: 12000}},
	} {
		s, f := ready()
		c.set(&s, &f)
		if got := decide(s, f, catalog.Builtin(), noon); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	for why, want := range map[billing.Failure]Stop{
		billing.FailureDeclined: StopDeclined,
		billing.FailureRefused:  StopDeclined,
		billing.FailureConfirm:  StopConfirm,
	} {
		s, f := ready()
		last := failed(hour, why)
		f.attempts, f.available = append(f.attempts, last), some(9000) // also when there is nothing to buy
		if got := decide(s, f, catalog.Builtin(), noon); got != (decision{stop: want, because: last.ID}) {
			t.Errorf("%s: %+v", why, got)
		}
	}
	for _, status := range []billing.Status{billing.StatusRefunded, billing.StatusDisputed} {
		s, f := ready()
		back := bought(day, status, "")
		f.attempts = append(f.attempts, done(hour), back)
		if got := decide(s, f, catalog.Builtin(), noon); got != (decision{stop: StopReturned, because: back.ID}) {
			t.Errorf("%s: %+v", status, got)
		}
	}
}

// The month follows the account's billing zone.
func TestTheMonthIsTheAccounts(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		t.Fatal(err)
	}
	a := ledger.Account{BillingZone: zone}
	at := time.Date(2026, 11, 30, 11, 0, 0, 0, time.UTC) // midnight of 1 December
	if f := factsOf(&a, nil, true, at); !f.month.Equal(at) {
		t.Errorf("the month began at %s", f.month)
	}
	if f := factsOf(&a, nil, true, at.Add(-time.Microsecond)); !f.month.Equal(time.Date(2026, 10, 31, 11, 0, 0, 0,
		time.UTC)) {
		t.Errorf("the month began at %s", f.month)
	}
}

// With random settings, spending, debt and answers: attempts are ten minutes apart, one at a time, within
// the monthly limits, never above the threshold, and none follows a failed one.
func TestATopUpLoopIsImpossible(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	total := 0
	for round := range 300 {
		total += simulateMonths(t, random)
		if t.Failed() {
			t.Fatalf("seed %d, round %d", seed, round)
		}
	}
	if total < 300 {
		t.Errorf("only %d purchases in all: too few for the test", total)
	}
}

// play simulates two months in steps of a minute or more, and counts purchases.
func simulateMonths(t *testing.T, random *rand.Rand) (purchases int) {
	t.Helper()
	pack := catalog.Builtin().Packs[random.IntN(3)]
	s := Settings{
		On:        true,
		Threshold: tokens.Amount(1 + random.Int64N(int64(pack.Tokens)-1)),
		Agreed:    billing.TermsOf(pack),
		Times:     1 + random.IntN(30),
		Limit:     usd(pack.Price.Minor + random.Int64N(20*pack.Price.Minor)),
		ChangedAt: noon,
	}
	a := ledger.Account{BillingZone: time.UTC, Spendable: pack.Tokens}
	var attempts []billing.Purchase // newest first
	for now := noon; now.Before(noon.AddDate(0, 2,
		0)); now = now.Add(time.Duration(1+random.IntN(240)) * time.Minute) {
		settleAttempts(random, attempts, &a, pack.Tokens)
		a.Spendable -= min(a.Spendable, tokens.Amount(random.Int64N(int64(pack.Tokens))))
		f := factsOf(&a, attempts, random.IntN(20) > 0, now)
		d := decide(s, f, catalog.Builtin(), now)
		if d.stop != "" {
			return purchases
		}
		if !d.buy {
			continue
		}
		purchases++
		wantAllowed(t, s, f, attempts, d, now)
		attempts = append([]billing.Purchase{{
			ID:        uuid.New(),
			Status:    billing.StatusPending,
			Price:     pack.Price,
			Paid:      usd(0),
			CreatedAt: now,
		}}, attempts...)
	}
	return purchases
}

// settleAttempts mostly completes a pending attempt.
func settleAttempts(random *rand.Rand, attempts []billing.Purchase, a *ledger.Account, amount tokens.Amount) {
	if len(attempts) == 0 || attempts[0].Status != billing.StatusPending || random.IntN(3) == 0 {
		return
	}
	switch p := &attempts[0]; random.IntN(60) {
	case 0:
		p.Status, p.Failure = billing.StatusFailed, billing.FailureDeclined
	case 1:
		p.Status = billing.StatusExpired
	case 2:
		p.Status, p.Failure = billing.StatusFailed, billing.FailureTooMuch
	default:
		p.Status, p.Paid = billing.StatusCompleted, usd(p.Price.Minor+random.Int64N(10))
		a.Spendable += amount
	}
}

func wantAllowed(t *testing.T, s Settings, f facts, attempts []billing.Purchase, d decision, now time.Time) {
	t.Helper()
	times, spent := 0, int64(0)
	for i := range attempts {
		p := &attempts[i]
		if p.Status == billing.StatusPending || p.Failure == billing.FailureDeclined ||
			now.Sub(p.CreatedAt) < coolDown {
			t.Errorf("bought %s after an attempt that is %s (%s)", now.Sub(p.CreatedAt), p.Status, p.Failure)
		}
		if p.Status == billing.StatusCompleted && p.CreatedAt.UTC().Month() == now.UTC().Month() {
			times, spent = times+1, spent+p.Paid.Minor
		}
	}
	if f.available >= s.Threshold || times >= s.Times || spent+d.most > s.Limit.Minor || d.most < s.Agreed.Price.Minor {
		t.Errorf("bought with %s of %s, %d of %d times, %d and %d of %s", f.available, s.Threshold, times, s.Times,
			spent, d.most, s.Limit)
	}
}
