package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// tokenLength is that of 256 bits in base64.
const tokenLength = 43

// digest is the SHA-256 of a token. It is the key in the database and safe to log.
type digest [sha256.Size]byte

// String is the digest in hexadecimal, the public id of a session.
func (d digest) String() string { return hex.EncodeToString(d[:]) }

// newToken makes a secret and its digest.
func newToken() (token string, d digest) {
	var secret [32]byte
	rand.Read(secret[:]) // never fails: the process ends if the system has no randomness
	token = base64.RawURLEncoding.EncodeToString(secret[:])
	return token, sha256.Sum256([]byte(token))
}

// hash returns a token's digest; false if the text cannot be a token.
func hash(token string) (digest, bool) {
	if len(token) != tokenLength {
		return digest{}, false
	}
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return digest{}, false
		}
	}
	return sha256.Sum256([]byte(token)), true
}
