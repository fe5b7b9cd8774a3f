package jobs

type reconcilePayments struct{}

// Kind is the job's name in River's tables.
func (reconcilePayments) Kind() string { return "reconcile_payments" }
