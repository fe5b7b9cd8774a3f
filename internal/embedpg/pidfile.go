package embedpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// pidFile is the content of postmaster.pid.
type pidFile struct {
	pid    int
	socket string // folder of the socket
	status string // starting, ready, stopping; empty until known
}

// readPidFile reads postmaster.pid. The server writes it in steps, so later lines may be missing.
func readPidFile(pgdata string) (pidFile, error) {
	name := filepath.Join(pgdata, "postmaster.pid")
	text, err := os.ReadFile(name)
	if err != nil {
		return pidFile{}, err
	}
	lines := append(strings.Split(string(text), "\n"), make([]string, 8)...)
	f := pidFile{socket: lines[4], status: strings.TrimSpace(lines[7])}
	first := strings.TrimSpace(lines[0])
	if first == "" { // created, not yet written
		return f, nil
	}
	// A negative number marks a single-user server, such as initdb's.
	if f.pid, err = strconv.Atoi(strings.TrimPrefix(first, "-")); err != nil {
		return pidFile{}, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// alive reports whether a process with that number exists.
func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
