// Package directory knows who an account is: the host platform's id and the creator's profile,
// beside the ledger's own id. All personal data is here, none in the ledger.
package directory

import (
	"context"
	"errors"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/plaintext"
	"pop.store/credits/internal/problem"
)

// Directory maps accounts. It is safe for concurrent use.
type Directory struct {
	pool   *pgxpool.Pool
	ledger *engine.Engine
	agents *agents.Agents
	prices func() *catalog.Catalog
	ids    idCache
}

// New makes the directory of a ledger's accounts.
func New(pool *pgxpool.Pool, l *engine.Engine, prices func() *catalog.Catalog) *Directory {
	return &Directory{
		pool:   pool,
		ledger: l,
		agents: agents.New(l, prices),
		prices: prices,
		ids:    idCache{ids: map[string]uuid.UUID{}},
	}
}

// Find gives the ledger's id of the host's id: ledger.ErrNoAccount when there is none.
func (d *Directory) Find(ctx context.Context, externalID string) (uuid.UUID, error) {
	if id, ok := d.ids.get(externalID); ok {
		return id, nil
	}
	if !plaintext.ID(externalID) {
		return uuid.Nil, ledger.ErrNoAccount
	}
	var id uuid.UUID
	err := d.pool.QueryRow(ctx, "select id from accounts where external_id = $1", externalID).Scan(&id)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return uuid.Nil, ledger.ErrNoAccount
	case err != nil:
		return uuid.Nil, problem.Unavailable(err)
	}
	d.ids.put(externalID, id)
	return id, nil
}

// FindAll is Find for many of the host's ids, with one look-up for all that are not known yet.
// Those that do not exist are absent.
func (d *Directory) FindAll(ctx context.Context, externalIDs []string) (map[string]uuid.UUID, error) {
	found := make(map[string]uuid.UUID, len(externalIDs))
	var unknown []string
	for _, externalID := range externalIDs {
		if id, ok := d.ids.get(externalID); ok {
			found[externalID] = id
		} else if plaintext.ID(externalID) {
			unknown = append(unknown, externalID)
		}
	}
	if len(unknown) == 0 {
		return found, nil
	}
	rows, err := d.pool.Query(ctx, "select external_id, id from accounts where external_id = any($1)", unknown)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	var externalID string
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&externalID, &id}, func() error {
		d.ids.put(externalID, id)
		found[externalID] = id
		return nil
	})
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	return found, nil
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
