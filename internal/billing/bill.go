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
	// sqlForeign puts off what another provider would have to be asked about.
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
			break // the next turn goes on with the others
		}
	}
	return false, nil // a turn a minute is soon enough
}

// sqlTurn lets one ask at a time, and says when the job does next: after half as long again, at
// last never. A server of before, which knew no bills, may have credited the purchase.
const sqlTurn = `insert into purchase_bills as b (purchase, account, since, asked_at, ask_at) values ($1, $2, $3, $3, $3::timestamptz + interval '1 minute')
	on conflict (purchase) do update set asked_at = $3, ask_at = case when b.since > $3::timestamptz - $5::interval
		then $3::timestamptz + least(greatest(($3::timestamptz - b.since) / 2, interval '1 minute'), $6::interval) end
	where b.bill is null and coalesce(b.asked_at, '-infinity') <= $3::timestamptz - $4::interval`

// askBill asks after one bill, unless somebody has just done so.
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
		s.o.Log.Error("a bill does not match our order: it is not kept", "purchase", p.ID)
		return nil
	}
	if err := s.keepLate(ctx, p, &c); err != nil {
		return err
	}
	s.keepBill(ctx, p, c.Bill)
	return nil
}

// noBill has the job ask no more: the provider does not know the checkout any more.
func (s *Service) noBill(ctx context.Context, p *Purchase) error {
	s.o.Log.Error("the payment provider does not know a purchase's checkout: it has no bill", "purchase", p.ID,
		"session", p.session)
	if _, err := s.pool.Exec(ctx, `update purchase_bills set ask_at = null where purchase = $1 and bill is null`,
		p.ID); err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// keepLate stores the card of a purchase, and the method that may be charged again, when they were
// unknown as the purchase was credited. A method that was stored meanwhile is newer and stays.
func (s *Service) keepLate(ctx context.Context, p *Purchase, c *payment.Checkout) error {
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
	return s.keepCustomer(ctx, *p, *c)
}

const sqlKeepBill = `update purchase_bills set bill = $2, read_at = $3, ask_at = null where purchase = $1 and bill is null`

// keepBill keeps a bill, if it is one of this purchase. A failure is in the log, and the job asks again.
func (s *Service) keepBill(ctx context.Context, p *Purchase, bill *payment.Bill) {
	if bill == nil {
		return
	}
	if bill.Subtotal != p.Price.Minor || bill.Total != p.Paid.Minor {
		s.o.Log.Error("a bill does not match our order: it is not kept", "purchase", p.ID, "subtotal",
			bill.Subtotal, "total", bill.Total)
		return
	}
	if _, err := s.pool.Exec(ctx, sqlKeepBill, p.ID, s.tidy(*bill), s.o.Clock()); err != nil {
		s.o.Log.Warn("a bill could not be kept", "purchase", p.ID, "error", err)
	}
}

// Limits of what a bill may say.
const (
	maxBillLines = 10
	maxBillText  = 200 // characters
	maxBillURL   = 2_000
)

// tidy is a bill of texts that can be kept and shown: they are what a buyer has typed.
func (s *Service) tidy(b payment.Bill) *payment.Bill {
	b.Buyer = payment.Buyer{
		Name:    tidyText(b.Buyer.Name),
		Address: tidyTexts(b.Buyer.Address),
		TaxIDs:  tidyTexts(b.Buyer.TaxIDs),
	}
	taxes := make([]payment.TaxLine, 0, len(b.Taxes))
	for _, t := range b.Taxes[:min(len(b.Taxes), maxBillLines)] {
		t.Name, t.Rate = tidyText(t.Name), tidyText(t.Rate)
		taxes = append(taxes, t)
	}
	b.Taxes = taxes
	if !s.safeReceipt(b.ReceiptURL) {
		b.ReceiptURL = ""
	}
	return &b
}

// safeReceipt says whether people can be sent to a receipt: over https, or at our own address.
func (s *Service) safeReceipt(address string) bool {
	u, err := url.Parse(address)
	return err == nil && len(address) <= maxBillURL &&
		(u.Scheme == "https" && u.Host != "" || strings.HasPrefix(address, s.o.BaseURL+"/sandbox/"))
}

func tidyTexts(list []string) []string {
	out := []string{}
	for _, text := range list {
		if text = tidyText(text); text != "" && len(out) < maxBillLines {
			out = append(out, text)
		}
	}
	return out
}

// tidyText is one line, without what cannot be seen or turns text around.
func tidyText(text string) string {
	text = plaintext.Clean(strings.ReplaceAll(text, "\ufffd", " "))
	runes := []rune(strings.Join(strings.Fields(text), " "))
	return string(runes[:min(len(runes), maxBillText)])
}

// Receipt is what stands on a purchase's receipt.
type Receipt struct {
	Purchase
	Number    string
	Netted    tokens.Amount // what was owed when the tokens came, and taken off them
	Provider  string        // whom it was paid to, as it is marked: "stripe", "stripe_test", "sandbox"
	ExpiresAt time.Time     // when the tokens expire, or did; zero: never
	// when the last of the money went back; zero while nothing did, and where that is not known for all of it
	RefundedAt time.Time
}

// sqlBack is how much went back at instants that we know, and the last of them.
const sqlBack = `select coalesce(sum(amount_minor), 0)::bigint, coalesce(max(at), '0001-01-01') from (
		select amount_minor, done_at as at from purchase_refunds where purchase = $1 and done_at is not null
		union all select amount_minor, at from purchase_disputes where purchase = $1 and state = 'lost') back`

// Receipt reads a purchase that was credited, with its bill; if that is not known yet the provider
// is asked. One that cost nothing has a receipt, too. Errors: ErrNoPurchase, for another account's,
// too; ErrNoReceipt; problem.Unavailable.
func (s *Service) Receipt(ctx context.Context, account, id uuid.UUID) (Receipt, error) {
	p, err := s.Get(ctx, account, id)
	if err != nil {
		return Receipt{}, err
	}
	if !p.credited() {
		return Receipt{}, ErrNoReceipt
	}
	if p.Bill == nil && s.ours(&p) {
		if err := s.askBill(ctx, &p); err != nil {
			s.o.Log.Warn("the bill of a purchase is not known", "purchase", id, "error", err)
		}
		if p, err = s.Get(ctx, account, id); err != nil {
			return Receipt{}, err
		}
	}
	r := Receipt{
		Purchase:  p,
		Number:    number(p.ID),
		Provider:  p.provider,
		ExpiresAt: p.expiry(p.CompletedAt),
	}
	story, err := s.TokenBreakdown(ctx, p)
	if err != nil {
		return Receipt{}, err
	}
	r.Netted = story.Netted
	var known int64
	if err := s.pool.QueryRow(ctx, sqlBack, id).Scan(&known, &r.RefundedAt); err != nil {
		return Receipt{}, problem.Unavailable(err)
	}
	if r.RefundedAt = r.RefundedAt.UTC(); p.Refunded.Minor == 0 || known < p.Refunded.Minor {
		r.RefundedAt = time.Time{}
	}
	return r, nil
}

// number is what a receipt is called: the same each time, and short enough to be read out.
func number(id uuid.UUID) string {
	digits := strings.ToUpper(strings.ReplaceAll(id.String(), "-", ""))
	return "R-" + digits[:6] + "-" + digits[6:12]
}
