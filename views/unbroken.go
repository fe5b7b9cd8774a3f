package views

import (
	"strings"
	"time"
)

// nbsp is a space at which no line breaks, U+00A0.
const nbsp = "\u00a0"

// format is time.Format for what is read as one thing: no line breaks within a date or a time, only
// after a comma.
func (w when) format(layout string) string { return unbroken(w.at, layout) }

func unbroken(at time.Time, layout string) string {
	text := strings.ReplaceAll(at.Format(layout), " ", nbsp)
	return strings.ReplaceAll(text, ","+nbsp, ", ")
}

// Breakable is a text with plain spaces instead of those at which no line breaks: for e-mails,
// whose readers set their own lines.
func Breakable(text string) string { return strings.ReplaceAll(text, nbsp, " ") }
