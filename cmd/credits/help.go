package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// topic is the help of one command.
type topic struct {
	command string // as it is typed, without "credits"
	args    string
	summary string // one line
	details string // what its own help adds; may be empty
}

// topics are in the order of the overview.
var topics = []topic{
	{
		command: "serve",
		args:    "[--addr HOST:PORT]",
		summary: "serve the pages and the API",
		details: `  --addr HOST:PORT   where to listen; wins over CREDITS_ADDR, which is 127.0.0.1:8080 if not set

SIGTERM stops the server without a failed request behind a proxy that follows /readyz: for CREDITS_SHUTDOWN_DELAY
(5s) /readyz answers 503 while requests are served, then the port closes and requests under way end. Ctrl-C and a
second SIGTERM leave the delay out. SIGHUP reads the catalog file again.
`,
	},
	{
		command: "migrate",
		summary: "bring the database schema up to date",
		details: `It connects as the owner of the tables (DATABASE_OWNER_URL, else DATABASE_URL) and gives the server's role its rights.
`,
	},
	{
		command: "key create",
		args:    "--scopes LIST [--name NAME]",
		summary: "make an API key; its last line is the key alone",
		details: `  --scopes LIST   what it may do: one or more of read, spend, admin, separated by commas; each includes the ones before
  --name NAME     what it is for, for people
`,
	},
	{
		command: "key list",
		summary: "list the API keys",
	},
	{
		command: "key revoke",
		args:    "ID",
		summary: "end an API key at once",
		details: `ID is the first column of "credits key list".
`,
	},
	{
		command: "verify",
		args:    "[--json]",
		summary: "prove the books; says where they contradict themselves",
		details: `  --json   answer one JSON object

It reads everything, while charges go on, and ends with exit code 1 when something is wrong.
`,
	},
	{
		command: "catalog check",
		args:    "FILE",
		summary: "check a file of plans and prices; prints its warnings and the plan table",
	},
	{
		command: "catalog default",
		summary: "print the built-in catalog, to begin one's own with",
	},
	{
		command: "bench",
		args:    "NAME",
		summary: "measure the app against what its parts cost alone",
		details: `  --seconds N    length of one measurement; there are three of each
  --callers N    how many ask at once; 0: the benchmark's own number
  --accounts N   how many accounts; 0: the benchmark's own number
  --dir DIR      a folder on a real disk for the database
  --json         one JSON object as the last line

A NAME that does not exist lists those that do; "all" measures everything.
`,
	},
	{
		command: "version",
		summary: "print which version this is, and what it was built from",
	},
	{
		command: "help",
		args:    "[COMMAND]",
		summary: "print this, or the help of one command",
	},
}

const (
	aboutUsage    = "Credits is the token wallet of a creator platform.\n\nUsage:\n"
	aboutSettings = `
With no DATABASE_URL an embedded Postgres keeps its data under ./var (CREDITS_DATA_DIR).
CREDITS_DEMO=1 turns the demo on. docs/configuration.md lists all variables.
`
)

func (t topic) line() string { return strings.TrimSpace("credits " + t.command + " " + t.args) }

// printUsage lists all commands.
func printUsage(w io.Writer) {
	const column = 42
	fmt.Fprint(w, aboutUsage)
	for _, t := range topics {
		line := "  " + t.line()
		if len(line) >= column {
			line += "\n" + strings.Repeat(" ", column)
		}
		fmt.Fprintf(w, "%-*s %s\n", column, line, t.summary)
	}
	fmt.Fprint(w, aboutSettings)
}

// printHelp prints the help of a command; "key" is that of all its subcommands. Without words it is the
// overview.
func printHelp(w io.Writer, words []string) error {
	found := about(words)
	if len(words) > 0 && len(found) == 0 {
		return fmt.Errorf("there is no command %q: %w", strings.Join(words, " "), errUsage)
	}
	if len(words) == 0 {
		printUsage(w)
	}
	for i, t := range found {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "Usage: %s\n\n%s%s.\n", t.line(), strings.ToUpper(t.summary[:1]), t.summary[1:])
		if t.details != "" {
			fmt.Fprint(w, "\n"+t.details)
		}
	}
	return nil
}

// about finds the topics whose command begins with the words.
func about(words []string) []topic {
	var found []topic
	for _, t := range topics {
		command := strings.Fields(t.command)
		if len(words) > 0 && len(words) <= len(command) && slices.Equal(words, command[:len(words)]) {
			found = append(found, t)
		}
	}
	return found
}

// asksForHelp reports whether a command line asks for help, and for which command.
func asksForHelp(args []string) (words []string, asks bool) {
	if args[0] == "help" {
		return args[1:], true
	}
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	if !slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" }) {
		return nil, false
	}
	for _, n := range []int{2, 1} {
		if len(args) >= n && len(about(args[:n])) > 0 {
			return args[:n], true
		}
	}
	if strings.HasPrefix(args[0], "-") {
		return nil, true
	}
	return args[:1], true
}

// version is the version that the Go toolchain stamped into the binary.
func version() string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return build.Main.Version
}

// printVersion prints the version, the commit and the platform.
func printVersion(w io.Writer) {
	fmt.Fprintf(w, "credits %s\n", version())
	stamps := map[string]string{}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			stamps[s.Key] = s.Value
		}
	}
	if commit := stamps["vcs.revision"]; commit != "" {
		changed := ""
		if stamps["vcs.modified"] == "true" {
			changed = ", with changes that are not committed"
		}
		fmt.Fprintf(w, "commit %s of %s%s\n", commit, stamps["vcs.time"], changed)
	}
	fmt.Fprintf(w, "built with %s for %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
