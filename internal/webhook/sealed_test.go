package webhook_test

import (
	"bytes"
	"encoding/base64"
	"errors"
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

// restart replaces the service by one with other keys and encrypts the secrets anew, as a restart does.
func (f *fixture) restart(fill ...byte) (count int, err error) {
	f.T.Helper()
	f.Service = webhook.New(f.DB.Pool, webhook.Options{
		Clock:        f.Clock.Now,
		Log:          f.App.Log,
		AllowPrivate: true,
		Keys:         sealKeys(f.T, fill...),
	})
	return f.Reseal(f.T.Context())
}

// wantRestart is restart when nothing goes wrong.
func (f *fixture) wantRestart(count int, fill ...byte) {
	f.T.Helper()
	if got, err := f.restart(fill...); err != nil || got != count {
		f.T.Errorf("%d secrets were stored anew (%v), want %d", got, err, count)
	}
}

// inside counts the rows of all webhook tables in which a secret stands, in any of the forms in
// which it could.
func (f *fixture) inside(secret string) (n int) {
	f.T.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		f.T.Fatal(err)
	}
	for _, table := range []string{
		"webhook_endpoints", "webhook_requests", "webhook_events", "webhook_deliveries",
		"webhook_lanes",
	} {
		var found int
		err := f.DB.Pool.QueryRow(f.T.Context(),
			"select count(*) from "+table+
				" as t where position($1 in t::text) > 0 or position(encode($2, 'hex') in t::text) > 0",
			strings.TrimPrefix(secret, "whsec_"), raw).Scan(&found)
		if err != nil {
			f.T.Fatal(err)
		}
		n += found
	}
	return n
}

// A deleted endpoint's secrets are nowhere any more, whatever its requests were answered. A request
// that comes again learns that it is gone.
func TestADeletedEndpointsSecretsAreGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := webhook.CreateParams{URL: "https://example.com/x"}
	made, _, err := f.Create(t.Context(), "create", p)
	if err != nil {
		t.Fatal(err)
	}
	rotated, _, err := f.Rotate(t.Context(), "rotate", made.ID)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := f.Create(t.Context(), "other", p)
	if err != nil {
		t.Fatal(err)
	}
	if f.inside(made.Secret) == 0 || f.inside(rotated.Secret) == 0 {
		t.Fatal("the test does not find secrets")
	}
	if again, replayed, err := f.Rotate(t.Context(), "rotate", made.ID); err != nil || !replayed ||
		again.Secret != rotated.Secret {
		t.Errorf("%+v, replayed %t, %v", again, replayed, err)
	}
	if err := f.Delete(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if n := f.inside(made.Secret) + f.inside(rotated.Secret); n != 0 {
		t.Errorf("the secrets stand in %d rows", n)
	}
	if _, _, err := f.Create(t.Context(), "create", p); !errors.Is(err, webhook.ErrNoEndpoint) {
		t.Errorf("created again: %v", err)
	}
	if _, _, err := f.Rotate(t.Context(), "rotate", made.ID); !errors.Is(err, webhook.ErrNoEndpoint) {
		t.Errorf("rotated again: %v", err)
	}
	if again, replayed, err := f.Create(t.Context(), "other", p); err != nil || !replayed ||
		again.Secret != other.Secret {
		t.Errorf("another endpoint's secret is gone, too: %v", err)
	}
	if n := f.Count("select count(*) from webhook_endpoints where deleted_at is null"); n != 1 {
		t.Errorf("%d endpoints", n)
	}
}

// asBefore turns an endpoint's answers into those of a version that kept the secret inside.
func (f *fixture) asBefore(endpoint uuid.UUID, secret string) {
	f.T.Helper()
	tag, err := f.DB.Pool.Exec(f.T.Context(),
		`update webhook_requests set answer = answer || jsonb_build_object('Secret', $2::text), secret = null, endpoint = null
		where endpoint = $1`, endpoint, secret)
	if err != nil || tag.RowsAffected() == 0 {
		f.T.Fatal(tag, err)
	}
}

// Answers of before are given again, their secrets are taken out of them when a server starts, and
// deleted with their endpoints.
func TestAnswersOfBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := webhook.CreateParams{URL: "https://example.com/x"}
	kept, _, err := f.Create(t.Context(), "kept", p)
	if err != nil {
		t.Fatal(err)
	}
	soon, _, _ := f.Create(t.Context(), "soon", p)
	gone, _, _ := f.Create(t.Context(), "gone", p)
	for _, e := range []webhook.Secret{kept, soon, gone} {
		f.asBefore(e.ID, e.Secret)
	}
	if again, _, err := f.Create(t.Context(), "kept", p); err != nil || again.Secret != kept.Secret {
		t.Errorf("%q, %v", again.Secret, err)
	}
	if err := f.Delete(t.Context(), soon.ID); err != nil {
		t.Fatal(err)
	}
	// A server of before deletes the row alone.
	if _, err := f.DB.Pool.Exec(t.Context(),
		`update webhook_endpoints set deleted_at = now(), secret = '' where id = $1`, gone.ID); err != nil {
		t.Fatal(err)
	}
	if f.inside(gone.Secret) != 1 {
		t.Fatal("the test proves nothing")
	}
	f.wantRestart(0)
	if n := f.inside(soon.Secret) + f.inside(gone.Secret); n != 0 {
		t.Errorf("secrets of deleted endpoints stand in %d rows", n)
	}
	if n := f.Count("select count(*) from webhook_requests where answer ? 'Secret'"); n != 0 {
		t.Errorf("%d answers have secrets inside", n)
	}
	if again, _, err := f.Create(t.Context(), "kept", p); err != nil || again.Secret != kept.Secret {
		t.Errorf("after the testkit.Start: %q, %v", again.Secret, err)
	}
}

// A key is set, replaced, and the old one left out: secrets are never stored plain any more, and
// every request is signed rightly all along.
func TestSecretsAreStoredEncrypted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, plain := f.subscribe()
	maya := f.account("maya")
	sends := func(n int) {
		t.Helper()
		f.tell(maya, 1)
		f.deliver()
		all := s.arrivals()
		if last := all[len(all)-1]; len(all) != n || last.signed != len(s.secrets) ||
			last.status != http.StatusNoContent {
			t.Errorf("request %d of %d has %d signatures that are right", len(all), n, last.signed)
		}
	}
	sends(1)
	if f.inside(plain.Secret) != 2 {
		t.Fatal("without a key it is stored plain, also in the answer")
	}
	f.wantRestart(2, 'a')
	if n := f.inside(plain.Secret); n != 0 {
		t.Errorf("it is stored plain in %d rows", n)
	}
	sends(2)
	rotated, _, err := f.Rotate(t.Context(), "rotate", plain.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.secrets = append(s.secrets, rotated.Secret)
	sends(3) // signed by both
	if n := f.inside(plain.Secret) + f.inside(rotated.Secret); n != 0 {
		t.Errorf("they are stored plain in %d rows", n)
	}
	f.wantRestart(4, 'b', 'a') // two secrets, each with its answer
	sends(4)
	f.wantRestart(0, 'b')
	sends(5)
	if again, replayed, err := f.Rotate(t.Context(), "rotate", plain.ID); err != nil || !replayed ||
		again.Secret != rotated.Secret {
		t.Errorf("%q, replayed %t, %v", again.Secret, replayed, err)
	}
}

// The key is lost: the server says so, events wait, and a new secret helps.
func TestALostKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.wantRestart(0, 'a')
	s, e := f.subscribe()
	for name, fill := range map[string][]byte{"another": {'b'}, "none": nil} {
		if n, err := f.restart(fill...); n != 0 || !errors.Is(err, seal.ErrNoKey) ||
			!strings.Contains(err.Error(), e.ID.String()) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if _, err := f.restart('b'); err == nil {
		t.Fatal("no error")
	}
	maya := f.account("maya")
	f.tell(maya, 1)
	f.deliver()
	if n := len(s.arrivals()); n != 0 {
		t.Errorf("%d requests without a signature", n)
	}
	if d := f.deliveries(e.ID); len(d) != 1 || d[0].State != webhook.Pending ||
		d[0].LastError != "its signing secret cannot be read here" {
		t.Errorf("%+v", d)
	}
	if !strings.Contains(f.Log.String(), "a webhook cannot be signed") {
		t.Error("the log says nothing")
	}
	rotated, _, err := f.Rotate(t.Context(), "rotate", e.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.secrets = []string{rotated.Secret}
	f.pass(time.Minute)
	if all := s.arrivals(); len(all) != 1 || all[0].signed != 1 {
		t.Errorf("%+v", all)
	}
}
