package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/testkit"
	"pop.store/credits/internal/webhook"
)

func TestAnEventArrivesSigned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	maya := f.account("maya")
	f.take(f.events(maya, webhook.Kinds...)...)
	f.deliver()
	all := s.arrivals()
	if len(all) != len(webhook.Kinds) {
		t.Fatalf("%d arrived", len(all))
	}
	for i, a := range all {
		if a.kind != webhook.Kinds[i] || a.account != "maya" || a.number != i+1 || a.signed != 1 ||
			a.id != webhook.EventID(maya, int64(i+1)) {
			t.Errorf("%+v", a)
		}
	}
	for i, d := range f.deliveries(e.ID) {
		if d.State != webhook.Delivered || d.Attempts != 1 || d.LastStatus != http.StatusNoContent ||
			d.LastError != "" || d.ID() != all[i].id || d.ExternalID != "maya" {
			t.Errorf("%+v", d)
		}
	}
	if n := f.Count("select count(*) from webhook_lanes"); n != 0 {
		t.Errorf("%d streams are left", n)
	}
}

// Endpoints get what they asked for, from when they are there until they are not.
func TestWhoGetsWhat(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	maya, stranger := f.account("maya"), uuid.New()
	f.tell(maya, 1)
	grants, _ := f.subscribe(ledger.EventGrantCreated, ledger.EventHoldExpired, ledger.EventGrantCreated)
	all, gone := f.subscribe()
	f.take(f.events(maya, ledger.EventBalanceLow, ledger.EventHoldExpired, ledger.EventGrantCreated)...)
	f.take(f.events(stranger, ledger.EventGrantCreated)...) // has no name to be told by
	f.deliver()
	f.tell(maya, 1)
	if err := f.Delete(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	f.deliver()
	f.tell(maya, 1)
	f.deliver()
	if got := fmt.Sprint(grants.taken("maya"), all.taken("maya"), len(grants.arrivals()),
		len(all.arrivals())); got != "[3 4 5 6] [2 3 4] 4 3" {
		t.Error(got)
	}
	if n := f.Count("select count(*) from webhook_events where seq = 1"); n != 0 {
		t.Error("an event that nobody wanted is kept")
	}
}

// The relay gives an event again after a crash, and from several servers at a time: it is delivered once.
func TestEventsThatComeAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	maya, noor := f.account("maya"), f.account("noor")
	first := append(f.events(maya, "balance.low", "balance.empty"), f.events(noor, "balance.low")...)
	f.take(first...)
	f.take(first...)
	f.deliver()
	late, _ := f.subscribe()
	f.take(first...) // a new endpoint does not bring old events back
	all := append(first, f.events(maya, "balance.restored")...)
	var together sync.WaitGroup
	for range 8 {
		together.Go(func() { f.take(all...) })
	}
	together.Wait()
	f.deliver()
	s.wantTaken("maya", 3)
	s.wantTaken("noor", 1)
	if n := len(f.deliveries(e.ID)); n != 4 || len(s.arrivals()) != 4 || len(late.arrivals()) != 1 {
		t.Errorf("%d deliveries, %d and %d arrivals", n, len(s.arrivals()), len(late.arrivals()))
	}
}

// A receiver that refuses every third request, is down for an hour and comes back takes every event
// in the end, in order per account.
func TestOrderUnderFailures(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	ids := map[string]uuid.UUID{}
	for i := range 5 {
		name := fmt.Sprintf("creator-%d", i)
		ids[name] = f.account(name)
	}
	tellAll := func() {
		for _, id := range ids {
			f.tell(id, 4)
		}
		f.deliver()
	}
	everyThird := func(n int, _ arrival) int {
		if n%3 == 2 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}
	s.set(everyThird)
	tellAll()
	f.pass(5 * time.Minute)
	s.set(always(http.StatusServiceUnavailable))
	tellAll()
	before := len(s.arrivals())
	f.pass(time.Hour)
	if tries := len(s.arrivals()) - before; tries < 5*4 || tries > 5*12 {
		t.Errorf("%d attempts in the hour", tries)
	}
	if failing := f.get(e.ID).FailingSince; failing.IsZero() {
		t.Error("the endpoint does not say that it fails")
	}
	tellAll()
	s.set(everyThird)
	f.pass(80 * time.Minute) // the longest wait, and a fifth, and some failures
	for name := range ids {
		s.wantTaken(name, 12)
	}
	if got := f.get(e.ID); !got.FailingSince.IsZero() || !got.DisabledAt.IsZero() {
		t.Errorf("%+v", got)
	}
	if n := f.Count("select count(*) from webhook_lanes"); n != 0 {
		t.Errorf("%d streams are left", n)
	}
}

// The first stream that gets through wakes the others: they need not wait to the end of what they were told to.
func TestTheFirstToGetThroughWakesTheOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, _ := f.subscribe()
	s.set(always(http.StatusBadGateway))
	maya := f.account("maya")
	f.tell(maya, 2)
	f.deliver()
	f.pass(3 * time.Hour)
	s.set(nil)
	f.deliver()
	if got := s.taken("maya"); len(got) != 0 {
		t.Fatalf("%v: it was not waiting", got)
	}
	noor := f.account("noor")
	f.tell(noor, 1)
	f.deliver()
	s.wantTaken("noor", 1)
	s.wantTaken("maya", 2)
}

// An event comes in while its stream is being cleared away: it must not be left behind. Both are done
// by many, over and over.
func TestNoEventIsLeftBehind(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, _ := f.subscribe()
	const accounts, each = 4, 60
	ids := map[string]uuid.UUID{}
	ctx, stop := context.WithCancel(t.Context())
	var telling, sending sync.WaitGroup
	for i := range accounts {
		name := fmt.Sprintf("creator-%d", i)
		id := f.account(name)
		ids[name] = id
		events := make([]ledger.AccountEvent, 0, each)
		for range each {
			events = append(events, f.events(id, ledger.EventGrantCreated)...)
		}
		telling.Go(func() {
			for _, event := range events {
				f.take(event)
			}
		})
		// One sender a stream, which looks all the time, also when nothing is there.
		sending.Go(func() {
			streams, err := f.Active(t.Context())
			for err == nil && ctx.Err() == nil {
				_, err = f.Next(t.Context(), webhook.Stream{Endpoint: streams[0], AccountID: id})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	telling.Wait()
	stop()
	sending.Wait()
	f.deliver()
	for name := range ids {
		s.wantTaken(name, each)
	}
	if n := f.Count("select count(*) from webhook_deliveries where state = 'pending'"); n != 0 {
		t.Errorf("%d are left behind", n)
	}
}

// With nothing getting through for three days the endpoint is disabled, and says so. What happens
// meanwhile waits for it.
func TestPersistentFailureDisables(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	other, _ := f.subscribe()
	s.set(always(http.StatusInternalServerError))
	maya := f.account("maya")
	f.tell(maya, 2)
	f.deliver()
	f.pass(71 * time.Hour)
	if got := f.get(e.ID); !got.DisabledAt.IsZero() || !got.FailingSince.Equal(testkit.Start) {
		t.Fatalf("after 71 hours: %+v", got)
	}
	f.pass(3 * time.Hour)
	got := f.get(e.ID)
	if got.DisabledAt.IsZero() || got.DisabledReason != "Nothing got through for 3 days. Last: answered 500." {
		t.Errorf("%+v", got)
	}
	if log := f.Log.String(); strings.Count(log, "a webhook endpoint is disabled") != 1 ||
		!strings.Contains(log, e.ID.String()) {
		t.Errorf("the log says %s", log)
	}
	tries := len(s.arrivals())
	if tries < 60 || tries > 120 {
		t.Errorf("%d attempts in three days", tries)
	}
	f.tell(maya, 2)
	f.pass(2 * time.Hour)
	if n := len(s.arrivals()); n != tries {
		t.Errorf("%d more attempts after it was disabled", n-tries)
	}
	other.wantTaken("maya", 4)
	if _, _, err := f.Redeliver(t.Context(), "k", e.ID, webhook.EventID(maya, 1)); err == nil ||
		err.Error() != webhook.ErrDisabled.Error() {
		t.Errorf("redelivery: %v", err)
	}
	s.set(nil)
	if got, err := f.Enable(t.Context(),
		e.ID); err != nil || !got.DisabledAt.IsZero() || got.DisabledReason != "" || !got.FailingSince.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	f.deliver()
	s.wantTaken("maya", 4)
	other.wantTaken("maya", 4)
}

// An endpoint that was enabled gets its three days anew.
func TestEnabledAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	s.set(always(http.StatusInternalServerError))
	f.tell(f.account("maya"), 1)
	f.deliver()
	f.pass(74 * time.Hour)
	if _, err := f.Enable(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	f.deliver()
	f.pass(24 * time.Hour)
	if got := f.get(e.ID); !got.DisabledAt.IsZero() || got.FailingSince.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestGoneDisablesAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	s.set(always(http.StatusGone))
	f.tell(f.account("maya"), 2)
	f.deliver()
	f.pass(time.Hour)
	if got := f.get(e.ID); !got.DisabledAt.Equal(testkit.Start) || got.DisabledReason != "It answered 410 Gone." ||
		len(s.arrivals()) != 1 {
		t.Errorf("%+v after %d", got, len(s.arrivals()))
	}
}

// One event that a receiver never takes, while it takes others, is given up after three days; the
// rest of its account goes on in order, and the other accounts never waited.
func TestAnEventThatIsNeverTaken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	s.set(func(_ int, a arrival) int {
		if a.account == "maya" && a.number == 2 {
			return http.StatusUnprocessableEntity
		}
		return http.StatusOK
	})
	maya, noor := f.account("maya"), f.account("noor")
	f.tell(maya, 4)
	f.deliver()
	for day := range 3 {
		f.tell(noor, 1)
		f.deliver()
		s.wantTaken("noor", day+1)
		f.pass(24 * time.Hour)
		s.wantTaken("maya", 1)
	}
	f.pass(2 * time.Hour)
	if got := fmt.Sprint(s.taken("maya")); got != "[1 3 4]" {
		t.Errorf("taken: %s", got)
	}
	list := f.deliveries(e.ID)
	for _, d := range list {
		refused := d.AccountID == maya && d.Seq == 2
		if (d.State == webhook.Failed) != refused ||
			refused && (d.LastStatus != 422 || d.LastError != "answered 422" || d.Attempts < 60) {
			t.Errorf("%+v", d)
		}
	}
	if got := f.get(e.ID); !got.DisabledAt.IsZero() {
		t.Errorf("%+v", got)
	}
	// By hand it can be sent once more, which holds up nobody.
	again, replayed, err := f.Redeliver(t.Context(), "again", e.ID, webhook.EventID(maya, 2))
	if err != nil || replayed || again.State != webhook.Pending {
		t.Errorf("%+v, %v", again, err)
	}
	f.tell(maya, 1)
	f.deliver()
	if got := fmt.Sprint(s.taken("maya")); got != "[1 3 4 5]" {
		t.Errorf("taken: %s", got)
	}
	s.set(nil)
	if _, replayed, err := f.Redeliver(t.Context(), "again", e.ID, webhook.EventID(maya, 2)); err != nil ||
		!replayed {
		t.Errorf("the same key: %v, %v", replayed, err)
	}
	f.deliver()
	if _, _, err := f.Redeliver(t.Context(), "once more", e.ID, webhook.EventID(maya, 2)); err != nil {
		t.Error(err)
	}
	f.deliver()
	if got := fmt.Sprint(s.taken("maya")); got != "[1 3 4 5 2]" {
		t.Errorf("taken: %s", got)
	}
}

// Requests are signed with both secrets for a day, then with the new one.
func TestRotation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	rotated, _, err := f.Rotate(t.Context(), "k", e.ID)
	if err != nil || rotated.Secret == e.Secret || !rotated.OldSecretUntil.Equal(testkit.Start.Add(24*time.Hour)) {
		t.Fatalf("%+v, %v", rotated, err)
	}
	if again, replayed, err := f.Rotate(t.Context(), "k", e.ID); err != nil || !replayed ||
		again.Secret != rotated.Secret {
		t.Errorf("the same key: %+v, %v", again, err)
	}
	s.secrets = []string{e.Secret, rotated.Secret}
	maya := f.account("maya")
	for i, want := range []struct {
		after time.Duration
		of    string
		both  bool
	}{{0, e.Secret, true}, {24*time.Hour - time.Second, e.Secret, true}, {time.Second, rotated.Secret, false}} {
		f.Clock.Advance(want.after)
		f.tell(maya, 1)
		f.deliver()
		a := s.arrivals()[i]
		if (a.signed == 2) != want.both || a.signed == 0 || len(strings.Fields(a.signature)) != a.signed {
			t.Errorf("after %v: %d signatures: %s", want.after, a.signed, a.signature)
		}
	}
	s.secrets = []string{rotated.Secret}
	f.tell(maya, 1)
	f.deliver()
	if all := s.arrivals(); all[3].signed != 1 {
		t.Error("the new secret does not sign")
	}
	if _, _, err := f.Rotate(t.Context(), "k2", uuid.New()); err == nil ||
		err.Error() != webhook.ErrNoEndpoint.Error() {
		t.Errorf("rotating nothing: %v", err)
	}
}

// What is done is swept after a month, what waits is not, and what a deleted endpoint leaves goes soon.
func TestSweep(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	down, waiting := f.subscribe()
	down.set(always(http.StatusInternalServerError))
	maya := f.account("maya")
	f.tell(maya, 7)
	f.deliver()
	f.Clock.Advance(31 * 24 * time.Hour)
	f.sweep()
	if a, b := len(f.deliveries(e.ID)), len(f.deliveries(waiting.ID)); a != 0 || b != 7 {
		t.Errorf("%d and %d deliveries are left", a, b)
	}
	if n := f.Count("select count(*) from webhook_events"); n != 7 {
		t.Errorf("%d events are left", n)
	}
	f.tell(maya, 1)
	if err := f.Delete(t.Context(), waiting.ID); err != nil {
		t.Fatal(err)
	}
	f.Clock.Advance(2 * time.Hour)
	f.sweep()
	f.deliver()
	s.wantTaken("maya", 8)
	for query, want := range map[string]int{
		"select count(*) from webhook_events":     1,
		"select count(*) from webhook_deliveries": 1,
		"select count(*) from webhook_lanes":      0,
		"select count(*) from webhook_endpoints":  1,
		"select count(*) from webhook_requests":   0,
	} {
		if n := f.Count(query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
}

func (f *fixture) sweep() {
	f.T.Helper()
	for more := true; more; {
		var err error
		if more, err = f.Sweep(f.T.Context(), 3); err != nil {
			f.T.Fatal(err)
		}
	}
}

// Of two that send from one stream the first note stands: neither an attempt nor an event is lost.
func TestAStreamThatIsSentFromTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	maya := f.account("maya")
	f.tell(maya, 6)
	streams, err := f.Due(t.Context(), 10)
	if err != nil || len(streams) != 1 {
		t.Fatal(streams, err)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { f.drain(streams[0]) })
	}
	both.Wait()
	f.deliver()
	seen := map[int]bool{}
	for _, a := range s.arrivals() {
		if a.number > 1 && !seen[a.number-1] {
			t.Errorf("%d came before %d", a.number, a.number-1)
		}
		seen[a.number] = true
	}
	for _, d := range f.deliveries(e.ID) {
		if d.State != webhook.Delivered || d.Attempts != 1 {
			t.Errorf("%+v", d)
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d of 6 arrived", len(seen))
	}
}

// A server dies after the subscriber has answered, and before that is noted: the event goes out
// again, with the id that tells the subscriber so.
func TestACrashBeforeTheNote(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	maya := f.account("maya")
	f.tell(maya, 2)
	streams, err := f.Due(t.Context(), 1)
	if err != nil || len(streams) != 1 {
		t.Fatal(streams, err)
	}
	for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
		ctx, crash := context.WithCancel(t.Context())
		s.set(func(int, arrival) int {
			crash()
			return status
		})
		if more, err := f.Next(ctx, streams[0]); more || err != nil {
			t.Errorf("%v, %v", more, err)
		}
		if list := f.deliveries(e.ID); list[0].Attempts != 0 || list[0].State != webhook.Pending ||
			!f.get(e.ID).FailingSince.IsZero() {
			t.Errorf("something is noted: %+v", list[0])
		}
	}
	s.set(nil)
	f.deliver()
	all := s.arrivals()
	if len(all) != 4 || all[0].id != all[1].id || all[1].id != all[2].id || all[2].id == all[3].id {
		t.Errorf("%+v", all)
	}
}
