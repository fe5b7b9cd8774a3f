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
	window    = time.Second // a burst has one line in each
	maxBursts = 256         // how many are told apart; what is more is one burst
)

// limiter is a handler that writes one line a second of each burst. Lines below a warning always
// pass: they say what operators did, which must not be lost, or were asked for with a low level.
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

// WithAttrs keeps the name of a burst and hands the rest on.
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

// WithGroup hands a group on.
func (l limiter) WithGroup(name string) slog.Handler {
	l.Handler = l.Handler.WithGroup(name)
	return l
}

// told are the attributes whose values make lines with one message different bursts: kinds of
// failures, and what has to do with money.
var told = []string{"code", "purchase"}

func (l limiter) key(r *slog.Record) string {
	if l.burst != "" {
		return burstKey + "\x00" + l.burst
	}
	key := r.Level.String() + "\x00" + r.Message
	r.Attrs(func(a slog.Attr) bool {
		if slices.Contains(told, a.Key) {
			key += "\x00" + a.Value.String()
		}
		return true
	})
	return key
}

// bursts are those of the last second. They are safe for concurrent use.
type bursts struct {
	mu   sync.Mutex
	open map[string]*burst
}

// burst is what came within a second after a line that was written.
type burst struct {
	timer   *time.Timer
	counted int // lines that were not written
	last    slog.Record
	to      slog.Handler
}

// begin says whether a line has to be written because it is the first of a burst. Otherwise the
// line is counted.
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

// expire writes the last line of those that were counted, with their number, or ends the burst when
// there were none.
func (b *bursts) expire(key string) {
	b.mu.Lock()
	one, known := b.open[key]
	if !known {
		b.mu.Unlock()
		return
	}
	line, to := one.take()
	if to == nil {
		delete(b.open, key)
	} else {
		one.timer.Reset(window)
	}
	b.mu.Unlock()
	if to != nil {
		_ = to.Handle(context.Background(), line) // nobody can be told that the log cannot be written
	}
}

// take is the line that stands for those that were counted; to is nil when there were none.
func (one *burst) take() (line slog.Record, to slog.Handler) {
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
		if line, to := one.take(); to != nil {
			_ = to.Handle(context.Background(), line) // as in expire
		}
	}
}
