// Package config reads the configuration from environment variables, once, at start. It also finds
// misspelt variables.
package config

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pop.store/credits/internal/logs"
)

// Config has all settings. docs/configuration.md describes the variables.
type Config struct {
	Addr           string         // CREDITS_ADDR: host:port to listen on
	BaseURL        *url.URL       // CREDITS_BASE_URL: how browsers reach the app; nil: the address that it listens on
	DatabaseURL    string         // DATABASE_URL; empty: an embedded Postgres
	OwnerURL       string         // DATABASE_OWNER_URL: owner of the tables, for migrations; empty: DatabaseURL
	DataDir        string         // CREDITS_DATA_DIR: where the embedded Postgres keeps its data
	Demo           bool           // CREDITS_DEMO=1: demo creator, one-click sign-in, sandbox payments
	TrustedProxies []netip.Prefix // CREDITS_TRUSTED_PROXIES: whose X-Forwarded-For is believed
	MaxConns       int32          // CREDITS_DB_CONNS: size of the connection pool
	Catalog        string         // CREDITS_CATALOG: file of plans and prices; empty: the built-in catalog
	Stripe         Stripe         // CREDITS_STRIPE_...: the payment provider
	// CREDITS_WEBHOOK_ALLOW_PRIVATE=1: webhooks may go to private addresses, and without https
	WebhookPrivate bool
	// CREDITS_SMTP_URL: the mail server, smtp or smtps, maybe with a password; nil: e-mails are
	// written as files
	SMTP     *url.URL
	MailFrom *mail.Address // CREDITS_MAIL_FROM: whom e-mails are from
	// CREDITS_ENCRYPTION_KEY: what stored secrets are encrypted with, the first one; the others only decrypt
	EncryptionKeys [][]byte
	// CREDITS_SELLER: who sells the packs, as receipts have it: the name, then further lines
	Seller    []string
	LogLevel  slog.Level  // CREDITS_LOG_LEVEL: the least important lines that are logged
	LogFormat logs.Format // CREDITS_LOG_FORMAT: text or json
	// CREDITS_SHUTDOWN_DELAY: from SIGTERM, when /readyz begins to answer 503, until the port closes
	ShutdownDelay time.Duration
}

// Error is a variable that cannot be used. Its text is one line for the person who set it.
type Error struct {
	Name, Reason string
}

func (e *Error) Error() string { return e.Name + ": " + e.Reason }

// Defaults of what is not set.
const (
	defaultAddr    = "127.0.0.1:8080"
	defaultDataDir = "var"
	defaultConns   = 16
	defaultFrom    = "Credits <credits@localhost>"
	defaultSeller  = "Credits"
	defaultDelay   = 5 * time.Second
	maxDelay       = 5 * time.Minute
)

// Load reads the variables through getenv. The error is an *Error.
func Load(getenv func(string) string) (Config, error) {
	c := Config{
		Addr:        or(getenv("CREDITS_ADDR"), defaultAddr),
		DatabaseURL: getenv("DATABASE_URL"),
		OwnerURL:    getenv("DATABASE_OWNER_URL"),
		DataDir:     or(getenv("CREDITS_DATA_DIR"), defaultDataDir),
		Catalog:     getenv("CREDITS_CATALOG"),
	}
	if c.OwnerURL == "" {
		c.OwnerURL = c.DatabaseURL
	}
	var err error
	if c.Demo, err = flag("CREDITS_DEMO", getenv("CREDITS_DEMO")); err != nil {
		return Config{}, err
	}
	if c.WebhookPrivate, err = flag("CREDITS_WEBHOOK_ALLOW_PRIVATE",
		getenv("CREDITS_WEBHOOK_ALLOW_PRIVATE")); err != nil {
		return Config{}, err
	}
	if c.BaseURL, err = baseURL(getenv("CREDITS_BASE_URL")); err != nil {
		return Config{}, err
	}
	if c.TrustedProxies, err = prefixes(getenv("CREDITS_TRUSTED_PROXIES")); err != nil {
		return Config{}, err
	}
	if c.MaxConns, err = conns(getenv("CREDITS_DB_CONNS")); err != nil {
		return Config{}, err
	}
	if c.SMTP, err = smtpURL(getenv("CREDITS_SMTP_URL")); err != nil {
		return Config{}, err
	}
	if c.MailFrom, err = mailFrom(getenv("CREDITS_MAIL_FROM"), c.SMTP != nil); err != nil {
		return Config{}, err
	}
	if c.Seller, err = seller(getenv("CREDITS_SELLER")); err != nil {
		return Config{}, err
	}
	if c.EncryptionKeys, err = encryptionKeys(getenv("CREDITS_ENCRYPTION_KEY")); err != nil {
		return Config{}, err
	}
	if c.Stripe, err = stripe(getenv, c.Demo); err != nil {
		return Config{}, err
	}
	if c.LogLevel, err = logLevel(getenv("CREDITS_LOG_LEVEL")); err != nil {
		return Config{}, err
	}
	if c.LogFormat, err = logFormat(getenv("CREDITS_LOG_FORMAT")); err != nil {
		return Config{}, err
	}
	if c.ShutdownDelay, err = shutdownDelay(getenv("CREDITS_SHUTDOWN_DELAY")); err != nil {
		return Config{}, err
	}
	return c, CheckAddr("CREDITS_ADDR", c.Addr)
}

// CheckAddr checks that addr is a host and a port. name is the setting in the error.
func CheckAddr(name, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return &Error{name, fmt.Sprintf("%q is not HOST:PORT", addr)}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return &Error{name, fmt.Sprintf("%q is not a port", port)}
	}
	return nil
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

func flag(name, value string) (bool, error) {
	switch value {
	case "", "0":
		return false, nil
	case "1":
		return true, nil
	}
	return false, &Error{name, fmt.Sprintf("must be 0 or 1, not %q", value)}
}

// baseURL reads a scheme, a host and an optional port. The error does not repeat the value: it may
// have a password.
func baseURL(value string) (*url.URL, error) {
	if value == "" {
		return nil, nil
	}
	wrong := &Error{
		"CREDITS_BASE_URL",
		"is not an address such as https://credits.example.com, without a user, a path, a query or a fragment",
	}
	u, err := url.Parse(strings.TrimSuffix(value, "/"))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Path != "" || !hostAlone(u, value) {
		return nil, wrong
	}
	return u, nil
}

// notInHosts are characters that url.Parse lets through in a host.
const notInHosts = `"'<>\^{|}`

// hostAlone reports whether the address has only a host and an optional port: no user, query or
// fragment, not even empty ones.
func hostAlone(u *url.URL, value string) bool {
	return u.User == nil && hostAndMore(u, value)
}

// hostAndMore is hostAlone for an address that may name a user.
func hostAndMore(u *url.URL, value string) bool {
	host, port := u.Hostname(), u.Port()
	if host == "" || u.Opaque != "" || strings.ContainsAny(value, "?#") || strings.HasSuffix(u.Host, ":") {
		return false
	}
	if n, err := strconv.Atoi(or(port, "1")); err != nil || n < 1 || n > 65535 {
		return false
	}
	return !strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || strings.ContainsRune(notInHosts, r) })
}

// smtpURL reads the address of the mail server. The error does not repeat the value: it may have a
// password.
func smtpURL(value string) (*url.URL, error) {
	if value == "" {
		return nil, nil
	}
	wrong := &Error{
		"CREDITS_SMTP_URL",
		"is not an address such as smtp://USER:PASSWORD@HOST:587 or smtps://HOST:465, " +
			"with special characters percent-encoded",
	}
	u, err := url.Parse(strings.TrimSuffix(value, "/"))
	if err != nil || (u.Scheme != "smtp" && u.Scheme != "smtps") || u.Path != "" || !hostAndMore(u, value) {
		return nil, wrong
	}
	return u, nil
}

// mailFrom reads the sender of e-mails. It is required with a mail server.
func mailFrom(value string, needed bool) (*mail.Address, error) {
	if value == "" && needed {
		return nil, &Error{
			"CREDITS_MAIL_FROM",
			`must be set with CREDITS_SMTP_URL, such as "Credits <credits@example.com>"`,
		}
	}
	address, err := mail.ParseAddress(or(value, defaultFrom))
	if err != nil {
		return nil, &Error{
			"CREDITS_MAIL_FROM",
			fmt.Sprintf(`%q is not an address such as "Credits <credits@example.com>"`, value),
		}
	}
	return address, nil
}

// Limits of what receipts say of the seller.
const (
	maxSellerLines = 10
	maxSellerLine  = 120 // characters
)

// seller reads who sells: lines with semicolons between them, the name first.
func seller(value string) ([]string, error) {
	var lines []string
	for line := range strings.SplitSeq(or(value, defaultSeller), ";") {
		line = strings.TrimSpace(line)
		if line != "" {
			lines = append(lines, line)
		}
		if utf8.RuneCountInString(line) > maxSellerLine || strings.ContainsFunc(line, unicode.IsControl) ||
			!utf8.ValidString(line) {
			return nil, &Error{
				"CREDITS_SELLER",
				fmt.Sprintf("has a line of more than %d characters, or one that is no plain text", maxSellerLine),
			}
		}
	}
	if len(lines) == 0 || len(lines) > maxSellerLines {
		return nil, &Error{
			"CREDITS_SELLER",
			fmt.Sprintf(`must be 1 to %d lines with ";" between them, the name first`, maxSellerLines),
		}
	}
	return lines, nil
}

// Limits of the keys for stored secrets.
const (
	encryptionKey     = 32 // bytes
	maxEncryptionKeys = 10
)

// encryptionKeys reads keys separated by commas. The error does not repeat the value.
func encryptionKeys(value string) ([][]byte, error) {
	if value == "" {
		return nil, nil
	}
	var keys [][]byte
	for part := range strings.SplitSeq(value, ",") {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(part))
		if err != nil || len(key) != encryptionKey || len(keys) == maxEncryptionKeys {
			return nil, &Error{
				"CREDITS_ENCRYPTION_KEY",
				fmt.Sprintf("must be %d random bytes in base64, such as openssl rand -base64 %d prints; "+
					"up to %d with commas",
					encryptionKey, encryptionKey, maxEncryptionKeys),
			}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func prefixes(value string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, &Error{"CREDITS_TRUSTED_PROXIES", fmt.Sprintf("%q is not a range such as 10.0.0.0/8", part)}
		}
		list = append(list, p)
	}
	return list, nil
}

func conns(value string) (int32, error) {
	if value == "" {
		return defaultConns, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 4 || n > 1000 {
		return 0, &Error{"CREDITS_DB_CONNS", fmt.Sprintf("must be a number from 4 to 1000, not %q", value)}
	}
	return int32(n), nil
}

func logLevel(value string) (slog.Level, error) {
	switch value {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, &Error{"CREDITS_LOG_LEVEL", fmt.Sprintf("must be debug, info, warn or error, not %q", value)}
}

func logFormat(value string) (logs.Format, error) {
	switch f := logs.Format(or(value, string(logs.Text))); f {
	case logs.Text, logs.JSON:
		return f, nil
	}
	return "", &Error{"CREDITS_LOG_FORMAT", fmt.Sprintf("must be text or json, not %q", value)}
}

func shutdownDelay(value string) (time.Duration, error) {
	if value == "" {
		return defaultDelay, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || d > maxDelay {
		return 0, &Error{"CREDITS_SHUTDOWN_DELAY", fmt.Sprintf("must be a time such as 10s, from 0s to 5m, not %q",
			value)}
	}
	return d, nil
}
