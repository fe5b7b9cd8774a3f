// Package accounts knows who an account is: the host platform's id and the creator's profile,
// beside the ledger's own id. All personal data is here, none in the books.
package accounts

import (
	"context"
	"errors"
	"regexp"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/coalesce"
	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
)

// State is how full an account is: the name of a ledger.Level.
type State string

// The states, fullest first.
const (
	OK    State = "ok"
	Low   State = "low"   // under the threshold
	Empty State = "empty" // less than the cheapest fixed-price feature costs
)

// Overview is an account as its creator sees it: profile, balance, state.
type Overview struct {
	ledger.Account
	ExternalID  string
	Name        string
	Email       string
	DisplayZone *time.Location // the creator's choice, else the billing zone
	State       State          // as the books' level says, with its hysteresis
	OpenedAt    time.Time      // when the directory first knew it
	Notice      Notice         // what to say on every page: what was put away is not said
	// First is what stops first, and when, at the present pace and before the next allowance. It is
	// nil when nothing stops, when no pace is known, and when no notice says it. Pace is the pace it
	// is computed from; with Hurried it is the pace of the last hour.
	First   *forecast.Stop
	Pace    forecast.Pace
	Hurried bool
	// Stopped are the agents that are paused by more than their creator; of an empty account all its
	// agents, since some may still work. It is the zero value where StoppedErr says why it could not be read.
	Stopped    ledger.StoppedAgents
	StoppedErr error

	dismissed bool // the notice that the state calls for was put away, and no tokens have come since
}

// Accounts is the directory of accounts. It is safe for concurrent use.
type Accounts struct {
	pool   *pgxpool.Pool
	ledger *engine.Engine
	prices func() *catalog.Catalog
	ids    idCache
	pasts  pasts

	overviews *coalesce.Reader[uuid.UUID, Overview]
}

// New makes a directory over a ledger.
func New(pool *pgxpool.Pool, books *engine.Engine, prices func() *catalog.Catalog) *Accounts {
	a := &Accounts{
		pool:   pool,
		ledger: books,
		prices: prices,
		ids:    idCache{ids: map[string]uuid.UUID{}},
		pasts:  pasts{each: map[uuid.UUID]past{}},
	}
	a.overviews = coalesce.New(a.readOverviews)
	return a
}

var idSyntax = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)

// ValidID says whether the host may call an account so: 1 to 64 of A-Za-z0-9_-.: and not "me", "." or "..".
func ValidID(id string) bool {
	return idSyntax.MatchString(id) && id != "me" && id != "." && id != ".."
}

// Find gives the ledger's id of the host's id: ledger.ErrNoAccount when there is none.
func (a *Accounts) Find(ctx context.Context, externalID string) (uuid.UUID, error) {
	if id, ok := a.ids.get(externalID); ok {
		return id, nil
	}
	if !ValidID(externalID) {
		return uuid.Nil, ledger.ErrNoAccount
	}
	var id uuid.UUID
	err := a.pool.QueryRow(ctx, "select id from accounts where external_id = $1", externalID).Scan(&id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return uuid.Nil, ledger.ErrNoAccount
	case err != nil:
		return uuid.Nil, problem.Unavailable(err)
	}
	a.ids.put(externalID, id)
	return id, nil
}

// FindAll is Find for many of the host's ids, with one look-up for all that are not known yet.
// Those that do not exist are absent.
func (a *Accounts) FindAll(ctx context.Context, externalIDs []string) (map[string]uuid.UUID, error) {
	found := make(map[string]uuid.UUID, len(externalIDs))
	var unknown []string
	for _, externalID := range externalIDs {
		if id, ok := a.ids.get(externalID); ok {
			found[externalID] = id
		} else if ValidID(externalID) {
			unknown = append(unknown, externalID)
		}
	}
	if len(unknown) == 0 {
		return found, nil
	}
	rows, err := a.pool.Query(ctx, "select external_id, id from accounts where external_id = any($1)", unknown)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	var externalID string
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&externalID, &id}, func() error {
		a.ids.put(externalID, id)
		found[externalID] = id
		return nil
	})
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	return found, nil
}

func displayZone(name string, billing *time.Location) *time.Location {
	if zone, err := ledger.LoadZone(name); name != "" && err == nil {
		return zone
	}
	return billing
}

// DismissNotice puts the notice away until the next one, or until tokens come and run low again.
// Where there is none, as after tokens have come, it does nothing: what is put away is what the
// creator saw. An empty balance cannot be dismissed: then it is a Conflict.
func (a *Accounts) DismissNotice(ctx context.Context, id uuid.UUID) error {
	o, err := a.Overview(ctx, id)
	if err != nil {
		return err
	}
	seen := o.NewestLot
	switch o.Notice {
	case NoNotice:
		return nil
	case NoticeEmpty:
		return problem.New(problem.Conflict, "balance_empty", "This notice stays until there are tokens again.")
	case NoticeSoon:
		seen = -seen // see dismissed
	case NoticeLow:
	}
	_, err = a.pool.Exec(ctx, "update accounts set notice_seen_lot = $2 where id = $1", id, seen)
	if err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// dismissed says whether the notice that a state calls for was put away. What was seen is the
// newest lot of then; it is negative where only the early warning was put away, so that the low
// notice still comes.
func dismissed(state State, seen, newest int64) bool {
	switch state {
	case OK:
		return max(seen, -seen) >= newest
	case Low:
		return seen >= newest
	case Empty:
	}
	return false
}

// idCache remembers ids, which never change. It is emptied when it is full, which costs a look-up
// each and bounds memory.
type idCache struct {
	mu  sync.RWMutex
	ids map[string]uuid.UUID
}

const maxCachedIDs = 1 << 20

func (c *idCache) get(externalID string) (uuid.UUID, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	id, ok := c.ids[externalID]
	return id, ok
}

func (c *idCache) put(externalID string, id uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ids) >= maxCachedIDs {
		clear(c.ids)
	}
	c.ids[externalID] = id
}
