package mail

import (
	"time"

	"pop.store/credits/internal/ledger"
)

// snapshot is an account as it stands when its occasions are looked at.
type snapshot struct {
	address bool                     // there is one
	alerts  bool                     // the creator wants to hear of the balance and of agents
	level   ledger.Level             // what jobs under way hold counts as if it came back
	paused  map[string]ledger.Reason // agents that are paused although their creator did not turn them off, and why
	last    lastAlert
}

// lastAlert is what was said of the balance last.
type lastAlert struct {
	at     time.Time // zero: nothing was ever said
	level  ledger.Level
	paused bool // that an agent has stopped
}

// alert is an e-mail about the balance: that it is low or empty, or that agents have stopped, or both.
type alert struct {
	level  ledger.Level // LevelOK: only about agents
	paused bool
	about  []notification
}

func (a *alert) none() bool { return a.level == ledger.LevelOK && !a.paused }

// decision is what becomes of an account's occasions.
type decision struct {
	alert     alert
	receipts  []notification
	dropped   []notification // nothing to say about them, or not any more
	postponed []notification // to be looked at again when they are due
}

// decide is every rule about who is written to, when and about what.
//
//   - Only what still holds is said: a balance that was filled up and an agent that went on are no news.
//   - What a job under way holds counts as if it came back, so that it alone brings no e-mail: nothing is said of an agent that lacks only that
//     until the job has taken it.
//   - What was said in the last twelve hours is not said again, unless it got worse: low is followed by empty, and either by agents that stop. What
//     is left unsaid waits, and is said when it still holds after that time.
//   - One e-mail says all of it. Receipts are apart: each purchase has one.
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

// addLevel looks at a crossing. The level may have changed since, down or up.
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

// suppressRepeat takes back an alert that says nothing new.
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

// after is what was said once an alert has gone out.
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

// pauseAfter is how long to wait after so many failures.
func pauseAfter(failures int) time.Duration {
	pause := firstPause
	for range failures - 1 {
		if pause *= 2; pause >= maxPause {
			return maxPause
		}
	}
	return pause
}
