package embedpg

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// initialise makes the database cluster if there is none. initdb works in another folder that is
// renamed at the end, so an interrupted start leaves no half-made database.
func (p place) initialise(ctx context.Context, bin binaries, o Options) error {
	if err := p.sweep(); err != nil {
		return err
	}
	if exists(p.pgdata()) {
		return nil
	}
	o.log().Info("making a new database, which takes some seconds", "folder", p.dir)
	fresh := filepath.Join(p.dir, "new-pgdata")
	args := []string{
		"--pgdata=" + fresh, "--username=postgres", "--auth-local=trust", "--auth-host=reject",
		// Byte order sorts the same on every machine and after every update of the system's locales.
		"--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions",
	}
	if !o.Durable {
		args = append(args, "--no-sync")
	}
	var output bytes.Buffer
	cmd := p.who.command(p.dir, bin.path("initdb"), args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = time.Second // a child of initdb's may keep the pipe open
	ctx, cancel := context.WithTimeout(ctx, initLimit)
	defer cancel()
	child, err := launch(cmd)
	if err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	select {
	case <-child.done:
	case <-ctx.Done():
		err := both(ctx.Err(), both(child.stop(context.Background()), p.sweep()))
		return fmt.Errorf("initdb did not finish: %w", err)
	}
	if child.err != nil {
		return fmt.Errorf("initdb: %w: %s", both(child.err, p.sweep()), complaint(output.String()))
	}
	return p.install(fresh, o.Durable)
}

// install renames the new cluster into place.
func (p place) install(fresh string, durable bool) error {
	if err := os.Rename(fresh, p.pgdata()); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if !durable {
		return nil
	}
	d, err := os.Open(p.dir)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

// sweep removes what an unfinished initdb left.
func (p place) sweep() error {
	if err := os.RemoveAll(filepath.Join(p.dir, "new-pgdata")); err != nil {
		return fmt.Errorf("removing an unfinished database: %w", err)
	}
	return nil
}

// complaint returns the line of a program's output that names the error.
func complaint(output string) string {
	last := ""
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		for _, mark := range []string{"FATAL:", "PANIC:", "error:"} {
			if i := strings.Index(line, mark); i >= 0 {
				return strings.TrimSpace(line[i+len(mark):])
			}
		}
		if line != "" {
			last = line
		}
	}
	if last == "" {
		return "it says nothing"
	}
	return last
}
