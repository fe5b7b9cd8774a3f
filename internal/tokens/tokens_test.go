package tokens_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"pop.store/credits/internal/tokens"
)

func TestParse(t *testing.T) {
	t.Parallel()
	good := map[string]tokens.Amount{
		"0":            0,
		"1":            tokens.One,
		"0.05":         50_000,
		"42.5":         42_500_000,
		"-0.1":         -100_000,
		"0.000001":     1,
		"200":          200 * tokens.One,
		"100000000000": tokens.Max,
		"1.500000":     1_500_000,
	}
	for text, want := range good {
		got, err := tokens.Parse(text)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	bad := map[string]error{
		"":                       tokens.ErrSyntax,
		"-":                      tokens.ErrSyntax,
		".5":                     tokens.ErrSyntax,
		"5.":                     tokens.ErrSyntax,
		"+1":                     tokens.ErrSyntax,
		"1e3":                    tokens.ErrSyntax,
		"-0":                     tokens.ErrSyntax,
		"-0.000":                 tokens.ErrSyntax,
		"007":                    tokens.ErrSyntax,
		"NaN":                    tokens.ErrSyntax,
		"1,5":                    tokens.ErrSyntax,
		" 1":                     tokens.ErrSyntax,
		"٣":                      tokens.ErrSyntax,
		"1.0000001":              tokens.ErrPrecision,
		"100000000000.000001":    tokens.ErrRange,
		strings.Repeat("9", 400): tokens.ErrRange,
	}
	for text, want := range bad {
		if got, err := tokens.Parse(text); !errors.Is(err, want) {
			t.Errorf("Parse(%q) = %d, %v; want %v", text, got, err, want)
		}
	}
}

func TestStringIsShortestAndReadsBack(t *testing.T) {
	t.Parallel()
	for amount, want := range map[tokens.Amount]string{
		200 * tokens.One: "200",
		199_850_000:      "199.85",
		-50_000:          "-0.05",
		0:                "0",
		1:                "0.000001",
	} {
		if got := amount.String(); got != want {
			t.Errorf("%d.String() = %q, want %q", int64(amount), got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a := tokens.Amount(rapid.Int64Range(-int64(tokens.Max), int64(tokens.Max)).Draw(t, "amount"))
		text := a.String()
		if back, err := tokens.Parse(text); err != nil || back != a {
			t.Fatalf("Parse(%q) = %d, %v; want %d", text, back, err, a)
		}
		if strings.Contains(text, ".") && (strings.HasSuffix(text, "0") || strings.HasSuffix(text, ".")) {
			t.Fatalf("%q is not the shortest form", text)
		}
	})
}

func TestTimesAgreesWithBigIntegers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Int64Range(0, int64(tokens.Max)).Draw(t, "amount")
		n := rapid.Int64().Draw(t, "count")
		exact := new(big.Int).Mul(big.NewInt(a), big.NewInt(n))
		got, ok := tokens.Amount(a).Times(n)
		fits := n >= 0 && exact.Cmp(big.NewInt(int64(tokens.Max))) <= 0
		if ok != fits || (ok && exact.Int64() != int64(got)) {
			t.Fatalf("%d x %d = %d, %v", a, n, got, ok)
		}
	})
}

// The plan table of the article follows from allowance and rate: 200 tokens are 4,000 replies at 0.05.
func TestFits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount, price string
		want          int64
	}{
		{"200", "0.05", 4000},
		{"200", "75", 2},
		{"1000", "75", 13},
		{"400", "0.1", 4000},
		{"0", "5", 0},
		{"5", "0", 0},
	} {
		if got := tokens.MustParse(c.amount).Fits(tokens.MustParse(c.price)); got != c.want {
			t.Errorf("%s fits %s %d times, want %d", c.amount, c.price, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0.05", "-1", "1e3", "100000000000", "0.0000001", "-0", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := tokens.Parse(s)
		if err != nil {
			return
		}
		if back, err := tokens.Parse(a.String()); err != nil || back != a {
			t.Fatalf("Parse(%q) = %d does not read back: %d, %v", s, a, back, err)
		}
	})
}
