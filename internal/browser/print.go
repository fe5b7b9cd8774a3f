package browser

import (
	"regexp"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Print switches the page to print media, or back to the screen. scheme is the system's colour
// scheme.
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

// sheet matches the pages of a PDF.
var sheet = regexp.MustCompile(`/Type\s*/Page\b[^s]`)

// Sheets is how many sheets the page takes in print. The size is in inches: A4 is 8.27 by 11.69,
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
