package webhook_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/seal"
	"pop.store/credits/internal/webhook"
)

// sealKeys are keys of one byte each, the first of which seals.
func sealKeys(t *testing.T, fill ...byte) *seal.Keys {
	t.Helper()
	var raw [][]byte
	for _, b := range fill {
		raw = append(raw, bytes.Repeat([]byte{b}, seal.KeySize))
	}
	keys, err := seal.New(raw...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// restart has the office go on with other keys, as after a restart, and store the secrets anew.
func (o *office) restart(fill ...byte) (count int, err error) {
	o.t.Helper()
	o.Service = webhook.New(o.pool, webhook.Options{
		Clock:        o.clock.Now,
		Log:          slog.New(slog.NewTextHandler(&o.log, nil)),
		AllowPrivate: true,
		Keys:         sealKeys(o.t, fill...),
	})
	return o.Reseal(o.t.Context())
}

// wantRestart is restart when nothing goes wrong.
func (o *office) wantRestart(count int, fill ...byte) {
	o.t.Helper()
	if got, err := o.restart(fill...); err != nil || got != count {
		o.t.Errorf("%d secrets were stored anew (%v), want %d", got, err, count)
	}
}

// inside counts the rows of all webhook tables in which a secret stands, in any of the forms in
// which it could.
func (o *office) inside(secret string) (n int) {
	o.t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		o.t.Fatal(err)
	}
	for _, table := range []string{
		"webhook_endpoints", "webhook_requests", "webhook_events", "webhook_deliveries",
		"webhook_lanes",
	} {
		var found int
		err := o.pool.QueryRow(o.t.Context(),
			"select count(*) from "+table+
				" as t where position($1 in t::text) > 0 or position(encode($2, 'hex') in t::text) > 0",
			strings.TrimPrefix(secret, "whsec_"), raw).Scan(&found)
		if err != nil {
			o.t.Fatal(err)
		}
		n += found
	}
	return n
}

// A deleted endpoint's secrets are nowhere any more, whatever its requests were answered. A request
// that comes again learns that it is gone.
func TestADeletedEndpointsSecretsAreGone(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := webhook.CreateParams{URL: "https://example.com/x"}
	made, _, err := o.Create(t.Context(), "create", p)
	if err != nil {
		t.Fatal(err)
	}
	rotated, _, err := o.Rotate(t.Context(), "rotate", made.ID)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := o.Create(t.Context(), "other", p)
	if err != nil {
		t.Fatal(err)
	}
	if o.inside(made.Secret) == 0 || o.inside(rotated.Secret) == 0 {
		t.Fatal("the test does not find secrets")
	}
	if again, replayed, err := o.Rotate(t.Context(), "rotate", made.ID); err != nil || !replayed ||
		again.Secret != rotated.Secret {
		t.Errorf("%+v, replayed %t, %v", again, replayed, err)
	}
	if err := o.Delete(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if n := o.inside(made.Secret) + o.inside(rotated.Secret); n != 0 {
		t.Errorf("the secrets stand in %d rows", n)
	}
	if _, _, err := o.Create(t.Context(), "create", p); !errors.Is(err, webhook.ErrNoEndpoint) {
		t.Errorf("created again: %v", err)
	}
	if _, _, err := o.Rotate(t.Context(), "rotate", made.ID); !errors.Is(err, webhook.ErrNoEndpoint) {
		t.Errorf("rotated again: %v", err)
	}
	if again, replayed, err := o.Create(t.Context(), "other", p); err != nil || !replayed ||
		again.Secret != other.Secret {
		t.Errorf("another endpoint's secret is gone, too: %v", err)
	}
	if n := o.count("select count(*) from webhook_endpoints where deleted_at is null"); n != 1 {
		t.Errorf("%d endpoints", n)
	}
}

// asBefore turns an endpoint's answers into those of a version that kept the secret inside.
func (o *office) asBefore(endpoint uuid.UUID, secret string) {
	o.t.Helper()
	tag, err := o.pool.Exec(o.t.Context(),
		`update webhook_requests set answer = answer || jsonb_build_object('Secret', $2::text), secret = null, endpoint = null
		where endpoint = $1`, endpoint, secret)
	if err != nil || tag.RowsAffected() == 0 {
		o.t.Fatal(tag, err)
	}
}

// Answers of before are given again, their secrets are taken out of them when a server starts, and
// deleted with their endpoints.
func TestAnswersOfBefore(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := webhook.CreateParams{URL: "https://example.com/x"}
	kept, _, err := o.Create(t.Context(), "kept", p)
	if err != nil {
		t.Fatal(err)
	}
	soon, _, _ := o.Create(t.Context(), "soon", p)
	gone, _, _ := o.Create(t.Context(), "gone", p)
	for _, e := range []webhook.Secret{kept, soon, gone} {
		o.asBefore(e.ID, e.Secret)
	}
	if again, _, err := o.Create(t.Context(), "kept", p); err != nil || again.Secret != kept.Secret {
		t.Errorf("%q, %v", again.Secret, err)
	}
	if err := o.Delete(t.Context(), soon.ID); err != nil {
		t.Fatal(err)
	}
	// A server of before deletes the row alone.
	if _, err := o.pool.Exec(t.Context(),
		`update webhook_endpoints set deleted_at = now(), secret = '' where id = $1`, gone.ID); err != nil {
		t.Fatal(err)
	}
	if o.inside(gone.Secret) != 1 {
		t.Fatal("the test proves nothing")
	}
	o.wantRestart(0)
	if n := o.inside(soon.Secret) + o.inside(gone.Secret); n != 0 {
		t.Errorf("secrets of deleted endpoints stand in %d rows", n)
	}
	if n := o.count("select count(*) from webhook_requests where answer ? 'Secret'"); n != 0 {
		t.Errorf("%d answers have secrets inside", n)
	}
	if again, _, err := o.Create(t.Context(), "kept", p); err != nil || again.Secret != kept.Secret {
		t.Errorf("after the start: %q, %v", again.Secret, err)
	}
}

// A key is set, replaced, and the old one left out: secrets are never stored plain any more, and
// every request is signed rightly all along.
func TestSecretsAreStoredEncrypted(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	s, plain := o.subscribe()
	maya := o.account("maya")
	sends := func(n int) {
		t.Helper()
		o.tell(maya, 1)
		o.deliver()
		all := s.arrivals()
		if last := all[len(all)-1]; len(all) != n || last.signed != len(s.secrets) ||
			last.status != http.StatusNoContent {
			t.Errorf("request %d of %d has %d signatures that are right", len(all), n, last.signed)
		}
	}
	sends(1)
	if o.inside(plain.Secret) != 2 {
		t.Fatal("without a key it is stored plain, also in the answer")
	}
	o.wantRestart(2, 'a')
	if n := o.inside(plain.Secret); n != 0 {
		t.Errorf("it is stored plain in %d rows", n)
	}
	sends(2)
	rotated, _, err := o.Rotate(t.Context(), "rotate", plain.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.secrets = append(s.secrets, rotated.Secret)
	sends(3) // signed by both
	if n := o.inside(plain.Secret) + o.inside(rotated.Secret); n != 0 {
		t.Errorf("they are stored plain in %d rows", n)
	}
	o.wantRestart(4, 'b', 'a') // two secrets, each with its answer
	sends(4)
	o.wantRestart(0, 'b')
	sends(5)
	if again, replayed, err := o.Rotate(t.Context(), "rotate", plain.ID); err != nil || !replayed ||
		again.Secret != rotated.Secret {
		t.Errorf("%q, replayed %t, %v", again.Secret, replayed, err)
	}
}

// The key is lost: the server says so, events wait, and a new secret helps.
func TestALostKey(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.wantRestart(0, 'a')
	s, e := o.subscribe()
	for name, fill := range map[string][]byte{"another": {'b'}, "none": nil} {
		if n, err := o.restart(fill...); n != 0 || !errors.Is(err, seal.ErrNoKey) ||
			!strings.Contains(err.Error(), e.ID.String()) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if _, err := o.restart('b'); err == nil {
		t.Fatal("no error")
	}
	maya := o.account("maya")
	o.tell(maya, 1)
	o.deliver()
	if n := len(s.arrivals()); n != 0 {
		t.Errorf("%d requests without a signature", n)
	}
	if d := o.deliveries(e.ID); len(d) != 1 || d[0].State != webhook.Pending ||
		d[0].LastError != "its signing secret cannot be read here" {
		t.Errorf("%+v", d)
	}
	if !strings.Contains(o.log.String(), "a webhook cannot be signed") {
		t.Error("the log says nothing")
	}
	rotated, _, err := o.Rotate(t.Context(), "rotate", e.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.secrets = []string{rotated.Secret}
	o.pass(time.Minute)
	if all := s.arrivals(); len(all) != 1 || all[0].signed != 1 {
		t.Errorf("%+v", all)
	}
}
