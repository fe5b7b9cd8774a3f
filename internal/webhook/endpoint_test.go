package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/testkit"
	"pop.store/credits/internal/webhook"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := webhook.CreateParams{
		URL:   "https://example.com/x",
		Kinds: []string{ledger.EventHoldExpired, ledger.EventBalanceLow, ledger.EventHoldExpired},
	}
	first, replayed, err := f.Create(t.Context(), "k", p)
	if err != nil || replayed || first.URL != p.URL ||
		!slices.Equal(first.Kinds, []string{"balance.low", "hold.expired"}) || !first.CreatedAt.Equal(testkit.Start) {
		t.Errorf("%+v, %v", first, err)
	}
	f.Clock.Advance(time.Hour)
	p.Kinds = []string{ledger.EventBalanceLow, ledger.EventHoldExpired} // the same, put otherwise
	again, replayed, err := f.Create(t.Context(), "k", p)
	if err != nil || !replayed || fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("the same key: %+v, %v, %v", again, replayed, err)
	}
	p.Kinds = nil
	if _, _, err := f.Create(t.Context(), "k", p); !errors.Is(err, idempotency.ErrKeyReused) {
		t.Errorf("another request with the same key: %v", err)
	}
	if _, _, err := f.Rotate(t.Context(), "k", first.ID); !errors.Is(err, idempotency.ErrKeyReused) {
		t.Errorf("another call with the same key: %v", err)
	}
	other := f.endpoint("https://example.com/x")
	list, err := f.List(t.Context())
	if err != nil || len(list) != 2 || list[0].ID != first.ID || list[1].ID != other.ID ||
		len(list[1].Kinds) != 0 || first.Secret == other.Secret {
		t.Errorf("%+v, %v", list, err)
	}
}

// Of requests with one key that come at once, one makes the endpoint and all have its answer.
func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var together sync.WaitGroup
	answers := make([]webhook.Secret, 16)
	fresh := make([]bool, len(answers))
	for i := range answers {
		together.Go(func() {
			made, replayed, err := f.Create(t.Context(), "k", webhook.CreateParams{URL: "https://example.com/"})
			if err != nil {
				t.Error(err)
			}
			answers[i], fresh[i] = made, !replayed
		})
	}
	together.Wait()
	made := 0
	for i, a := range answers {
		if a.Secret != answers[0].Secret || a.ID != answers[0].ID {
			t.Errorf("%+v is not %+v", a, answers[0])
		}
		if fresh[i] {
			made++
		}
	}
	if n := f.Count("select count(*) from webhook_endpoints"); n != 1 || made != 1 {
		t.Errorf("%d endpoints, %d times new", n, made)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	strict := webhook.New(f.DB.Pool, webhook.Options{Clock: f.Clock.Now})
	for name, c := range map[string]struct {
		s     *webhook.Service
		p     webhook.CreateParams
		field string
	}{
		"no address": {f.Service, webhook.CreateParams{}, "url"},
		"http":       {strict, webhook.CreateParams{URL: "http://example.com/"}, "url"},
		"loopback":   {strict, webhook.CreateParams{URL: "https://127.0.0.1/"}, "url"},
		"no events":  {f.Service, webhook.CreateParams{URL: "https://example.com/", Kinds: []string{}}, "events"},
		"unknown event": {f.Service, webhook.CreateParams{
			URL:   "https://example.com/",
			Kinds: []string{"balance.low", "balance.*"},
		}, "events[1]"},
	} {
		if _, _, err := c.s.Create(t.Context(), "k", c.p); problem.Of(err).Kind != problem.Unprocessable ||
			problem.Of(err).Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range webhook.MaxEndpoints {
		f.endpoint("https://example.com/")
	}
	if _, _, err := f.Create(t.Context(), "k", webhook.CreateParams{URL: "https://example.com/"}); !errors.Is(err,
		webhook.ErrTooMany) {
		t.Errorf("one too many: %v", err)
	}
	// A refusal binds no key.
	list, err := f.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), list[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, replayed, err := f.Create(t.Context(), "k",
		webhook.CreateParams{URL: "https://example.com/"}); err != nil || replayed {
		t.Error(replayed, err)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	s.set(always(http.StatusInternalServerError))
	maya := f.account("maya")
	f.tell(maya, 2)
	f.deliver()
	if err := f.Delete(t.Context(), e.ID); err != nil {
		t.Fatal(err)
	}
	before := len(s.arrivals())
	f.pass(time.Hour)
	if n := len(s.arrivals()); n != before {
		t.Errorf("%d requests after it was deleted", n-before)
	}
	_, get := f.Get(t.Context(), e.ID)
	_, enable := f.Enable(t.Context(), e.ID)
	_, _, rotate := f.Rotate(t.Context(), "a", e.ID)
	_, _, again := f.Redeliver(t.Context(), "b", e.ID, webhook.EventID(maya, 1))
	_, _, list := f.Deliveries(t.Context(), e.ID, "", 1)
	for what, err := range map[string]error{
		"delete":     f.Delete(t.Context(), e.ID),
		"get":        get,
		"enable":     enable,
		"rotate":     rotate,
		"redeliver":  again,
		"deliveries": list,
	} {
		if !errors.Is(err, webhook.ErrNoEndpoint) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := f.Count("select count(*) from webhook_endpoints where length(secret) + length(old_secret) > 0"); n != 0 {
		t.Error("the secret is kept")
	}
}

func TestPagesOfDeliveries(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, e := f.subscribe()
	s.set(always(http.StatusTeapot))
	maya, noor := f.account("maya"), f.account("noor")
	for range 3 {
		f.take(append(f.events(maya, "balance.low", "balance.empty"), f.events(noor, "balance.low")...)...)
		f.Clock.Advance(time.Second)
	}
	f.deliver()
	all := f.deliveries(e.ID)
	slices.Reverse(all)
	for size := 1; size <= 10; size++ {
		var got []string
		for next, first := webhook.Cursor(""), true; first || next != ""; first = false {
			var page []webhook.Delivery
			var err error
			if page, next, err = f.Deliveries(t.Context(), e.ID, next, size); err != nil || len(page) > size {
				t.Fatal(len(page), err)
			}
			for _, d := range page {
				got = append(got, d.ID())
			}
		}
		if len(got) != 9 || !slices.EqualFunc(got, all, func(id string, d webhook.Delivery) bool {
			return id == d.ID()
		}) {
			t.Errorf("pages of %d: %v", size, got)
		}
	}
	waiting := 0
	for _, d := range all {
		if d.Attempts > 0 {
			waiting++
			if d.NextAttempt.IsZero() || d.LastError != "answered 418" || d.LastStatus != 418 || d.Seq != 1 {
				t.Errorf("%+v", d)
			}
		}
	}
	if waiting != 2 {
		t.Errorf("%d streams were tried", waiting)
	}
	for _, limit := range []int{0, webhook.MaxPage + 1} {
		if _, _, err := f.Deliveries(t.Context(), e.ID, "", limit); problem.Of(err).Field != "limit" {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	if _, _, err := f.Deliveries(t.Context(), e.ID, "x", 1); problem.Of(err).Field != "cursor" {
		t.Error(err)
	}
	for _, id := range []string{
		"", "x", webhook.EventID(maya, 7), webhook.EventID(uuid.New(), 1),
		strings.ToUpper(webhook.EventID(maya, 1)),
	} {
		if _, _, err := f.Redeliver(t.Context(), "k", e.ID, id); !errors.Is(err, webhook.ErrNoDelivery) {
			t.Errorf("redelivery of %q: %v", id, err)
		}
	}
	if n := f.Count("select count(*) from webhook_lanes"); n != 2 {
		t.Errorf("%d streams: a refused redelivery left one", n)
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.DB.Pool.Close()
	id := uuid.New()
	_, _, create := f.Create(t.Context(), "k", webhook.CreateParams{URL: "https://example.com/"})
	_, list := f.List(t.Context())
	_, get := f.Get(t.Context(), id)
	_, _, rotate := f.Rotate(t.Context(), "k", id)
	_, enable := f.Enable(t.Context(), id)
	_, _, again := f.Redeliver(t.Context(), "k", id, webhook.EventID(id, 1))
	_, _, log := f.Deliveries(t.Context(), id, "", 1)
	_, due := f.Due(t.Context(), 1)
	_, active := f.Active(t.Context())
	_, next := f.Next(t.Context(), webhook.Stream{})
	_, sweep := f.Sweep(t.Context(), 1)
	for what, err := range map[string]error{
		"create":     create,
		"list":       list,
		"get":        get,
		"delete":     f.Delete(t.Context(), id),
		"rotate":     rotate,
		"enable":     enable,
		"redeliver":  again,
		"deliveries": log,
		"due":        due,
		"active":     active,
		"next":       next,
		"sweep":      sweep,
		"take":       f.Take(t.Context(), f.events(id, "balance.low")),
	} {
		if !problem.IsUnavailable(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
