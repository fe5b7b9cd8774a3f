package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Screenshot writes a PNG of the window, or of the whole page, once fonts, images and animations
// are complete.
func (p *Page) Screenshot(path string, fullPage bool) {
	p.t.Helper()
	p.settle()
	ctx, cancel := p.bounded()
	defer cancel()
	if err := capture(ctx, path, fullPage); err != nil {
		p.fail("take a screenshot: %v", err)
	}
}

// settle waits until nothing on the page changes. Without scripts that is not known, but little
// moves.
func (p *Page) settle() {
	p.t.Helper()
	if p.noScript {
		time.Sleep(5 * twoFrames)
		return
	}
	ctx, cancel := p.bounded()
	defer cancel()
	if _, err := ask[chromedp.Void](ctx, "settle"); err != nil {
		p.fail("wait for the page to settle: %v", err)
	}
}

func capture(ctx context.Context, path string, fullPage bool) error {
	shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Format: page.CaptureScreenshotFormatPng, CaptureBeyondViewport: &fullPage,
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, shot.Data, 0o644)
}

var notInFileNames = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// snapshot saves a screenshot of a failure: to the test's artifacts with go test -artifacts, else
// to the folder for temporary files, where it outlives the test.
func (p *Page) snapshot(ctx context.Context) (string, error) {
	dir := filepath.Join(os.TempDir(), "credits-screenshots")
	if kept := flag.Lookup("test.artifacts"); kept != nil && kept.Value.String() == "true" {
		dir = p.t.ArtifactDir()
	}
	name := fmt.Sprintf("%s-%s.png", notInFileNames.ReplaceAllString(p.t.Name(), "-"),
		time.Now().Format("150405.000"))
	path := filepath.Join(dir, name)
	return path, capture(ctx, path, false)
}
