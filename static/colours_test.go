package static

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every pair of colours that stands on a page, with the contrast that WCAG AA asks for: 4.5 for text, 3 for what is not.
var pairs = []struct {
	front, back string
	want        float64
}{
	{"ink", "paper", 4.5},
	{"ink", "card", 4.5},
	{"ink", "sunk", 4.5},
	{"ink", "accent-wash", 4.5},
	{"paper", "ink", 4.5},
	{"soft", "paper", 4.5},
	{"soft", "card", 4.5},
	{"soft", "sunk", 4.5},
	{"accent-ink", "accent", 4.5},
	{"accent-ink", "accent-strong", 4.5},
	{"warn", "warn-wash", 4.5},
	{"bad", "bad-wash", 4.5},
	{"bad", "card", 4.5},
	{"bad", "sunk", 4.5},
	{"ok", "card", 4.5},
	{"ok", "ok-wash", 4.5},
	{"accent", "paper", 3},
	{"accent", "card", 3},
	{"accent", "accent-wash", 3},
	{"accent", "warn-wash", 3},
	{"accent", "bad-wash", 3},
	{"edge", "paper", 3},
	{"edge", "card", 3},
	{"edge", "sunk", 3},
	{"plan", "card", 3},
	{"promo", "card", 3},
	{"adjustment", "card", 3},
	{"purchase", "card", 3},
}

func TestContrast(t *testing.T) {
	t.Parallel()
	css := string(assets["app.css"].plain)
	for name, start := range map[string]string{"light": ":root{--paper", `dark by system`: `:root:not([data-theme=light]){--paper`, "dark by choice": `:root[data-theme=dark]{--paper`} {
		_, rest, ok := strings.Cut(css, start)
		if !ok {
			t.Fatalf("no %s colours in the stylesheet", name)
		}
		block, _, _ := strings.Cut("--paper"+rest, "}")
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+):(#[0-9a-f]{3,6})\b`).FindAllStringSubmatch(block, -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		for _, p := range pairs {
			a, okA := colours[p.front]
			b, okB := colours[p.back]
			if !okA || !okB {
				t.Fatalf("%s: no colour %s or %s", name, p.front, p.back)
			}
			if got := (math.Max(a, b) + 0.05) / (math.Min(a, b) + 0.05); got < p.want {
				t.Errorf("%s: %s on %s has a contrast of %.2f, want %.1f", name, p.front, p.back, got, p.want)
			}
		}
	}
}

// luminance is the relative luminance of WCAG 2.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	hex = hex[1:]
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	channel := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}
