package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The final count of .ci/test, on temporary modules: what counts as failed, and that the run then fails.
func TestCount(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	const (
		pass  = "func TestPass(t *testing.T) { t.Log(`{\"Action\":\"fail\",\"Package\":\"p\",\"Test\":\"Quoted\"}`) }\n"
		fail  = "func TestFail(t *testing.T) { t.Error(\"no\") }\n"
		skip  = "func TestSkip(t *testing.T) { t.Skip(\"not here\") }\n"
		panik = "func TestPanic(t *testing.T) { panic(\"no\") }\n"
		build = "var _ int = \"no\"\n"
		after = "func TestMain(m *testing.M) { m.Run(); panic(\"clean-up\") }\n"
	)
	for name, c := range map[string]struct {
		packages []string
		count    string
	}{
		"all pass":                      {[]string{pass, pass}, "2 passed, 0 failed, 0 skipped"},
		"one fails":                     {[]string{pass + fail}, "1 passed, 1 failed, 0 skipped"},
		"only one, which fails":         {[]string{fail}, "0 passed, 1 failed, 0 skipped"},
		"one panics":                    {[]string{pass, panik}, "1 passed, 1 failed, 0 skipped"},
		"one does not build":            {[]string{pass, build}, "1 passed, 1 failed, 0 skipped"},
		"one fails, one does not build": {[]string{pass + fail, build}, "1 passed, 2 failed, 0 skipped"},
		"nothing builds":                {[]string{build}, "0 passed, 1 failed, 0 skipped"},
		"the clean-up fails":            {[]string{pass + after, fail}, "1 passed, 2 failed, 0 skipped"},
		"one is skipped":                {[]string{pass + skip}, "1 passed, 0 failed, 1 skipped"},
		"no tests":                      {[]string{""}, "0 passed, 1 failed, 0 skipped"},
		"no packages":                   {nil, "0 passed, 1 failed, 0 skipped"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, file := range []string{".ci/test", "internal/tools/go.mod", "internal/tools/go.sum"} {
				copyFile(t, filepath.Join(root, file), filepath.Join(dir, file), 0o755)
			}
			write(t, filepath.Join(dir, "go.mod"), "module tiny\n\ngo 1.26\n")
			for i, body := range c.packages {
				name := string(rune('a' + i))
				text := "package " + name + "\n\nimport \"testing\"\n\nvar _ *testing.T\n\n" + body
				write(t, filepath.Join(dir, name, name+"_test.go"), text)
			}
			cmd := exec.Command(filepath.Join(dir, ".ci/test"))
			cmd.Dir = t.TempDir() // it finds its own way
			out, err := cmd.CombinedOutput()
			var ended *exec.ExitError
			if err != nil && !errors.As(err, &ended) {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if last := lines[len(lines)-1]; last != c.count ||
				(err == nil) != strings.HasSuffix(c.count, "0 failed, 0 skipped") {
				t.Errorf("%v; the last line is %q, want %q:\n%s", err, last, c.count, out)
			}
		})
	}
}

// A run that leaves files behind fails, even if its tests pass.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, temp := t.TempDir(), t.TempDir()
	for _, file := range []string{".ci/test", "internal/tools/go.mod", "internal/tools/go.sum"} {
		copyFile(t, filepath.Join(root, file), filepath.Join(dir, file), 0o755)
	}
	write(t, filepath.Join(dir, "go.mod"), "module tiny\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "a_test.go"), `package a

import (
	"os"
	"testing"
)

func TestLeaves(t *testing.T) {
	if _, err := os.MkdirTemp("", "forgotten-"); err != nil {
		t.Fatal(err)
	}
}
`)
	cmd := exec.Command(filepath.Join(dir, ".ci/test"))
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out),
		"left behind among the temporary files:") || !strings.Contains(string(out), "/forgotten-") {
		t.Errorf("%v: %s", err, out)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("the run itself leaves %v, %v", left, err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
