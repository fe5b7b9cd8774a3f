package main_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db/testdb"
)

// refused expects one line on standard error that contains the texts.
func refused(t *testing.T, o outcome, code int, says ...string) {
	t.Helper()
	line, ok := strings.CutSuffix(o.stderr, "\n")
	if o.code != code || !ok || strings.ContainsAny(line, "\n\t") || !strings.HasPrefix(line, "credits: ") ||
		o.stdout != "" {
		t.Errorf("exit code %d, want %d and one line; said %q and %q", o.code, code, o.stdout, o.stderr)
	}
	for _, words := range says {
		if !strings.Contains(line, words) {
			t.Errorf("%q is missing in %q", words, line)
		}
	}
}

// An invalid command line or configuration is reported in one line, before anything is started or created.
func TestRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	serve := []string{"serve"}
	for _, c := range []struct {
		env  string
		args []string
		says string
	}{
		{"", nil, "credits help"},
		{"", []string{"fly"}, `"fly"`},
		{"", []string{"--serve"}, `"--serve"`},
		{"", []string{"serve", "--port", "80"}, "--addr HOST:PORT"},
		{"", []string{"serve", "now"}, "--addr HOST:PORT"},
		{"", []string{"serve", "--addr", "8080"}, `--addr: "8080" is not HOST:PORT`},
		{"", []string{"serve", "--addr", "127.0.0.1:65536"}, `"65536" is not a port`},
		{"", []string{"migrate", "--down"}, "no arguments"},
		{"", []string{"key"}, "key create"},
		{"", []string{"key", "lose"}, `"key lose"`},
		{"", []string{"key", "create"}, "--scopes"},
		{"", []string{"key", "create", "--scopes", "root"}, "read, spend, admin"},
		{"", []string{"key", "create", "--scopes", "read", "admin"}, "--scopes"},
		{"", []string{"key", "list", "all"}, "no arguments"},
		{"", []string{"key", "revoke"}, "key revoke ID"},
		{"", []string{"key", "revoke", "crk_1"}, `"crk_1" is not the id of a key`},
		{"", []string{"catalog"}, "catalog check FILE"},
		{"", []string{"catalog", "check"}, "catalog check FILE"},
		{"", []string{"catalog", "check", "a", "b"}, "catalog check FILE"},
		{"", []string{"catalog", "default", "a"}, "catalog check FILE"},
		{"CREDITS_DEMO=yes", serve, `CREDITS_DEMO: must be 0 or 1, not "yes"`},
		{"CREDITS_ADDR=localhost", serve, "CREDITS_ADDR"},
		{"CREDITS_BASE_URL=credits.example.com", serve, "CREDITS_BASE_URL"},
		{"CREDITS_BASE_URL=ftp://credits.example.com", serve, "CREDITS_BASE_URL"},
		{"CREDITS_TRUSTED_PROXIES=everybody", serve, "CREDITS_TRUSTED_PROXIES"},
		{"CREDITS_STRIPE_SECRET_KEY=sk_test_1", serve, "CREDITS_STRIPE_WEBHOOK_SECRET: is needed"},
		{"CREDITS_STRIPE_WEBHOOK_SECRET=whsec_1", serve, "CREDITS_STRIPE_SECRET_KEY: is needed"},
		{"CREDITS_DB_CONNS=0", serve, "CREDITS_DB_CONNS"},
		{"DATABASE_OWNER_URL=postgres://owner@localhost/credits", []string{"migrate"}, "DATABASE_URL"},
	} {
		t.Run(c.env+" "+strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			s := setting{dir: t.TempDir()}
			if c.env != "" {
				s = s.with(c.env)
			}
			refused(t, s.run(t, c.args...), 2, c.says)
			if left, err := os.ReadDir(s.dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"help", "-h", "--help"} {
		printed := setting{dir: t.TempDir()}.with("CREDITS_DEMO=broken").succeeds(t, word)
		for _, command := range []string{
			"credits serve", "credits migrate", "credits key create",
			"credits key list", "credits key revoke", "credits catalog check FILE",
		} {
			if !strings.Contains(printed, command) {
				t.Errorf("credits %s does not mention %q", word, command)
			}
		}
	}
}

// A used port is reported before a database is started.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := setting{dir: t.TempDir()}
	refused(t, s.run(t, "serve", "--addr", l.Addr().String()), 1, l.Addr().String()+" is in use", "--addr")
	refused(t, s.with("CREDITS_ADDR="+l.Addr().String()).run(t, "serve"), 1, "is in use")
	refused(t, s.run(t, "serve", "--addr", "192.0.2.1:80"), 1, "192.0.2.1:80") // an unassigned address
	if left, err := os.ReadDir(s.dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

const secret = "s3cret"

var commands = [][]string{{"serve", "--addr", "127.0.0.1:0"}, {"migrate"}, {"key", "list"}}

// An unreachable database or a wrong password: the line names the database, and never the password.
func TestUnreachableDatabase(t *testing.T) {
	t.Parallel()
	nobody := freeAddr(t)
	host, port, err := net.SplitHostPort(nobody)
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{
		"postgres://app:" + secret + "@" + nobody + "/credits?sslmode=disable",
		"postgres://app@" + nobody + "/credits?password=" + secret,
		"host=" + host + " port=" + port + " dbname=credits user=app password = " + secret,
		"postgres:///credits?host=/nowhere&user=app&password=" + secret,
		strings.Replace(testdb.Open(t).AppURL, "credits_app@", "app:"+secret+"@", 1), // an unknown user
	} {
		for _, command := range commands {
			o := setting{dir: t.TempDir()}.with("DATABASE_URL="+url).run(t, command...)
			refused(t, o, 1, "user=app")
			if strings.Contains(o.stderr, secret) {
				t.Errorf("%s prints the password of %s: %s", command[0], url, o.stderr)
			}
		}
	}
}

// An unreadable connection string may have its password anywhere, so nothing of it is printed.
func TestUnreadableDatabaseURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://app:" + secret + "%zz@localhost/credits",
		"postgres://app:a@" + secret + "@localhost:port/credits",
		"postgres://app:" + secret + "@localhost:port/credits",
		"postgres://app:" + secret + "/a@localhost/credits",
		"postgres://app@localhost/credits?sslmode=never&password=" + secret,
		"host=localhost port=port password = " + secret,
		"host=localhost port=port password='a " + secret + "'",
		"mysql://app:" + secret + "@localhost/credits",
		"app:" + secret + "@localhost",
		secret,
	} {
		for _, command := range commands {
			for _, env := range [][]string{
				{"DATABASE_URL=" + url},
				{"DATABASE_OWNER_URL=" + url, "DATABASE_URL=postgres://app@localhost/credits"},
			} {
				name, _, _ := strings.Cut(env[0], "=")
				o := setting{dir: t.TempDir()}.with(env...).run(t, command...)
				refused(t, o, 2, name+": cannot be read", "postgres://USER:PASSWORD@HOST:PORT/DATABASE")
				if strings.Contains(o.stderr, secret) {
					t.Errorf("%s prints the password of %s=%s: %s", command[0], name, url, o.stderr)
				}
			}
		}
	}
	o := setting{dir: t.TempDir()}.with("DATABASE_URL=postgres://app:"+secret+
		"@localhost/credits?sslmode=verify-full&sslrootcert=/nowhere/root.pem").run(t, "serve")
	refused(t, o, 2, "DATABASE_URL", "/nowhere/root.pem")
	if strings.Contains(o.stderr, secret) {
		t.Errorf("it prints the password: %s", o.stderr)
	}
}

// A database without the schema, or with an older one, needs `credits migrate` first.
func TestOldSchema(t *testing.T) {
	t.Parallel()
	check := func(what string, d testdb.DB) {
		t.Helper()
		s := setting{dir: t.TempDir()}.with("DATABASE_URL=" + d.AppURL)
		refused(t, s.run(t, "serve", "--addr", "127.0.0.1:0"), 1, "older", "credits migrate")
		refused(t, s.run(t, "key", "list"), 1, "older", "credits migrate")
		if t.Failed() {
			t.Log(what)
		}
	}
	check("empty", testdb.Empty(t))

	d := testdb.Open(t)
	owner, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.Background())
	if _, err := owner.Exec(t.Context(), "update public.schema_version set version = version - 1"); err != nil {
		t.Fatal(err)
	}
	check("one migration behind", d)
}

// Unusable data folders.
func TestUnusableDataFolder(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}
	file := filepath.Join(s.dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range commands {
		refused(t, s.with("CREDITS_DATA_DIR="+file).run(t, command...), 2, "CREDITS_DATA_DIR", file)
		refused(t, s.with("CREDITS_DATA_DIR=file/below").run(t, command...), 2, "CREDITS_DATA_DIR", "file")
	}
	// Other files in the place of our data.
	thesis := filepath.Join(s.dir, "var", "postgres", "thesis.txt")
	if err := os.MkdirAll(filepath.Dir(thesis), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(thesis, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range commands {
		refused(t, s.run(t, command...), 1, "holds other files")
	}
	for _, name := range []string{file, thesis} {
		if text, err := os.ReadFile(name); err != nil || string(text) != "mine" {
			t.Errorf("%s is %q, %v", name, text, err)
		}
	}
}

// A second server on the same data is refused, and the first continues.
func TestDataFolderInUse(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}
	p := s.serve(t)
	refused(t, s.run(t, "serve", "--addr", "127.0.0.1:0"), 1, "already running",
		filepath.Join(s.dir, "var", "postgres"))
	p.get(t, 200, "/readyz")
	p.stop(t)
}
