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

// serving checks that the pid file's process is a Postgres, since ids are reused. On these systems its
// children end with it.
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
