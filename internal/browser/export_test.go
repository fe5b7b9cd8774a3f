package browser

import "time"

// Exported for tests.
var (
	Find     = find
	MatchURL = matchURL
)

// SetTimeout shortens waits, to test their failures.
func (p *Page) SetTimeout(d time.Duration) { p.timeout = d }
