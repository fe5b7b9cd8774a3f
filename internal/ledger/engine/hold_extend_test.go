package engine_test

import (
	"errors"
	"math"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
)

func (f *fixture) extend(id uuid.UUID, key string, hold int64, life time.Duration) ledger.Extension {
	f.T.Helper()
	x, err := f.Extend(f.T.Context(), id, key, ledger.Extend{Hold: hold, ExpiresIn: life})
	if err != nil {
		f.T.Fatal(err)
	}
	return x
}

// dueAt is the due instant in the account's row, which sweeps use.
func (f *fixture) dueAt(id uuid.UUID) time.Time {
	f.T.Helper()
	var due time.Time
	if err := f.Pool.QueryRow(f.T.Context(), "select next_due_at from ledger_accounts where account = $1",
		id).Scan(&due); err != nil {
		f.T.Fatal(err)
	}
	return due.UTC()
}

// An extension counts from its own time, never shortens a hold, and moves what is due next. The hold times out at the
// new instant.
func TestAnExtendedHoldEndsLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("100")
	hold := f.holdForSales(id, "60", 10*time.Minute)
	if due := f.dueAt(id); !due.Equal(ledgertest.Start.Add(10 * time.Minute)) {
		t.Fatalf("due at %v", due)
	}
	f.Clock.Set(ledgertest.Start.Add(10*time.Minute - time.Microsecond)) // the last moment
	x := f.extend(id, "x", hold, time.Hour)
	until := ledgertest.Start.Add(70*time.Minute - time.Microsecond)
	if !x.ExpiresAt.Equal(until) || x.Hold != hold || x.Replayed || !f.dueAt(id).Equal(until) {
		t.Errorf("extended: %+v, due at %v", x, f.dueAt(id))
	}
	if x := f.extend(id, "y", hold, time.Second); !x.ExpiresAt.Equal(until) {
		t.Errorf("a shorter extension ends it at %v", x.ExpiresAt)
	}
	f.Clock.Set(until.Add(-time.Microsecond))
	f.wantBalance(id, "40 60 100")
	f.Clock.Set(until)
	f.wantBalance(id, "100 0 100")
	_, err := f.Extend(t.Context(), id, "z", ledger.Extend{Hold: hold, ExpiresIn: time.Hour})
	wantRefusal(t, "an extension at the end", err, problem.Conflict, "hold_expired")
	if n := len(f.historyLines(id)); n != 5 { // allowance, charge, gift, hold, release
		t.Errorf("%d entries: an extension is none", n)
	}
	// At most a day ahead, any number of times.
	hold = f.holdForSales(id, "1", 24*time.Hour)
	f.Clock.Advance(23 * time.Hour)
	if x := f.extend(id, "day", hold, 24*time.Hour); !x.ExpiresAt.Equal(f.Clock.Now().Add(24 * time.Hour)) {
		t.Errorf("extended for a day until %v", x.ExpiresAt)
	}
	for _, life := range []time.Duration{24*time.Hour + 1, 0, -time.Hour, time.Millisecond, math.MaxInt64} {
		_, err := f.Extend(t.Context(), id, "too long", ledger.Extend{Hold: hold, ExpiresIn: life})
		wantRefusal(t, "for "+life.String(), err, problem.Unprocessable, "invalid_field")
	}
}

// An extension is replayed on every server, whatever the state of the hold. Its key is good for no other request, and
// no extension may use the key of another request, also where a lane decides from its cache.
func TestTheKeyOfAnExtension(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.NewServer()
	id := f.MustOpenWith("100")
	first := f.MustCharge(id, "auto_selling", "1")
	hold := f.holdForSales(id, "10", 0)
	for range 3 { // both servers cache the account
		charge(t, other, id, uuid.NewString())
		charge(t, f.Engine, id, uuid.NewString())
	}
	x := f.extend(id, "x", hold, time.Hour)
	f.extend(id, "x2", hold, 2*time.Hour)
	refused := func(e *engine.Engine, key string) {
		t.Helper()
		if _, err := e.Charge(t.Context(), id, key, chargeOf("1")); !errors.Is(err, idempotency.ErrKeyReused) {
			t.Errorf("a charge with the key %s of an extension: %v", key, err)
		}
		if _, err := e.Charge(t.Context(), id, key, chargeOf("1000")); !errors.Is(err, idempotency.ErrKeyReused) {
			t.Errorf("a charge too large with the key %s of an extension: %v", key, err)
		}
		if _, err := e.Extend(t.Context(), id, key,
			ledger.Extend{Hold: hold, ExpiresIn: time.Minute}); !errors.Is(err, idempotency.ErrKeyReused) {
			t.Errorf("another extension with the key %s: %v", key, err)
		}
	}
	for _, e := range []*engine.Engine{f.Engine, other, f.NewServer()} {
		for range 40 { // until the lane decides from its cache
			charge(t, e, id, uuid.NewString())
		}
		refused(e, "x")
		charge(t, e, id, uuid.NewString())
		refused(e, "x2")
		again, err := e.Extend(t.Context(), id, "x", ledger.Extend{Hold: hold, ExpiresIn: time.Hour})
		if want := x; err != nil || !again.Replayed || !again.ExpiresAt.Equal(want.ExpiresAt) ||
			!again.At.Equal(want.At) || again.Hold != hold {
			t.Errorf("replayed: %+v (%v), want %+v", again, err, x)
		}
	}
	// In one batch as well.
	results := f.ChargeAll(t.Context(), []ledger.BulkCharge{
		{
			AccountID: id,
			Key:       "new",
			Charge:    chargeOf("0.1"),
		}, {
			AccountID: id,
			Key:       "x",
			Charge:    chargeOf("0.1"),
		}, {
			AccountID: id,
			Key:       "newer",
			Charge:    chargeOf("0.1"),
		},
	})
	if results[0].Err != nil || !errors.Is(results[1].Err, idempotency.ErrKeyReused) || results[2].Err != nil {
		t.Errorf("of a bulk: %v, %v, %v", results[0].Err, results[1].Err, results[2].Err)
	}
	if _, err := f.Extend(t.Context(), id, "new", ledger.Extend{Hold: hold, ExpiresIn: time.Hour}); !errors.Is(err,
		idempotency.ErrKeyReused) {
		t.Errorf("an extension with the key of a charge: %v", err)
	}
	if _, err := f.tryRelease(id, hold); err != nil {
		t.Fatal(err)
	}
	if again := f.extend(id, "x", hold, time.Hour); !again.Replayed || !again.ExpiresAt.Equal(x.ExpiresAt) {
		t.Errorf("after the release: %+v", again)
	}
	if r := f.refund(id, first.Seq, ""); r.Amount.String() != "1" {
		t.Errorf("refunded %v", r.Amount)
	}
}

func charge(t *testing.T, e *engine.Engine, id uuid.UUID, key string) {
	t.Helper()
	if _, err := e.Charge(t.Context(), id, key, chargeOf("0.01")); err != nil {
		t.Error(err)
	}
}

// One key, sent at once for an extension and a charge to two servers: one of them gets it.
func TestOneKeyForAnExtensionAndACharge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	servers := []*engine.Engine{f.Engine, f.NewServer()}
	for i := range 40 {
		id := f.MustOpenWith("100")
		hold := f.holdForSales(id, "10", 0)
		charge(t, servers[0], id, uuid.NewString())
		charge(t, servers[1], id, uuid.NewString())
		var extended, charged error
		var callers sync.WaitGroup
		callers.Go(func() {
			_, extended = servers[i%2].Extend(t.Context(), id, "k", ledger.Extend{Hold: hold, ExpiresIn: time.Hour})
		})
		callers.Go(func() { _, charged = servers[1-i%2].Charge(t.Context(), id, "k", chargeOf("1")) })
		callers.Wait()
		if (extended == nil) == (charged == nil) {
			t.Errorf("round %d: the extension got %v, the charge %v", i, extended, charged)
		}
	}
}

// Extensions, captures, releases and timeouts race: a hold ends once, and an acknowledged extension is effective.
func TestAnExtensionRaces(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	servers := []*engine.Engine{f.Engine, f.NewServer()}
	for i := range 30 {
		id := f.MustOpenWith("100")
		hold := f.holdForSales(id, "10", time.Minute)
		errs := make([]error, 6)
		var callers sync.WaitGroup
		for n := range errs {
			e, key := servers[(i+n)%2], strconv.Itoa(n)
			callers.Go(func() {
				switch n {
				case 0:
					_, errs[n] = e.Capture(t.Context(), id, key, ledger.Capture{Hold: hold, Amount: amountOf("11")})
				case 1:
					_, errs[n] = e.Release(t.Context(), id, key, ledger.Release{Hold: hold})
				case 2:
					f.Clock.Advance(time.Minute)
					errs[n] = e.Settle(t.Context(), id)
				default:
					_, errs[n] = e.Extend(t.Context(), id, key, ledger.Extend{Hold: hold, ExpiresIn: time.Hour})
				}
			})
		}
		callers.Wait()
		for n, err := range errs {
			if p := problem.Of(err); err != nil && p.Kind != problem.Conflict {
				t.Errorf("round %d, %d: %v", i, n, err)
			}
		}
		info, err := f.HoldInfo(t.Context(), id, hold)
		if err != nil {
			t.Fatal(err)
		}
		ended := map[ledger.Kind]bool{ledger.KindCapture: errs[0] == nil, ledger.KindRelease: errs[1] == nil}
		if errs[0] == nil && errs[1] == nil || (info.Outcome != ledger.KindExpiry && !ended[info.Outcome]) {
			t.Errorf("round %d ended as %v: capture %v, release %v", i, info.Outcome, errs[0], errs[1])
		}
		extended := errs[3] == nil || errs[4] == nil || errs[5] == nil
		if extended && info.Outcome == ledger.KindExpiry ||
			extended != info.ExpiresAt.After(info.At.Add(time.Minute)) {
			t.Errorf("round %d: extended %v, ended as %v, its end was %v", i, extended, info.Outcome,
				info.ExpiresAt.Sub(info.At))
		}
	}
}
