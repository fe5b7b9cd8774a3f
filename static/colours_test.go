package static

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every pair of colours that stands on a page, with the contrast that WCAG AA asks for: 4.5 for
// text, 3 for what is not.
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
	{"series-a", "card", 3},
	{"series-b", "card", 3},
	{"series-c", "card", 3},
	{"series-d", "card", 3},
	{"series-e", "card", 3},
	{"series-f", "card", 3},
	{"series-g", "card", 3},
	{"series-rest", "card", 3},
}

func TestContrast(t *testing.T) {
	t.Parallel()
	for name, colours := range palettes(t) {
		for _, p := range pairs {
			a, okA := colours[p.front]
			b, okB := colours[p.back]
			if !okA || !okB {
				t.Fatalf("%s: no colour %s or %s", name, p.front, p.back)
			}
			lightA, lightB := luminance(a), luminance(b)
			if got := (math.Max(lightA, lightB) + 0.05) / (math.Min(lightA, lightB) + 0.05); got < p.want {
				t.Errorf("%s: %s on %s has a contrast of %.2f, want %.1f", name, p.front, p.back, got, p.want)
			}
		}
	}
}

// rgb is a colour in linear light, 0 to 1.
type rgb [3]float64

// palettes are the colours of the stylesheet by name, for each look.
func palettes(t *testing.T) map[string]map[string]rgb {
	t.Helper()
	css := string(assets["app.css"].plain)
	found := map[string]map[string]rgb{}
	for name, start := range map[string]string{
		"light":          ":root{--paper",
		`dark by system`: `:root:not([data-theme=light]){--paper`,
		"dark by choice": `:root[data-theme=dark]{--paper`,
	} {
		_, rest, ok := strings.Cut(css, start)
		if !ok {
			t.Fatalf("no %s colours in the stylesheet", name)
		}
		block, _, _ := strings.Cut("--paper"+rest, "}")
		found[name] = map[string]rgb{}
		for _, m := range regexp.MustCompile(`--([a-z-]+):(#[0-9a-f]{3,6})\b`).FindAllStringSubmatch(block, -1) {
			found[name][m[1]] = linear(t, m[2])
		}
	}
	return found
}

// eyes are ways to see: what reaches the eye becomes what a person with full colour vision would
// have to see for the same impression (Machado, Oliveira and Fernandes 2009, severity 1.0).
var eyes = map[string][3]rgb{
	"all colours": {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia": {
		{0.152286, 1.052583, -0.204868},
		{0.114503, 0.786281, 0.099216},
		{-0.003882, -0.048116, 1.051998},
	},
	"deuteranopia": {
		{0.367322, 0.860646, -0.227968},
		{0.280085, 0.672501, 0.047413},
		{-0.011820, 0.042940, 0.968881},
	},
	"tritanopia": {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
}

// apart is how far two colours of a chart must be from each other for every eye, in CIE Lab: ten is
// told apart at a glance.
const apart = 10

// Nobody has to guess which series is which: the colours differ for colour-blind people too, and
// each has its name beside it.
func TestSeriesCanBeToldApart(t *testing.T) {
	t.Parallel()
	for look, colours := range palettes(t) {
		var names []string
		for name := range colours {
			if strings.HasPrefix(name, "series-") {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		if len(names) != 8 {
			t.Fatalf("%s: %d colours for series", look, len(names))
		}
		for eye, matrix := range eyes {
			for i, a := range names {
				for _, b := range names[:i] {
					if d := distance(seen(matrix, colours[a]), seen(matrix, colours[b])); d < apart {
						t.Errorf("%s, %s: %s and %s are %.1f apart", look, eye, a, b, d)
					}
				}
			}
		}
	}
}

func seen(by [3]rgb, c rgb) rgb {
	var out rgb
	for i, row := range by {
		out[i] = min(max(row[0]*c[0]+row[1]*c[1]+row[2]*c[2], 0), 1)
	}
	return out
}

// distance is CIE76.
func distance(a, b rgb) float64 {
	labA, labB := lab(a), lab(b)
	var sum float64
	for i := range labA {
		sum += (labA[i] - labB[i]) * (labA[i] - labB[i])
	}
	return math.Sqrt(sum)
}

func lab(c rgb) [3]float64 {
	f := func(v float64) float64 {
		if v > 216.0/24389 {
			return math.Cbrt(v)
		}
		return (24389.0/27*v + 16) / 116
	}
	x := f((0.4124*c[0] + 0.3576*c[1] + 0.1805*c[2]) / 0.95047)
	y := f(luminance(c))
	z := f((0.0193*c[0] + 0.1192*c[1] + 0.9505*c[2]) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// luminance is the relative luminance of WCAG 2.
func luminance(c rgb) float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }

func linear(t *testing.T, hex string) rgb {
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
	return rgb{channel(16), channel(8), channel(0)}
}
