//go:build !linux || embedpg_watchdog

package embedpg

import (
	"os/exec"
	"strconv"
	"syscall"
)

// interruptWithUs does nothing: only Linux has a signal for this.
func interruptWithUs(*exec.Cmd) {}

// watchUs starts a shell that waits for the end of a pipe whose other end only we hold. When we
// end, however that happens, the kernel closes the pipe and the shell interrupts the child, for
// Postgres a fast shutdown. The shell runs as the child's user and in a group of its own, so that
// Ctrl-C does not end it before us.
//
// The tag embedpg_watchdog selects this way on Linux too, to test it.
func watchUs(child *exec.Cmd) (release func()) {
	sh := exec.Command("/bin/sh", "-c", `read -r _; kill -INT "$1"`, "sh", strconv.Itoa(child.Process.Pid))
	sh.Dir = "/"
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: child.SysProcAttr.Credential}
	pipe, err := sh.StdinPipe()
	if err != nil {
		return func() {}
	}
	if err := sh.Start(); err != nil {
		return func() {}
	}
	return func() {
		// Killed before the pipe closes: the child's process id may be reused by now.
		_ = sh.Process.Kill()
		_ = sh.Wait()
		_ = pipe.Close()
	}
}
