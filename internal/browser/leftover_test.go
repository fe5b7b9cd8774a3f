package browser_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/browser"
)

// ending is a variable that tells this test binary, run again by TestNothingIsLeftOver, how to end.
const ending = "BROWSER_TEST_ENDING"

// However a test process ends, Chromium ends too, and its profile is removed.
func TestNothingIsLeftOver(t *testing.T) {
	t.Parallel()
	if how := os.Getenv(ending); how != "" {
		end(t, how)
		return
	}
	for _, how := range []string{"exit", "panic", "kill"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			temp, err := os.MkdirTemp("/tmp", "left-") // short: a long one is not used
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(temp) })
			again := exec.Command(os.Args[0], "-test.run=^TestNothingIsLeftOver$")
			again.Env = append(os.Environ(), ending+"="+how, "TMPDIR="+temp)
			out, err := again.CombinedOutput()
			if !strings.Contains(string(out), "the page is open") || (err == nil) != (how == "exit") {
				t.Fatalf("the other process: %v\n%s", err, out)
			}
			var left []string
			for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 *
				time.Millisecond) {
				if left = append(profiles(t, temp), processes(t, temp)...); len(left) == 0 {
					return
				}
			}
			t.Errorf("left over: %q", left)
		})
	}
}

func end(t *testing.T, how string) {
	browser.New(t).Goto("data:text/html,<title>x</title>")
	if len(profiles(t, os.TempDir())) == 0 {
		t.Error("no profile where the other process looks for it")
	}
	_, _ = os.Stdout.WriteString("the page is open\n")
	switch how {
	case "panic":
		panic("planted")
	case "kill":
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
		select {}
	case "exit":
		os.Exit(0)
	}
}

func profiles(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// processes lists those with the folder in their arguments; on systems other than Linux none.
func processes(t *testing.T, dir string) (found []string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lines {
		if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), dir) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

func TestNewAfterCloseStartsAnother(t *testing.T) {
	if os.Getenv(ending) != "" {
		return
	}
	browser.Close()
	browser.New(t).Goto("data:text/html,<title>x</title>")
}
