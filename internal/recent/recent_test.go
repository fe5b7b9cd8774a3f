package recent_test

import (
	"testing"
	"time"

	"pop.store/credits/internal/recent"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// remember reads a value and remembers it for a second.
func remember(m *recent.Cache[string, int], key string, value int) {
	_, _, mark := m.Get(key, start)
	m.Put(key, value, start, start.Add(time.Second), mark)
}

func TestAMoment(t *testing.T) {
	t.Parallel()
	m := recent.New[string, int](10)
	remember(m, "a", 1)
	for _, c := range []struct {
		after time.Duration
		known bool
	}{{0, true}, {time.Second - 1, true}, {time.Second, false}, {-1, false}} {
		if v, ok, _ := m.Get("a", start.Add(c.after)); ok != c.known || (ok && v != 1) {
			t.Errorf("after %v: %d, %t", c.after, v, ok)
		}
	}
	if _, ok, _ := m.Get("b", start); ok {
		t.Error("it knows what it was never told")
	}
}

// A value that was read before a change must not be cached after it.
func TestAReadThatAChangeOvertook(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*recent.Cache[string, int]){
		"one": func(m *recent.Cache[string, int]) { m.Forget("a") }, "all": (*recent.Cache[string, int]).ForgetAll,
	} {
		m := recent.New[string, int](10)
		remember(m, "a", 1)
		_, _, mark := m.Get("b", start)
		change(m)
		m.Put("b", 2, start, start.Add(time.Second), mark)
		for _, key := range []string{"a", "b"} {
			if v, ok, _ := m.Get(key, start); ok {
				t.Errorf("%s: it remembers %s as %d", name, key, v)
			}
		}
		remember(m, "b", 3)
		if v, ok, _ := m.Get("b", start); !ok || v != 3 {
			t.Errorf("%s: then it remembers nothing more", name)
		}
	}
}

func TestItIsBounded(t *testing.T) {
	t.Parallel()
	m := recent.New[int, int](100)
	known := 0
	for i := range 1_000 {
		_, _, mark := m.Get(i, start)
		m.Put(i, i, start, start.Add(time.Second), mark)
	}
	for i := range 1_000 {
		if _, ok, _ := m.Get(i, start); ok {
			known++
		}
	}
	if known == 0 || known > 100 {
		t.Errorf("it knows %d", known)
	}
}
