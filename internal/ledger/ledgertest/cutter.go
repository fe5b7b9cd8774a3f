package ledgertest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Cut is what a CommitCutter does to a COMMIT.
type Cut int

const (
	CutNone        Cut = iota // let it through
	CutBeforeSend             // break the connection just before it: the server rolls back
	CutAfterSend              // send it and break the connection at once: the outcome is unknown
	CutAfterCommit            // drop the answer to the COMMIT and break the connection
	NumCuts                   // how many kinds there are
)

// CommitCutter sits between pgx and Postgres and breaks connections around COMMIT.
type CommitCutter struct {
	Chance atomic.Int64 // of a cut, in percent
	Once   atomic.Int64 // a Cut for the next COMMIT, whatever the chance
	Made   [NumCuts]atomic.Int64
}

func (c *CommitCutter) choose() Cut {
	how := Cut(c.Once.Swap(int64(CutNone)))
	if rand.Int64N(100) < c.Chance.Load() {
		how = CutBeforeSend + Cut(rand.IntN(int(NumCuts-CutBeforeSend)))
	}
	c.Made[how].Add(1)
	return how
}

// Broken counts the connections that were broken.
func (c *CommitCutter) Broken() int64 {
	return c.Made[CutBeforeSend].Load() + c.Made[CutAfterSend].Load() + c.Made[CutAfterCommit].Load()
}

// Configure makes a pool connect through the cutter.
func (c *CommitCutter) Configure(config *pgxpool.Config) {
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &cutConn{
			Conn:    conn,
			cutter:  c,
			commits: map[string]bool{},
		}, nil
	}
}

// cutConn parses as much of the Postgres protocol as it needs to find a COMMIT and its answer. It forwards whole
// messages only.
type cutConn struct {
	net.Conn
	cutter     *CommitCutter
	dropAnswer atomic.Bool // the answer to COMMIT is to be dropped
	writing    sync.Mutex
	begun      bool            // the start-up message, which has no type, has gone by
	out        []byte          // from pgx, not a whole message yet
	commits    map[string]bool // prepared statements by name: is it a COMMIT?
	reading    sync.Mutex
	in         []byte // from the server, not a whole message yet
	ready      []byte // whole messages for pgx
}

// firstMessage splits the first message off a stream: its type, its body and the rest. ok is false if the stream has no
// whole message.
func firstMessage(stream []byte, typed bool) (kind byte, body, rest []byte, ok bool) {
	start := 0
	if typed {
		start = 1
	}
	if len(stream) < start+4 {
		return 0, nil, stream, false
	}
	end := start + int(binary.BigEndian.Uint32(stream[start:]))
	if len(stream) < end {
		return 0, nil, stream, false
	}
	if typed {
		kind = stream[0]
	}
	return kind, stream[start+4 : end], stream[end:], true
}

// Write forwards what pgx sends.
func (c *cutConn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out = append(c.out, p...)
	rest, how := c.out, CutNone
	for {
		kind, body, after, ok := firstMessage(rest, c.begun)
		if !ok {
			break
		}
		if c.begun && c.isCommit(kind, body) {
			if how = c.cutter.choose(); how == CutBeforeSend {
				break
			}
			c.dropAnswer.Store(how == CutAfterCommit)
		}
		c.begun, rest = true, after
	}
	whole := c.out[:len(c.out)-len(rest)]
	if _, err := c.Conn.Write(whole); err != nil {
		return 0, err
	}
	c.out = bytes.Clone(rest)
	if how == CutBeforeSend || how == CutAfterSend {
		return 0, c.abort()
	}
	return len(p), nil
}

// isCommit returns whether a message asks the server to commit. It remembers which prepared statements do.
func (c *cutConn) isCommit(kind byte, body []byte) bool {
	first, after, _ := bytes.Cut(body, []byte{0})
	second, _, _ := bytes.Cut(after, []byte{0})
	commit := func(sql []byte) bool { return strings.EqualFold(strings.TrimSpace(string(sql)), "commit") }
	switch kind {
	case 'P': // Parse: name, statement
		c.commits[string(first)] = commit(second)
	case 'B': // Bind: portal, name
		return c.commits[string(second)]
	case 'Q': // a simple query
		return commit(first)
	}
	return false
}

// Read forwards what the server sends.
func (c *cutConn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	buffer := make([]byte, 16<<10)
	for len(c.ready) == 0 {
		n, err := c.Conn.Read(buffer)
		c.in = append(c.in, buffer[:n]...)
		rest := c.in
		for {
			kind, body, after, ok := firstMessage(rest, true)
			if !ok {
				break
			}
			if kind == 'C' && string(body) == "COMMIT\x00" && c.dropAnswer.Swap(false) {
				return 0, c.abort()
			}
			rest = after
		}
		c.ready = append(c.ready, c.in[:len(c.in)-len(rest)]...)
		c.in = bytes.Clone(rest)
		if err != nil && len(c.ready) == 0 {
			return 0, err
		}
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

func (c *cutConn) abort() error {
	_ = c.Close()
	return errCut
}

var errCut = errors.New("the server is gone")
