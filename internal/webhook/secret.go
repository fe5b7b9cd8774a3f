package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"
)

// secretMark is the prefix of a secret in Standard Webhooks.
const secretMark = "whsec_"

func newSecret() []byte {
	var secret [32]byte
	rand.Read(secret[:]) // never fails: the process ends on an error
	return secret[:]
}

// secretText encodes a secret for its receiver.
func secretText(secret []byte) string { return secretMark + base64.StdEncoding.EncodeToString(secret) }

// signatures is the webhook-signature header: one signature for each secret.
func signatures(secrets [][]byte, id string, at time.Time, body []byte) string {
	header := ""
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		if header != "" {
			header += " "
		}
		header += "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return header
}
