package jobs

import "context"

type sendMail struct{}

// Kind names the job in River's tables.
func (sendMail) Kind() string { return "send_mail" }

// sendMail writes to one creator after the other, until there is nobody left or its turn is over.
func (r *Runner) sendMail(ctx context.Context) (more bool, err error) {
	mine, cancel := context.WithTimeout(ctx, r.turn)
	defer cancel()
	defer context.AfterFunc(r.stopping, cancel)()
	for more = true; more && mine.Err() == nil; {
		// Not mine: an e-mail that was begun is sent.
		if more, err = r.Mail.Deliver(ctx); err != nil {
			return false, err
		}
	}
	return more, nil
}

type sweepMail struct{}

// Kind names the job in River's tables.
func (sweepMail) Kind() string { return "sweep_mail" }
