package browser

import "time"

// What the tests look at from outside.
var (
	Find     = find
	MatchURL = matchURL
)

// SetPatience makes waits end sooner, to test their failures.
func (p *Page) SetPatience(d time.Duration) { p.patience = d }
