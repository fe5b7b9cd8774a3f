package ledgertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"

	"pop.store/credits/db"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
)

// processEnv names a database. It turns the test binary into a server process over that database, which reads requests
// from stdin and writes answers to stdout until it is killed or stdin ends.
const processEnv = "CREDITS_LEDGER_PROCESS"

// processRequest and processResponse are lines of JSON.
type processRequest struct {
	ID int
	Request
}

type processResponse struct {
	ID      int
	Receipt ledger.Receipt
	Refused bool
	Kind    problem.Kind
	Code    string
}

// ServeIfAsked turns a test binary that StartProcess has started into a server. Call it first in TestMain.
func ServeIfAsked() {
	url, ok := os.LookupEnv(processEnv)
	if !ok {
		return
	}
	pool, err := db.Open(context.Background(), url, 6)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	serve(engine.New(pool, engine.Options{
		Clock:  clock.NewManual(Start).Now,
		Prices: catalog.Builtin,
		Log:    DiscardLog,
	}))
	os.Exit(0)
}

func serve(l *engine.Engine) {
	var writing sync.Mutex
	answers := json.NewEncoder(os.Stdout)
	requests := json.NewDecoder(os.Stdin)
	for {
		var r processRequest
		if err := requests.Decode(&r); err != nil {
			return // the test has ended
		}
		go func() {
			a := processResponse{ID: r.ID}
			var err error
			if a.Receipt, err = InProcess(l).Do(context.Background(), r.Request); err != nil {
				p := problem.Of(err)
				a.Refused, a.Kind, a.Code = true, p.Kind, p.Code
				if p.Kind == problem.Internal {
					fmt.Fprintln(os.Stderr, err)
				}
			}
			writing.Lock()
			defer writing.Unlock()
			_ = answers.Encode(a) // fails when the test has ended
		}()
	}
}

// Process is a server in an operating system process of its own. While it is down, the outcome of requests is unknown.
type Process struct {
	t   *testing.T
	url string
	Log LogBuffer

	mu  sync.Mutex
	run *processRun
}

// processRun is one run of the process, from its start to its end.
type processRun struct {
	cmd   *exec.Cmd
	input io.WriteCloser
	done  chan struct{} // all of its output was read

	mu      sync.Mutex
	waiting map[int]chan processResponse // nil when the run has ended
	lastID  int
}

// StartProcess starts a server process over a database. It is killed when the test ends.
func StartProcess(t *testing.T, url string) *Process {
	t.Helper()
	p := &Process{t: t, url: url}
	p.Start()
	t.Cleanup(p.Kill)
	return p
}

// Start starts the process again after a Kill.
func (p *Process) Start() {
	p.t.Helper()
	l := &processRun{
		cmd:     exec.Command(os.Args[0]),
		done:    make(chan struct{}),
		waiting: map[int]chan processResponse{},
	}
	l.cmd.Env = append(os.Environ(), processEnv+"="+p.url)
	l.cmd.Stderr = &p.Log
	var err error
	if l.input, err = l.cmd.StdinPipe(); err != nil {
		p.t.Fatal(err)
	}
	output, err := l.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go l.readResponses(output)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.run = l
}

// Kill ends the process with SIGKILL.
func (p *Process) Kill() {
	p.mu.Lock()
	l := p.run
	p.mu.Unlock()
	_ = l.cmd.Process.Kill() // fails only if the process has ended
	<-l.done
	_ = l.cmd.Wait() // returns that it was killed
}

// Do sends a request to the process. It fails with KindUnavailable if the process ends first.
func (p *Process) Do(_ context.Context, req Request) (ledger.Receipt, error) {
	p.mu.Lock()
	l := p.run
	p.mu.Unlock()
	a, ok := l.call(req)
	switch {
	case !ok:
		return ledger.Receipt{}, problem.Unavailable(errors.New("the process was killed"))
	case a.Refused:
		return ledger.Receipt{}, problem.New(a.Kind, a.Code, "as the process answered")
	}
	return a.Receipt, nil
}

// call waits for the answer, or for the end of the process.
func (l *processRun) call(req Request) (processResponse, bool) {
	answer := make(chan processResponse, 1)
	l.mu.Lock()
	if l.waiting == nil {
		l.mu.Unlock()
		return processResponse{}, false
	}
	l.lastID++
	l.waiting[l.lastID] = answer
	err := json.NewEncoder(l.input).Encode(processRequest{l.lastID, req})
	l.mu.Unlock()
	if err != nil {
		return processResponse{}, false // the process may have read the request
	}
	a, ok := <-answer
	return a, ok
}

// readResponses delivers answers until the output of the process ends.
func (l *processRun) readResponses(output io.Reader) {
	defer close(l.done)
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		var a processResponse
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			continue // cut off by the kill
		}
		l.mu.Lock()
		answer := l.waiting[a.ID]
		delete(l.waiting, a.ID)
		l.mu.Unlock()
		answer <- a
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, answer := range l.waiting {
		close(answer)
	}
	l.waiting = nil
}
