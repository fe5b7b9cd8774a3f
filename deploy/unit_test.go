// Package deploy_test checks the files with which Credits is run.
package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/config"
)

const unit = "credits.service"

// analyze runs systemd-analyze. Without it the test fails: `make setup` installs it.
func analyze(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze %q (make setup installs it): %v\n%s", args, err, out)
	}
	return string(out)
}

// The unit takes nearly all rights away: systemd's own score, from 0 (none left) to 10 (all), is below 3.
func TestTheUnitIsHardened(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // where there is no systemd there is no unit
	}
	said := analyze(t, "security", "--offline=true", "--no-pager", unit)
	found := regexp.MustCompile(`Overall exposure level for credits.service: ([0-9.]+) `).FindStringSubmatch(said)
	if found == nil {
		t.Fatalf("no score in %s", said)
	}
	if score, err := strconv.ParseFloat(found[1], 64); err != nil || score >= 3 || score <= 0 {
		t.Errorf("the score is %s, %v:\n%s", found[1], err, said)
	}
}

// systemd knows every line of the unit.
func TestTheUnitIsValid(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return
	}
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	// What it starts has to be there.
	here := strings.ReplaceAll(string(text), "/usr/local/bin/credits", "/bin/true")
	file := filepath.Join(t.TempDir(), unit)
	if err := os.WriteFile(file, []byte(here), 0o600); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(analyze(t, "verify", "--man=no", file)) {
		if strings.Contains(line, unit) {
			t.Error(line)
		}
	}
}

// settings are the unit's lines by name; those that stand there twice are joined.
func settings(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			found[name] = strings.TrimSpace(found[name] + " " + value)
		}
	}
	return found
}

// It starts again after a pause, reloads the catalog, has a folder of its own to write to, and
// gives a stop the time that it takes.
func TestTheUnitRunsTheServerWell(t *testing.T) {
	t.Parallel()
	unit := settings(t)
	for name, want := range map[string]string{
		"ExecReload":               "/bin/kill -HUP $MAINPID",
		"Restart":                  "on-failure",
		"RestartPreventExitStatus": "2",
		"StartLimitIntervalSec":    "0",
		"WorkingDirectory":         "/var/lib/credits",
		"StateDirectory":           "credits",
		"ExecStart":                "/usr/local/bin/credits serve",
		"User":                     "credits",
	} {
		if unit[name] != want {
			t.Errorf("%s=%s, want %s", name, unit[name], want)
		}
	}
	if pause, err := strconv.Atoi(unit["RestartSec"]); err != nil || pause < 1 {
		t.Errorf("RestartSec=%s", unit["RestartSec"])
	}
	c, err := config.Load(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	// Requests under way and jobs get ten seconds each after the delay.
	stop, err := strconv.Atoi(unit["TimeoutStopSec"])
	if err != nil || time.Duration(stop)*time.Second < c.ShutdownDelay+25*time.Second {
		t.Errorf("TimeoutStopSec=%s, and the delay alone is %v", unit["TimeoutStopSec"], c.ShutdownDelay)
	}
	known := strings.Join(config.Names(), " ")
	for _, pair := range strings.Fields(unit["Environment"]) {
		if name, _, _ := strings.Cut(pair, "="); !strings.Contains(known, name) {
			t.Errorf("there is no setting %s", name)
		}
	}
}
