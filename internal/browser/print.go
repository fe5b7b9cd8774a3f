package browser

import (
	"regexp"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Print shows the page as it would be printed, or on the screen again. The scheme is the one that a
// dark system would ask for, too.
func (p *Page) Print(on bool, scheme string) {
	p.t.Helper()
	media := "screen"
	if on {
		media = "print"
	}
	p.do("emulate "+media, command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}))
}

// sheet finds the sheets of a PDF.
var sheet = regexp.MustCompile(`/Type\s*/Page\b[^s]`)

// Sheets is how many sheets of paper the page takes, of a size in inches: A4 is 8.27 by 11.69,
// Letter 8.5 by 11.
func (p *Page) Sheets(width, height float64) int {
	p.t.Helper()
	ctx, cancel := p.bounded()
	defer cancel()
	pdf, err := chromedp.Call(ctx, page.PrintToPDF, page.PrintToPDFParams{PaperWidth: width, PaperHeight: height})
	if err != nil {
		p.fail("print: %v", err)
		return 0
	}
	return len(sheet.FindAll(pdf.Data, -1))
}
