package bench

import (
	"fmt"
	"syscall"
)

// File systems that live in memory (statfs(2)).
const (
	tmpfsMagic = 0x01021994
	ramfsMagic = 0x858458f6
)

// onDisk refuses a folder in memory.
func onDisk(dir string) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return err
	}
	if s.Type == tmpfsMagic || s.Type == ramfsMagic {
		return fmt.Errorf("%s is in memory: a benchmark of durable writes needs a disk; name a folder with --dir",
			dir)
	}
	return nil
}
