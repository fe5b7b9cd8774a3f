// Package demo creates the demo's data: a creator with two months of plausible history. Its agents then
// keep spending through the JSON API.
package demo

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/results"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/tokens"
)

const (
	Account  = "maya"
	ShopName = "Maya's Studio"
	Email    = "maya@studio.example"
)

// The history: 71 days on Starter. In the first month some tokens expire, in the second they run out and a
// pack is bought, and the third begins with a gift and is now just above the low threshold.
const (
	daysAgo      = 71
	seedMark     = "demo_seeded"
	endOfMonth   = 34 // left to expire in the first month
	endOfPack    = 10 // left of the pack after the second month
	presentLevel = 46 // now: the threshold is 40
)

// Seed writes the demo's history once, through the real ledger, billing and sandbox on a clock of its own.
// It writes to an account with a temporary name, which gets the creator's name in the same transaction as
// the mark that the seed is done. An interrupted seed is dropped and starts again.
func Seed(ctx context.Context, pool *pgxpool.Pool, now time.Time) error {
	var seeded bool
	if err := pool.QueryRow(ctx, "select exists (select from installation where name = $1)",
		seedMark).Scan(&seeded); err != nil || seeded {
		return err
	}
	s := newSeeder(pool, now)
	defer s.ledger.Close()
	if err := s.run(ctx); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return s.publish(ctx, tx) })
}

// publish gives the account its name, unless another server was first.
func (s *seeder) publish(ctx context.Context, tx pgx.Tx) error {
	mark, err := tx.Exec(ctx, "insert into installation (name, value, created_at) values ($1, '1', $2) on conflict do nothing", seedMark, s.now)
	if err != nil || mark.RowsAffected() == 0 {
		return err
	}
	_, err = tx.Exec(ctx, "update accounts set external_id = $1 where id = $2 and not exists (select from accounts where external_id = $1)", Account, s.id)
	return err
}

type seeder struct {
	pool      *pgxpool.Pool
	ledger    *engine.Engine
	directory *directory.Directory
	billing   *billing.Service
	provider  *sandbox.Provider
	clock     *clock.Manual
	prices    *catalog.Catalog
	random    *rand.Rand
	now       time.Time
	id        uuid.UUID
	step      int
}

func newSeeder(pool *pgxpool.Pool, now time.Time) *seeder {
	quiet := slog.New(slog.DiscardHandler)
	s := &seeder{
		pool:   pool,
		prices: catalog.Builtin(),
		random: rand.New(rand.NewPCG(2026, 11)),
		now:    now,
		clock:  clock.NewManual(now.AddDate(0, 0, -daysAgo)),
	}
	prices := func() *catalog.Catalog { return s.prices }
	s.ledger = engine.New(pool, engine.Options{
		Clock:  s.clock.Now,
		Prices: prices,
		Log:    quiet,
	})
	s.directory = directory.New(pool, s.ledger, prices)
	// The secret and the addresses are unused: the seed asks the provider itself, and no events are
	// delivered.
	s.provider = sandbox.New(pool, sandbox.Options{
		Clock:      s.clock.Now,
		BaseURL:    "http://127.0.0.1",
		DeliverURL: "http://127.0.0.1",
		Secret:     "unused",
		Log:        quiet,
	})
	s.billing = billing.New(pool, billing.Options{
		Ledger:   s.ledger,
		Prices:   prices,
		Provider: s.provider,
		BaseURL:  "http://127.0.0.1",
		Clock:    s.clock.Now,
		Log:      quiet,
	})
	return s
}

func (s *seeder) run(ctx context.Context) error {
	plan, name, email, zone := "starter", ShopName, Email, "Europe/Berlin"
	anchor := s.clock.Now()
	var err error
	s.id, _, err = s.directory.Put(ctx, "untold-"+uuid.NewString(), directory.Put{
		Plan:          &plan,
		Name:          &name,
		Email:         &email,
		TimeZone:      &zone,
		BillingZone:   &zone,
		BillingAnchor: &anchor,
	})
	if err != nil {
		return err
	}
	if err := s.registerAgents(ctx); err != nil {
		return err
	}
	first, err := s.month(ctx, endOfMonth)
	if err != nil {
		return err
	}
	s.clock.Set(first.Add(9 * 24 * time.Hour))
	if err := s.buy(ctx, "pack_100"); err != nil {
		return err
	}
	if _, err := s.month(ctx, endOfPack); err != nil {
		return err
	}
	s.clock.Advance(2*time.Hour + 13*time.Minute)
	gift := ledger.Grant{
		Kind:      ledger.LotPromo,
		Amount:    10 * tokens.One,
		ExpiresAt: s.now.AddDate(0, 0, 39).Truncate(time.Hour),
		Reason:    "Welcome back",
	}
	if _, err := s.ledger.Grant(ctx, s.id, s.key(), gift); err != nil {
		return err
	}
	if err := s.spendUntil(ctx, s.now.Add(-10*time.Minute), presentLevel*tokens.One); err != nil {
		return err
	}
	return s.reportResults(ctx)
}

// reportResults reports the results of the agents' work of this month.
func (s *seeder) reportResults(ctx context.Context) error {
	kept := results.New(s.pool, s.ledger)
	for _, e := range []struct {
		agent, kind, money string
		count              int64
	}{{"dm-automation", "sale", "214", 9}, {"auto-selling", "sale", "49", 1}, {"brand-scout", "lead", "", 3}} {
		report := results.Report{
			Agent: e.agent,
			Kind:  e.kind,
			Count: &e.count,
			Money: e.money,
		}
		if e.money != "" {
			report.Currency = "USD"
		}
		if _, _, err := kept.Add(ctx, s.id, s.key(), report); err != nil {
			return err
		}
	}
	return nil
}

// hire registers the agents' names.
func (s *seeder) registerAgents(ctx context.Context) error {
	for _, m := range demoAgents {
		if err := s.ledger.PutAgent(ctx, s.id, ledger.PutAgent{
			ID:      m.id,
			Name:    &m.name,
			Feature: &m.feature,
		}); err != nil {
			return err
		}
	}
	return nil
}

// month spends evenly until just before the next reset, down to about the given tokens, and returns the
// reset's time.
func (s *seeder) month(ctx context.Context, left int64) (time.Time, error) {
	account, err := s.ledger.Account(ctx, s.id)
	if err != nil {
		return time.Time{}, err
	}
	reset := account.NextReset
	err = s.spendUntil(ctx, reset.Add(-3*time.Hour), tokens.Amount(left)*tokens.One)
	s.clock.Set(reset)
	return reset, err
}

// spendUntil spends day by day along a straight line, until an instant at which this balance is left.
func (s *seeder) spendUntil(ctx context.Context, until time.Time, left tokens.Amount) error {
	began := s.clock.Now()
	account, err := s.ledger.Account(ctx, s.id)
	if err != nil {
		return err
	}
	above := account.Spendable - left
	for s.clock.Now().Before(until) {
		s.clock.Set(earlier(until, s.clock.Now().Add(time.Duration(5+s.random.IntN(6))*time.Hour)))
		gone := float64(s.clock.Now().Sub(began)) / float64(until.Sub(began))
		if err := s.spendTo(ctx, left+tokens.Amount(float64(above)*(1-gone)), s.clock.Now().Equal(until)); err !=
			nil {
			return err
		}
	}
	return nil
}

// spendTo brings the balance down to a level: some work of agents, then tools while they fit, and finally
// the exact rest.
func (s *seeder) spendTo(ctx context.Context, level tokens.Amount, exactly bool) error {
	account, err := s.ledger.Account(ctx, s.id)
	if err != nil {
		return err
	}
	over := account.Spendable - level
	for _, work := range []struct {
		feature, agent string
		most           int
	}{
		{"social_comment_reply", "comment-replies", 40},
		{"comment_to_dm", "dm-automation", 16},
		{"brand_deal_scan", "brand-scout", 6},
	} {
		f, _ := s.prices.Feature(work.feature)
		quantity := min(int64(1+s.random.IntN(work.most)), over.Fits(f.Price))
		if quantity < 1 {
			continue
		}
		over -= f.Price * tokens.Amount(quantity)
		if err := s.charge(ctx, ledger.Charge{
			Feature:  f.ID,
			Quantity: &quantity,
			Agent:    work.agent,
		}); err != nil {
			return err
		}
	}
	return s.useTools(ctx, over, exactly)
}

func (s *seeder) useTools(ctx context.Context, over tokens.Amount, exactly bool) error {
	for _, id := range []string{"pdf_creation", "video_10s", "video_5s", "image_generation", "lip_sync"} {
		f, _ := s.prices.Feature(id)
		for over >= f.Price {
			over -= f.Price
			if err := s.charge(ctx, ledger.Charge{Feature: id, Reference: fmt.Sprintf("job-%03d", s.step)}); err !=
				nil {
				return err
			}
		}
	}
	if !exactly || over <= 0 {
		return nil
	}
	return s.charge(ctx, ledger.Charge{
		Feature: "auto_selling",
		Agent:   "auto-selling",
		Amount:  &over,
	})
}

func (s *seeder) charge(ctx context.Context, c ledger.Charge) error {
	s.clock.Advance(time.Duration(20+s.random.IntN(100)) * time.Second)
	_, err := s.ledger.Charge(ctx, s.id, s.key(), c)
	return err
}

// buy makes a purchase without its events.
func (s *seeder) buy(ctx context.Context, pack string) error {
	p, _, err := s.billing.Start(ctx, s.id, s.key(), billing.StartParams{Pack: pack})
	if err != nil {
		return err
	}
	if _, err := s.provider.Pay(ctx, path.Base(p.CheckoutURL)); err != nil {
		return err
	}
	s.clock.Advance(40 * time.Second)
	_, err = s.billing.Refresh(ctx, s.id, p.ID)
	return err
}

// key numbers the steps of the seed, the same in each run.
func (s *seeder) key() string {
	s.step++
	return fmt.Sprintf("demo-%d", s.step)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
