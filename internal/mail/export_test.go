package mail

import "crypto/x509"

// Trust makes a mailer trust the certificates of a test's server.
func (m *Mailer) Trust(roots *x509.CertPool) { m.roots = roots }

// MaxFiles is how many e-mails the folder keeps.
const MaxFiles = maxFiles
