package views

import (
	"strings"
	"time"
)

// nbsp is the no-break space, U+00A0.
const nbsp = "\u00a0"

// format is time.Format with no-break spaces within a date or a time, so that lines break only
// after a comma.
func (w when) format(layout string) string { return unbroken(w.at, layout) }

func unbroken(at time.Time, layout string) string {
	text := strings.ReplaceAll(at.Format(layout), " ", nbsp)
	return strings.ReplaceAll(text, ","+nbsp, ", ")
}

// Breakable replaces no-break spaces by plain ones, for e-mails.
func Breakable(text string) string { return strings.ReplaceAll(text, nbsp, " ") }
