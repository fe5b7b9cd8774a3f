package config_test

import (
	"errors"
	"strings"
	"testing"

	"pop.store/credits/internal/config"
)

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := config.Load(env(nil))
	if err != nil || c.Addr != "127.0.0.1:8080" || c.DataDir != "var" || c.Demo || c.BaseURL != nil ||
		c.DatabaseURL != "" || c.Catalog != "" {
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
		"CREDITS_ADDR":                  {"8080", "host:", "host:abc", "host:70000"},
		"CREDITS_DEMO":                  {"yes", "true", "2"},
		"CREDITS_WEBHOOK_ALLOW_PRIVATE": {"yes", "true"},
		"CREDITS_BASE_URL": {
			"credits.example.com", "ftp://x", "https://x/path", "https://u:p@x",
			"https://", "http://%zz",
		},
		"CREDITS_TRUSTED_PROXIES": {"10.0.0.1", "10.0.0.0/8,abc"},
		"CREDITS_DB_CONNS":        {"1", "abc", "100000"},
		"CREDITS_SMTP_URL": {
			"mail.example", "http://mail.example", "smtp://", "smtp://h:0",
			"smtp://h:70000", "smtp://h/path", "smtp://h?x=1", "smtp://u:p%zz@h",
		},
		"CREDITS_ENCRYPTION_KEY": {
			"x", "c2hvcnQ=", strings.Repeat("A", 43), strings.Repeat("A", 43) + "=,",
			strings.Repeat(strings.Repeat("A", 43)+"=,", 11),
		},
		"CREDITS_SELLER":    {";", " ; ;", "a\nb", "a;\xff", strings.Repeat("x", 121), strings.Repeat("x;", 11)},
		"CREDITS_MAIL_FROM": {"credits", "a@b, c@d", "Credits <credits@example.com"},
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

func TestSeller(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":                                       "Credits",
		"Credits Ltd":                            "Credits Ltd",
		" Credits Ltd ; 1 Main Street;;VAT GB1 ": "Credits Ltd|1 Main Street|VAT GB1",
	} {
		c, err := config.Load(env(map[string]string{"CREDITS_SELLER": value}))
		if got := strings.Join(c.Seller, "|"); err != nil || got != want {
			t.Errorf("%q is %q, %v", value, got, err)
		}
	}
}

func TestMail(t *testing.T) {
	t.Parallel()
	c, err := config.Load(env(nil))
	if err != nil || c.SMTP != nil || c.MailFrom.Address != "credits@localhost" {
		t.Errorf("%+v, %v", c, err)
	}
	set := map[string]string{
		"CREDITS_SMTP_URL":  "smtp://maya:se%40cret@mail.example:2525",
		"CREDITS_MAIL_FROM": "Credits <credits@shop.example>",
	}
	c, err = config.Load(env(set))
	if err != nil || c.SMTP.Host != "mail.example:2525" || c.MailFrom.Address != "credits@shop.example" ||
		c.MailFrom.Name != "Credits" {
		t.Errorf("%+v, %v", c, err)
	}
	if password, _ := c.SMTP.User.Password(); password != "se@cret" {
		t.Errorf("the password is %q", password)
	}
	delete(set, "CREDITS_MAIL_FROM")
	var bad *config.Error
	if _, err := config.Load(env(set)); !errors.As(err, &bad) || bad.Name != "CREDITS_MAIL_FROM" {
		t.Errorf("a server without a sender: %v", err)
	}
}

// What cannot be read may have a password in it.
func TestAPasswordIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"smtp://maya:hunter2@h/path", "maya:hunter2@h", "smtp://maya:hunter2%zz@h",
		"smtp://maya:hunter2@h:0",
	} {
		_, err := config.Load(env(map[string]string{"CREDITS_SMTP_URL": value, "CREDITS_MAIL_FROM": "a@b.example"}))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestEncryptionKeys(t *testing.T) {
	t.Parallel()
	one, two := strings.Repeat("A", 43)+"=", strings.Repeat("/", 42)+"8="
	c, err := config.Load(env(map[string]string{"CREDITS_ENCRYPTION_KEY": one + ", " + two}))
	if err != nil || len(c.EncryptionKeys) != 2 || len(c.EncryptionKeys[0]) != 32 ||
		c.EncryptionKeys[0][31] != 0 || c.EncryptionKeys[1][0] != 255 {
		t.Errorf("%v, %v", c.EncryptionKeys, err)
	}
	secret := strings.Repeat("secret", 5)
	if _, err := config.Load(env(map[string]string{"CREDITS_ENCRYPTION_KEY": secret})); err == nil ||
		strings.Contains(err.Error(), "secretsecret") {
		t.Errorf("it repeats what may be a key: %v", err)
	}
}
