package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// A key reads crk_ppppppppp_ssss...: a mark that secret scanners can look for, a public prefix of 8
// characters by which people and the database tell keys apart, and 256 random bits. Its alphabet
// has no character that ends a double click's selection.
const (
	mark         = "crk_"
	alphabet     = "abcdefghijklmnopqrstuvwxyz234567"
	prefixLength = len(mark) + 8
	keyLength    = prefixLength + 1 + 52
)

var encoding = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

func newSecret() string {
	var public [5]byte
	var secret [32]byte
	rand.Read(public[:]) // never fails: the process ends if the system has no randomness
	rand.Read(secret[:])
	return mark + encoding.EncodeToString(public[:]) + "_" + encoding.EncodeToString(secret[:])
}

// prefixOf returns a key's public prefix with the mark; false if the text cannot be a key.
func prefixOf(key string) (string, bool) {
	if len(key) != keyLength || !strings.HasPrefix(key, mark) || key[prefixLength] != '_' {
		return "", false
	}
	if !inAlphabet(key[len(mark):prefixLength]) || !inAlphabet(key[prefixLength+1:]) {
		return "", false
	}
	return key[:prefixLength], true
}

// PublicPart is the start of a key, as in Key.Prefix; empty if the text cannot be a key. It is safe
// to show and log.
func PublicPart(key string) string {
	prefix, _ := prefixOf(key)
	return prefix
}

func inAlphabet(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// hash is the SHA-256 of the whole key. Its 256 random bits need no salt and no slow hash.
func hash(key string) [sha256.Size]byte { return sha256.Sum256([]byte(key)) }
