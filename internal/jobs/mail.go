package jobs

import "context"

type sendMail struct{}

// Kind is the job's name in River's tables.
func (sendMail) Kind() string { return "send_mail" }

func (r *Runner) sendMail(ctx context.Context) (more bool, err error) {
	return r.inTurn(ctx, r.Mail.Deliver)
}

type sweepMail struct{}

// Kind is the job's name in River's tables.
func (sweepMail) Kind() string { return "sweep_mail" }
