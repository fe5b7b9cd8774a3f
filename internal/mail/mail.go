// Package mail sends creators e-mails: when their balance is low or empty, when an agent is paused,
// and when a purchase or auto top-up needs a receipt or notice.
//
// Sink stores ledger events as notifications. A job takes the notifications of one account,
// compares them with the account's current state and decides what to send (decide.go). So one
// e-mail covers what happened together, and outdated news is dropped. E-mails go to an SMTP server,
// or into a folder if none is configured.
//
// Tokens are millionths of a token, instants are UTC. Addresses are never logged.
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

	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/notice"
)

// Options are what a Mailer needs besides its database.
type Options struct {
	Agents  *agents.Agents
	Notices *notice.Notices
	Ledger  *engine.Engine
	Prices  func() *catalog.Catalog // the catalog in force
	BaseURL *url.URL                // public base of the app, for links
	From    *mail.Address
	Server  *url.URL // smtp or smtps, may have credentials; nil: write to Folder
	Folder  string   // created when needed
	// Receipt reads the payment of a purchase (billing.Service). Nil: e-mails have no receipt.
	Receipt func(ctx context.Context, account, purchase uuid.UUID) (billing.Receipt, error)
	Seller  []string // the seller's lines on receipts, the name first
	Clock   clock.Clock
	Log     *slog.Logger
}

// Mailer decides and sends e-mails. It is safe for concurrent use.
type Mailer struct {
	Options
	pool *pgxpool.Pool
	post func(context.Context, *message) error // to the server or into the folder
	// CAs that the server's certificate is checked against; nil: the system's
	roots *x509.CertPool

	mu         sync.Mutex
	secret     []byte    // signs unsubscribe links; nil: not loaded yet
	quietUntil time.Time // no attempts before; the server was unreachable
}

// Timing of e-mails.
const (
	// settleTime delays an alert after its event, so that one e-mail covers what follows.
	settleTime = time.Minute
	// coolDown is the time in which an alert is not repeated unless the state gets worse.
	coolDown = 12 * time.Hour
	// lookAgain is the wait while an agent is paused only because of held tokens.
	lookAgain = 5 * time.Minute
	// billTime is how long a receipt waits for the payment provider's bill, checked each billPause.
	billTime  = 5 * time.Minute
	billPause = 15 * time.Second
	// maxAge limits the age of an event that is sent, and how long a failing send is retried.
	maxAge = 24 * time.Hour
	// keepDone is how long done notifications are kept: longer than events can be redelivered.
	keepDone = 7 * 24 * time.Hour
	// Retries wait firstPause, doubled after each failure up to maxPause.
	firstPause = time.Minute
	maxPause   = time.Hour
	// quietTime is the pause after the server was unreachable.
	quietTime = time.Minute
	// busyTime ends the claim on an account if its server died.
	busyTime = 3 * time.Minute
	// sendTime is the timeout of one send.
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
