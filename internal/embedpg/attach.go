package embedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Attach finds the server that another process runs on the data folder; false if there is none. It waits
// for a server that is starting and ignores one that is stopping.
func Attach(o Options) (*Server, bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), attachLimit)
	defer cancel()
	s, err := attach(ctx, o)
	if err != nil {
		return nil, false, fmt.Errorf("embedded Postgres: %w", err)
	}
	return s, s != nil, nil
}

func attach(ctx context.Context, o Options) (*Server, error) {
	where, err := locate(o.DataDir)
	if err != nil {
		return nil, err
	}
	for {
		state, err := readPidFile(where.pgdata())
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, where.denied(err)
		}
		if state.status == "stopping" || len(serving(where.pgdata(), state.pid)) == 0 {
			return nil, nil
		}
		unready := fmt.Errorf("process %d is still starting on %s", state.pid, where.dir)
		if state.status == "ready" {
			s := &Server{
				dir:    where.dir,
				socket: state.socket,
				done:   make(chan struct{}),
				gone:   make(chan struct{}),
			}
			if unready = ping(ctx, s); unready == nil {
				return s, nil
			}
			if errors.Is(unready, os.ErrPermission) {
				return nil, unready
			}
		}
		// It may be shutting down now; the next look shows it.
		if pause(ctx) != nil {
			return nil, unready
		}
	}
}
