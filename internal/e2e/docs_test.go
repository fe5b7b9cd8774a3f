package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// documents are the pages whose shell blocks run, each in one shell against a fresh server.
var documents = []string{
	"README.md",
	"CONTRIBUTING.md",
	"docs/api.md",
	"docs/catalog.md",
	"docs/configuration.md",
	"docs/deployment.md",
	"docs/development.md",
	"docs/email.md",
	"docs/payments.md",
	"docs/performance.md",
	"docs/webhooks.md",
}

// updateDocuments is a variable: set, the test writes what this server prints into the documents.
// Review the changes before committing them.
const updateDocuments = "CREDITS_UPDATE_DOCS"

// Every shell block of the documents runs in order, and must print what the document shows. A block
// that cannot run here has a line before it, <!-- not run: reason -->.
func TestTheDocumentsExamples(t *testing.T) {
	t.Parallel()
	for _, name := range documents {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("..", "..", name))
			if err != nil {
				t.Fatal(err)
			}
			examples := examplesOf(string(text))
			if !anyRuns(examples) {
				return
			}
			sh := newShell(t, start(t))
			for i := range examples {
				sh.check(t, name, &examples[i])
			}
			if os.Getenv(updateDocuments) != "" {
				rewrite(t, name, string(text), examples)
			}
		})
	}
}

// example is a command of a document with the output that the document shows.
type example struct {
	line     int
	command  string
	output   string
	compared bool   // the document shows an output
	from, to int    // the lines of that output, from inclusive, to exclusive, counted from 0
	now      string // the output, if it differs
	reason   string // why it does not run; empty if it runs
}

func anyRuns(examples []example) bool {
	for _, e := range examples {
		if e.reason == "" {
			return true
		}
	}
	return false
}

// block is a fenced block of a document.
type block struct {
	line     int
	language string
	reason   string
	lines    []string
	adjacent bool // only blank lines lie between it and the block before
}

var notRun = regexp.MustCompile(`^<!-- not run: (.+) -->$`)

func blocksOf(text string) []block {
	var blocks []block
	var open *block
	reason, adjacent := "", false
	for i, line := range strings.Split(text, "\n") {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{
				line:     i + 1,
				language: language,
				reason:   reason,
				adjacent: adjacent,
			}
			reason, adjacent = "", false
		case fence:
			blocks = append(blocks, *open)
			open, adjacent = nil, true
		case open != nil:
			open.lines = append(open.lines, line)
		case notRun.MatchString(line):
			reason = notRun.FindStringSubmatch(line)[1]
		case strings.TrimSpace(line) != "":
			reason, adjacent = "", false
		}
	}
	return blocks
}

// examplesOf finds the commands: a block of sh, whose output may be in the block right after it,
// and the lines of a console that begin with $.
func examplesOf(text string) []example {
	var examples []example
	blocks := blocksOf(text)
	for i, b := range blocks {
		switch b.language {
		case "sh":
			e := example{
				line:    b.line,
				command: strings.Join(b.lines, "\n"),
				reason:  b.reason,
			}
			if i+1 < len(blocks) && blocks[i+1].adjacent &&
				(blocks[i+1].language == "json" || blocks[i+1].language == "") {
				e.output, e.compared = strings.Join(blocks[i+1].lines, "\n"), true
				e.from, e.to = blocks[i+1].line, blocks[i+1].line+len(blocks[i+1].lines)
			}
			examples = append(examples, e)
		case "console":
			examples = append(examples, console(b)...)
		}
	}
	return examples
}

func console(b block) []example {
	var examples []example
	unfinished := false
	for i, line := range b.lines {
		command, begins := strings.CutPrefix(line, "$ ")
		last := len(examples) - 1
		switch {
		case begins:
			at := b.line + i + 1
			examples = append(examples, example{
				line:     at,
				command:  command,
				compared: true,
				reason:   b.reason,
				from:     at,
				to:       at,
			})
			unfinished = continues(command)
		case last < 0:
		case unfinished:
			examples[last].command += "\n" + line
			examples[last].from++
			examples[last].to++
			unfinished = continues(line)
		default:
			examples[last].output += line + "\n"
			examples[last].to++
		}
	}
	return examples
}

func continues(command string) bool {
	return strings.HasSuffix(command, `\`) || strings.HasSuffix(command, "|")
}

// shell runs the commands of a document one after the other.
type shell struct {
	kill  func()
	in    io.Writer
	out   *bufio.Reader
	known map[string]string // this server's values by the document's
}

func newShell(t *testing.T, s *site) *shell {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, filepath.Join(dir, "bin", "credits")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "--norc")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DATABASE_URL="+s.db.AppURL, "URL="+s.url, "KEY="+s.key,
		"CREDITS_LOG_LEVEL=warn", "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	t.Cleanup(func() {
		_ = in.Close()
		guard := time.AfterFunc(timeout, func() { _ = cmd.Process.Kill() })
		defer guard.Stop()
		_ = cmd.Wait()
	})
	return &shell{
		kill: func() { _ = cmd.Process.Kill() },
		in:   in,
		out:  bufio.NewReader(reader),
		known: map[string]string{
			"http://127.0.0.1:8080": s.url,
			"127.0.0.1:8080":        strings.TrimPrefix(s.url, "http://"),
		},
	}
}

const endOfOutput = "--- end of output ---"

// run returns a command's output and its exit code.
func (sh *shell) run(t *testing.T, command string) (output, code string) {
	t.Helper()
	if _, err := fmt.Fprintf(sh.in, "%s\necho; echo '%s' $?\n", command, endOfOutput); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	guard := time.AfterFunc(timeout, sh.kill)
	defer guard.Stop()
	for {
		line, err := sh.out.ReadString('\n')
		if err != nil {
			t.Fatalf("%s\ndid not end, or ended the shell: %v\n%s", command, err, said.String())
		}
		if code, ended := strings.CutPrefix(line, endOfOutput); ended {
			return strings.TrimSpace(said.String()), strings.TrimSpace(code)
		}
		said.WriteString(line)
	}
}

// check runs an example and compares its output. Ids, times and secrets differ from run to run:
// only their kind is compared, and later commands use this server's values instead of the
// document's.
func (sh *shell) check(t *testing.T, name string, e *example) {
	t.Helper()
	if e.reason != "" {
		return
	}
	got, _ := sh.run(t, sh.translate(e.command))
	sh.remember(t, got)
	if !e.compared {
		return
	}
	shown, shownValues := skeleton(strings.TrimSpace(e.output))
	said, values := skeleton(got)
	if shown != said {
		e.now = strings.ReplaceAll(got, sh.known["http://127.0.0.1:8080"], "http://127.0.0.1:8080")
		t.Errorf("%s:%d: %s\nprints\n%s\nand the document shows\n%s", name, e.line, e.command, got,
			strings.TrimSpace(e.output))
		return
	}
	for i, v := range shownValues {
		if known := sh.known[v]; known != "" && known != values[i] {
			t.Errorf("%s:%d: the document has %s in two places, and they differ: %s and %s", name, e.line, v,
				known, values[i])
		}
		sh.known[v] = values[i]
	}
}

// remember sets the documents' variables $ID and $HOLD: the id of the newest answer that has one,
// and of the newest hold.
func (sh *shell) remember(t *testing.T, answer string) {
	t.Helper()
	var made struct{ ID, Kind string }
	if json.Unmarshal([]byte(answer), &made) != nil || made.ID == "" {
		return
	}
	name := "ID"
	if made.Kind == "hold" {
		name = "HOLD"
	}
	sh.run(t, name+"="+made.ID)
}

// rewrite replaces the outputs in the document by the new ones, from the last example to the first.
func rewrite(t *testing.T, name, text string, examples []example) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for _, e := range slices.Backward(examples) {
		if e.now != "" {
			lines = slices.Concat(lines[:e.from], strings.Split(e.now, "\n"), lines[e.to:])
		}
	}
	if err := os.WriteFile(filepath.Join("..", "..", name), []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// translate replaces the document's ids and addresses by this server's.
func (sh *shell) translate(command string) string {
	return changing.ReplaceAllStringFunc(command, func(v string) string {
		if known := sh.known[v]; known != "" {
			return known
		}
		return v
	})
}

// changing matches what differs from run to run.
var changing = regexp.MustCompile(strings.Join([]string{
	`crk_[a-z0-9]+_[a-z0-9.]+`,
	`txn_[a-z0-9]+`,
	`evt_[a-z0-9]+`,
	`cur_[a-z0-9]+`,
	`cs_test_[A-Z0-9]+`,
	`whsec_[A-Za-z0-9+/=]+`,
	`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`,
	`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`,
	`\d{4}-\d\d-\d\d\b`,
	`"request_id": ?"[0-9a-z]+"`,
	`http://127\.0\.0\.1:\d+`,
	`127\.0\.0\.1:\d+`,
	`link/[A-Za-z0-9_-]{20,}`,
	`\bin \d+(?:\.\d+)?m?s\b`,
}, "|"))

// skeleton replaces each changing value by its kind, and returns the values in order.
func skeleton(text string) (string, []string) {
	var values []string
	bare := changing.ReplaceAllStringFunc(text, func(v string) string {
		values = append(values, v)
		return "<" + kindOf(v) + ">"
	})
	return bare, values
}

func kindOf(v string) string {
	for _, prefix := range []string{
		"crk_", "txn_", "evt_", "cur_", "cs_test_", "whsec_", `"request_id"`,
		"http://", "127.", "link/", "in ",
	} {
		if strings.HasPrefix(v, prefix) {
			return prefix
		}
	}
	switch {
	case strings.Contains(v, "T") && strings.HasSuffix(v, "Z"):
		return "time"
	case len(v) == len("2026-11-22"):
		return "day"
	}
	return "uuid"
}
