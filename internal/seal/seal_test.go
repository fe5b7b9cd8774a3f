package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"pop.store/credits/internal/seal"
)

func keys(t *testing.T, fill ...byte) *seal.Keys {
	t.Helper()
	var raw [][]byte
	for _, b := range fill {
		raw = append(raw, bytes.Repeat([]byte{b}, seal.KeySize))
	}
	k, err := seal.New(raw...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealing(t *testing.T) {
	t.Parallel()
	old, both, fresh := keys(t, 1), keys(t, 2, 1), keys(t, 2)
	secret := []byte("a secret of thirty-two bytes, so")
	sealed := old.Seal(secret, "row 1")
	if bytes.Contains(sealed, secret) || bytes.Equal(sealed, old.Seal(secret, "row 1")) {
		t.Errorf("sealed as %q", sealed)
	}
	for name, k := range map[string]*seal.Keys{"its own key": old, "both keys": both} {
		if got, err := k.Open(sealed, "row 1"); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := both.Open(sealed, "row 2"); err == nil {
		t.Error("it opens for another row")
	}
	for name, k := range map[string]*seal.Keys{
		"another key": fresh,
		"no keys":     keys(t),
		"nil":         nil,
	} {
		if _, err := k.Open(sealed, "row 1"); !errors.Is(err, seal.ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if got, err := old.Open(changed, "row 1"); err == nil && bytes.Equal(got, secret) {
			t.Errorf("byte %d can be changed", i)
		}
		if _, err := old.Open(sealed[:i], "row 1"); err == nil && i >= 8 {
			t.Errorf("its first %d bytes open", i)
		}
	}
	if !old.Current(sealed) || both.Current(sealed) || fresh.Current(sealed) || keys(t).Current(sealed) ||
		!both.Current(both.Seal(secret, "")) {
		t.Error("which values are sealed with the first key is not known")
	}
}

// Without a key everything is plain, and what is plain opens with every key.
func TestPlain(t *testing.T) {
	t.Parallel()
	secret := []byte("plain")
	for name, k := range map[string]*seal.Keys{"nil": nil, "none": keys(t)} {
		if got := k.Seal(secret, ""); !bytes.Equal(got, secret) || !k.Current(got) {
			t.Errorf("%s: %q", name, got)
		}
	}
	k := keys(t, 1)
	if got, err := k.Open(secret, ""); err != nil || !bytes.Equal(got, secret) || k.Current(secret) {
		t.Errorf("%q, %v", got, err)
	}
	if got := k.Seal(nil, ""); len(got) != 0 || !k.Current(got) {
		t.Errorf("nothing becomes %q", got)
	}
	if _, err := seal.New(make([]byte, 31)); err == nil {
		t.Error("a short key is taken")
	}
}
