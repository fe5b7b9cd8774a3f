package jobs

type reconcilePayments struct{}

// Kind names the job in River's tables.
func (reconcilePayments) Kind() string { return "reconcile_payments" }
