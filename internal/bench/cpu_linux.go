package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of the times in proc(5).
const tick = time.Second / 100

// spent is the CPU time that this process, its peers and its Postgres have used so far.
func (l *lab) spent() (s cpu) {
	var own syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &own) == nil {
		s.app = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		pid, fields := filepath.Base(filepath.Dir(name)), fieldsOf(stat)
		switch {
		case len(fields) <= last:
		case slices.Contains(l.peers, pid):
			s.app += spentBy(fields)
		case pid == l.postmaster, fields[parent] == l.postmaster:
			s.postgres += spentBy(fields)
		}
	}
	return s
}

// postmaster is the process that a backend of Postgres belongs to.
func postmaster(backend int) string {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(backend), "stat"))
	if fields := fieldsOf(stat); err == nil && len(fields) > parent {
		return fields[parent]
	}
	return ""
}

// Fields of a process's line in proc(5) after its name, which is in brackets and may hold anything.
const parent, user, last = 1, 11, 14

func fieldsOf(stat []byte) []string {
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}

// spentBy is what a process has used itself, and those of its children that have ended.
func spentBy(fields []string) time.Duration {
	var ticks int64
	for _, field := range fields[user : last+1] {
		n, _ := strconv.ParseInt(field, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * tick
}
