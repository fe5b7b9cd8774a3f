package plaintext_test

import (
	"strings"
	"testing"

	"pop.store/credits/internal/plaintext"
)

var good = []string{
	"", "Maya", "Zoë's Atelier", "חנות\u200f!", "\u200eshop\u200f", "می\u200cخواهم",
	"👩\u200d👩\u200d👧", "🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F",
	"🏴\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F FC", "🏴\u200d☠\ufe0f",
	"\u0600\u0661\u0662", "co\u00adoperate", "🇩🇪", "a\u0301",
}

var bad = []string{
	"a\u202eb", "a\u202ab", "\u2066x\u2069", "a\u2028b", "a\u2029b", "a\u0085b", "a\x00", "a\x1b[0m", "\x7f",
	"\ufeffa", "a\u206ab", "\ufff9", "\U000E0041", "\xff",
	"🏴\U000E0067\U000E0062", "🏴\U000E007F", "x\U000E0067\U000E007F", "\r",
}

func TestOneRuleForTexts(t *testing.T) {
	t.Parallel()
	for _, s := range good {
		if !plaintext.Valid(s) || !plaintext.OneLine(s) || plaintext.Clean(s) != s {
			t.Errorf("%+q is refused, or cleaned to %+q", s, plaintext.Clean(s))
		}
	}
	for _, s := range bad {
		if plaintext.Valid(s) || plaintext.OneLine(s) {
			t.Errorf("%+q passes", s)
		}
		if clean := plaintext.Clean(s); !plaintext.OneLine(clean) || !strings.Contains(clean, " ") {
			t.Errorf("%+q is cleaned to %+q", s, clean)
		}
	}
	if !plaintext.Valid("a\n\tb") || plaintext.OneLine("a\nb") || plaintext.OneLine("a\tb") ||
		plaintext.Clean("a\nb") != "a b" {
		t.Error("lines and tabs: a text may have them, a name may not")
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range append(good, bad...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if clean := plaintext.Clean(s); !plaintext.OneLine(clean) || plaintext.Clean(clean) != clean ||
			(plaintext.OneLine(s) && clean != s) {
			t.Errorf("%+q is cleaned to %+q", s, clean)
		}
	})
}
