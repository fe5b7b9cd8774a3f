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

// spent is the CPU time of this process, its peers and its Postgres so far.
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

// postmaster is the parent process of a Postgres backend.
func postmaster(backend int) string {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(backend), "stat"))
	if fields := fieldsOf(stat); err == nil && len(fields) > parent {
		return fields[parent]
	}
	return ""
}

// Fields of proc(5) after the process's name, which is in brackets and may contain anything.
const parent, user, last = 1, 11, 14

func fieldsOf(stat []byte) []string {
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}

// spentBy is the CPU time of a process and its ended children.
func spentBy(fields []string) time.Duration {
	var ticks int64
	for _, field := range fields[user : last+1] {
		n, _ := strconv.ParseInt(field, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * tick
}
