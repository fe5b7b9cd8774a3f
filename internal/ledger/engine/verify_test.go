package engine_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/audit"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// corruption is a change to the tables of account $1, and one of the differences by which it must be found.
type corruption struct {
	name, statement, what string
}

// fillAccounts gives every account one of everything, so each statement finds what it changes.
var corruptions = []corruption{
	{"balance", "update ledger_accounts set balance = balance + 1 where account = $1", "balance, by its entries"},
	{
		"balance against lots", "update ledger_accounts set balance = balance + 1 where account = $1",
		"balance, by its lots",
	},
	{
		"balance against contra", "update ledger_accounts set balance = balance - 1 where account = $1",
		"balance, by its contra accounts",
	},
	{"held", "update ledger_accounts set held = 0 where account = $1", "held, by its open holds"},
	{"held against entries", "update ledger_accounts set held = held + 1 where account = $1", "held, by its entries"},
	{"held against lots", "update ledger_accounts set held = held - 1 where account = $1", "held, by its lots"},
	{"unusable", "update ledger_accounts set unusable = unusable - 1 where account = $1", "unusable, by its lots"},
	{"owed", "update ledger_accounts set owed = owed + 5 where account = $1", "owed, by purchases taken back"},
	{"seq", "update ledger_accounts set seq = seq + 1 where account = $1", "seq"},
	{
		"last at", "update ledger_accounts set last_at = last_at - interval '1 microsecond' where account = $1",
		"last at",
	},
	{"newest lot", "update ledger_accounts set newest_lot = newest_lot - 1 where account = $1", "newest lot"},
	{"below zero", "update ledger_accounts set balance = -1 where account = $1", "amounts"},
	{
		"next due late",
		"update ledger_accounts set next_due_at = next_due_at + interval '10 years' where account = $1",
		"next due",
	},
	{"next due never", "update ledger_accounts set next_due_at = null where account = $1", "next due"},
	{"zone", "update ledger_accounts set billing_zone = 'Mars/Base' where account = $1", "billing zone"},
	{
		"today", "update ledger_accounts set today_usage = '' where account = $1",
		"usage on 2026-02-01 of auto_selling by no agent: amount",
	},
	{"today torn", "update ledger_accounts set today_usage = '\\xff' where account = $1", "usage of today"},
	{"account gone", "delete from ledger_accounts where account = $1", "row"},

	{"first entry gone", "delete from entries where account = $1 and seq = 1", "entry 2: seq"},
	{"entry gone", "delete from entries where account = $1 and seq = 6", "entries"},
	{
		"newest entry gone",
		"delete from entries where account = $1 and seq = (select max(seq) from entries where account = $1)",
		"seq",
	},
	{"amount", "update entries set amount = amount + 1 where account = $1 and seq = 6", "entry 6: balance after"},
	{
		"held delta",
		"update entries set held_delta = held_delta + 1 where account = $1 and seq = (select min(hold) from holds where account = $1)",
		"held, by its entries",
	},
	{
		"balance after", "update entries set balance_after = balance_after + 1 where account = $1 and seq = 6",
		"entry 7: balance after",
	},
	{
		"held after", "update entries set held_after = held_after + 1 where account = $1 and seq = 6",
		"entry 6: held after",
	},
	{
		"held after above the balance",
		"update entries set held_after = balance_after + 1 where account = $1 and seq = 6",
		"entry 6: held after",
	},
	{
		"spendable after",
		"update entries set spendable_after = balance_after - held_after + 1 where account = $1 and seq = 6",
		"entry 6: spendable after",
	},
	{"time", "update entries set at = at - interval '1 second' where account = $1 and seq = 6", "entry 6: time"},
	{"day", "update entries set day = day - 1 where account = $1 and seq = 6", "entry 6: day"},
	{
		"day against usage",
		"update entries set day = day + 1 where account = $1 and seq = (select max(seq) from entries where account = $1 and kind = 2)",
		"usage on 2026-02-02 of auto_selling by no agent: amount",
	},
	{"kind", "update entries set kind = 9 where account = $1 and seq = 6", "entry 6: kind"},
	{"sign", "update entries set amount = -amount where account = $1 and seq = 1", "entry 1: amount and held"},
	{
		"contra",
		"update entries set contra = 4 where account = $1 and seq = (select min(seq) from entries where account = $1 and kind = 2)",
		"contra account",
	},
	{
		"contra none", "update entries set contra = 0 where account = $1 and seq = 1",
		"balance, by its contra accounts",
	},
	{
		"parts", "update entries set lot_amounts[1] = lot_amounts[1] + 1 where account = $1 and seq = (select min(seq) from entries where account = $1 and cardinality(lots) > 1)",
		"sum of its lots",
	},
	{
		"parts swapped", "update entries set lots = array[lots[2], lots[1]] where account = $1 and seq = (select min(seq) from entries where account = $1 and cardinality(lots) = 2)",
		"remaining, by its entries",
	},
	{
		"parts without an amount",
		"update entries set lots = lots || 1::bigint where account = $1 and seq = (select min(seq) from entries where account = $1 and cardinality(lots) > 1)",
		"lots",
	},
	{
		"lot of an entry", "update entries set lot = lot + 1 where account = $1 and seq = 1",
		"amount, by the entry that made it",
	},
	{"about", "update entries set about = 0 where account = $1 and kind = 4", "about"},
	{"about itself", "update entries set about = seq where account = $1 and kind = 6", "about"},
	{"fingerprint", "update entries set fingerprint = null where account = $1 and kind = 5", "idempotency key"},
	{
		"key twice",
		"update entries set idempotency_key = 'twice', fingerprint = '' where account = $1 and seq in (5, 6)",
		"entry 6: entries with its idempotency key",
	},
	{
		"entries without an account", "update entries set account = '00000000-0000-0000-0000-000000000000' where account = $1",
		"entries",
	},

	{
		"lot's remainder",
		"update lots set remaining = remaining + 1, amount = amount + 1 where account = $1 and lot = 1",
		"lot 1: remaining, by its entries",
	},
	{"lot's remainder below zero", "update lots set remaining = -1 where account = $1 and lot = 1", "lot 1: amounts"},
	{
		"open lot's remainder", "update ledger_accounts set open_remaining = open_remaining + 1 where account = $1",
		"remaining, by its entries",
	},
	{
		"open lot's held", "update ledger_accounts set open_held = open_remaining + 1 where account = $1",
		"open lot's remainder",
	},
	{
		"lot's amount", "update lots set amount = amount + 1 where account = $1 and lot = 1",
		"lot 1: amount, by the entry that made it",
	},
	{"lot's held", "update lots set held = held + 1 where account = $1 and frozen", "held, by the open holds"},
	{"lot's kind", "update lots set kind = 2 where account = $1 and lot = 1", "lot 1: kind"},
	{"lot's priority", "update lots set priority = 200 where account = $1 and lot = 1", "lot 1: priority"},
	{"lot closed", "update lots set is_open = false where account = $1 and is_open and frozen", "open"},
	{"lot thawed", "update lots set frozen = false where account = $1 and frozen", "unusable, by its lots"},
	{"lot gone", "delete from lots where account = $1 and lot = 1", "lot 1: row"},
	{
		"open lot is frozen",
		"update lots l set frozen = true from ledger_accounts a where a.account = $1 and l.account = $1 and l.lot = a.open_lot",
		"open lot",
	},
	{"open lot is nothing", "update ledger_accounts set open_lot = 999 where account = $1", "open lot"},
	{
		"open lot out of order",
		"update lots l set priority = 300 from ledger_accounts a where a.account = $1 and l.account = $1 and l.lot = a.open_lot",
		"open lot, by burn order",
	},

	{
		"hold's amount", "update holds set amount = amount + 1 where account = $1 and outcome = 0",
		"held, by its open holds",
	},
	{
		"hold's lots", "update holds set lot_amounts[1] = lot_amounts[1] + 1 where account = $1 and outcome = 0",
		"sum of its lots",
	},
	{
		"hold of another lot", "update holds set lots[1] = 1 where account = $1 and outcome = 0",
		"held, by the open holds",
	},
	{"hold's outcome", "update holds set outcome = 5 where account = $1 and outcome = 4", "outcome"},
	{"hold reopened", "update holds set outcome = 0 where account = $1 and outcome = 5", "entries that ended it"},
	{
		"hold ended by nothing", "update holds set outcome = 4 where account = $1 and outcome = 0",
		"entries that ended it",
	},
	{
		"hold ended too early",
		"update holds set expires_at = expires_at + interval '1 day' where account = $1 and outcome = 7",
		"time of its end",
	},
	{"hold's reference", "update holds set reference = 'other' where account = $1 and outcome = 0", "reference"},
	{
		"hold ends before its extension",
		"update holds set expires_at = expires_at - interval '1 hour' where account = $1 and outcome = 7",
		"end, by its extensions",
	},
	{
		"extension later than its hold",
		"update hold_extensions set expires_at = expires_at + interval '1 day' where account = $1",
		"end",
	},
	{
		"extension of nothing", "update hold_extensions set hold = 999 where account = $1",
		"extension of hold 999: hold",
	},
	{
		"extension that no request looks for", "update ledger_accounts set extended = false where account = $1",
		"account's mark",
	},
	{
		"extension's key used twice", "update hold_extensions set idempotency_key = (select idempotency_key from entries where account = $1 and kind = 5) where account = $1",
		"idempotency key",
	},
	{
		"last entry before its first",
		"update entries set last_seq = seq where account = $1 and last_seq is not null",
		"last entry of its request",
	},
	{
		"last entry of others",
		"update entries set last_seq = last_seq + 1 where account = $1 and last_seq is not null",
		"entries of its request",
	},
	{"hold gone", "delete from holds where account = $1 and outcome = 0", "row"},

	{
		"reversal",
		"update reversals set amount = amount + 1 where account = $1 and seq = (select max(about) from entries where account = $1 and kind = 6)",
		"reversed, by its refunds",
	},
	{
		"reversal gone",
		"delete from reversals where account = $1 and seq = (select max(about) from entries where account = $1 and kind = 6)",
		"reversed, by its refunds",
	},
	{"reversal above the charge", "update reversals set amount = amount * 1000 where account = $1", "reversed"},
	{"reversal of nothing", "insert into reversals values ($1, 999, 1)", "entry 999: what is reversed"},
	{
		"purchase taken back",
		"delete from reversals r using lots l where r.account = $1 and l.account = $1 and l.lot = r.seq and l.kind = 4",
		"owed, by purchases taken back",
	},

	{
		"lapsed",
		"update reversals r set lapsed = 1 from lots l where r.account = $1 and l.account = $1 and l.lot = r.seq and l.kind = 4",
		"lapsed, by what expired",
	},

	{
		"reference to nothing", "update permanent_references set seq = 999 where account = $1 and scope = 'charge'",
		"charge reference job: entry",
	},
	{
		"reference to another", "update permanent_references set seq = 1 where account = $1 and scope = 'charge'",
		"charge reference job: what it points to",
	},
	{
		"reference renamed",
		"update permanent_references set reference = 'other' where account = $1 and scope = 'charge'",
		"charge reference other: reference of its entry",
	},
	{
		"allowance that may come again", "delete from permanent_references where account = $1 and scope = 'period'",
		"entry 1: permanent references",
	},
	{
		"purchase that may come again", "delete from permanent_references where account = $1 and scope = 'purchase'",
		"permanent references",
	},

	{
		"usage", "update usage_days set amount = amount + 1 where account = $1 and feature = 'pdf_creation'",
		"usage on 2026-01-31 of pdf_creation by no agent: amount",
	},
	{
		"usage's quantity", "update usage_days set quantity = 0 where account = $1 and feature = 'pdf_creation'",
		"usage on 2026-01-31 of pdf_creation by no agent: quantity",
	},
	{
		"usage's count", "update usage_days set count = 7 where account = $1 and feature = 'pdf_creation'",
		"usage on 2026-01-31 of pdf_creation by no agent: count",
	},
	{
		"usage's returns",
		"update usage_days set returned = returned + 1 where account = $1 and feature = 'pdf_creation'",
		"usage on 2026-01-31 of pdf_creation by no agent: returned",
	},
	{
		"usage gone", "delete from usage_days where account = $1 and agent = 'studio'",
		"usage on 2026-01-31 of auto_selling by studio: count",
	},
	{"agents", "update ledger_accounts set agents = agents + 1 where account = $1", "agents"},
	{
		"waiting agents", "update ledger_accounts set paused_agents = 0 where account = $1",
		"agents that wait for tokens",
	},
	{"reserved", "update ledger_accounts set reserved = reserved + 1 where account = $1", "reserved, by its agents"},
	{"guarded", "update ledger_accounts set guarded = not guarded where account = $1", "guarded, by its agents"},
	{"agent gone", "delete from agents where account = $1 and agent = 'scout'", "agents"},
	{"agent's reserve", "update agents set reserve = 0 where account = $1 and agent = ''", "reserved, by its agents"},
	{
		"agent resumed without an event", "update agents set state = 0 where account = $1 and agent = 'seller'",
		"agents that wait for tokens",
	},
	{"agent's state", "update agents set state = 4 where account = $1 and agent = 'scout'", "agent scout: state"},
	{"creator's state", "update agents set state = 1 where account = $1 and agent = ''", "agent of none: state"},
	{
		"agent paused at no time", "update agents set paused_since = null where account = $1 and agent = 'seller'",
		"agent seller: paused since",
	},
	{
		"agent's budget", "update agents set budget = 0 where account = $1 and agent = 'scout'",
		"agent scout: budget and reserve",
	},
	{
		"agent over no budget", "update agents set state = 3, budget = null where account = $1 and agent = 'scout'",
		"agent scout: over its budget",
	},
	{"level", "update ledger_accounts set level = 0 where account = $1 and level <> 0", "level"},
	{"level low", "update ledger_accounts set level = 1, low_threshold = 1 where account = $1", "level"},
	{
		"agent turned away", "update agents set turned_away = -1 where account = $1 and agent = 'seller'",
		"agent seller: turned away",
	},
	{"agents without an account", "delete from ledger_accounts where account = $1", "row, by its agents"},
	{
		"newest event gone",
		"delete from outbox where account = $1 and seq = (select max(seq) from outbox where account = $1)",
		"newest event",
	},
	{
		"event between gone",
		"delete from outbox where account = $1 and seq = (select max(seq) - 1 from outbox where account = $1)",
		"events that wait",
	},
	{"events not counted", "update ledger_accounts set event_seq = event_seq - 1 where account = $1", "newest event"},
	{"events without an account", "delete from ledger_accounts where account = $1", "row, by its events"},

	{
		"usage from nowhere", "insert into usage_days values ($1, '2026-01-01', 'lip_sync', '', 1, 1, 1)",
		"usage on 2026-01-01 of lip_sync by no agent: amount",
	},
}

// dropConstraints drops the constraints that would refuse some of the corruptions.
const dropConstraints = `
do $$ declare c record; begin
	for c in select conrelid::regclass as t, conname from pg_constraint where contype = 'c' and connamespace = 'public'::regnamespace loop
		execute format('alter table %s drop constraint %I', c.t, c.conname);
	end loop;
end $$;
drop index entries_key`

func (f *fixture) verify(o audit.Options) audit.Report {
	f.T.Helper()
	report, err := audit.Verify(f.T.Context(), f.Pool, o)
	if err != nil {
		f.T.Fatal(err)
	}
	return report
}

func (f *fixture) wantClean(o audit.Options) audit.Report {
	f.T.Helper()
	report := f.verify(o)
	for _, d := range report.Differences {
		f.T.Error(d)
	}
	if !report.Complete {
		f.T.Error("the report is not complete")
	}
	return report
}

// fillAccounts makes accounts that have some of everything: lots of all kinds, one of them disputed, one revoked after
// it was spent; holds that were captured, released, timed out and are open; refunds; two days of usage.
func (f *fixture) fillAccounts(n int) []uuid.UUID {
	f.T.Helper()
	ids := make([]uuid.UUID, n)
	each := func(step func(id uuid.UUID)) {
		var all sync.WaitGroup
		for i := range ids {
			all.Go(func() { step(ids[i]) })
		}
		all.Wait()
	}
	for i := range ids {
		ids[i] = uuid.New()
	}
	each(f.firstDay)
	f.Clock.Advance(2 * time.Hour) // a hold has timed out
	each(func(id uuid.UUID) { f.MustCharge(id, "lip_sync", "") })
	f.Clock.Advance(24 * time.Hour)
	each(func(id uuid.UUID) {
		f.MustCharge(id, "auto_selling", "1")
		f.holdFeature(id, "lip_sync", 0)
		f.declineSeller(id) // its first pause ended with the hold that timed out
	})
	return ids
}

func (f *fixture) firstDay(id uuid.UUID) {
	ctx := f.T.Context()
	f.NoError(f.SetPlan(ctx, id, ledger.SetPlan{Plan: "starter"}))
	f.MustGrant(id, ledger.LotPromo, "10", ledgertest.Start.AddDate(0, 0, 3))
	purchase := ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: "spent " + id.String(),
	}
	_, err := f.Grant(ctx, id, "", purchase)
	f.NoError(err)
	fifteen := tokens.MustParse("15")
	two, err := f.Charge(ctx, id, uuid.NewString(), ledger.Charge{
		Feature: "auto_selling",
		Amount:  &fifteen,
		Agent:   "studio",
	}) // from two lots
	f.NoError(err)
	_, err = f.Charge(ctx, id, uuid.NewString(), ledger.Charge{
		Feature:         "pdf_creation",
		Reference:       "job",
		UniqueReference: true,
	})
	f.NoError(err)
	f.MustCharge(id, "image_generation", "")
	five := tokens.MustParse("5")
	for _, part := range []*tokens.Amount{&five, nil} {
		_, err = f.Refund(ctx, id, uuid.NewString(), ledger.Refund{
			Entry:  two.Seq,
			Amount: part,
			Reason: "a test",
		})
		f.NoError(err)
	}
	three := tokens.MustParse("3")
	_, err = f.Capture(
		ctx,
		id,
		uuid.NewString(),
		ledger.Capture{Hold: f.holdFeature(id, "lip_sync", 0), Amount: &three},
	)
	f.NoError(err)
	_, err = f.Release(ctx, id, uuid.NewString(), ledger.Release{Hold: f.holdFeature(id, "lip_sync", 0)})
	f.NoError(err)
	f.MustCharge(id, "auto_selling", "190") // what was granted, and most of the purchase
	_, err = ledgertest.Revoke(ctx, f, id, purchase.Source, 90*tokens.One, ledger.CauseDispute, "charged back")
	f.NoError(err)
	disputed := ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: "disputed " + id.String(),
	}
	_, err = f.Grant(ctx, id, "", disputed) // less what is owed
	f.NoError(err)
	f.NoError(ledgertest.Freeze(ctx, f, id, disputed.Source, true))
	f.MustGrant(id, ledger.LotAdjustment, "20", time.Time{})
	f.MustGrant(id, ledger.LotPromo, "20", time.Time{})
	for _, lot := range []int64{0, f.MustGrant(id, ledger.LotPromo, "5", time.Time{}).Seq} {
		_, err = f.TakeBack(ctx, id, uuid.NewString(), ledger.TakeBack{
			Amount: 2 * tokens.One,
			Lot:    lot,
			Reason: "a test",
		})
		f.NoError(err)
	}
	_, err = f.Extend(ctx, id, uuid.NewString(),
		ledger.Extend{Hold: f.holdFeature(id, "lip_sync", time.Hour), ExpiresIn: 90 * time.Minute})
	f.NoError(err)
	f.addAgents(id)
}

func (f *fixture) addAgents(id uuid.UUID) {
	ctx := f.T.Context()
	f.MustPutAgent(id, "", "", "0.5")
	f.MustPutAgent(id, "scout", "50", "0.25")
	f.NoError(f.SwitchAgent(ctx, id, ledger.SwitchAgent{ID: "scout"}))
	forty := 40 * tokens.One
	f.NoError(f.SetThreshold(ctx, id, ledger.SetThreshold{Amount: &forty}))
	f.declineSeller(id)
	events, err := f.Outbox(ctx, 10_000)
	f.NoError(err)
	events = slices.DeleteFunc(events, func(e ledger.AccountEvent) bool { return e.AccountID != id || e.Seq > 3 })
	f.NoError(f.Relayed(ctx, events))
}

// declineSeller sends an agent's charge that is too large.
func (f *fixture) declineSeller(id uuid.UUID) {
	much := 10_000 * tokens.One
	_, err := f.Charge(f.T.Context(), id, uuid.NewString(), ledger.Charge{
		Feature: "auto_selling",
		Amount:  &much,
		Agent:   "seller",
	})
	if code := problem.Of(err).Code; code != "insufficient_tokens" {
		f.T.Errorf("the seller got %v", err)
	}
}

func (f *fixture) holdFeature(id uuid.UUID, feature string, life time.Duration) int64 {
	f.T.Helper()
	r, err := f.Hold(f.T.Context(), id, uuid.NewString(), ledger.Hold{Feature: feature, ExpiresIn: life})
	f.NoError(err)
	return r.Seq
}

// Each kind of corruption is found and named, and no other account is reported.
func TestVerifyFindsDamage(t *testing.T) {
	t.Parallel()
	f, d := newUnchecked(t)
	ids := f.fillAccounts(len(corruptions) + 3)
	f.wantClean(audit.Options{ChunkEntries: 50})
	owner, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.WithoutCancel(t.Context()))
	if _, err := owner.Exec(t.Context(), dropConstraints); err != nil {
		t.Fatal(err)
	}
	for i, damage := range corruptions {
		done, err := owner.Exec(t.Context(), damage.statement, ids[i])
		if err != nil || done.RowsAffected() == 0 {
			t.Errorf("%s: %d rows were damaged: %v", damage.name, done.RowsAffected(), err)
		}
	}
	report := f.verify(audit.Options{MaxDifferences: 100_000, ChunkEntries: 100})
	found := map[uuid.UUID][]string{}
	for _, d := range report.Differences {
		found[d.AccountID] = append(found[d.AccountID], d.What)
		if d.Expected == d.Found || strings.ContainsAny(d.String(), "\n\r") {
			t.Errorf("%s", d)
		}
	}
	for i, damage := range corruptions {
		named := func(what string) bool { return what == damage.what || strings.HasSuffix(what, ": "+damage.what) }
		if !slices.ContainsFunc(found[ids[i]], named) {
			t.Errorf("%s: want %q among %q", damage.name, damage.what, found[ids[i]])
		}
	}
	for _, id := range ids[len(corruptions):] {
		if len(found[id]) > 0 {
			t.Errorf("a sound account is said to have %q", found[id])
		}
	}
	if len(found[uuid.Nil]) == 0 {
		t.Error("entries of an id that no account has were not found")
	}
}

func TestVerifyEndsAfterEnough(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	f.fillAccounts(5)
	if _, err := f.Pool.Exec(t.Context(), "update ledger_accounts set owed = owed + 1"); err != nil {
		t.Fatal(err)
	}
	if report := f.verify(audit.Options{MaxDifferences: 2, ChunkEntries: 1}); len(report.Differences) !=
		2 || report.Complete {
		t.Errorf("%+v", report)
	}
	if report := f.verify(audit.Options{}); len(report.Differences) != 5 || !report.Complete ||
		report.Accounts != 5 {
		t.Errorf("%+v", report)
	}
}

func TestVerifyOfNothing(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	if report := f.wantClean(audit.Options{}); report.Accounts != 0 || report.Entries != 0 {
		t.Errorf("%+v", report)
	}
}

// Everything that agents left behind is removed: the account is like one that never had any.
func TestVerifyOfAgentsThatAreOn(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	id := f.MustOpenWith("100")
	f.wantAgentCharge(id, "replies", "1", "")
	f.MustPutAgent(id, "replies", "50", "5")
	f.wantClean(audit.Options{})
	f.MustPutAgent(id, "replies", "0", "0")
	f.wantClean(audit.Options{})
	for _, on := range []bool{false, true} {
		f.NoError(f.SwitchAgent(t.Context(), id, ledger.SwitchAgent{ID: "replies", On: on}))
		f.wantClean(audit.Options{})
	}
}

func TestVerifyTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	f.fillAccounts(4)
	var last, most int64
	report := f.wantClean(audit.Options{ChunkEntries: 1, Progress: func(done, total int64) {
		if done < last || done > total {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last, most = done, total
	}})
	if last != most || most != report.Entries || report.Accounts != 4 {
		t.Errorf("it ended at %d of %d: %+v", last, most, report)
	}
}

// The invariants hold at every moment while requests are sent, not only at rest.
func TestVerifyWhileChargesGoOn(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	ids := f.fillAccounts(6)
	var over atomic.Bool
	var busy sync.WaitGroup
	for i := range 16 {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		busy.Go(func() {
			for !over.Load() {
				f.randomRequest(ids[random.IntN(len(ids))], random)
			}
		})
	}
	for i := range 12 {
		f.wantClean(audit.Options{ChunkEntries: []int64{1, 0}[i%2]})
		f.Clock.Advance(7 * time.Hour)
	}
	over.Store(true)
	busy.Wait()
	f.Clock.Advance(40 * 24 * time.Hour)
	for _, id := range ids {
		f.NoError(f.Settle(t.Context(), id))
	}
	f.wantClean(audit.Options{})
}

// randomRequest sends a random request. It may be refused.
func (f *fixture) randomRequest(account uuid.UUID, random *rand.Rand) {
	ctx, key := f.T.Context(), uuid.NewString()
	amount := tokens.Amount(1 + random.Int64N(int64(8*tokens.One)))
	var err error
	switch random.IntN(15) {
	case 0:
		_, err = f.Grant(ctx, account, key, ledger.Grant{
			Kind:      ledger.LotPromo,
			Amount:    3 * amount,
			ExpiresAt: f.Clock.Now().Add(time.Duration(1+random.IntN(30)) * time.Hour),
		})
	case 1:
		_, err = f.Grant(ctx, account, "", ledger.Grant{
			Kind:   ledger.LotPurchase,
			Amount: 5 * amount,
			Source: key,
		})
	case 2:
		_, err = ledgertest.Revoke(ctx, f, account, "disputed "+account.String(), amount, ledger.CauseRefund, "")
	case 3:
		err = ledgertest.Freeze(ctx, f, account, "disputed "+account.String(), random.IntN(2) == 0)
	case 4, 5:
		var hold ledger.Receipt
		if hold, err = f.Hold(ctx, account, key, ledger.Hold{
			Feature:   "auto_selling",
			Amount:    &amount,
			ExpiresIn: time.Duration(1+random.IntN(20)) * time.Hour,
		}); err != nil {
			break
		}
		part := amount/2 + 1
		switch random.IntN(3) {
		case 0:
			_, err = f.Capture(ctx, account, uuid.NewString(), ledger.Capture{Hold: hold.Seq, Amount: &part})
		case 1:
			_, err = f.Release(ctx, account, uuid.NewString(), ledger.Release{Hold: hold.Seq})
		}
	case 6, 7:
		_, err = f.Refund(ctx, account, key, ledger.Refund{Entry: 1 + random.Int64N(200), Amount: &amount})
	case 8, 9, 10:
		err = f.randomAgentRequest(account, amount, random)
	default:
		agent := []string{"", "studio", "scout"}[random.IntN(3)]
		_, err = f.Charge(ctx, account, key, ledger.Charge{
			Feature: "auto_selling",
			Amount:  &amount,
			Agent:   agent,
		})
	}
	if kind := kindOf(err); err != nil && (kind == problem.Internal || kind == problem.KindUnavailable) {
		f.T.Error(err)
	}
}

func (f *fixture) randomAgentRequest(account uuid.UUID, amount tokens.Amount, random *rand.Rand) error {
	ctx := f.T.Context()
	agent := []string{"studio", "scout", ""}[random.IntN(3)]
	budgets, reserves := []tokens.Amount{0, amount, 50 * amount}, []tokens.Amount{0, amount}
	switch random.IntN(3) {
	case 0:
		put := ledger.PutAgent{ID: agent, Reserve: &reserves[random.IntN(2)]}
		if agent != "" {
			put.Budget = &budgets[random.IntN(3)]
		}
		return f.PutAgent(ctx, account, put)
	case 1:
		return f.SwitchAgent(ctx, account, ledger.SwitchAgent{ID: agent, On: random.IntN(2) == 0})
	}
	return f.relay(1 + random.IntN(20))
}

// relay takes the oldest events out of the outbox.
func (f *fixture) relay(n int) error {
	events, err := f.Outbox(f.T.Context(), n)
	if err != nil {
		return err
	}
	return f.Relayed(f.T.Context(), events)
}
