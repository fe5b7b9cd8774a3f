package notice

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// profile is an account's row of the directory.
type profile struct {
	id                            uuid.UUID
	externalID, name, email, zone string
	seen                          seen
	openedAt                      time.Time
}

// Overview reads an account as of now, but for its lots and holds.
func (n *Notices) Overview(ctx context.Context, id uuid.UUID) (Overview, error) {
	o, ok, err := n.overviews.Get(ctx, id)
	switch {
	case err != nil:
		return Overview{}, problem.Unavailable(err)
	case !ok:
		return Overview{}, ledger.ErrNoAccount
	}
	return o, nil
}

// readOverviews reads many accounts at once, since every page and every poll needs one. It runs two
// statements, and more only for what foretell lacks. A profile may be a moment older than its balance.
func (n *Notices) readOverviews(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Overview, error) {
	profiles, err := n.profiles(ctx, ids)
	if err != nil {
		return nil, err
	}
	states, err := n.ledger.Balances(ctx, ids)
	if err != nil {
		return nil, err
	}
	list := make([]Overview, 0, len(ids))
	for i := range profiles {
		if state, ok := states[profiles[i].id]; ok {
			list = append(list, profiles[i].overview(state))
		}
	}
	if err := n.foretell(ctx, list); err != nil {
		return nil, err
	}
	n.addStopped(ctx, list)
	found := make(map[uuid.UUID]Overview, len(list))
	for i := range list {
		found[list[i].ID] = list[i]
	}
	return found, nil
}

// addStopped adds the paused agents to the overviews that have any. If they cannot be read, the
// overviews are still good: they count the agents.
func (n *Notices) addStopped(ctx context.Context, list []Overview) {
	var ids, all []uuid.UUID
	for i := range list {
		o := &list[i]
		if o.Level == ledger.LevelEmpty && o.Agents > 0 {
			all = append(all, o.ID)
		} else if o.Paused+o.OverBudget == 0 {
			continue
		}
		ids = append(ids, o.ID)
	}
	if len(ids) == 0 {
		return
	}
	stopped, err := n.ledger.StoppedAgents(ctx, ids, all)
	for i := range list {
		if err != nil && slices.Contains(ids, list[i].ID) {
			list[i].StoppedErr = err
		}
		list[i].Stopped = stopped[list[i].ID]
	}
}

// Servers of the version before write a negative lot for an early notice.
const sqlProfiles = `select id, external_id, name, email, time_zone, abs(notice_seen_lot),
	notice_seen_early or notice_seen_lot < 0, created_at from accounts where id = any($1)`

func (n *Notices) profiles(ctx context.Context, ids []uuid.UUID) ([]profile, error) {
	rows, err := n.pool.Query(ctx, sqlProfiles, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (profile, error) {
		var p profile
		err := row.Scan(&p.id, &p.externalID, &p.name, &p.email, &p.zone, &p.seen.lot, &p.seen.early, &p.openedAt)
		return p, err
	})
}

func (p *profile) overview(state ledger.Account) Overview {
	o := Overview{
		Account:     state,
		ExternalID:  p.externalID,
		Name:        p.name,
		Email:       p.email,
		DisplayZone: displayZone(p.zone, state.BillingZone),
		OpenedAt:    p.openedAt.UTC(),
	}
	o.dismissed = p.seen.dismisses(o.Level, o.NewestLot)
	return o
}

func displayZone(name string, billing *time.Location) *time.Location {
	if zone, err := ledger.LoadZone(name); name != "" && err == nil {
		return zone
	}
	return billing
}
