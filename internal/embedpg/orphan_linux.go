//go:build linux && !embedpg_watchdog

package embedpg

import (
	"os/exec"
	"syscall"
)

// interruptWithUs asks the kernel to send the child SIGINT, for Postgres a fast shutdown, when the
// forking thread ends.
func interruptWithUs(cmd *exec.Cmd) { cmd.SysProcAttr.Pdeathsig = syscall.SIGINT }

// watchUs has nothing to do here.
func watchUs(*exec.Cmd) (release func()) { return func() {} }
