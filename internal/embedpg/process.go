package embedpg

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a child that ends with this process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended; then err says how
	err  error
}

// launch starts a child that is interrupted when this process ends, even by kill -9.
//
// Linux sends that signal when the thread that forked the child ends, and the Go runtime does end
// threads. So the fork happens on a thread that is locked to a goroutine for as long as the child
// lives.
func launch(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		interruptWithUs(cmd)
		err := cmd.Start()
		if err != nil {
			started <- err
			return
		}
		release := watchUs(cmd)
		started <- nil
		p.err = cmd.Wait()
		release()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// stop shuts the server down fast: transactions are rolled back and data written. If that takes too
// long it sends an immediate shutdown, after which the next start recovers, and finally a kill.
func (p *process) stop(ctx context.Context) error {
	steps := []struct {
		signal syscall.Signal
		limit  time.Duration
	}{{syscall.SIGINT, fastLimit}, {syscall.SIGQUIT, quitLimit}, {syscall.SIGKILL, quitLimit}}
	for i, step := range steps {
		select {
		case <-p.done:
			return nil
		default:
		}
		_ = p.cmd.Process.Signal(step.signal) // fails only when it has ended
		if i > 0 {
			ctx = context.WithoutCancel(ctx)
		}
		limited, cancel := context.WithTimeout(ctx, step.limit)
		select {
		case <-p.done:
			cancel()
			return nil
		case <-limited.Done():
			cancel()
		}
	}
	return errors.New("the server does not stop, not even when killed")
}

// exit describes how the child ended.
func (p *process) exit() error {
	if p.err == nil {
		return errors.New("it ended by itself")
	}
	return fmt.Errorf("it ended: %w", p.err)
}
