package session_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/session"
)

func TestIdleExpiry(t *testing.T) {
	t.Parallel()
	d := newFixture(t, false)
	b, v := d.browser(), creator()
	b.signIn(v)
	for range 3 { // each visit starts the idle time anew
		d.clock.Advance(session.Idle - time.Second)
		b.want(v)
	}
	d.clock.Advance(session.Idle)
	b.wantNobody()
	b.wantNobody()
}

func TestAbsoluteExpiry(t *testing.T) {
	t.Parallel()
	d := newFixture(t, false)
	b, v := d.browser(), creator()
	b.signIn(v)
	end := start.Add(session.Lifetime)
	for d.clock.Now().Add(24 * time.Hour).Before(end) {
		d.clock.Advance(24 * time.Hour)
		b.want(v)
	}
	d.clock.Set(end.Add(-time.Microsecond))
	b.want(v)
	d.clock.Set(end)
	b.wantNobody()

	before := b.cookie.Value
	b.signIn(v) // over the expired cookie
	b.want(v)
	if b.cookie.Value == before {
		t.Error("an expired id was revived")
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	d := newFixture(t, false)
	insert := func(n int, seen, expires time.Duration) {
		t.Helper()
		if _, err := d.pool.Exec(t.Context(),
			`insert into sessions (token_hash, account, role, created_at, seen_at, expires_at)
			select sha256(gen_random_uuid()::text::bytea), gen_random_uuid(), 'creator', $2, $3, $4
			from generate_series(1, $1)`,
			n, start.Add(-100*24*time.Hour), start.Add(seen), start.Add(expires)); err != nil {
			t.Fatal(err)
		}
	}
	insert(2_500, -time.Hour, 0)                                // old
	insert(700, -session.Idle, time.Hour)                       // idle
	insert(3, -session.Idle-time.Hour, -time.Hour)              // both
	insert(5, -session.Idle+time.Microsecond, time.Hour)        // live
	insert(5, -time.Hour, time.Microsecond)                     // live
	for _, next := range []string{"/", "/credits", "/agents"} { // expired a minute ago
		if _, _, err := d.CreateLink(t.Context(), uuid.New(), next); err != nil {
			t.Fatal(err)
		}
	}
	var group sync.WaitGroup
	var swept atomic.Int64
	for range 4 { // as many servers
		group.Go(func() {
			n, err := d.Sweep(t.Context())
			if err != nil {
				t.Error(err)
			}
			swept.Add(n)
		})
	}
	group.Wait()
	if n := swept.Load(); n != 3_203 || d.rows("sessions") != 10 || d.rows("login_links") != 3 {
		t.Errorf("swept %d; %d sessions and %d links remain", n, d.rows("sessions"), d.rows("login_links"))
	}
	d.clock.Advance(session.LinkLifetime)
	if n, err := d.Sweep(t.Context()); n != 13 || err != nil {
		t.Errorf("swept %d (%v), want the links and the sessions that have expired now", n, err)
	}
}
