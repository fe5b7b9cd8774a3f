package embedpg

import (
	"io"
	"os"
	"syscall"
)

// maxLog is the size at which the log is cut; its end is kept in postgres.log.1.
const maxLog = 8 << 20

// boundLog cuts the log if it is too large, and returns its size. The server appends to the file, so
// cutting is safe; a line written at that moment may be lost. It ignores errors.
func (p place) boundLog() int64 {
	info, err := os.Lstat(p.logName())
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	if info.Size() <= maxLog {
		return info.Size()
	}
	tail := p.logSince(info.Size() - maxLog/8)
	old := p.logName() + ".1"
	if err := os.Remove(old); err == nil || os.IsNotExist(err) {
		f, err := os.OpenFile(old, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_ = p.who.takeFile(f)
			_, _ = f.WriteString(tail)
			_ = f.Close()
		}
	}
	f, err := os.OpenFile(p.logName(), os.O_WRONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return info.Size()
	}
	defer f.Close()
	if f.Truncate(0) != nil {
		return info.Size()
	}
	return 0
}

// logSince returns the log from a position on, at most maxLog/16 bytes.
func (p place) logSince(from int64) string {
	f, err := os.OpenFile(p.logName(), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, from, maxLog/8))
	if err != nil {
		return ""
	}
	return string(text)
}
