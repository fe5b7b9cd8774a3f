package billing

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/plaintext"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// A bill says who bought and which taxes were paid. Events do not carry all of it, so the provider is
// asked after a purchase is credited: at once, then by the job at growing intervals, and when somebody
// opens the receipt. Tokens never wait for the bill.

// The intervals at which the provider is asked for a bill.
const (
	soonestBill = 5 * time.Second    // between two requests, also for an open receipt
	rarestBill  = 6 * time.Hour      // by the job, however long it is missing
	giveUpBill  = 7 * 24 * time.Hour // after that only an open receipt asks
	billChunk   = 50                 // of a turn: each is a call to the provider
)

const (
	sqlWanted = `select ` + purchaseColumns +
		` from purchases where provider = $2 and provider_session is not null and id in (
		select purchase from purchase_bills where bill is null and ask_at <= $1 order by ask_at limit $3)`
	// sqlForeign postpones the bills of other providers.
	sqlForeign = `update purchase_bills set ask_at = $2 where bill is null and ask_at <= $1 and not exists (
		select from purchases where id = purchase and provider = $3 and provider_session is not null)`
)

// askBills asks the provider for missing bills.
func (s *Service) askBills(ctx context.Context) (more bool, err error) {
	now, name := s.o.Clock(), s.o.Provider.Name()
	if _, err := s.pool.Exec(ctx, sqlForeign, now, now.Add(rarestBill), name); err != nil {
		return false, problem.Unavailable(err)
	}
	list, err := s.query(ctx, sqlWanted, now, name, billChunk)
	if err != nil {
		return false, err
	}
	for i := range list {
		if err := s.askBill(ctx, &list[i]); err != nil {
			s.o.Log.Warn("the bill of a purchase is not known", "purchase", list[i].ID, "error", err)
			break // the next turn tries the others
		}
	}
	return false, nil // a turn a minute is enough
}

// sqlTurn lets one caller ask at a time and schedules the job's next attempt. The interval grows by half
// each time, until the job gives up. It inserts the row if it is missing: an older version of the server,
// which had no bills, may have credited the purchase.
const sqlTurn = `insert into purchase_bills as b (purchase, account, since, asked_at, ask_at) values ($1, $2, $3, $3, $3::timestamptz + interval '1 minute')
	on conflict (purchase) do update set asked_at = $3, ask_at = case when b.since > $3::timestamptz - $5::interval
		then $3::timestamptz + least(greatest(($3::timestamptz - b.since) / 2, interval '1 minute'), $6::interval) end
	where b.bill is null and coalesce(b.asked_at, '-infinity') <= $3::timestamptz - $4::interval`

// askBill asks the provider for one bill, unless another caller has just done so.
func (s *Service) askBill(ctx context.Context, p *Purchase) error {
	tag, err := s.pool.Exec(ctx, sqlTurn, p.ID, p.AccountID, s.o.Clock(), soonestBill, giveUpBill, rarestBill)
	if err != nil {
		return problem.Unavailable(err)
	}
	if tag.RowsAffected() == 0 {
		return nil
	}
	c, err := s.o.Provider.Checkout(ctx, p.session)
	if errors.Is(err, payment.ErrNone) {
		return s.noBill(ctx, p)
	}
	if err != nil {
		return problem.Unavailable(err)
	}
	if !s.matches(p, &c) {
		s.o.Log.Error("a bill does not match the order and is ignored", "purchase", p.ID)
		return nil
	}
	if err := s.storeLateDetails(ctx, p, &c); err != nil {
		return err
	}
	s.storeBill(ctx, p, c.Bill)
	return nil
}

// noBill ends the job's attempts after the provider no longer knows the checkout.
func (s *Service) noBill(ctx context.Context, p *Purchase) error {
	s.o.Log.Error("the payment provider does not know the checkout of a purchase, which gets no bill", "purchase", p.ID,
		"session", p.session)
	if _, err := s.pool.Exec(ctx, `update purchase_bills set ask_at = null where purchase = $1 and bill is null`,
		p.ID); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// storeLateDetails stores the card of a purchase, and the method that may be charged again, when they were
// unknown as the purchase was credited. A method that was stored meanwhile is newer and stays.
func (s *Service) storeLateDetails(ctx context.Context, p *Purchase, c *payment.Checkout) error {
	if p.Card != "" || c.Card == "" {
		return nil
	}
	if _, err := s.pool.Exec(ctx, `update purchases set card = $2 where id = $1 and card = ''`, p.ID,
		c.Card); err != nil {
		return problem.Unavailable(err)
	}
	kept, err := s.Kept(ctx, p.AccountID)
	if err != nil || kept.Any {
		return err
	}
	return s.storeCustomer(ctx, *p, *c)
}

const sqlKeepBill = `update purchase_bills set bill = $2, read_at = $3, ask_at = null where purchase = $1 and bill is null`

// storeBill stores a bill that matches the purchase. A failed write is logged, and the job tries again.
func (s *Service) storeBill(ctx context.Context, p *Purchase, bill *payment.Bill) {
	if bill == nil {
		return
	}
	if bill.Subtotal != p.Price.Minor || bill.Total != p.Paid.Minor {
		s.o.Log.Error("a bill does not match the order and is ignored", "purchase", p.ID, "subtotal",
			bill.Subtotal, "total", bill.Total)
		return
	}
	if _, err := s.pool.Exec(ctx, sqlKeepBill, p.ID, s.cleanBill(*bill), s.o.Clock()); err != nil {
		s.o.Log.Warn("a bill could not be stored", "purchase", p.ID, "error", err)
	}
}

// Limits of the texts of a bill.
const (
	maxBillLines = 10
	maxBillText  = 200 // characters
	maxBillURL   = 2_000
)

// cleanBill cleans up and bounds the texts of a bill, which buyers have typed.
func (s *Service) cleanBill(b payment.Bill) *payment.Bill {
	b.Buyer = payment.Buyer{
		Name:    cleanText(b.Buyer.Name),
		Address: cleanTexts(b.Buyer.Address),
		TaxIDs:  cleanTexts(b.Buyer.TaxIDs),
	}
	taxes := make([]payment.TaxLine, 0, len(b.Taxes))
	for _, t := range b.Taxes[:min(len(b.Taxes), maxBillLines)] {
		t.Name, t.Rate = cleanText(t.Name), cleanText(t.Rate)
		taxes = append(taxes, t)
	}
	b.Taxes = taxes
	if !s.safeReceipt(b.ReceiptURL) {
		b.ReceiptURL = ""
	}
	return &b
}

// safeReceipt reports whether a receipt's address is https or our own.
func (s *Service) safeReceipt(address string) bool {
	u, err := url.Parse(address)
	return err == nil && len(address) <= maxBillURL &&
		(u.Scheme == "https" && u.Host != "" || strings.HasPrefix(address, s.o.BaseURL+"/sandbox/"))
}

func cleanTexts(list []string) []string {
	out := []string{}
	for _, text := range list {
		if text = cleanText(text); text != "" && len(out) < maxBillLines {
			out = append(out, text)
		}
	}
	return out
}

// cleanText makes a text one line, without invisible characters and changes of direction.
func cleanText(text string) string {
	text = plaintext.Clean(strings.ReplaceAll(text, "\ufffd", " "))
	runes := []rune(strings.Join(strings.Fields(text), " "))
	return string(runes[:min(len(runes), maxBillText)])
}

// Receipt is the data of a purchase's receipt.
type Receipt struct {
	Purchase
	Number    string
	Netted    tokens.Amount // debt that was deducted from the tokens
	Provider  string        // the purchase's provider: "stripe", "stripe_test", "sandbox"
	ExpiresAt time.Time     // zero: the tokens never expire
	// instant of the last refund; zero without one, and when it is unknown for a part of the money
	RefundedAt time.Time
}

// sqlBack sums the refunds whose instants are known, and returns the last instant.
const sqlBack = `select coalesce(sum(amount_minor), 0)::bigint, coalesce(max(at), '0001-01-01') from (
		select amount_minor, done_at as at from purchase_refunds where purchase = $1 and done_at is not null
		union all select amount_minor, at from purchase_disputes where purchase = $1 and state = 'lost') back`

// Receipt returns a credited purchase with its bill, and asks the provider for a missing bill. A free
// purchase has a receipt, too. Errors: ErrNoPurchase (also for another account's), ErrNoReceipt,
// problem.Unavailable.
func (s *Service) Receipt(ctx context.Context, account, id uuid.UUID) (Receipt, error) {
	p, err := s.Get(ctx, account, id)
	if err != nil {
		return Receipt{}, err
	}
	if !p.credited() {
		return Receipt{}, ErrNoReceipt
	}
	if p.Bill == nil && s.sameProvider(&p) {
		if err := s.askBill(ctx, &p); err != nil {
			s.o.Log.Warn("the bill of a purchase is not known", "purchase", id, "error", err)
		}
		if p, err = s.Get(ctx, account, id); err != nil {
			return Receipt{}, err
		}
	}
	r := Receipt{
		Purchase:  p,
		Number:    receiptNumber(p.ID),
		Provider:  p.provider,
		ExpiresAt: p.expiry(p.CompletedAt),
	}
	breakdown, err := s.TokenBreakdown(ctx, p)
	if err != nil {
		return Receipt{}, err
	}
	r.Netted = breakdown.Netted
	var known int64
	if err := s.pool.QueryRow(ctx, sqlBack, id).Scan(&known, &r.RefundedAt); err != nil {
		return Receipt{}, problem.Unavailable(err)
	}
	if r.RefundedAt = r.RefundedAt.UTC(); p.Refunded.Minor == 0 || known < p.Refunded.Minor {
		r.RefundedAt = time.Time{}
	}
	return r, nil
}

// receiptNumber is a receipt's number: stable and short enough to read out.
func receiptNumber(id uuid.UUID) string {
	digits := strings.ToUpper(strings.ReplaceAll(id.String(), "-", ""))
	return "R-" + digits[:6] + "-" + digits[6:12]
}
