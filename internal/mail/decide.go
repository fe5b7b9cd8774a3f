package mail

import (
	"time"

	"pop.store/credits/internal/ledger"
)

// snapshot is the state of an account at the time its notifications are decided.
type snapshot struct {
	address bool                     // the account has an e-mail address
	alerts  bool                     // the creator has not unsubscribed from alerts
	level   ledger.Level             // open holds count as released
	paused  map[string]ledger.Reason // reason per agent id; without those their creator paused
	last    lastAlert
}

// lastAlert is what the last alert to the account said.
type lastAlert struct {
	at     time.Time // zero: no alert was sent yet
	level  ledger.Level
	paused bool // it reported a paused agent
}

// alert is an e-mail about a low or empty balance, about paused agents, or about both.
type alert struct {
	level  ledger.Level // LevelOK: only about agents
	paused bool
	about  []notification
}

func (a *alert) none() bool { return a.level == ledger.LevelOK && !a.paused }

// decision says what to do with each notification of an account.
type decision struct {
	alert     alert
	receipts  []notification
	dropped   []notification // not sent
	postponed []notification // decided again when due
}

// decide holds all rules on who gets an e-mail, when and about what.
//
//   - Only what is still true is sent: not a balance that was topped up, nor an agent that
//     resumed.
//   - Open holds count as released, so a running job alone causes no e-mail. An agent that lacks
//     only held tokens is reported once the job captures them.
//   - An alert is not repeated within coolDown unless the state got worse. What is suppressed is
//     decided again after that.
//   - One alert covers everything. Each purchase has its own receipt.
func decide(list []notification, s snapshot, now time.Time) decision {
	var v decision
	for _, o := range list {
		switch {
		case !s.address:
			v.dropped = append(v.dropped, o)
		case o.kind == ledger.EventPurchaseDone, o.aboutTopUp():
			v.receipts = append(v.receipts, o)
		case !s.alerts:
			v.dropped = append(v.dropped, o)
		case o.kind == ledger.EventAgentPaused:
			v.addPause(o, s, now)
		default:
			v.addLevel(o, s)
		}
	}
	v.suppressRepeat(s.last, now)
	return v
}

func (v *decision) addPause(o notification, s snapshot, now time.Time) {
	why := ledger.ReasonNone
	if len(o.agents) > 0 {
		why = s.paused[o.agents[0]]
	}
	switch why {
	case ledger.ReasonNone, ledger.ReasonCreator:
		v.dropped = append(v.dropped, o)
	case ledger.ReasonHeld:
		o.due = now.Add(lookAgain)
		v.postponed = append(v.postponed, o)
	case ledger.ReasonTokens, ledger.ReasonReserve, ledger.ReasonSize, ledger.ReasonBudget:
		v.alert.paused = true
		v.alert.about = append(v.alert.about, o)
	}
}

// addLevel adds a balance crossing, limited to the current level, which may have changed since.
func (v *decision) addLevel(o notification, s snapshot) {
	crossed := ledger.LevelLow
	if o.kind == ledger.EventBalanceEmpty {
		crossed = ledger.LevelEmpty
	}
	crossed = min(crossed, s.level)
	if crossed == ledger.LevelOK {
		v.dropped = append(v.dropped, o)
		return
	}
	v.alert.level = max(v.alert.level, crossed)
	v.alert.about = append(v.alert.about, o)
}

// suppressRepeat postpones an alert that says nothing new.
func (v *decision) suppressRepeat(t lastAlert, now time.Time) {
	if v.alert.none() || t.at.IsZero() || !now.Before(t.at.Add(coolDown)) {
		return
	}
	if v.alert.level > t.level || (v.alert.paused && !t.paused) {
		return
	}
	for _, o := range v.alert.about {
		o.due = t.at.Add(coolDown)
		v.postponed = append(v.postponed, o)
	}
	v.alert = alert{}
}

// after is the state to record once an alert was sent.
func (t lastAlert) after(a alert, now time.Time) lastAlert {
	next := lastAlert{
		at:     now,
		level:  a.level,
		paused: a.paused,
	}
	if !t.at.IsZero() && now.Before(t.at.Add(coolDown)) {
		next.level, next.paused = max(next.level, t.level), next.paused || t.paused
	}
	return next
}

// pauseAfter is the wait before the next attempt, by the number of failures.
func pauseAfter(failures int) time.Duration {
	pause := firstPause
	for range failures - 1 {
		if pause *= 2; pause >= maxPause {
			return maxPause
		}
	}
	return pause
}
