package logs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pop.store/credits/internal/logs"
)

// page collects lines. It is safe for concurrent use.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *page) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(line)
}

func (p *page) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Split(strings.TrimSuffix(p.text.String(), "\n"), "\n")
}

// A burst has its first line at once and then one line a second, whose count adds up to all the others.
func TestABurstIsOneLineASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out page
		log, flush := logs.New(&out, logs.Options{Format: logs.JSON})
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				for i := range 250 {
					log.Error("request failed", "code", "busy", "error", fmt.Errorf("number %d", i))
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		all.Wait()
		flush()
		repeated := 0
		lines := out.lines()
		for i, line := range lines {
			var parsed struct {
				Msg      string
				Repeated int
			}
			if err := json.Unmarshal([]byte(line), &parsed); err != nil || parsed.Msg != "request failed" {
				t.Fatalf("%q: %v", line, err)
			}
			if i > 0 && parsed.Repeated == 0 {
				t.Errorf("no count: %s", line)
			}
			repeated += parsed.Repeated
		}
		if len(lines) != 4 || repeated != 2_499 { // at once, after 1 s, after 2 s, at the end
			t.Errorf("%d lines stand for 1 + %d, want 4 for 2,500: %q", len(lines), repeated, lines)
		}
	})
}

// What says something else is no part of a burst, and what operators did is never left out.
func TestOtherLinesAreNotHeldUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out page
		log, flush := logs.New(&out, logs.Options{})
		defer flush()
		for range 3 {
			log.Info("an operator acted")
			log.Warn("refused", "code", "a")
			log.Warn("refused", "code", "b")
			log.Error("refused", "code", "a")
			log.Warn("disabled")
		}
		if got := len(out.lines()); got != 3+4 {
			t.Errorf("%d lines: %q", got, out.lines())
		}
		time.Sleep(5 * time.Second) // long over
		before := len(out.lines())
		log.Warn("disabled")
		if after := len(out.lines()); after != before+1 {
			t.Errorf("the first line of a new burst is not written: %q", out.lines())
		}
	})
}

// All that a missing database makes fail is one burst, and its name is not written.
func TestANamedBurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out page
		log, flush := logs.New(&out, logs.Options{})
		defer flush()
		db := logs.Database(log)
		for i := range 2_000 {
			db.Error(fmt.Sprint("message ", i))
			db.With("queue", i).Warn("another")
		}
		time.Sleep(1500 * time.Millisecond)
		if got := out.lines(); len(got) != 2 || !strings.Contains(got[1], "repeated=3999") || strings.Contains(got[1],
			"burst") {
			t.Errorf("%q", got)
		}
	})
}

// Messages that are all different cannot fill the memory.
func TestTheNumberOfBurstsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out page
		log, flush := logs.New(&out, logs.Options{})
		for i := range 10_000 {
			log.Warn(fmt.Sprint("message ", i))
		}
		flush()
		if got := len(out.lines()); got > 300 {
			t.Errorf("%d lines", got)
		}
	})
}

func TestLevelAndFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		options logs.Options
		want    string
	}{
		{logs.Options{Level: slog.LevelDebug}, "debug info warn error"},
		{logs.Options{}, "info warn error"},
		{logs.Options{Level: slog.LevelError, Format: logs.JSON}, "error"},
	} {
		var out page
		log, flush := logs.New(&out, c.options)
		log.Debug("debug")
		log.Info("info")
		log.Warn("warn")
		log.Error("error", "error", errors.New("two\nlines"))
		flush()
		var got []string
		for _, line := range out.lines() {
			if json.Valid([]byte(line)) != (c.options.Format == logs.JSON) {
				t.Errorf("format %q: %q", c.options.Format, line)
			}
			for _, level := range []string{"debug", "info", "warn", "error"} {
				if strings.Contains(line, "msg="+level) || strings.Contains(line, `"msg":"`+level) {
					got = append(got, level)
				}
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %q", c.options, got)
		}
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	var got []string
	n, err := logs.Messages(func(text string) { got = append(got, text) }).Write([]byte("one\ntwo\n"))
	if n != 8 || err != nil || strings.Join(got, "|") != "one\ntwo" {
		t.Errorf("%d, %v, %q", n, err, got)
	}
}
