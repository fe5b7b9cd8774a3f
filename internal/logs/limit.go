package logs

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Limits of bursts.
const (
	window    = time.Second // one line per burst and window
	maxBursts = 256         // further bursts are counted as one
)

// limiter writes one line a second per burst. Lines below warning always pass: they record what
// operators did, or were asked for by the log level.
type limiter struct {
	slog.Handler
	burst  string // set by Burst; empty: from the line
	bursts *bursts
}

func newLimiter(next slog.Handler) limiter {
	return limiter{Handler: next, bursts: &bursts{open: map[string]*burst{}}}
}

// Handle writes the line or counts it.
func (l limiter) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn || l.bursts.begin(l.key(&r), l.Handler, &r) {
		return l.Handler.Handle(ctx, r)
	}
	return nil
}

// WithAttrs takes the name of a burst out of the attributes.
func (l limiter) WithAttrs(attrs []slog.Attr) slog.Handler {
	rest := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		if a.Key == burstKey {
			l.burst = a.Value.String()
		} else {
			rest = append(rest, a)
		}
	}
	l.Handler = l.Handler.WithAttrs(rest)
	return l
}

// WithGroup is part of slog.Handler.
func (l limiter) WithGroup(name string) slog.Handler {
	l.Handler = l.Handler.WithGroup(name)
	return l
}

// burstAttributes are the attributes whose values put lines with the same message into different
// bursts.
var burstAttributes = []string{"code", "purchase"}

func (l limiter) key(r *slog.Record) string {
	if l.burst != "" {
		return burstKey + "\x00" + l.burst
	}
	key := r.Level.String() + "\x00" + r.Message
	r.Attrs(func(a slog.Attr) bool {
		if slices.Contains(burstAttributes, a.Key) {
			key += "\x00" + a.Value.String()
		}
		return true
	})
	return key
}

// bursts are the open bursts by key. They are safe for concurrent use.
type bursts struct {
	mu   sync.Mutex
	open map[string]*burst
}

// burst counts the lines within a second after a line that was written.
type burst struct {
	timer   *time.Timer
	counted int // lines that were not written
	last    slog.Record
	to      slog.Handler
}

// begin reports whether the line is the first of a burst and has to be written. Otherwise it is
// counted.
func (b *bursts) begin(key string, to slog.Handler, r *slog.Record) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.open[key]; !known && len(b.open) >= maxBursts {
		key = ""
	}
	one, known := b.open[key]
	if !known {
		b.open[key] = &burst{timer: time.AfterFunc(window, func() { b.expire(key) })}
		return true
	}
	one.counted++
	one.last, one.to = r.Clone(), to
	return false
}

// expire writes the last counted line with the count, or ends the burst if nothing was counted.
func (b *bursts) expire(key string) {
	b.mu.Lock()
	one, known := b.open[key]
	if !known {
		b.mu.Unlock()
		return
	}
	line, to := one.summary()
	if to == nil {
		delete(b.open, key)
	} else {
		one.timer.Reset(window)
	}
	b.mu.Unlock()
	if to != nil {
		_ = to.Handle(context.Background(), line) // there is nowhere to report a log that cannot be written
	}
}

// summary is the last counted line with the count. to is nil if nothing was counted.
func (one *burst) summary() (line slog.Record, to slog.Handler) {
	if one.counted == 0 {
		return slog.Record{}, nil
	}
	line, to = one.last, one.to
	line.AddAttrs(slog.Int("repeated", one.counted))
	one.counted, one.last, one.to = 0, slog.Record{}, nil
	return line, to
}

// flush ends all bursts.
func (b *bursts) flush() {
	b.mu.Lock()
	open := b.open
	b.open = map[string]*burst{}
	b.mu.Unlock()
	for _, one := range open {
		one.timer.Stop()
		if line, to := one.summary(); to != nil {
			_ = to.Handle(context.Background(), line) // as in expire
		}
	}
}
