// Package logs writes the log as text or JSON, from a level on. Repeated warnings and errors become one
// line a second with a count, so that a failure cannot fill the disk or hide other lines.
package logs

import (
	"io"
	"log/slog"
	"strings"
)

// Format is the format of a line.
type Format string

// The formats.
const (
	Text Format = "text" // key=value pairs
	JSON Format = "json" // one object a line
)

// Options for New.
type Options struct {
	Level  slog.Level // of the least important lines that are written
	Format Format     // empty: Text
}

// New returns a logger that writes to w. flush writes what was counted and not written yet; call it
// before the process ends.
func New(w io.Writer, o Options) (log *slog.Logger, flush func()) {
	settings := &slog.HandlerOptions{Level: o.Level}
	var lines slog.Handler = slog.NewTextHandler(w, settings)
	if o.Format == JSON {
		lines = slog.NewJSONHandler(w, settings)
	}
	limited := newLimiter(lines)
	return slog.New(limited), limited.bursts.flush
}

// burstKey is the key of the attribute that names a burst. It is not written.
const burstKey = "burst"

// Burst is an attribute for slog.Logger.With: all warnings and errors of that logger are one burst.
// Without it, lines with the same message, code and purchase are one burst.
func Burst(name string) slog.Attr { return slog.String(burstKey, name) }

// Database returns a logger whose warnings and errors are one burst: failures while the database is
// down.
func Database(log *slog.Logger) *slog.Logger { return log.With(Burst("database")) }

// Messages is an io.Writer for packages that only accept a log.Logger: each write is one message.
type Messages func(text string)

// Write passes the message on without surrounding white space.
func (m Messages) Write(text []byte) (int, error) {
	m(strings.TrimSpace(string(text)))
	return len(text), nil
}
