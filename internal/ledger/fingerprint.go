package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// fingerprinter builds the canonical bytes of a decoded request. Every part carries its length or presence, so that no two requests share
// bytes.
type fingerprinter []byte

func (f *fingerprinter) text(s string) {
	*f = binary.AppendUvarint(*f, uint64(len(s)))
	*f = append(*f, s...)
}

func (f *fingerprinter) number(n int64) { *f = binary.AppendVarint(*f, n) }

// optional writes whether a number is there, and the number.
func optional[N ~int64](f *fingerprinter, n *N) {
	if n == nil {
		*f = append(*f, 0)
		return
	}
	*f = append(*f, 1)
	f.number(int64(*n))
}

// fingerprint tells a mistake from a retry, within one account and key, so it is short on purpose.
type fingerprint [16]byte

func (f *fingerprint) appendTo(b []byte) []byte { return append(b, f[:]...) }

func (f *fingerprinter) sum() fingerprint {
	sum := sha256.Sum256(*f)
	return fingerprint(sum[:16])
}

func (c *Charge) fingerprint() fingerprint {
	f := make(fingerprinter, 0, 128)
	f.text("charge")
	f.text(c.Feature)
	optional(&f, c.Quantity)
	optional(&f, c.Amount)
	f.text(c.Agent)
	f.text(c.Reference)
	f.number(int64(presence(c.UniqueReference) + 2*presence(c.KeepAgentOn)))
	keys := make([]string, 0, len(c.Metadata))
	for k := range c.Metadata {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		f.text(k)
		f.text(c.Metadata[k])
	}
	return f.sum()
}

func (g *Grant) fingerprint() fingerprint {
	f := make(fingerprinter, 0, 128)
	f.text("grant")
	f.number(int64(g.Kind))
	f.number(int64(g.Amount))
	f.number(g.ExpiresAt.UnixMicro())
	f.text(g.Source)
	f.text(g.Reason)
	return f.sum()
}

func presence(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (h *Hold) fingerprint() fingerprint {
	f := make(fingerprinter, 0, 128)
	f.text("hold")
	f.text(h.Feature)
	optional(&f, h.Quantity)
	optional(&f, h.Amount)
	f.text(h.Agent)
	f.text(h.Reference)
	f.number(int64(h.ExpiresIn))
	if h.KeepAgentOn { // absent from what was asked before there was such a choice
		f.number(1)
	}
	return f.sum()
}

func (c *Capture) fingerprint() fingerprint {
	f := make(fingerprinter, 0, 32)
	f.text("capture")
	f.number(c.Hold)
	optional(&f, c.Amount)
	return f.sum()
}

func (r *Release) fingerprint() fingerprint {
	f := make(fingerprinter, 0, 32)
	f.text("release")
	f.number(r.Hold)
	return f.sum()
}

func (r *Refund) fingerprint() fingerprint {
	f := make(fingerprinter, 0, 64)
	f.text("refund")
	f.number(r.Entry)
	optional(&f, r.Amount)
	f.text(r.Reason)
	return f.sum()
}
