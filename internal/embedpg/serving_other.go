//go:build !linux

package embedpg

import (
	"context"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// serving tells whether the process named in the pid file is a Postgres at all: numbers are reused.
// Its children, which Linux lets us see, end with it at once on these systems.
func serving(_ string, pid int) []int {
	if !alive(pid) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	name := filepath.Base(strings.TrimSpace(string(out)))
	if err != nil || (name != "postgres" && name != "postmaster") {
		return nil
	}
	return []int{pid}
}
