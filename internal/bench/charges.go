package bench

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

var all = []benchmark{
	{"charges", "one charge a call, 10,000 accounts, 5 % replays, 5 % refusals", 4096, setCharges},
	{"hot", "one charge a call, all on one account", 512, setHot},
	{"two", "charges through two servers' processes on the same accounts", 4096, setTwo},
	{"restart", "50 charges a second on 200 accounts right after a start, by one server and by two", 1, setRestart},
	{"http", "one charge a request over HTTP", 256, setHTTP},
	{"bulk", "500 charges a request over HTTP", 16, setBulk},
	{"badge", "polls of the badge, one in five with news", 256, setBadge},
	{"history", "pages of a long history and its usage, beside a short one's", 8, setHistory},
	{"verify", "all that the books say more than once, compared", 1, setVerify},
	{"raw", "the entries of such charges, inserted without deciding anything", 2, setRaw},
}

// caller is a client of the ledger: it charges, repeats one charge in twenty, and asks for too much one
// time in twenty.
type caller struct {
	random *rand.Rand
	ids    []uuid.UUID
	last   call
}

type call struct {
	account uuid.UUID
	key     string
	charge  ledger.Charge
}

var keys atomic.Int64

// newKey is a key that is unique over all callers and processes.
func newKey() string { return keyPrefix + strconv.FormatInt(keys.Add(1), 36) }

var keyPrefix = "bench-" + strconv.FormatInt(int64(os.Getpid()), 36) + "-"

// agentsWork is the work of each account's agents.
var agentsWork = []ledger.Charge{
	{Feature: "brand_deal_scan", Agent: "scout"},
	{Feature: "comment_to_dm", Agent: "dm"},
	{Feature: "social_comment_reply", Agent: "replies"},
}

// next is the next charge: mostly agents' small work, sometimes a tool.
func (c *caller) next() call {
	dice := c.random.IntN(100)
	if dice < 5 && c.last.key != "" {
		return c.last
	}
	n := call{account: c.ids[c.random.IntN(len(c.ids))], key: newKey()}
	switch {
	case dice < 10:
		tooMuch := tokens.Max
		n.charge = ledger.Charge{Feature: "auto_selling", Amount: &tooMuch}
		return n // a refusal claims no key, so it is not repeated
	case dice < 12:
		n.charge = ledger.Charge{Feature: "lip_sync"}
	case dice < 30:
		n.charge = agentsWork[0]
	case dice < 60:
		n.charge = agentsWork[1]
	default:
		n.charge = agentsWork[2]
	}
	c.last = n
	return n
}

func newCallers(n int, ids []uuid.UUID) []caller {
	callers := make([]caller, n)
	for i := range callers {
		callers[i] = caller{random: rand.New(rand.NewPCG(1, uint64(i))), ids: ids}
	}
	return callers
}

// charging drives a ledger with callers.
func charging(callers []caller, ledgerEngine *engine.Engine) probe {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		return drive(ctx, len(callers), d, func(ctx context.Context, i int) (int, error) {
			c := callers[i].next()
			_, err := ledgerEngine.Charge(ctx, c.account, c.key, c.charge)
			if err != nil && problem.Of(err).Kind != problem.Insufficient {
				return 0, err
			}
			return 1, nil
		})
	}
}

func setCharges(ctx context.Context, l *lab, o Options) (*experiment, error) {
	ids, err := l.open(ctx, orDefault(o.Accounts, 10_000), 1_000*tokens.One)
	if err != nil {
		return nil, err
	}
	e, err := l.againstPostgres(ctx)
	if err != nil {
		return nil, err
	}
	e.run = charging(newCallers(o.Callers, ids), l.ledger)
	e.goals = []Goal{{Against: "pgbench_n", AtLeast: 20}, {Against: "raw_unnest", AtLeast: 0.5}}
	if o.Callers <= 64 {
		e.goals = []Goal{{Against: "pgbench_n", AtLeast: 8}, {Against: "pgbench_n_p99", AtMost: 1}}
	}
	return e, nil
}

func setHot(ctx context.Context, l *lab, o Options) (*experiment, error) {
	ids, err := l.open(ctx, 1, tokens.Max/2)
	if err != nil {
		return nil, err
	}
	e, err := l.againstPostgres(ctx)
	if err != nil {
		return nil, err
	}
	e.run = charging(newCallers(o.Callers, ids), l.ledger)
	e.goals = []Goal{{Against: "pgbench_n", AtLeast: 25}}
	return e, nil
}

// setTwo drives the ledgers of two processes over one database, so that each often finds the other's
// writes.
func setTwo(ctx context.Context, l *lab, o Options) (*experiment, error) {
	ids, err := l.open(ctx, orDefault(o.Accounts, 10_000), 1_000*tokens.One)
	if err != nil {
		return nil, err
	}
	half := max(1, o.Callers/2)
	peer, err := l.peer(half, ids)
	if err != nil {
		return nil, err
	}
	return &experiment{
		run:       together(charging(newCallers(half, ids), l.ledger), peer),
		baselines: []baseline{{"one_server", charging(newCallers(o.Callers, ids), l.ledger)}},
		goals:     []Goal{{Against: "one_server", AtLeast: 1}},
	}, nil
}

func setRaw(ctx context.Context, l *lab, _ Options) (*experiment, error) {
	e, err := l.againstPostgres(ctx)
	if err != nil {
		return nil, err
	}
	e.run = e.baselines[1].run
	e.baselines = e.baselines[:1]
	return e, nil
}

// againstPostgres compares with pgbench and with a bare insert of the same rows.
func (l *lab) againstPostgres(ctx context.Context) (*experiment, error) {
	bench, err := l.pgbench(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := l.raw(ctx)
	if err != nil {
		return nil, err
	}
	return &experiment{baselines: []baseline{{"pgbench_n", bench}, {"raw_unnest", raw}}}, nil
}

// rawBatch is the number of rows per bare insert, about a lane's batch under full load.
const rawBatch = 1_200

// raw inserts entries like the benchmark's with two connections, the number of lanes.
func (l *lab) raw(ctx context.Context) (probe, error) {
	if _, err := l.owner.Exec(ctx, "create table raw_entries (like entries including all); grant insert on raw_entries to credits_app"); err != nil {
		return nil, err
	}
	template, err := l.sampleEntry(ctx)
	if err != nil {
		return nil, err
	}
	base := engine.NewBaseline(l.pool, engine.DefaultLanes, "raw_entries")
	l.closers = append(l.closers, base.Close)
	return func(ctx context.Context, d time.Duration) (sample, error) {
		return drive(ctx, engine.DefaultLanes, d, func(ctx context.Context, _ int) (int, error) {
			entries := make([]ledger.Entry, rawBatch)
			for i := range entries {
				entries[i] = template.WithKey(newKey())
				entries[i].AccountID = uuid.New()
			}
			return rawBatch, base.Insert(ctx, entries)
		})
	}, nil
}

// sampleEntry makes a real charge and returns its entry.
func (l *lab) sampleEntry(ctx context.Context) (ledger.Entry, error) {
	ids, err := l.open(ctx, 1, tokens.One)
	if err != nil {
		return ledger.Entry{}, err
	}
	r, err := l.ledger.Charge(ctx, ids[0], newKey(), ledger.Charge{Feature: "social_comment_reply", Agent: "replies"})
	return r.Entry, err
}
