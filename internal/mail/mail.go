// Package mail writes to creators: when their tokens run low or out, when an agent stops by itself,
// and when a purchase has arrived.
//
// What the books tell becomes an occasion (Sink). A job looks at the occasions of one account at a
// time, together with the account as it stands by then, and decides what to say (decide.go): so
// what happens in one moment is one e-mail, and nobody is told what is no longer so. An e-mail goes
// to an SMTP server, or, where none is set up, into a folder.
//
// Tokens are millionths of a token, instants are UTC. No address gets into a log.
package mail

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/mail"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger/engine"
)

// Options are what a Mailer needs besides its database.
type Options struct {
	Accounts *accounts.Accounts
	Ledger   *engine.Engine
	Prices   func() *catalog.Catalog // the catalog in force
	BaseURL  *url.URL                // public base of the app, for links
	From     *mail.Address
	Server   *url.URL // smtp or smtps, with credentials if the server wants them; nil: e-mails go into the folder
	Folder   string   // where e-mails are written to without a server; made when it is needed
	// Receipt reads what was paid for a purchase, as billing.Service does. Nil: nothing is known of it.
	Receipt func(ctx context.Context, account, purchase uuid.UUID) (billing.Receipt, error)
	Seller  []string // who sells, as receipts have it: lines, the name first
	Clock   clock.Clock
	Log     *slog.Logger
}

// Mailer writes to creators. It is safe for concurrent use.
type Mailer struct {
	Options
	pool *pgxpool.Pool
	post func(context.Context, *message) error // to the server or into the folder
	// whom the server's certificate must be from; nil: whom the system trusts
	roots *x509.CertPool

	mu         sync.Mutex
	secret     []byte    // signs the links to unsubscribe; nil: not read yet
	quietUntil time.Time // the server cannot be reached: no use in trying before
}

// When an e-mail is written, and how often.
const (
	// settleTime is how long after an event its e-mail is written: what follows from it, such as
	// agents that stop one after the other, comes along.
	settleTime = time.Minute
	// coolDown is how long nothing is said about the balance that was said before. What is worse is
	// said at once.
	coolDown = 12 * time.Hour
	// lookAgain is the pause before it is looked again whether a job under way has taken the tokens
	// that it holds.
	lookAgain = 5 * time.Minute
	// billTime is how long the e-mail about a purchase waits for what the payment provider has put
	// on the bill, and billPause after what it is looked at again.
	billTime  = 5 * time.Minute
	billPause = 15 * time.Second
	// maxAge is how old an event may be for anybody to be written to about it, and for how long one
	// that cannot be sent is tried.
	maxAge = 24 * time.Hour
	// keepDone is how long done occasions are kept: longer than events can come again.
	keepDone = 7 * 24 * time.Hour
	// A failed e-mail is tried again after firstPause, which doubles with each failure up to maxPause.
	firstPause = time.Minute
	maxPause   = time.Hour
	// quietTime is how long a server that could not be reached is left alone.
	quietTime = time.Minute
	// busyTime is after what an account is free again whose server has died.
	busyTime = 3 * time.Minute
	// sendTime bounds the sending of one e-mail.
	sendTime = 10 * time.Second
)

// New makes a mailer over a migrated database.
func New(pool *pgxpool.Pool, o Options) *Mailer {
	m := &Mailer{Options: o, pool: pool}
	m.post = m.intoFolder
	if o.Server != nil {
		m.post = m.toServer
	}
	return m
}
