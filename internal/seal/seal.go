// Package seal encrypts small secrets that are stored, with AES-256-GCM and keys that can be changed.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// KeySize is how long a key is, in bytes.
const KeySize = 32

// A sealed value is mark, the id of its key, nonce, ciphertext. What does not begin with mark is plain.
const (
	mark   = "sealed1\x00"
	idSize = 4
)

// ErrNoKey says that a value is sealed with a key that is not at hand.
var ErrNoKey = errors.New("seal: it is sealed with another key")

// Keys seal and open. The first one seals, all of them open. No keys leave everything plain; so
// does a nil *Keys. They are safe for concurrent use.
type Keys struct {
	list []key
}

type key struct {
	id   [idSize]byte // the beginning of its hash
	aead cipher.AEAD
}

// New makes keys of KeySize bytes each; the first one seals.
func New(raw ...[]byte) (*Keys, error) {
	keys := &Keys{}
	for _, r := range raw {
		if len(r) != KeySize {
			return nil, fmt.Errorf("seal: a key has %d bytes, not %d", len(r), KeySize)
		}
		block, err := aes.NewCipher(r)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(r)
		keys.list = append(keys.list, key{id: [idSize]byte(sum[:idSize]), aead: aead})
	}
	return keys, nil
}

// Seal is a value as it is stored. It opens only with the same context, such as the id of the row
// that it belongs to. Nothing stays nothing.
func (k *Keys) Seal(plain []byte, context string) []byte {
	if k == nil || len(k.list) == 0 || len(plain) == 0 {
		return plain
	}
	first := k.list[0]
	nonce := make([]byte, first.aead.NonceSize())
	rand.Read(nonce) // never fails: the process ends if the system has no randomness
	sealed := append([]byte(mark), first.id[:]...)
	sealed = append(sealed, nonce...)
	return first.aead.Seal(sealed, nonce, plain, []byte(context))
}

// Open is the value that was stored, plain ones included. Errors: ErrNoKey, and others when it was
// changed or belongs to another context.
func (k *Keys) Open(stored []byte, context string) ([]byte, error) {
	rest, sealed := bytes.CutPrefix(stored, []byte(mark))
	if !sealed {
		return stored, nil
	}
	if k == nil {
		return nil, ErrNoKey
	}
	for _, one := range k.list {
		box, mine := bytes.CutPrefix(rest, one.id[:])
		if !mine {
			continue
		}
		size := one.aead.NonceSize()
		if len(box) < size {
			return nil, errors.New("seal: it is cut short")
		}
		return one.aead.Open(nil, box[:size], box[size:], []byte(context))
	}
	return nil, ErrNoKey
}

// Current says whether a value is stored as Seal would store it now: with the first key, or plain
// when there is none.
func (k *Keys) Current(stored []byte) bool {
	rest, sealed := bytes.CutPrefix(stored, []byte(mark))
	if k == nil || len(k.list) == 0 || len(stored) == 0 {
		return !sealed
	}
	return sealed && bytes.HasPrefix(rest, k.list[0].id[:])
}
