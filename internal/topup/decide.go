package topup

import (
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// coolDown is the least time between two attempts, whatever the outcome of the first.
const coolDown = 10 * time.Minute

// facts are the input of a decision besides the settings.
type facts struct {
	available, owed tokens.Amount      // there: spendable or held, since a running job may return its hold
	kept            bool               // a payment method is stored
	closed          bool               // the account is closed
	attempts        []billing.Purchase // newest first: this month's and the one before
	month           time.Time          // start of this month
}

func factsOf(a *ledger.Account, attempts []billing.Purchase, kept bool, now time.Time) facts {
	today := a.Day(now)
	month := clock.StartOfDay(today.AddDate(0, 0, 1-today.Day()), a.BillingZone)
	return facts{
		available: a.Spendable + a.Held,
		owed:      a.Owed,
		kept:      kept,
		closed:    !a.ClosedAt.IsZero(),
		attempts:  attempts,
		month:     month,
	}
}

// Wait is why no pack is bought although the balance is below the threshold.
type Wait string

// The empty Wait stands for a balance above the threshold, and for a pack that is bought now.
const (
	WaitUnderWay Wait = "under_way" // the outcome of an attempt is unknown
	WaitCard     Wait = "card"      // no payment method is stored
	WaitCoolDown Wait = "cool_down"
	WaitTimes    Wait = "times" // until next month
	WaitMoney    Wait = "money" // until next month
)

// decision is the next action: at most one of off, stop, wait and buy.
type decision struct {
	off     bool // permanently: the account is closed
	stop    Stop
	because uuid.UUID // the attempt that causes the stop
	wait    Wait
	buy     bool
	most    int64 // maximum charge, tax included, in minor units
}

// decide has all rules of auto top-up.
//
//   - It stops after an attempt that failed since the settings were saved, since the same card would
//     fail again. It also stops after a purchase that was returned or is disputed, and when the pack
//     is gone or worse than agreed.
//   - It buys only below the threshold, and only a pack that lifts the balance over the threshold after
//     debt is settled. So no purchase causes the next one. Tokens held by running jobs count as available.
//   - It buys one pack at a time, ten minutes apart, within the month's limits. Failed attempts do not
//     count towards the limits; returned purchases do.
func decide(s Settings, f facts, prices *catalog.Catalog, now time.Time) decision {
	if !s.On {
		return decision{}
	}
	if f.closed {
		return decision{off: true}
	}
	if stop, of := f.failed(s.ChangedAt); stop != "" {
		return decision{stop: stop, because: of}
	}
	pack, sold := prices.Pack(s.Agreed.Pack)
	switch {
	case !sold:
		return decision{stop: StopPack}
	case !s.agreed(prices).Allows(pack):
		return decision{stop: StopPrice}
	case f.available >= s.Threshold:
		return decision{}
	case f.underWay():
		return decision{wait: WaitUnderWay}
	case f.available+pack.Tokens-min(f.owed, pack.Tokens) <= s.Threshold:
		return decision{stop: StopOwed}
	case !f.kept:
		return decision{wait: WaitCard}
	case len(f.attempts) > 0 && now.Before(f.attempts[0].CreatedAt.Add(coolDown)):
		return decision{wait: WaitCoolDown}
	}
	return f.within(s, pack.Price)
}

// agreed returns the creator's agreement. For old settings without tokens and expiry it is what the catalog
// sold at that time, provided that the price is the same.
func (s *Settings) agreed(prices *catalog.Catalog) billing.Terms {
	if s.Agreed.Tokens > 0 {
		return s.Agreed
	}
	pack, sold := prices.At(s.ChangedAt).Pack(s.Agreed.Pack)
	if !sold || pack.Price != s.Agreed.Price {
		return billing.Terms{}
	}
	return billing.TermsOf(pack)
}

// within applies the monthly limits.
func (f *facts) within(s Settings, price money.Amount) decision {
	times, spent := f.thisMonth(s.Limit.Currency)
	left := s.Limit.Minor - spent.Minor
	switch {
	case times >= s.Times:
		return decision{wait: WaitTimes}
	case price.Minor > left || f.tooMuch(s.ChangedAt):
		return decision{wait: WaitMoney}
	}
	return decision{buy: true, most: left}
}

// stops maps failures to the reasons to stop.
var stops = map[billing.Failure]Stop{
	billing.FailureDeclined: StopDeclined,
	billing.FailureRefused:  StopDeclined,
	billing.FailureConfirm:  StopConfirm,
}

// failed returns the reason to stop since an instant, and the newest attempt that has it.
func (f *facts) failed(since time.Time) (Stop, uuid.UUID) {
	for i := range f.attempts {
		p := &f.attempts[i]
		switch {
		case p.CreatedAt.Before(since) && p.UpdatedAt.Before(since):
		case p.Status == billing.StatusRefunded, p.Status == billing.StatusDisputed:
			return StopReturned, p.ID
		case p.Status == billing.StatusFailed && stops[p.Failure] != "" && !p.CreatedAt.Before(since):
			return stops[p.Failure], p.ID
		}
	}
	return "", uuid.Nil
}

func (f *facts) underWay() bool {
	for i := range f.attempts {
		if s := f.attempts[i].Status; s == billing.StatusPending || s == billing.StatusProcessing {
			return true
		}
	}
	return false
}

// thisMonth returns the number of purchases this month, pending ones included, and their sum.
func (f *facts) thisMonth(currency string) (times int, spent money.Amount) {
	spent.Currency = currency
	for i := range f.attempts {
		p := &f.attempts[i]
		if p.CreatedAt.Before(f.month) || p.Status == billing.StatusFailed || p.Status == billing.StatusExpired {
			continue
		}
		times++
		if p.Price.Currency == currency {
			spent.Minor += max(p.Paid.Minor, p.Price.Minor)
		}
	}
	return times, spent
}

// tooMuch reports whether tax took an attempt of this month, since an instant, over the remaining amount:
// the next one would fail, too.
func (f *facts) tooMuch(since time.Time) bool {
	for i := range f.attempts {
		p := &f.attempts[i]
		if p.Failure == billing.FailureTooMuch && !p.CreatedAt.Before(f.month) && !p.CreatedAt.Before(since) {
			return true
		}
	}
	return false
}
