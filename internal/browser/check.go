package browser

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// axeOptions select WCAG 2.0, 2.1 and 2.2 at A and AA, and the best practices. Nothing is
// preloaded: the page's policy would refuse requests by axe.
const axeOptions = `{
	runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
	resultTypes: ["violations"], preload: false,
}`

type violation struct {
	ID, Impact, Help, HelpURL string
	Nodes                     []struct {
		Target         []any
		HTML           string
		FailureSummary string
	}
}

// Axe fails the test for every finding of axe-core on the page in its current state.
func (p *Page) Axe(t testing.TB) {
	t.Helper()
	source, err := axeSource()
	if err != nil {
		t.Fatalf("browser: %v", err)
	}
	p.settle()
	if !Eval[bool](p, "typeof axe === 'object'") {
		Eval[chromedp.Void](p, source+";0")
	}
	found := Eval[[]violation](p, "axe.run(document, "+axeOptions+").then((r) => r.violations)")
	for _, v := range found {
		t.Error(v.report(p.URL()))
	}
}

func (v violation) report(url string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "axe: %s (%s) at %s: %s\n%s", v.ID, v.Impact, url, v.Help, v.HelpURL)
	for _, node := range v.Nodes {
		fmt.Fprintf(&b, "\n- %v\n  %s\n  %s", node.Target, node.HTML,
			strings.ReplaceAll(node.FailureSummary, "\n", "\n  "))
	}
	return b.String()
}

// axeSource reads axe-core from the folder of npm.
var axeSource = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(filepath.Join(root, "static", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		return "", fmt.Errorf("no axe-core: run `make setup` (%w)", err)
	}
	return string(source), nil
})

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}

// NoSidewaysScroll fails the test when the page is wider than the window, and names the elements
// that are too wide.
func (p *Page) NoSidewaysScroll(t testing.TB) {
	t.Helper()
	p.settle()
	ctx, cancel := p.bounded()
	defer cancel()
	over, err := ask[*struct {
		Width, Needs int
		Elements     []string
	}](ctx, "sideways")
	if err != nil {
		p.fail("measure the page: %v", err)
	}
	if over != nil {
		t.Errorf("browser: %s scrolls sideways: %d px in a window of %d px\n%s",
			p.URL(), over.Needs, over.Width, strings.Join(over.Elements, "\n"))
	}
}
