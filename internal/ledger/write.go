package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errUnknownCommit means that the connection broke around COMMIT: the batch may or may not be in the books.
var errUnknownCommit = errors.New("the outcome of COMMIT is unknown")

// write puts everything that the batch changed into the books and commits, in one round trip. When nothing changed it only ends the
// transaction, which frees the locks.
func write(ctx context.Context, conn *pgx.Conn, states map[uuid.UUID]*state) error {
	batch := &pgx.Batch{}
	queueAccounts(batch, states)
	queueLots(batch, states)
	queueEntries(batch, states)
	queueReferences(batch, states)
	queueNotes(batch, states)
	queueUsage(batch, states)
	batch.Queue("commit")
	return commitError(conn.SendBatch(ctx, batch).Close())
}

// commitError tells a refusal by Postgres, after which nothing was written, from a broken connection, after which nobody knows: the
// COMMIT travels with the writes. SafeToRetry is not asked, since it claims too much for a lost acknowledgement.
func commitError(err error) error {
	var refused *pgconn.PgError
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return errors.Join(errUnknownCommit, err)
}

func queueAccounts(batch *pgx.Batch, states map[uuid.UUID]*state) {
	var (
		ids                      []uuid.UUID
		balance, held, seq       []int64
		lastAt, anchor           []time.Time
		due                      []*time.Time
		plan, next, status, zone []string
		period                   []int32
		granted                  []int64
	)
	for id, s := range states {
		if !s.changed {
			continue
		}
		ids, balance, held, seq = append(ids, id), append(balance, int64(s.balance)), append(held, int64(s.held)), append(seq, s.seq)
		lastAt, due, anchor = append(lastAt, s.lastAt), append(due, orNull(s.nextDue())), append(anchor, s.anchor)
		plan, next, status = append(plan, s.plan), append(next, s.nextPlan), append(status, string(s.status))
		zone, period, granted = append(zone, s.zone.String()), append(period, int32(s.period)), append(granted, int64(s.periodGranted))
	}
	if len(ids) > 0 {
		batch.Queue(sqlUpdateAccounts, ids, balance, held, seq, lastAt, due, plan, next, status, anchor, zone, period, granted)
	}
}

// lotRows are the columns of lots to insert or update.
type lotRows struct {
	account                         []uuid.UUID
	number, amount, remaining, held []int64
	kind, priority                  []int16
	effective                       []time.Time
	expires                         []*time.Time
	frozen, open                    []bool
	source                          []string
}

func (r *lotRows) add(account uuid.UUID, l *lot) {
	r.account, r.number = append(r.account, account), append(r.number, l.number)
	r.amount, r.remaining, r.held = append(r.amount, int64(l.amount)), append(r.remaining, int64(l.remaining)), append(r.held, int64(l.held))
	r.kind, r.priority = append(r.kind, int16(l.kind)), append(r.priority, l.kind.priority())
	r.effective, r.expires = append(r.effective, l.effectiveAt), append(r.expires, orNull(l.expiresAt))
	r.frozen, r.open = append(r.frozen, l.frozen), append(r.open, l.remaining > 0)
	r.source = append(r.source, l.source)
}

func queueLots(batch *pgx.Batch, states map[uuid.UUID]*state) {
	var added, changed lotRows
	for id, s := range states {
		for i := range s.lots {
			switch l := &s.lots[i]; {
			case l.added:
				added.add(id, l)
			case l.changed:
				changed.add(id, l)
			}
		}
	}
	if a := &added; len(a.account) > 0 {
		batch.Queue(sqlInsertLots, a.account, a.number, a.kind, a.amount, a.remaining, a.held, a.priority, a.effective, a.expires, a.frozen, a.open, a.source)
	}
	if c := &changed; len(c.account) > 0 {
		batch.Queue(sqlUpdateLots, c.account, c.number, c.remaining, c.held, c.frozen, c.open)
	}
}

// entryRows are the columns of entries to insert.
type entryRows struct {
	account                                                           []uuid.UUID
	seq, amount, heldDelta, balance, held, spendable, quantity, price []int64
	at, day                                                           []time.Time
	kind, contra, lotKind                                             []int16
	feature, agent, version, reference, lots, lotAmounts, key         []string
	fingerprint                                                       [][]byte
}

func (r *entryRows) add(e *Entry) {
	r.account, r.seq, r.at, r.day = append(r.account, e.Account), append(r.seq, e.Seq), append(r.at, e.At), append(r.day, e.Day)
	r.kind, r.contra, r.lotKind = append(r.kind, int16(e.Kind)), append(r.contra, int16(e.Contra)), append(r.lotKind, int16(e.LotKind))
	r.amount, r.heldDelta = append(r.amount, int64(e.Amount)), append(r.heldDelta, int64(e.HeldDelta))
	r.balance, r.held = append(r.balance, int64(e.BalanceAfter)), append(r.held, int64(e.HeldAfter))
	r.spendable = append(r.spendable, int64(e.SpendableAfter))
	r.feature, r.agent, r.reference = append(r.feature, e.Feature), append(r.agent, e.Agent), append(r.reference, e.Reference)
	r.quantity, r.price, r.version = append(r.quantity, e.Quantity), append(r.price, int64(e.UnitPrice)), append(r.version, e.CatalogVersion)
	lots, amounts := arrayText(e.Parts)
	r.lots, r.lotAmounts = append(r.lots, lots), append(r.lotAmounts, amounts)
	r.key, r.fingerprint = append(r.key, e.key), append(r.fingerprint, e.fingerprint)
}

func queueEntries(batch *pgx.Batch, states map[uuid.UUID]*state) {
	var r entryRows
	for _, s := range states {
		for i := range s.entries {
			r.add(&s.entries[i])
		}
	}
	if len(r.account) > 0 {
		batch.Queue(sqlInsertEntries, r.account, r.seq, r.at, r.kind, r.amount, r.heldDelta, r.balance, r.held, r.spendable, r.contra, r.lotKind, r.feature, r.agent,
			r.quantity, r.price, r.version, r.reference, r.day, r.lots, r.lotAmounts, r.key, r.fingerprint)
	}
}

// arrayText writes the parts as two Postgres arrays: "{3,7}" and "{-5000000,-2500000}".
func arrayText(parts []Part) (lots, amounts string) {
	l, a := make([]byte, 0, 8), make([]byte, 0, 16)
	l, a = append(l, '{'), append(a, '{')
	for i, p := range parts {
		if i > 0 {
			l, a = append(l, ','), append(a, ',')
		}
		l, a = strconv.AppendInt(l, p.Lot, 10), strconv.AppendInt(a, int64(p.Amount), 10)
	}
	return string(append(l, '}')), string(append(a, '}'))
}

func queueReferences(batch *pgx.Batch, states map[uuid.UUID]*state) {
	var accounts []uuid.UUID
	var scopes, references []string
	var seqs []int64
	for id, s := range states {
		for _, r := range s.refs {
			accounts, seqs = append(accounts, id), append(seqs, r.seq)
			scopes, references = append(scopes, r.scope), append(references, r.reference)
		}
	}
	if len(accounts) > 0 {
		batch.Queue(sqlInsertReferences, accounts, scopes, references, seqs)
	}
}

func queueNotes(batch *pgx.Batch, states map[uuid.UUID]*state) {
	var accounts []uuid.UUID
	var seqs []int64
	var reasons []string
	var metadata []*string
	for id, s := range states {
		for i := range s.entries {
			n := s.entries[i].note
			if n.empty() {
				continue
			}
			accounts, seqs = append(accounts, id), append(seqs, s.entries[i].Seq)
			reasons, metadata = append(reasons, n.Reason), append(metadata, metadataText(n.Metadata))
		}
	}
	if len(accounts) > 0 {
		batch.Queue(sqlInsertNotes, accounts, seqs, reasons, metadata)
	}
}

func metadataText(metadata map[string]string) *string {
	if len(metadata) == 0 {
		return nil
	}
	raw, err := json.Marshal(metadata)
	if err != nil {
		panic(err) // a map of strings always has a JSON form
	}
	text := string(raw)
	return &text
}
