// Package logs writes the log: lines of text or JSON from a chosen level on. A burst of warnings or
// errors becomes one line a second with a count, so that no failure can fill a disk or hide the
// rest of the log.
package logs

import (
	"io"
	"log/slog"
	"strings"
)

// Format is how a line is written.
type Format string

// The formats.
const (
	Text Format = "text" // key=value pairs
	JSON Format = "json" // one object a line
)

// Options say what is written and how.
type Options struct {
	Level  slog.Level // of the least important lines that are written
	Format Format     // empty: Text
}

// New makes a logger that writes to w. flush writes what was counted in the current second and not
// written yet; call it before the process ends.
func New(w io.Writer, o Options) (log *slog.Logger, flush func()) {
	settings := &slog.HandlerOptions{Level: o.Level}
	var lines slog.Handler = slog.NewTextHandler(w, settings)
	if o.Format == JSON {
		lines = slog.NewJSONHandler(w, settings)
	}
	limited := newLimiter(lines)
	return slog.New(limited), limited.bursts.flush
}

// burstKey marks the attribute that names a burst. It is not written.
const burstKey = "burst"

// Burst is an attribute for slog.Logger.With: all warnings and errors of the logger count as one
// burst with this name, whatever they say. Without it lines with the same message, code and
// purchase are one burst.
func Burst(name string) slog.Attr { return slog.String(burstKey, name) }

// Database is the burst of everything that fails while the database is away.
func Database(log *slog.Logger) *slog.Logger { return log.With(Burst("database")) }

// Messages is a writer for the log of a package that knows log.Logger only: each write is one message.
type Messages func(text string)

// Write hands the message on, without white space around it.
func (m Messages) Write(text []byte) (int, error) {
	m(strings.TrimSpace(string(text)))
	return len(text), nil
}
