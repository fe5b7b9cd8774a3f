package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/session"
)

// Agents spend the demo creator's tokens through the JSON API over HTTP, as the platform's AI services would, while somebody looks.
type Agents struct {
	Sessions *session.Store
	Accounts *accounts.Accounts
	Keys     *apikey.Keys
	API      string // base of the app on its loopback address
	Clock    clock.Clock
	Log      *slog.Logger
}

const (
	workEvery = 3 * time.Second
	// watched is how long after a page was asked for the agents go on: nobody should come to a wallet that emptied itself overnight.
	watched = 10 * time.Minute
	keyName = "demo agents"
)

var client = &http.Client{Timeout: 10 * time.Second}

// Run works until the context ends.
func (a *Agents) Run(ctx context.Context) {
	secret := ""
	for ctx.Err() == nil {
		var err error
		if secret == "" {
			secret, err = a.newKey(ctx)
		}
		if err == nil {
			err = a.work(ctx, secret)
		}
		if err != nil && ctx.Err() == nil {
			a.Log.Warn("a demo agent failed", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(workEvery):
		}
	}
}

// newKey makes a key for this run and ends those of earlier ones.
func (a *Agents) newKey(ctx context.Context) (string, error) {
	keys, err := a.Keys.List(ctx)
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		if k.Name == keyName && k.RevokedAt.IsZero() {
			if err := a.Keys.Revoke(ctx, k.ID); err != nil {
				return "", err
			}
		}
	}
	_, secret, err := a.Keys.Create(ctx, keyName, apikey.Spend)
	if err != nil {
		return "", fmt.Errorf("no key for the agents: %w", err)
	}
	return secret, nil
}

// work does one piece of work, if somebody looks. Too few tokens is an answer like any other: the agent waits.
func (a *Agents) work(ctx context.Context, secret string) error {
	id, err := a.Accounts.Find(ctx, Account)
	if err != nil {
		return err
	}
	looking, err := a.Sessions.SeenSince(ctx, id, a.Clock().Add(-watched))
	if err != nil || !looking {
		return err
	}
	status, err := a.post(ctx, secret, nextWork())
	if err != nil {
		return err
	}
	if status != http.StatusCreated && status != http.StatusPaymentRequired {
		return fmt.Errorf("charge answered %d", status)
	}
	return nil
}

// nextWork is mostly comment replies, now and then something else.
func nextWork() map[string]any {
	switch rand.IntN(5) {
	case 0:
		return map[string]any{"feature": "comment_to_dm", "agent": "dm-automation", "quantity": 4 + rand.IntN(8)}
	case 1:
		return map[string]any{"feature": "brand_deal_scan", "agent": "brand-scout", "quantity": 2 + rand.IntN(5)}
	}
	return map[string]any{"feature": "social_comment_reply", "agent": "comment-replies", "quantity": 8 + rand.IntN(10)}
}

func (a *Agents) post(ctx context.Context, secret string, work map[string]any) (int, error) {
	body, err := json.Marshal(work)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.API+"/v1/accounts/"+Account+"/charges", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Idempotency-Key", uuid.NewString())
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	return answer.StatusCode, err
}
