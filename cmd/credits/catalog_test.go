package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"pop.store/credits/internal/catalog"
)

// prices writes a catalog file into a folder: the built-in one, with pairs of texts replaced.
func prices(t *testing.T, dir string, replace ...string) (file string) {
	t.Helper()
	text := strings.NewReplacer(replace...).Replace(string(catalog.DefaultFile))
	if len(replace) > 0 && text == string(catalog.DefaultFile) {
		t.Fatalf("nothing to replace: %q", replace)
	}
	file = filepath.Join(dir, "prices.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// at is the line of a text's first occurrence, as errors name it.
func at(t *testing.T, name, text string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(content), text)
	if !found {
		t.Fatalf("%q is not in %s", text, name)
	}
	return ":" + strconv.Itoa(1+strings.Count(before, "\n")) + ": "
}

const imagePrice = "many: images\n    pricing: fixed\n    price: 10\n"

func TestCatalogCheck(t *testing.T) {
	t.Parallel()
	s := setting{dir: t.TempDir()}
	file := prices(t, s.dir)
	want := "prices.yaml" + at(t, file, "feature: video_5s") +
		`warning: "AI Generated Videos" counts at 20 tokens, but video_5s costs 30
prices.yaml: no errors, 1 warning

` + catalog.DefaultVersion + `: 3 plans, 12 features, 3 packs
                            Starter    Pro    Star
  Tokens a month                200    400   1,000
  AI Generated PDFs               2      5      13
  AI Photoshoots                 20     40     100
  Social Comment Replies      4,000  8,000  20,000
  Comment to DM Automation    4,000  8,000  20,000
  AI Generated Videos            10     20      50
  AI Voice Dubbing               40     80     200
  Brand Deal Scans            2,000  4,000  10,000
`
	if got := s.succeeds(t, "catalog", "check", "prices.yaml"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := s.succeeds(t, "catalog", "default"); got != string(catalog.DefaultFile) {
		t.Errorf("the built-in catalog is %q", got)
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Each version has its date and its table.
func TestCatalogCheckVersions(t *testing.T) {
	t.Parallel()
	s := setting{dir: t.TempDir()}
	prices(t, s.dir, "    allowance: 400\n",
		"    allowance: 400\n    changes: [{from: 2027-03-01T00:00:00+01:00, allowance: 450.5}]\n")
	_, second, _ := strings.Cut(s.succeeds(t, "catalog", "check", "prices.yaml"),
		"Brand Deal Scans            2,000  4,000  10,000\n")
	for _, want := range []string{
		"\n2026-11-pop-store+", ", from 2027-02-28T23:00:00Z on: 3 plans,",
		"  Tokens a month                200  450.5   1,000\n",
		"  AI Photoshoots                 20     45     100\n",
	} {
		if !strings.Contains(second, want) {
			t.Errorf("%q is missing in %s", want, second)
		}
	}
}

// An invalid file: the check and a server report the same lines, and the server does not start.
func TestBadCatalog(t *testing.T) {
	t.Parallel()
	s := setting{dir: t.TempDir()}
	file := prices(t, s.dir, imagePrice, strings.Replace(imagePrice, "10", "-10", 1),
		"tokens: 100\n    price: 9.00\n    currency: USD\n", "price: 9.00\n    tokens: 100\n", "id: pro\n",
		"id: starter\n")
	first := strings.Trim(at(t, file, "id: starter"), ": ")
	reasons := []string{
		at(t, file, "id: starter\n    name: Pro") + `duplicate plan id "starter": first at line ` + first,
		at(t, file, "price: -10") + "price must not be negative",
		at(t, file, "price: 9.00\n    tokens") + "currency is missing: a price needs one, such as USD",
	}
	lines := func(name string) string { return name + strings.Join(reasons, "\n"+name) + "\n" }
	checked := s.run(t, "catalog", "check", "prices.yaml")
	if checked.code != 1 || checked.stdout != "" || checked.stderr != lines("prices.yaml") {
		t.Errorf("check: exit code %d, said %q and %q", checked.code, checked.stdout, checked.stderr)
	}
	served := s.with("CREDITS_CATALOG="+file).run(t, "serve", "--addr", freeAddr(t))
	if served.code != 1 || served.stdout != "" || served.stderr != lines(file) {
		t.Errorf("serve: exit code %d, said %q and %q", served.code, served.stdout, served.stderr)
	}
	missing := s.with("CREDITS_CATALOG=none.yaml").run(t, "serve", "--addr", freeAddr(t))
	if missing.code != 1 || missing.stdout != "" ||
		missing.stderr != "none.yaml: cannot be read: no such file or directory\n" {
		t.Errorf("no file: exit code %d, said %q and %q", missing.code, missing.stdout, missing.stderr)
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// SIGHUP loads a new file in a running server; an invalid one changes nothing.
func TestReloadCatalog(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}
	file := prices(t, s.dir)
	s = s.with("CREDITS_CATALOG=prices.yaml")
	p := s.serve(t)
	key := s.newKey(t, "admin")
	p.openAccount(t, key, "studio")
	if got := p.imagePrice(t, key); got != "10" {
		t.Errorf("an image costs %v", got)
	}
	if !strings.Contains(p.stderr.String(), `video_5s costs 30`) {
		t.Errorf("the start does not warn: %s", p.stderr)
	}

	prices(t, s.dir, imagePrice, strings.Replace(imagePrice, "10", "12.5", 1), "version: 2026-11-pop-store\n",
		"version: 2026-12\n")
	p.hangUp(t, "the catalog was reloaded")
	version, _ := p.api(t, http.StatusOK, key, http.MethodGet, "/v1/catalog", "")["version"].(string)
	if got := p.imagePrice(t, key); got != "12.5" || !strings.HasPrefix(version, "2026-12+") {
		t.Errorf("an image costs %v in %s", got, version)
	}
	charge := decoded(t, p.must(t, http.StatusCreated, http.MethodPost, "/v1/accounts/studio/charges",
		`{"feature":"image_generation"}`,
		"Authorization", "Bearer "+key, "Content-Type", "application/json", "Idempotency-Key", "image"))
	if charge["amount"] != "12.5" || charge["unit_price"] != "12.5" || charge["catalog_version"] != version {
		t.Errorf("charged %v", charge)
	}

	prices(t, s.dir, imagePrice, strings.Replace(imagePrice, "10", "1e1", 1), "    allowance: 400\n", "")
	p.hangUp(t, "the catalog was not reloaded")
	for _, want := range []string{
		"prices.yaml" + at(t, file, "id: pro") + "allowance is missing",
		"prices.yaml" + at(t, file, "price: 1e1") + "price must be a decimal number of tokens", version,
	} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%q is missing: %s", want, p.stderr)
		}
	}
	if got := p.imagePrice(t, key); got != "12.5" {
		t.Errorf("after a bad file an image costs %v", got)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.hangUp(t, "prices.yaml: cannot be read")
	if got := p.imagePrice(t, key); got != "12.5" {
		t.Errorf("without the file an image costs %v", got)
	}
	p.stop(t)
}

// hangUp sends SIGHUP and waits for a line about it.
func (p *server) hangUp(t *testing.T, says string) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.until(t, "it says: "+says, func() bool {
		_, after, said := strings.Cut(p.stderr.String(), says)
		return said && strings.Contains(after, "\n")
	})
}

func (p *server) imagePrice(t *testing.T, key string) any {
	t.Helper()
	features, _ := p.api(t, http.StatusOK, key, http.MethodGet, "/v1/catalog", "")["features"].([]any)
	for _, f := range features {
		if f, ok := f.(map[string]any); ok && f["id"] == "image_generation" {
			return f["price"]
		}
	}
	t.Fatalf("no image in %v", features)
	return nil
}
