//go:build !linux

package bench

// spent cannot tell here.
func (l *lab) spent() cpu { return cpu{} }

func postmaster(int) string { return "" }
