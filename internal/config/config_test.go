package config_test

import (
	"errors"
	"testing"

	"pop.store/credits/internal/config"
)

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := config.Load(env(nil))
	if err != nil || c.Addr != "127.0.0.1:8080" || c.DataDir != "var" || c.Demo || c.BaseURL != nil || c.DatabaseURL != "" || c.Catalog != "" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestCatalog(t *testing.T) {
	t.Parallel()
	c, err := config.Load(env(map[string]string{"CREDITS_CATALOG": "prices.yaml"}))
	if err != nil || c.Catalog != "prices.yaml" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestTheOwnerIsTheServerUnlessSet(t *testing.T) {
	t.Parallel()
	c, err := config.Load(env(map[string]string{"DATABASE_URL": "postgres://a"}))
	if err != nil || c.OwnerURL != "postgres://a" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestEveryBadValueNamesItsVariable(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"CREDITS_ADDR":            {"8080", "host:", "host:abc", "host:70000"},
		"CREDITS_DEMO":            {"yes", "true", "2"},
		"CREDITS_BASE_URL":        {"credits.example.com", "ftp://x", "https://x/path", "https://u:p@x", "https://", "http://%zz"},
		"CREDITS_TRUSTED_PROXIES": {"10.0.0.1", "10.0.0.0/8,abc"},
		"CREDITS_DB_CONNS":        {"1", "abc", "100000"},
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
