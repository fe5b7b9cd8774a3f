package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const source = `package small

// Fits reports whether a page of so many rows fits.
func Fits(rows, most int) bool {
	if rows < 0 {
		return false
	}
	return rows <= most
}
`

func TestChangesOfAFile(t *testing.T) {
	t.Parallel()
	found, err := changes("small.go", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range found {
		list = append(list, m.String())
		if bytes.Equal(m.apply([]byte(source)), []byte(source)) {
			t.Errorf("%s changes nothing", m)
		}
	}
	want := []string{
		"small.go:5: < -> <=",
		"small.go:5: 0 -> 1",
		"small.go:6: false -> true",
		"small.go:8: <= -> <",
	}
	if got := strings.Join(list, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the changes are\n%s", got)
	}
}

// A package whose test sees the limit and not what is below zero: the changes below zero stay
// green, and the tree is as it was.
func TestWhatNoTestNoticesIsListed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "go.mod", "module small\n\ngo 1.24\n")
	write(t, dir, "small.go", source)
	write(t, dir, "small_test.go", `package small

import "testing"

func TestFits(t *testing.T) {
	if !Fits(3, 3) || Fits(4, 3) || !Fits(1, 3) {
		t.Error("wrong")
	}
}
`)
	t.Chdir(dir)
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-sample", "0", "."}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"GREEN small.go:5: < -> <=\n",
		"GREEN small.go:6: false -> true\n",
		"red   small.go:8: <= -> <  <- TestFits\n",
		"4 changes, 1 red (25 %), 3 green\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
	if now, err := os.ReadFile(filepath.Join(dir, "small.go")); err != nil || string(now) != source {
		t.Errorf("the source was changed: %v\n%s", err, now)
	}
}

// Only changes that the quick tests do not notice cost the time of the slow ones.
func TestTheSlowestTestsRunLast(t *testing.T) {
	t.Parallel()
	output := `{"Action":"pass","Test":"TestQuick","Elapsed":0.1}
{"Action":"pass","Test":"TestModel","Elapsed":6}
{"Action":"pass","Test":"TestModel/part","Elapsed":5}
{"Action":"output","Test":"TestModel","Output":"ok"}
{"Action":"pass","Test":"TestCrash","Elapsed":5}
{"Action":"pass","Test":"TestOther","Elapsed":0.5}
{"Action":"pass","Elapsed":12}
`
	if got := slowest(timesOf([]byte(output))); got != "^(TestModel|TestCrash)$" {
		t.Errorf("the slow tests are %s", got)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
