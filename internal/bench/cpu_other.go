//go:build !linux

package bench

// spent is unknown on this system.
func (l *lab) spent() cpu { return cpu{} }

func postmaster(int) string { return "" }
