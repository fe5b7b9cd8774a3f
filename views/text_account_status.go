package views

func (s AccountStatusModel) lead() string {
	switch {
	case s.Closed:
		return "This account is closed."
	case s.Plan != "":
		return "Your " + s.Plan + " plan was cancelled."
	}
	return "Your plan was cancelled."
}

func (s AccountStatusModel) rest() string {
	switch {
	case s.Closed && s.Left > 0:
		return "It was closed on " + s.Date + ". Its " + Tokens(s.Left) +
			" can't be spent any more, and no new ones come. Your history and receipts stay here."
	case s.Closed:
		return "It was closed on " + s.Date + ". No new tokens come. Your history and receipts stay here."
	case s.Left > 0:
		return "No new tokens come each month. You can spend the " + Tokens(s.Left) +
			" that are left until they expire."
	}
	return "No new tokens come each month. You can still buy a pack."
}

// closed reports whether the account is closed: then nothing can be bought, run or changed.
func (c Layout) closed() bool { return c.AccountStatus != nil && c.AccountStatus.Closed }

// spendLabel is the label above the balance.
func (c Layout) spendLabel() string {
	if c.closed() {
		return "Left when it was closed"
	}
	return "You can spend"
}

// goodFor says what the balance is good for, in words that were made for an account that is open.
func (c Layout) goodFor(words string) string {
	if c.closed() {
		return "cannot be spent any more"
	}
	return words
}
