package mail

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/notice"
	"pop.store/credits/internal/tokens"
)

// Deliver sends what is due to one account. found is false when nothing was due. A failed send is
// logged and retried, and is no error. The error has kind Unavailable, or the ledger's or accounts'.
func (m *Mailer) Deliver(ctx context.Context) (found bool, err error) {
	now := m.Clock()
	if m.quiet(now) {
		return false, nil
	}
	c, found, err := m.claim(ctx, now)
	if err != nil || !found {
		return false, err
	}
	if err := m.serve(ctx, &c, now); err != nil {
		return false, err // the claim ends after busyTime
	}
	return true, m.free(ctx, c.account)
}

// quiet reports whether sending is paused because the mail server was unreachable.
func (m *Mailer) quiet(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return now.Before(m.quietUntil)
}

// serve decides an account's notifications, then sends or postpones them.
func (m *Mailer) serve(ctx context.Context, c *claimed, now time.Time) error {
	list, err := m.notifications(ctx, c.account)
	if err != nil {
		return err
	}
	r, err := m.read(ctx, c)
	if err != nil {
		return err
	}
	v := decide(list, r.snapshot, now)
	if err := m.done(ctx, v.dropped, outcomeOver, now); err != nil {
		return err
	}
	if err := m.postpone(ctx, v.postponed); err != nil {
		return err
	}
	for i := range v.receipts {
		if err := m.sendReceipt(ctx, r, v.receipts[i], now); err != nil {
			return err
		}
	}
	if v.alert.none() {
		return nil
	}
	return m.sendAlert(ctx, r, v.alert, now)
}

// reader is the recipient of an e-mail and the data that the e-mail shows.
type reader struct {
	snapshot
	notice.Overview
	agents []ledger.Agent
	own    tokens.Amount // reserved for the creator's own tools
}

// read loads the recipient. An account that does not exist has no address.
func (m *Mailer) read(ctx context.Context, c *claimed) (*reader, error) {
	r := &reader{snapshot: snapshot{
		alerts: c.alerts,
		last:   c.last,
		paused: map[string]ledger.Reason{},
	}}
	var err error
	if r.Overview, err = m.Notices.Overview(ctx, c.account); errors.Is(err, ledger.ErrNoAccount) {
		return r, nil
	} else if err != nil {
		return nil, err
	}
	r.address, r.level = r.Email != "", r.Level
	if r.Agents == 0 {
		return r, nil
	}
	if r.agents, r.own, err = m.Agents.All(ctx, c.account); err != nil {
		return nil, err
	}
	for i := range r.agents {
		if a := &r.agents[i]; a.Reason != ledger.ReasonNone && a.Reason != ledger.ReasonCreator {
			r.paused[a.ID] = a.Reason
		}
	}
	return r, nil
}

// contentOf builds an e-mail about money. ready is false while its data is incomplete.
func (m *Mailer) contentOf(ctx context.Context, r *reader, o notification, now time.Time) (w content, ready bool,
	err error,
) {
	if o.aboutTopUp() {
		return m.topUpContent(r, o, now), true, nil
	}
	return m.receiptContent(ctx, r, o, now)
}

// sendReceipt sends a purchase's receipt, or postpones it until the bill is there; or the notice of
// a stopped auto top-up.
func (m *Mailer) sendReceipt(ctx context.Context, r *reader, o notification, now time.Time) error {
	about := []notification{o}
	c, ready, err := m.contentOf(ctx, r, o, now)
	if err != nil {
		return err
	}
	if !ready {
		about[0].due = now.Add(billPause)
		return m.postpone(ctx, about)
	}
	if err := m.send(ctx, r, c, about, now); err != nil {
		return m.failed(ctx, about, err, now)
	}
	return m.done(ctx, about, outcomeSent, now)
}

func (m *Mailer) sendAlert(ctx context.Context, r *reader, a alert, now time.Time) error {
	c, err := m.alertContent(ctx, r, a, now)
	if err != nil {
		return err
	}
	if err := m.send(ctx, r, c, a.about, now); err != nil {
		return m.failed(ctx, a.about, err, now)
	}
	return m.recordAlert(ctx, a, r.last.after(a, now))
}

func (m *Mailer) send(ctx context.Context, r *reader, c content, about []notification, now time.Time) error {
	l, err := m.message(r.Email, c, about, now)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	return m.post(ctx, l)
}

// failed schedules a retry, unless the failure is final or older than maxAge.
func (m *Mailer) failed(ctx context.Context, about []notification, cause error, now time.Time) error {
	f := failureOf(cause)
	if f.unreachable {
		m.mu.Lock()
		m.quietUntil = now.Add(quietTime)
		m.mu.Unlock()
	}
	var again, never []notification
	for _, o := range about {
		if o.failingSince.IsZero() {
			o.failingSince = now
		}
		o.failures++
		o.due = now.Add(pauseAfter(o.failures))
		if f.final || now.Sub(o.failingSince) >= maxAge {
			never = append(never, o)
			continue
		}
		again = append(again, o)
	}
	m.logFailure(about[0].account, f, len(never) > 0, about[0].failures+1)
	if err := m.done(ctx, never, outcomeGivenUp, now); err != nil {
		return err
	}
	return m.postpone(ctx, again)
}

func (m *Mailer) logFailure(account uuid.UUID, f failure, givenUp bool, attempt int) {
	if givenUp {
		m.Log.Error("an e-mail was given up", "account", account, "attempt", attempt, "reason", f.reason)
		return
	}
	m.Log.Warn("an e-mail could not be sent; it will be tried again", "account", account, "attempt", attempt,
		"reason", f.reason)
}
