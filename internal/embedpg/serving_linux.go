package embedpg

import (
	"os"
	"path/filepath"
	"strconv"
)

// serving lists the processes whose working directory is the data folder: the server and its
// children. The number in the pid file alone proves nothing, since numbers are reused.
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
