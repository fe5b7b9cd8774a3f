package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
)

// Ready checks in every lane what a charge needs: queue, connection, lock and commit. It writes nothing.
// The error names the lane that did not answer before ctx ended. A lane with a full queue is working, hence
// ready.
func (e *Engine) Ready(ctx context.Context) error {
	probes := make([]*call, len(e.lanes))
	for i, ln := range e.lanes {
		c := newCall(probeAccount(i, len(e.lanes)))
		c.op = ledger.Settle{}
		if err := ln.queue.push(c); errors.Is(err, ledger.ErrBusy) {
			continue
		} else if err != nil {
			return err
		}
		probes[i] = c
	}
	for i, c := range probes {
		if c == nil {
			continue
		}
		if _, err := c.wait(ctx); err != nil && !errors.Is(err, ledger.ErrNoAccount) {
			return fmt.Errorf("lane %d: %w", i, err)
		}
	}
	return nil
}

// probeAccount is an id of a lane that no account can have: accounts have version 4 ids, and this one has
// no version.
func probeAccount(lane, lanes int) uuid.UUID {
	for n := uint64(1); ; n++ {
		var id uuid.UUID
		binary.BigEndian.PutUint64(id[8:], n)
		if laneOf(id, lanes) == lane {
			return id
		}
	}
}
