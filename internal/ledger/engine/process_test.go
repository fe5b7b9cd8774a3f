package engine_test

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

// asServer makes the test binary a server process: a ledger over the database it names, which reads
// deeds from its input and writes answers to its output until it is killed or its input ends.
const asServer = "CREDITS_LEDGER_PROCESS"

// request and response are lines of JSON.
type request struct {
	ID int
	deed
}

type response struct {
	ID      int
	Receipt ledger.Receipt
	Refused bool
	Kind    problem.Kind
	Code    string
}

// serveIfAsked is for TestMain.
func serveIfAsked() {
	url, ok := os.LookupEnv(asServer)
	if !ok {
		return
	}
	pool, err := db.Open(context.Background(), url, 6)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	serve(engine.New(pool, engine.Options{
		Clock:  clock.NewManual(start).Now,
		Prices: catalog.Builtin,
		Log:    quiet,
	}))
	os.Exit(0)
}

func serve(l *engine.Engine) {
	var writing sync.Mutex
	answers := json.NewEncoder(os.Stdout)
	requests := json.NewDecoder(os.Stdin)
	for {
		var r request
		if err := requests.Decode(&r); err != nil {
			return // the test is over, however it ended
		}
		go func() {
			a := response{ID: r.ID}
			var err error
			if a.Receipt, err = (local{l}).carryOut(context.Background(), r.deed); err != nil {
				p := problem.Of(err)
				a.Refused, a.Kind, a.Code = true, p.Kind, p.Code
				if p.Kind == problem.Internal {
					fmt.Fprintln(os.Stderr, err)
				}
			}
			writing.Lock()
			defer writing.Unlock()
			_ = answers.Encode(a) // nobody is left to be told
		}()
	}
}

// process is a server in a process of its own. While it is down its answers are unknown.
type process struct {
	t    *testing.T
	url  string
	said logged

	mu   sync.Mutex
	life *life
}

// life is from one start of the process to its end.
type life struct {
	cmd   *exec.Cmd
	input io.WriteCloser
	over  chan struct{} // all that it said has been read

	mu      sync.Mutex
	waiting map[int]chan response // nil once it is over
	asked   int
}

func newProcess(t *testing.T, url string) *process {
	t.Helper()
	p := &process{t: t, url: url}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *process) start() {
	p.t.Helper()
	l := &life{
		cmd:     exec.Command(os.Args[0]),
		over:    make(chan struct{}),
		waiting: map[int]chan response{},
	}
	l.cmd.Env = append(os.Environ(), asServer+"="+p.url)
	l.cmd.Stderr = &p.said
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
	go l.listen(output)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.life = l
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	p.mu.Lock()
	l := p.life
	p.mu.Unlock()
	_ = l.cmd.Process.Kill() // fails only when it has ended
	<-l.over
	_ = l.cmd.Wait() // says that it was killed
}

// carryOut asks the process.
func (p *process) carryOut(_ context.Context, d deed) (ledger.Receipt, error) {
	p.mu.Lock()
	l := p.life
	p.mu.Unlock()
	a, ok := l.ask(d)
	switch {
	case !ok:
		return ledger.Receipt{}, problem.Unavailable(errors.New("the process is dead"))
	case a.Refused:
		return ledger.Receipt{}, problem.New(a.Kind, a.Code, "as the process says")
	}
	return a.Receipt, nil
}

// ask waits for the answer, or for the end of the process.
func (l *life) ask(d deed) (response, bool) {
	answer := make(chan response, 1)
	l.mu.Lock()
	if l.waiting == nil {
		l.mu.Unlock()
		return response{}, false
	}
	l.asked++
	l.waiting[l.asked] = answer
	err := json.NewEncoder(l.input).Encode(request{l.asked, d})
	l.mu.Unlock()
	if err != nil {
		return response{}, false // it may have read the request all the same
	}
	a, ok := <-answer
	return a, ok
}

// listen hands out answers until the process is dead and what it said before has been read.
func (l *life) listen(output io.Reader) {
	defer close(l.over)
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		var a response
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			continue // cut off by the kill: no answer
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
