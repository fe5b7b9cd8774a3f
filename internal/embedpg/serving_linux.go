package embedpg

import (
	"os"
	"path/filepath"
	"strconv"
)

// serving lists the processes that work on the data: the server and its children all have the
// folder as their working directory. Numbers are reused and zombies keep theirs, so the number in
// the pid file alone proves nothing.
func serving(pgdata string, _ int) []int {
	resolved, err := filepath.EvalSymlinks(pgdata)
	if err != nil {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if cwd, err := os.Readlink(filepath.Join("/proc", e.Name(), "cwd")); err == nil && cwd == resolved {
			pids = append(pids, pid)
		}
	}
	return pids
}
