package config_test

import (
	"errors"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/config"
	"pop.store/credits/internal/logs"
)

// An address of the app is a scheme, a host and maybe a port. What is refused may hold a password,
// and is not repeated.
func TestBaseURL(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"https://credits.example.com/#top", "https://credits.example.com#hunter2", "https://credits.example.com#",
		"https://credits.example.com/#",
		"https://maya:hunter2@credits.example.com", "https://hunter2@credits.example.com",
		"https://@credits.example.com",
		"https://credits.example.com/?", "https://credits.example.com?", "https://credits.example.com/path/",
		"https://credits.example.com//",
		"https://:8080", "https://credits.example.com:", "https://credits.example.com:0",
		"https://credits.example.com:65536", "https://credits.example.com:hunter2",
		"https:credits.example.com", "//credits.example.com", "https://a b.example", "https://maya:hunter2%zz@h",
		"HTTPS://<script>",
	} {
		_, err := config.Load(env(map[string]string{"CREDITS_BASE_URL": value}))
		var bad *config.Error
		if !errors.As(err, &bad) || bad.Name != "CREDITS_BASE_URL" {
			t.Errorf("%q: %v", value, err)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "maya") {
			t.Errorf("%q is repeated: %v", value, err)
		}
	}
	for value, want := range map[string]string{
		"https://credits.example.com":  "https://credits.example.com",
		"https://credits.example.com/": "https://credits.example.com",
		"http://127.0.0.1:8080":        "http://127.0.0.1:8080",
		"http://[::1]:8080":            "http://[::1]:8080",
		"HTTPS://Credits.example":      "https://Credits.example",
	} {
		c, err := config.Load(env(map[string]string{"CREDITS_BASE_URL": value}))
		if err != nil || c.BaseURL.String() != want {
			t.Errorf("%q is %v, %v", value, c.BaseURL, err)
		}
	}
}

// The mail server's address holds no more than it needs, either.
func TestAMailServerWithoutQueryAndFragment(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"smtp://h#", "smtp://h?", "smtp://h:", "smtp://u:hunter2@h#hunter2", "smtp:h"} {
		_, err := config.Load(env(map[string]string{"CREDITS_SMTP_URL": value, "CREDITS_MAIL_FROM": "a@b.example"}))
		var bad *config.Error
		if !errors.As(err, &bad) || bad.Name != "CREDITS_SMTP_URL" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestLogAndShutdown(t *testing.T) {
	t.Parallel()
	c, err := config.Load(env(nil))
	if err != nil || c.LogLevel != slog.LevelInfo || c.LogFormat != logs.Text || c.ShutdownDelay != 5*time.Second {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = config.Load(env(map[string]string{
		"CREDITS_LOG_LEVEL":      "debug",
		"CREDITS_LOG_FORMAT":     "json",
		"CREDITS_SHUTDOWN_DELAY": "1m30s",
	}))
	if err != nil || c.LogLevel != slog.LevelDebug || c.LogFormat != logs.JSON || c.ShutdownDelay != 90*time.Second {
		t.Errorf("%+v, %v", c, err)
	}
	for _, level := range []string{"warn", "error"} {
		if c, err := config.Load(env(map[string]string{"CREDITS_LOG_LEVEL": level})); err != nil ||
			!strings.EqualFold(c.LogLevel.String(), level) {
			t.Errorf("%s is %v, %v", level, c.LogLevel, err)
		}
	}
	for name, values := range map[string][]string{
		"CREDITS_LOG_LEVEL":      {"verbose", "INFO+2", "4", "Debug"},
		"CREDITS_LOG_FORMAT":     {"xml", "JSON"},
		"CREDITS_SHUTDOWN_DELAY": {"5", "-1s", "6m", "soon", "10000000000h"},
	} {
		for _, value := range values {
			_, err := config.Load(env(map[string]string{name: value}))
			var bad *config.Error
			if !errors.As(err, &bad) || bad.Name != name {
				t.Errorf("%s=%q: %v", name, value, err)
			}
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	names := config.Names()
	for _, name := range []string{
		"CREDITS_ADDR", "DATABASE_URL", "DATABASE_OWNER_URL",
		"CREDITS_STRIPE_WEBHOOK_SECRET", "CREDITS_LOG_LEVEL", "CREDITS_SHUTDOWN_DELAY",
	} {
		if !slices.Contains(names, name) {
			t.Errorf("no %s in %q", name, names)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not sorted, or twice: %q", names)
	}
}

func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	for name, meant := range map[string]string{
		"CREDITS_ADDRESS":    "CREDITS_ADDR",
		"CREDITS_BASEURL":    "CREDITS_BASE_URL",
		"CREDITS_DMEO":       "CREDITS_DEMO",
		"CREDITS_DB_CONN":    "CREDITS_DB_CONNS",
		"CREDITS_LOGLEVEL":   "CREDITS_LOG_LEVEL",
		"CREDIT_DEMO":        "CREDITS_DEMO",
		"DATABASE_ULR":       "DATABASE_URL",
		"CREDITS_SECRET_KEY": "CREDITS_STRIPE_SECRET_KEY",
		"CREDITS_BROOM":      "",
		"CREDITS_":           "",
	} {
		got := config.Unknowns([]string{
			"PATH=/bin", name + "=s3cret", "CREDITS_ADDR=127.0.0.1:1", "HOME=/",
			"DATABASE=1",
		})
		if len(got) != 1 || got[0] != (config.Unknown{Name: name, Meant: meant}) {
			t.Errorf("%s: %+v, want %q", name, got, meant)
		}
	}
	if got := config.Unknowns([]string{
		"PATH=/bin", "DATABASE_HOST=h", "DATABASE_NAME=n", "CREDIT=1",
		"CREDITS_DEMO=1",
	}); got != nil {
		t.Errorf("%+v", got)
	}
}

// The documentation lists every variable that is read, and none that is not.
func TestEveryVariableIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, row[1])
	}
	slices.Sort(listed)
	if names := config.Names(); !slices.Equal(listed, names) {
		t.Errorf("listed are %q, read are %q", listed, names)
	}
}
