package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
)

// fingerprinter collects the canonical bytes of a request. Each field is written with its length or
// presence, so that different requests never have the same bytes.
type fingerprinter []byte

func (f *fingerprinter) text(s string) {
	*f = binary.AppendUvarint(*f, uint64(len(s)))
	*f = append(*f, s...)
}

func (f *fingerprinter) number(n int64) { *f = binary.AppendVarint(*f, n) }

func optional[N ~int64](f *fingerprinter, n *N) {
	if n == nil {
		*f = append(*f, 0)
		return
	}
	*f = append(*f, 1)
	f.number(int64(*n))
}

func (f *fingerprinter) sum() Fingerprint {
	sum := sha256.Sum256(*f)
	return Fingerprint(sum[:16])
}

// Fingerprint tells a retry from another request with the same key.
func (c *Charge) Fingerprint() Fingerprint {
	f := make(fingerprinter, 0, 128)
	f.text("charge")
	f.text(c.Feature)
	optional(&f, c.Quantity)
	optional(&f, c.Amount)
	f.text(c.Agent)
	f.text(c.Reference)
	choices := int64(boolToInt(c.UniqueReference)) + 4*int64(boolToInt(c.KeepAgentOn))
	if c.Reason == "" {
		f.number(choices)
	} else {
		f.number(2 + choices)
		f.text(c.Reason)
	}
	f.metadata(c.Metadata)
	return f.sum()
}

// Fingerprint tells a retry from another request with the same key.
func (g *Grant) Fingerprint() Fingerprint {
	f := make(fingerprinter, 0, 128)
	f.text("grant")
	f.number(int64(g.Kind))
	f.number(int64(g.Amount))
	f.number(g.ExpiresAt.UnixMicro())
	f.text(g.Source)
	f.text(g.Reason)
	f.laterFields(g.Reference, "", g.Metadata)
	return f.sum()
}

// Fingerprint tells a retry from another request with the same key.
func (t *TakeBack) Fingerprint() Fingerprint {
	f := make(fingerprinter, 0, 64)
	f.text("take back")
	f.number(int64(t.Amount))
	f.number(t.Lot)
	f.text(t.Reason)
	f.laterFields(t.Reference, "", t.Metadata)
	return f.sum()
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Fingerprint tells a retry from another request with the same key.
func (h *Hold) Fingerprint() Fingerprint {
	f := make(fingerprinter, 0, 128)
	f.text("hold")
	f.text(h.Feature)
	optional(&f, h.Quantity)
	optional(&f, h.Amount)
	f.text(h.Agent)
	f.text(h.Reference)
	f.number(int64(h.ExpiresIn))
	f.laterFields("", h.Reason, h.Metadata)
	if h.KeepAgentOn { // absent in fingerprints from before this option
		f.number(1)
	}
	return f.sum()
}

// Fingerprint tells a retry from another request with the same key.
func (c *Capture) Fingerprint() Fingerprint {
	f := make(fingerprinter, 0, 32)
	f.text("capture")
	f.number(c.Hold)
	optional(&f, c.Amount)
	f.laterFields(c.Reference, c.Reason, c.Metadata)
	return f.sum()
}

// Fingerprint tells a retry from another request with the same key.
func (r *Release) Fingerprint() Fingerprint {
	f := make(fingerprinter, 0, 32)
	f.text("release")
	f.number(r.Hold)
	f.laterFields(r.Reference, r.Reason, r.Metadata)
	return f.sum()
}

// Fingerprint tells a retry from another request with the same key.
func (r *Refund) Fingerprint() Fingerprint {
	f := make(fingerprinter, 0, 64)
	f.text("refund")
	f.number(r.Entry)
	optional(&f, r.Amount)
	f.text(r.Reason)
	f.laterFields(r.Reference, "", r.Metadata)
	return f.sum()
}

// Fingerprint tells a retry from another request with the same key.
func (x *Extend) Fingerprint() Fingerprint {
	f := make(fingerprinter, 0, 32)
	f.text("extend")
	f.number(x.Hold)
	f.number(int64(x.ExpiresIn))
	return f.sum()
}

// laterFields appends fields that were added to a request later, and nothing when all are empty, so that
// fingerprints stored before still match. What precedes them must not be a prefix of another request's
// bytes.
func (f *fingerprinter) laterFields(reference, reason string, metadata map[string]string) {
	if reference == "" && reason == "" && len(metadata) == 0 {
		return
	}
	f.text(reference)
	f.text(reason)
	f.metadata(metadata)
}

func (f *fingerprinter) metadata(metadata map[string]string) {
	if len(metadata) == 0 {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(metadata)) {
		f.text(k)
		f.text(metadata[k])
	}
}
