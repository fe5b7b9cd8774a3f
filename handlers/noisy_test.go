package handlers_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

// The sizes of the drill: entries of the history, and concurrent connections of its creator.
const (
	drillEntries     = 200_000
	drillConnections = 256
	drillVariable    = "CREDITS_NOISY_ENTRIES"
	polls            = 2_000 // of 300, three decided, and one pause of the machine was enough
)

// noisyPaths are the requests of the creator with a long history: filters that match little or
// nothing, sums, and a home page whose cookie claims a last visit two months ago.
var noisyPaths = []string{
	"/credits/history?kind=expiry", "/credits/history?kind=refund", "/credits/history?feature=lip_sync",
	"/credits/history?agent=idle&kind=charge",
	"/credits/history?from=2020-01-01&feature=pdf_creation",
	"/v1/accounts/me/transactions?kind=clawback&limit=200", "/v1/accounts/me/transactions?kind=hold",
	"/v1/accounts/me/usage?group_by=agent", "/v1/accounts/me/agents", "/credits?by=agent&days=90", "/agents", "/",
}

// One creator has a very long history and requests every filter of it on many connections at once.
// Another creator's badge poll then has a p99 of at most ten times its p99 on the idle server.
func TestANoisyCreatorDoesNotSlowOthersDown(t *testing.T) {
	s := handlerstest.New(t)
	entries := 10_000
	if text := os.Getenv(drillVariable); text != "" {
		var err error
		if entries, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	connections := max(drillConnections*entries/drillEntries, 8)
	s.Open("noisy", "star")
	s.Open("quiet", "starter")
	longHistory(s, "noisy", entries)
	noisy, quiet := s.SignIn("noisy"), s.SignIn("quiet")
	noisy.Get("/").Want(http.StatusOK)
	badge := quiet.Get("/credits").Badge()
	path := handlerstest.Attr(badge, "hx-get")
	cookie := s.App.Sessions.CookieName() + "=" + noisy.Cookie + "; " + noisy.VisitsCookie
	idle := badgeTimes(s, quiet, path)
	load := startNoise(s, cookie, connections)
	busy := badgeTimes(s, quiet, path)
	answered, refused := load.stop()
	ratio := float64(busy) / float64(idle)
	t.Logf("%d entries, %d connections: the other creator's badge has a p99 of %v, idle %v: %.1f times; "+
		"%d pages answered, %d refused", entries, connections, busy, idle, ratio, answered, refused)
	if ratio > 10 {
		t.Error("that is more than ten times")
	}
}

// noise is the load of one creator's requests.
type noise struct {
	cancel           context.CancelFunc
	clients          sync.WaitGroup
	answered, failed atomic.Int64
}

// startNoise requests noisyPaths on many connections, and returns when all of them are busy.
func startNoise(s *handlerstest.Site, cookie string, connections int) *noise {
	s.T.Helper()
	ctx, cancel := context.WithCancel(s.T.Context())
	load := &noise{cancel: cancel}
	client := &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: connections},
		CheckRedirect: s.Client.CheckRedirect,
	}
	for i := range connections {
		load.clients.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				if status := get(ctx, client, s.URL+noisyPaths[n%len(noisyPaths)], cookie); status == http.StatusOK {
					load.answered.Add(1)
				} else if ctx.Err() == nil {
					load.failed.Add(1)
				}
			}
		})
	}
	for load.answered.Load() < int64(connections) {
		time.Sleep(time.Millisecond)
	}
	return load
}

// stop ends the load and counts its answers.
func (n *noise) stop() (answered, refused int64) {
	n.cancel()
	n.clients.Wait()
	return n.answered.Load(), n.failed.Load()
}

// get returns the status of an answer, 0 if there is none.
func get(ctx context.Context, client *http.Client, url, cookie string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0
	}
	r.Header.Set("Cookie", cookie)
	res, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// badgeTimes is the p99 of a creator's sequential polls.
func badgeTimes(s *handlerstest.Site, v *handlerstest.Browser, path string) time.Duration {
	s.T.Helper()
	times := make([]time.Duration, polls)
	for i := range times {
		start := time.Now()
		a := v.Get(path, "HX-Request", "true")
		times[i] = time.Since(start)
		if a.Status != http.StatusNoContent && a.Status != http.StatusOK {
			s.T.Fatalf("%s: %d", a.Request, a.Status)
		}
	}
	slices.Sort(times)
	return times[len(times)*99/100]
}

// longHistory writes charges, and a grant that covers them, into an account with plain SQL.
func longHistory(s *handlerstest.Site, account string, n int) {
	s.T.Helper()
	_, err := s.DB.Pool.Exec(s.T.Context(), `
		with a as (select l.* from ledger_accounts l join accounts x on x.id = l.account where x.external_id = $1),
		granted as (
			insert into entries (account, seq, at, kind, amount, balance_after, held_after, spendable_after, contra, lot_kind, day, lot)
			select account, seq + 1, last_at, 1, $2::bigint * 50000, balance + $2::bigint * 50000, 0, balance + $2::bigint * 50000, 1, 1, last_at::date, open_lot from a
		), charged as (
			insert into entries (account, seq, at, kind, amount, balance_after, held_after, spendable_after, contra, feature, agent, quantity,
				unit_price, day, lot)
			select account, seq + 1 + i, last_at, 2, -50000, balance + ($2 - i) * 50000, 0, balance + ($2 - i) * 50000, 3,
				'social_comment_reply', 'replies', 1, 50000, last_at::date, open_lot
			from a, generate_series(1, $2::bigint) i
		), known as (
			insert into agents (account, agent) select account, unnest('{replies,idle}'::text[]) from a
		)
		update ledger_accounts l set seq = l.seq + 1 + $2, version = l.version + 1, agents = 2 from a where l.account = a.account`, account, n)
	if err != nil {
		s.T.Fatal(err)
	}
}
