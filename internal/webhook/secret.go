package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"
)

// secretMark begins a secret, as Standard Webhooks has it.
const secretMark = "whsec_"

// newSecret makes what an endpoint's requests are signed with.
func newSecret() []byte {
	var secret [32]byte
	rand.Read(secret[:]) // never fails: the process ends if the system has no randomness
	return secret[:]
}

// secretText is a secret as its receiver is given it.
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
