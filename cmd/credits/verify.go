package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"pop.store/credits/internal/ledger/audit"
)

// verify audits the ledger, also while it is in use. It fails if it finds contradictions.
func (p *program) verify(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	asJSON := flags.Bool("json", false, "answer one JSON object")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return fmt.Errorf("verify [--json]: %w", errUsage)
	}
	d, err := p.openForCommand(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	began := time.Now()
	meter := newMeter(p.stderr)
	report, err := audit.Verify(ctx, d.pool, audit.Options{Progress: meter.show})
	meter.clear()
	if err != nil {
		return err
	}
	if *asJSON {
		err = writeReport(p.stdout, report, time.Since(began))
	} else {
		printReport(p.stdout, report, time.Since(began))
	}
	return errors.Join(err, verdict(report))
}

// verdict returns an error if the audit found contradictions.
func verdict(r audit.Report) error {
	switch {
	case len(r.Differences) == 0:
		return nil
	case r.Complete:
		return fmt.Errorf("the books contradict themselves in %d places", len(r.Differences))
	}
	return fmt.Errorf("the books contradict themselves in %d places or more: the search ended there",
		len(r.Differences))
}

func printReport(w io.Writer, r audit.Report, took time.Duration) {
	for _, d := range r.Differences {
		fmt.Fprintln(w, d)
	}
	if len(r.Differences) == 0 {
		fmt.Fprintf(w, "The books balance: %d accounts, %d entries, in %s.\n", r.Accounts, r.Entries,
			took.Round(time.Millisecond))
	}
}

// reportJSON is the report for programs.
type reportJSON struct {
	BooksBalance bool             `json:"books_balance"`
	Complete     bool             `json:"complete"`
	Accounts     int64            `json:"accounts"`
	Entries      int64            `json:"entries"`
	Seconds      float64          `json:"seconds"`
	Differences  []differenceJSON `json:"differences"`
}

type differenceJSON struct {
	Account  string `json:"account"`
	What     string `json:"what"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

func writeReport(w io.Writer, r audit.Report, took time.Duration) error {
	j := reportJSON{
		BooksBalance: len(r.Differences) == 0,
		Complete:     r.Complete,
		Accounts:     r.Accounts,
		Entries:      r.Entries,
		Seconds:      took.Seconds(),
		Differences:  make([]differenceJSON, len(r.Differences)),
	}
	for i, d := range r.Differences {
		j.Differences[i] = differenceJSON{d.AccountID.String(), d.What, d.Expected, d.Found}
	}
	return json.NewEncoder(w).Encode(j)
}

// meter shows the progress of a long command on one line of a terminal.
type meter struct {
	out   io.Writer // nil: not a terminal
	shown time.Time
}

// meterEvery keeps a fast command from flickering.
const meterEvery = 200 * time.Millisecond

func newMeter(out io.Writer) *meter {
	file, ok := out.(*os.File)
	if !ok {
		return &meter{}
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &meter{}
	}
	return &meter{out: out}
}

func (m *meter) show(done, total int64) {
	if m.out == nil || time.Since(m.shown) < meterEvery {
		return
	}
	m.shown = time.Now()
	percent := int64(100)
	if total > 0 {
		percent = 100 * done / total
	}
	fmt.Fprintf(m.out, "\r\x1b[K%3d %% of %d entries", percent, total)
}

func (m *meter) clear() {
	if m.out != nil {
		fmt.Fprint(m.out, "\r\x1b[K")
	}
}
