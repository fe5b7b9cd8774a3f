package ledgertest

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

func (m *comparison) chargeUnopened(t *rapid.T) {
	c := ledger.Charge{Feature: "lip_sync"}
	r, err := m.Charge(context.Background(), m.unopened, "key", c)
	m.compare(
		t,
		"a charge of an unknown account",
		m.toResult(r, err),
		m.model.Charge(m.unopened, "key", c, m.Clock.Now()),
	)
}

// drawAmount is part of what there is, all of it, slightly more, or invalid.
func drawAmount(t *rapid.T, of tokens.Amount) *tokens.Amount {
	a := rapid.OneOf(
		rapid.Map(rapid.Int64Range(1, int64(max(of/3, 1))), func(n int64) tokens.Amount { return tokens.Amount(n) }),
		rapid.Map(rapid.Int64Range(1, int64(max(of, 1))), func(n int64) tokens.Amount { return tokens.Amount(n) }),
		rapid.SampledFrom([]tokens.Amount{of, of + 1, max(of-1, 1), 1, 0, -1, tokens.One, 5 * tokens.One}),
	).Draw(t, "amount")
	return &a
}

func (m *comparison) spendableNow(id uuid.UUID) tokens.Amount {
	return m.model.Account(id, m.Clock.Now()).Spendable
}

func drawAgent(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "answers", "answers", "sales"}).Draw(t, "agent")
}

func (m *comparison) drawCharge(t *rapid.T, id uuid.UUID) ledger.Charge {
	c := ledger.Charge{
		Feature:     "auto_selling",
		Agent:       drawAgent(t),
		KeepAgentOn: rapid.IntRange(0, 3).Draw(t, "keep on") == 0,
	}
	if rapid.IntRange(0, 3).Draw(t, "fixed") == 0 {
		c.Feature = rapid.SampledFrom([]string{
			"lip_sync", "image_generation", "social_comment_reply",
			"pdf_creation", "nothing",
		}).Draw(t, "feature")
		if rapid.Bool().Draw(t, "several") {
			quantity := rapid.Int64Range(0, 5).Draw(t, "quantity")
			c.Quantity = &quantity
		}
	} else {
		c.Amount = drawAmount(t, m.drawRoom(t, id, c.Agent))
	}
	if rapid.IntRange(0, 5).Draw(t, "referenced") == 0 {
		c.Reference, c.UniqueReference = rapid.SampledFrom([]string{"job-1", "job-2"}).Draw(t, "reference"), true
	}
	if rapid.IntRange(0, 3).Draw(t, "noted") == 0 {
		c.Reason, c.Metadata = drawNote(t)
	}
	return c
}

func (m *comparison) charge(t *rapid.T) {
	id := m.account(t)
	c := m.drawCharge(t, id)
	m.sendBoth(t, "charge", func(key string) (Result, Result) {
		r, err := m.Charge(context.Background(), id, key, c)
		return m.toResult(r, err), m.model.Charge(id, key, c, m.Clock.Now())
	})
}

// bulk sends several charges at once, which share a batch.
func (m *comparison) bulk(t *rapid.T) {
	charges := make([]ledger.BulkCharge, rapid.IntRange(1, 6).Draw(t, "charges"))
	for i := range charges {
		id := m.account(t)
		m.keys++
		key := fmt.Sprint("key-", m.keys-rapid.IntRange(0, 1).Draw(t, "key before"))
		charges[i] = ledger.BulkCharge{
			AccountID: id,
			Key:       key,
			Charge:    m.drawCharge(t, id),
		}
	}
	for i, r := range m.ChargeAll(context.Background(), charges) {
		c := charges[i]
		m.compare(t, fmt.Sprint("charge ", i, " of ", len(charges)), m.toResult(r.Receipt, r.Err),
			m.model.Charge(c.AccountID, c.Key, c.Charge, m.Clock.Now()))
	}
}

func (m *comparison) hold(t *rapid.T) {
	id := m.account(t)
	h := ledger.Hold{
		Feature:     "auto_selling",
		Agent:       drawAgent(t),
		Reference:   drawReference(t),
		KeepAgentOn: rapid.IntRange(0, 3).Draw(t, "keep on") == 0,
	}
	h.Reason, h.Metadata = drawNote(t)
	h.Amount = drawAmount(t, m.drawRoom(t, id, h.Agent))
	h.ExpiresIn = rapid.SampledFrom([]time.Duration{
		0, 0, time.Second, time.Hour, 24 * time.Hour, 24*time.Hour + 1,
		-1,
	}).Draw(t, "life")
	m.sendBoth(t, "hold", func(key string) (Result, Result) {
		r, err := m.Hold(context.Background(), id, key, h)
		return m.toResult(r, err), m.model.Hold(id, key, h, m.Clock.Now())
	})
}

// drawEntry picks one of the newest entries of some kinds, and sometimes any number.
func (m *comparison) drawEntry(t *rapid.T, id uuid.UUID, kinds ...ledger.Kind) int64 {
	var seqs []int64
	for _, e := range m.model.accounts[id].entries {
		for _, kind := range kinds {
			if e.Kind == kind {
				seqs = append(seqs, e.Seq)
			}
		}
	}
	if n := rapid.IntRange(0, 19).Draw(t, "which"); len(seqs) > 0 && n > 0 {
		return seqs[max(0, len(seqs)-1-n/4)]
	}
	return rapid.Int64Range(1, 30).Draw(t, "any seq")
}

func drawOptional(t *rapid.T, of tokens.Amount) *tokens.Amount {
	if rapid.Bool().Draw(t, "all of it") {
		return nil
	}
	return drawAmount(t, of)
}

func (m *comparison) capture(t *rapid.T) {
	id := m.account(t)
	c := ledger.Capture{Hold: m.drawEntry(t, id, ledger.KindHold)}
	if held := m.modelEntry(id, c.Hold); rapid.IntRange(0, 2).Draw(t, "beyond the hold") == 0 {
		more := held.HeldDelta + *drawAmount(t, m.drawRoom(t, id, held.Agent))
		c.Amount = &more
	} else {
		c.Amount = drawOptional(t, held.HeldDelta)
	}
	c.Reference = drawReference(t)
	c.Reason, c.Metadata = drawNote(t)
	m.sendBoth(t, "capture", func(key string) (Result, Result) {
		r, err := m.Capture(context.Background(), id, key, c)
		return m.toResult(r, err), m.model.Capture(id, key, c, m.Clock.Now())
	})
}

// modelEntry is the model's entry with this seq, if there is one.
func (m *comparison) modelEntry(id uuid.UUID, seq int64) ledger.Entry {
	if entries := m.model.accounts[id].entries; seq <= int64(len(entries)) {
		return entries[seq-1]
	}
	return ledger.Entry{}
}

func (m *comparison) release(t *rapid.T) {
	id := m.account(t)
	release := ledger.Release{Hold: m.drawEntry(t, id, ledger.KindHold), Reference: drawReference(t)}
	release.Reason, release.Metadata = drawNote(t)
	m.sendBoth(t, "release", func(key string) (Result, Result) {
		r, err := m.Release(context.Background(), id, key, release)
		return m.toResult(r, err), m.model.Release(id, key, release, m.Clock.Now())
	})
}

func (m *comparison) refund(t *rapid.T) {
	id := m.account(t)
	refund := ledger.Refund{
		Entry:  m.drawEntry(t, id, ledger.KindCharge, ledger.KindCapture),
		Reason: rapid.SampledFrom([]string{"", "sorry"}).Draw(t, "reason"),
	}
	refund.Reference = drawReference(t)
	_, refund.Metadata = drawNote(t)
	refund.Amount = drawOptional(t, max(-m.modelEntry(id, refund.Entry).Amount, 0))
	m.sendBoth(t, "refund", func(key string) (Result, Result) {
		r, err := m.Refund(context.Background(), id, key, refund)
		return m.toResult(r, err), m.model.Refund(id, key, refund, m.Clock.Now())
	})
}

func (m *comparison) drawExpiry(t *rapid.T) time.Time {
	hours := rapid.SampledFrom([]int{0, 0, -1, 1, 12, 24, 24 * 20, 24 * 59}).Draw(t, "hours")
	if hours == 0 {
		return time.Time{}
	}
	return m.Clock.Now().Add(time.Duration(hours) * time.Hour)
}

func (m *comparison) grant(t *rapid.T) {
	id := m.account(t)
	g := ledger.Grant{
		Kind:      rapid.SampledFrom([]ledger.LotKind{ledger.LotPromo, ledger.LotAdjustment}).Draw(t, "kind"),
		Amount:    *drawAmount(t, 60*tokens.One),
		ExpiresAt: m.drawExpiry(t),
		Reason:    "a gift",
		Reference: drawReference(t),
	}
	_, g.Metadata = drawNote(t)
	m.sendBoth(t, "grant", func(key string) (Result, Result) {
		r, err := m.Grant(context.Background(), id, key, g)
		return m.toResult(r, err), m.model.Grant(id, key, g, m.Clock.Now())
	})
}

// purchase credits a new purchase, or an earlier one again.
func (m *comparison) purchase(t *rapid.T) {
	id := m.account(t)
	source := fmt.Sprint("purchase-", len(m.bought[id])-rapid.IntRange(0, 1).Draw(t, "an old one"))
	if len(m.bought[id]) == 0 {
		source = "purchase-0"
	}
	if source == fmt.Sprint("purchase-", len(m.bought[id])) {
		m.bought[id] = append(m.bought[id], source)
	}
	g := ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: source,
	}
	if rapid.IntRange(0, 3).Draw(t, "expiring") == 0 {
		g.ExpiresAt = m.Clock.Now().AddDate(0, 0, 3)
	}
	r, err := m.Grant(context.Background(), id, "", g)
	m.compare(t, "purchase "+source, m.toResult(r, err), m.model.Grant(id, "", g, m.Clock.Now()))
}

func (m *comparison) drawPurchase(t *rapid.T, id uuid.UUID) string {
	return rapid.SampledFrom(append([]string{"purchase-0"}, m.bought[id]...)).Draw(t, "purchase")
}

func (m *comparison) revoke(t *rapid.T) {
	id := m.account(t)
	purchase, total := m.drawPurchase(t, id),
		rapid.SampledFrom([]tokens.Amount{100, 100, 30, 60, 0, 101}).Draw(t, "total")*tokens.One
	r, err := Revoke(context.Background(), m, id, purchase, total, ledger.CauseDispute, "disputed")
	m.compare(t, "revoke "+purchase, m.toResult(r, err), m.model.Revoke(id, purchase, total, "disputed", m.Clock.Now()))
}

func (m *comparison) freeze(t *rapid.T) {
	id := m.account(t)
	purchase, frozen := m.drawPurchase(t, id), rapid.Bool().Draw(t, "frozen")
	err := Freeze(context.Background(), m, id, purchase, frozen)
	m.compare(t, "freeze "+purchase, m.toResult(ledger.Receipt{}, err),
		m.model.Freeze(id, purchase, frozen, m.Clock.Now()))
}

func (m *comparison) plan(t *rapid.T) {
	id := m.account(t)
	p := ledger.SetPlan{
		Plan: rapid.SampledFrom([]string{"", "starter", "pro", "star", "gold"}).Draw(t, "plan"),
		Status: rapid.SampledFrom([]ledger.PlanStatus{
			"", "", "active", "active", "past_due", "canceled",
			"odd",
		}).Draw(t, "status"),
		Stay: rapid.IntRange(0, 5).Draw(t, "stay") == 0,
		Zone: rapid.SampledFrom([]string{"", "", "", "", "Asia/Tokyo"}).Draw(t, "zone"),
	}
	m.compare(t, "plan", m.toResult(ledger.Receipt{}, m.SetPlan(context.Background(), id, p)),
		m.model.SetPlan(id, p, m.Clock.Now()))
}
