package session_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/session"
)

func (d *fixture) link(account uuid.UUID, next string) string {
	d.t.Helper()
	token, expires, err := d.CreateLink(d.t.(*testing.T).Context(), account, next)
	if err != nil || !expires.Equal(d.clock.Now().Add(time.Minute)) || len(token) != 43 {
		d.t.Fatalf("link %q until %v: %v", token, expires, err)
	}
	return token
}

func TestLinkIsUsedOnce(t *testing.T) {
	t.Parallel()
	d := newFixture(t, false)
	account := uuid.New()
	token := d.link(account, "/credits?x=1")
	got, next, err := d.UseLink(t.Context(), token)
	if got != account || next != "/credits?x=1" || err != nil {
		t.Fatal(got, next, err)
	}
	used := d.link(account, "/")
	if _, next, err := d.UseLink(t.Context(), d.link(account, "https://evil.example/")); next != "/" || err != nil {
		t.Errorf("it leads to %q: %v", next, err)
	}
	d.clock.Advance(time.Minute - time.Microsecond)
	if _, _, err := d.UseLink(t.Context(), used); err != nil {
		t.Errorf("refused within its minute: %v", err)
	}
	late := d.link(account, "/")
	d.clock.Advance(time.Minute)

	var texts []string
	for name, token := range map[string]string{
		"used":    token,
		"late":    late,
		"unknown": strings.Repeat("A", 43),
		"empty":   "",
		"cut":     late[:42],
		"longer":  late + "A",
		"junk":    strings.Repeat("\x00", 43),
	} {
		account, next, err := d.UseLink(t.Context(), token)
		if !errors.Is(err, session.ErrLinkInvalid) || problem.Of(err).Code != "link_invalid" ||
			account != uuid.Nil || next != "" {
			t.Errorf("%s: %v, %q, %v", name, account, next, err)
			continue
		}
		if texts = append(texts, err.Error()); texts[0] != err.Error() {
			t.Errorf("%s is distinguishable: %v", name, err)
		}
	}
}

func TestLinkHasOneWinner(t *testing.T) {
	t.Parallel()
	d := newFixture(t, false)
	account := uuid.New()
	token := d.link(account, "/")
	var group sync.WaitGroup
	var won atomic.Int64
	for range 50 {
		group.Go(func() {
			got, _, err := d.UseLink(t.Context(), token)
			switch {
			case err == nil && got == account:
				won.Add(1)
			case !errors.Is(err, session.ErrLinkInvalid):
				t.Error(got, err)
			}
		})
	}
	group.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 50 won", won.Load())
	}
}
