// Package seal encrypts small secrets before they are stored. It uses AES-256-GCM and supports
// replacing the key.
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

// KeySize is the length of a key in bytes.
const KeySize = 32

// A sealed value is mark, id of the key, nonce, ciphertext. A value without mark is plain.
const (
	mark   = "sealed1\x00"
	idSize = 4
)

// ErrNoKey means that the value was encrypted with a key that is not configured.
var ErrNoKey = errors.New("seal: the value was encrypted with another key")

// Keys encrypt with the first key and decrypt with all. Without keys, and for a nil *Keys, values
// are stored in plain. It is safe for concurrent use.
type Keys struct {
	list []key
}

type key struct {
	id   [idSize]byte // the first bytes of its SHA-256
	aead cipher.AEAD
}

// New returns keys of KeySize bytes each. The first one encrypts.
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

// Seal returns the value to store. Open needs the same context, such as the id of the row. An empty
// value stays empty.
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

// Open returns the plain value of what is stored, encrypted or plain. Errors: ErrNoKey, and others
// if the value was changed or belongs to another context.
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
			return nil, errors.New("seal: the value is truncated")
		}
		return one.aead.Open(nil, box[:size], box[size:], []byte(context))
	}
	return nil, ErrNoKey
}

// Current reports whether a value is stored as Seal would store it now.
func (k *Keys) Current(stored []byte) bool {
	rest, sealed := bytes.CutPrefix(stored, []byte(mark))
	if k == nil || len(k.list) == 0 || len(stored) == 0 {
		return !sealed
	}
	return sealed && bytes.HasPrefix(rest, k.list[0].id[:])
}
