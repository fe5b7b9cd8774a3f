package embedpg

import (
	"io"
	"os"
	"syscall"
)

// maxLog bounds the log: it is cut when it has grown beyond, and its end is kept once more in postgres.log.1.
const maxLog = 8 << 20

// boundLog cuts the log when it has grown too large, and gives its size. The server appends, so a
// cut under its hands is safe; a line written at that very moment may be lost. A log that cannot be
// cut is no reason to stop.
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

// logSince gives what the log says from a position on, at most a sixteenth of its bound.
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
