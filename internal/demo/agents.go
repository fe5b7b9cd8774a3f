package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/session"
)

// Agents spend a creator's tokens through the JSON API over HTTP, as the platform's AI services would,
// while somebody has a page open. They do not check the balance: after a refusal they continue with other
// work later.
type Agents struct {
	Sessions  *session.Store
	Directory *directory.Directory
	Keys      *apikey.Keys
	API       string // base URL of the app on its loopback address
	Clock     clock.Clock
	Log       *slog.Logger

	Creator string                // the creator's host id; empty: the demo's
	Wait    func(context.Context) // between two pieces of work; nil: the demo's pace
}

const (
	workEvery = 3 * time.Second
	// watched is how long the agents continue after a page view, so that a wallet does not empty itself
	// overnight.
	watched = 10 * time.Minute
	keyName = "demo agents"
)

var client = &http.Client{Timeout: 10 * time.Second}

// Run works until ctx ends.
func (a *Agents) Run(ctx context.Context) {
	secret, known := "", false
	for ctx.Err() == nil {
		var err error
		if secret == "" {
			secret, err = a.newKey(ctx)
		}
		if err == nil && !known {
			err = a.register(ctx, secret)
			known = err == nil
		}
		if secret != "" {
			err = errors.Join(err, a.work(ctx, secret))
		}
		if err != nil && ctx.Err() == nil {
			a.Log.Warn("a demo agent failed", "error", err)
		}
		a.wait(ctx)
	}
}

func (a *Agents) wait(ctx context.Context) {
	if a.Wait != nil {
		a.Wait(ctx)
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(workEvery):
	}
}

func (a *Agents) creator() string {
	if a.Creator == "" {
		return Account
	}
	return a.Creator
}

// newKey creates a key for this run and revokes those of earlier runs.
func (a *Agents) newKey(ctx context.Context) (string, error) {
	name := keyName + " of " + a.creator()
	keys, err := a.Keys.List(ctx)
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		if k.Name == name && k.RevokedAt.IsZero() {
			if err := a.Keys.Revoke(ctx, k.ID); err != nil {
				return "", err
			}
		}
	}
	_, secret, err := a.Keys.Create(ctx, name, apikey.Spend)
	if err != nil {
		return "", fmt.Errorf("no key for the agents: %w", err)
	}
	return secret, nil
}

// register stores the agents' names. It is idempotent.
func (a *Agents) register(ctx context.Context, secret string) error {
	for _, m := range demoAgents {
		status, _, err := a.send(ctx, secret, http.MethodPut, "/agents/"+m.id,
			map[string]string{"name": m.name, "feature": m.feature})
		if err != nil {
			return err
		}
		if status != http.StatusOK && status != http.StatusCreated {
			return fmt.Errorf("registering %s answered %d", m.id, status)
		}
	}
	return nil
}

// work does one piece of work while somebody has a page open. Refusals for lack of tokens or a pause are
// normal answers.
func (a *Agents) work(ctx context.Context, secret string) error {
	id, err := a.Directory.Find(ctx, a.creator())
	if err != nil {
		return err
	}
	looking, err := a.Sessions.SeenSince(ctx, id, a.Clock().Add(-watched))
	if err != nil || !looking {
		return err
	}
	w := nextWork()
	status, charge, err := a.send(ctx, secret, http.MethodPost, "/charges", w)
	switch {
	case err != nil:
		return err
	case status == http.StatusCreated:
		return a.report(ctx, secret, w, charge)
	case status != http.StatusPaymentRequired && status != http.StatusConflict:
		return fmt.Errorf("charge answered %d", status)
	}
	return nil
}

// report sends the result of a piece of work.
func (a *Agents) report(ctx context.Context, secret string, w work, charge string) error {
	r, ok := w.outcome(charge)
	if !ok {
		return nil
	}
	status, _, err := a.send(ctx, secret, http.MethodPost, "/results", r)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("a result answered %d", status)
	}
	return err
}

// send makes a request about the creator's account and returns the status and the id in the answer, if any.
func (a *Agents) send(ctx context.Context, secret, method, path string, what any) (status int, id string, err error) {
	body, err := json.Marshal(what)
	if err != nil {
		return 0, "", err
	}
	r, err := http.NewRequestWithContext(ctx, method, a.API+"/v1/accounts/"+a.creator()+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Idempotency-Key", uuid.NewString())
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return 0, "", err
	}
	var named struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(raw, &named) // an answer without an id is fine
	return answer.StatusCode, named.ID, nil
}
