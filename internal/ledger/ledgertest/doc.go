// Package ledgertest is the toolbox of the ledger's tests: a fixture over a database of its own, a reference model to
// compare answers with, a recorder that compares what concurrent callers were answered with what was written, and
// ways to kill servers and cut connections. Only tests import it.
//
// The package is large because the model states the whole specification once more, without the ledger's rules.
package ledgertest
