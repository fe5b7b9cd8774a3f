package apikey_test

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/problem"
)

func TestMain(m *testing.M) { testdb.Main(m) }

var (
	start   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pattern = regexp.MustCompile(`^crk_[a-z2-7]{8}_[a-z2-7]{52}$`)
)

// ring is the keys in a database of its own, on a clock that stands still.
type ring struct {
	*apikey.Keys
	t     *testing.T
	pool  *pgxpool.Pool
	clock *clock.Manual
}

func newRing(t *testing.T) *ring {
	t.Helper()
	r := &ring{
		t:     t,
		pool:  testdb.New(t),
		clock: clock.NewManual(start),
	}
	r.Keys = apikey.New(r.pool, apikey.Options{Clock: r.clock.Now})
	return r
}

func (r *ring) create(name string, scope apikey.Scope) (apikey.Key, string) {
	r.t.Helper()
	key, secret, err := r.Create(r.t.Context(), name, scope)
	if err != nil {
		r.t.Fatal(err)
	}
	return key, secret
}

func TestCreateAndVerify(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	seen := map[string]bool{}
	for _, scope := range []apikey.Scope{apikey.Read, apikey.Spend, apikey.Admin} {
		key, secret := r.create("the host's server", scope)
		if !pattern.MatchString(secret) || !strings.HasPrefix(secret, key.Prefix+"_") || seen[secret] ||
			seen[key.Prefix] {
			t.Errorf("the key is %q, with the prefix %q", secret, key.Prefix)
		}
		seen[secret], seen[key.Prefix] = true, true
		got, err := r.Verify(t.Context(), secret)
		if err != nil || got != key || got.Scope != scope || got.Name != "the host's server" ||
			!got.CreatedAt.Equal(start) {
			t.Errorf("verified as %+v (%v), created as %+v", got, err, key)
		}
	}
}

func TestInvalidKeysAreAlike(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	_, good := r.create("good", apikey.Admin)
	_, other := r.create("other", apikey.Read)
	revoked, gone := r.create("revoked", apikey.Admin)
	if err := r.Revoke(t.Context(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	last := map[bool]string{true: "b", false: "a"}[good[len(good)-1] == 'a']
	for name, key := range map[string]string{
		"empty":            "",
		"prefix only":      good[:12],
		"cut":              good[:len(good)-1],
		"longer":           good + "a",
		"upper case":       strings.ToUpper(good),
		"space":            " " + good,
		"one character":    good[:len(good)-1] + last,
		"another's secret": good[:12] + other[12:],
		"unknown":          "crk_" + strings.Repeat("a", 8) + "_" + strings.Repeat("a", 52),
		"NUL":              good[:20] + "\x00" + good[21:],
		"not UTF-8":        good[:20] + "\xff" + good[21:],
		"other mark":       "srk" + good[3:],
		"revoked":          gone,
	} {
		got, err := r.Verify(t.Context(), key)
		if got != (apikey.Key{}) || !errors.Is(err, apikey.ErrInvalid) ||
			err.Error() != apikey.ErrInvalid.Error() || problem.Of(err).Code != "invalid_api_key" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestRevokeTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	key, secret := r.create("a", apikey.Spend)
	_, kept := r.create("b", apikey.Spend)
	elsewhere := apikey.New(r.pool, apikey.Options{Clock: r.clock.Now})
	r.clock.Advance(time.Hour)
	for _, keys := range []*apikey.Keys{r.Keys, elsewhere} {
		if _, err := keys.Verify(t.Context(), secret); err != nil { // and remembers it
			t.Fatal(err)
		}
	}
	if err := r.Revoke(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(t.Context(), secret); !errors.Is(err, apikey.ErrInvalid) {
		t.Error(err)
	}
	r.clock.Advance(10 * time.Millisecond) // that is how late another server may learn of it
	for _, keys := range []*apikey.Keys{r.Keys, elsewhere} {
		if _, err := keys.Verify(t.Context(), secret); !errors.Is(err, apikey.ErrInvalid) {
			t.Error(err)
		}
		if _, err := keys.Verify(t.Context(), kept); err != nil {
			t.Error(err)
		}
	}
	r.clock.Advance(time.Hour)
	if err := r.Revoke(t.Context(), key.ID); err != nil {
		t.Errorf("revoking twice: %v", err)
	}
	if err := r.Revoke(t.Context(), uuid.New()); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("revoking nothing: %v", err)
	}
	all, err := r.List(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	at := slices.IndexFunc(all, func(k apikey.Key) bool { return k.ID == key.ID })
	if !all[at].RevokedAt.Equal(start.Add(time.Hour)) || !all[1-at].RevokedAt.IsZero() {
		t.Errorf("revoked at %v and %v", all[at].RevokedAt, all[1-at].RevokedAt)
	}
}

// Requests at one instant share a look at their key, and a look-up that fails is not remembered.
func TestAKeyIsLookedUpOnce(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	_, secret := r.create("a", apikey.Spend)
	if _, err := r.Verify(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	late := "crk_" + strings.Repeat("b", 8) + "_" + strings.Repeat("b", 52)
	if _, err := r.Verify(t.Context(), late); !errors.Is(err, apikey.ErrInvalid) {
		t.Error(err)
	}
	if _, err := r.pool.Exec(t.Context(),
		`update api_keys set prefix = 'crk_bbbbbbbb', secret_hash = sha256($1::bytea)`, []byte(late)); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{secret, late} { // the row is another now, and the memory still has it as it was
		if _, err := r.Verify(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Verify(t.Context(), late[:len(late)-1]+"a"); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("the memory takes another secret: %v", err)
	}
	r.clock.Advance(10 * time.Millisecond)
	if _, err := r.Verify(t.Context(), secret); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("it is remembered for too long: %v", err)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	if keys, err := r.List(t.Context()); len(keys) != 0 || err != nil {
		t.Error(keys, err)
	}
	var want []apikey.Key
	for _, name := range []string{"first", "second", "third"} {
		key, _ := r.create(name, apikey.Spend)
		want = slices.Insert(want, 0, key)
		r.clock.Advance(time.Second)
	}
	if got, err := r.List(t.Context()); !slices.Equal(got, want) || err != nil {
		t.Errorf("%v (%v), want %v", got, err, want)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	for _, name := range []string{"", strings.Repeat("n", 101), "a\nb", "a\x00b", "\xff"} {
		if _, secret, err := r.Create(t.Context(), name, apikey.Read); problem.Of(err).Field != "name" ||
			secret != "" {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for _, scope := range []apikey.Scope{0, apikey.Admin + 1} {
		if _, secret, err := r.Create(t.Context(), "n", scope); problem.Of(err).Field != "scopes" || secret != "" {
			t.Errorf("scope %v: %v", scope, err)
		}
	}
	r.create(strings.Repeat("é", 100), apikey.Read)
}

func TestSecretIsNotStored(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	_, secret := r.create("a", apikey.Read)
	var row string
	if err := r.pool.QueryRow(t.Context(),
		"select k::text || encode(secret_hash, 'escape') from api_keys k").Scan(&row); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(row, secret[13:]) {
		t.Errorf("the row holds the secret: %s", row)
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	_, secret := r.create("a", apikey.Read)
	r.pool.Close()
	_, verify := r.Verify(t.Context(), secret)
	_, _, create := r.Create(t.Context(), "a", apikey.Read)
	_, list := r.List(t.Context())
	for name, err := range map[string]error{
		"verify": verify,
		"create": create,
		"list":   list,
		"revoke": r.Revoke(t.Context(), uuid.New()),
	} {
		if !problem.IsUnavailable(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Verify(t.Context(), "malformed"); !errors.Is(err, apikey.ErrInvalid) {
		t.Errorf("a malformed key needs no database: %v", err)
	}
}

// Keys are checked and revoked from many goroutines; a check that starts after a revocation has
// returned never passes.
func TestConcurrentVerify(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	key, secret := r.create("a", apikey.Spend)
	ctx := context.WithoutCancel(t.Context())
	revoked := make(chan struct{})
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 20 {
				var after bool
				select {
				case <-revoked:
					after = true
				default:
				}
				_, err := r.Verify(ctx, secret)
				if after && err == nil || err != nil && !errors.Is(err, apikey.ErrInvalid) {
					t.Errorf("after the revocation %v: %v", after, err)
				}
			}
		})
	}
	if err := r.Revoke(ctx, key.ID); err != nil {
		t.Error(err)
	}
	close(revoked)
	group.Wait()
}

func FuzzPrefixOf(f *testing.F) {
	for _, seed := range []string{
		"", "crk_", "crk_abcdefgh_" + strings.Repeat("a", 52), "crk_abcdefgh_" + strings.Repeat("7", 51),
		"crk_abcdefg1_" + strings.Repeat("a", 52),
		"crk_abcdefgh-" + strings.Repeat("a", 52), "crk_abcdefgh_" + strings.Repeat("_", 52),
		"CRK_abcdefgh_" + strings.Repeat("a", 52), "crk_abcdefgh_" + strings.Repeat("é", 26),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		prefix, ok := apikey.PrefixOf(key)
		if ok != pattern.MatchString(key) || ok && prefix != key[:12] || !ok && prefix != "" {
			t.Errorf("%q: %q, %v", key, prefix, ok)
		}
	})
}
