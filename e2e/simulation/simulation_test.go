// The SDK draws the pauses between its requests from math/rand, which each scenario seeds.
//
//go:debug randseednop=0
package simulation

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	mathrand "math/rand"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"minigroups/auth"
	"minigroups/e2e/linearizability"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

var (
	traces   = flag.Bool("traces", false, "print what happens in each scenario")
	pictures = flag.String("pictures", "../../.dev/simulation", "where pictures of unexplained histories are made")
	progress = flag.Bool("progress", false, "print how many scenarios have passed, every ten seconds")
)

// TestMain searches the same scenarios in every run, unless another seed is given.
func TestMain(m *testing.M) {
	_ = flag.Set("rapid.seed", "1")
	_ = flag.Set("rapid.checks", "1000")
	debug.SetGCPercent(400)
	flag.Parse()
	os.Exit(storagetest.Main(m))
}

// TestSagas searches scenarios for one that violates an invariant. Scenarios that did are kept in testdata, and come
// first.
func TestSagas(t *testing.T) {
	url := newDatabase(t)
	signer, public := newSigner(t)
	bearer, verifier := newCaller(t, signer, public)
	seen := coverage{}
	// rapid works outside of the bubble, whose time is not that of its deadlines.
	scenarios, ended := make(chan func(*bench)), make(chan struct{})
	go func() {
		defer close(ended)
		synctest.Test(t, func(t *testing.T) {
			b := &bench{token: signer.Token, public: public, bearer: bearer, verifier: verifier, coverage: seen}
			b.open(t, url)
			for run := range scenarios {
				run(b)
			}
		})
	}()
	defer func() {
		if !t.Failed() { // else goroutines of the scenario that failed may be left, with which a bubble must not end
			close(scenarios)
			<-ended
		}
	}()
	s := search{began: time.Now(), scenarios: scenarios}
	rapid.Check(t, s.try)
	t.Logf("%d scenarios with %d calls in %s\n%s", s.tried, s.calls, time.Since(s.began), seen)
}

// search is what is known of the scenarios so far.
type search struct {
	scenarios      chan<- func(*bench)
	began, printed time.Time
	tried, calls   int
	violated       bool // by a scenario before, which rapid shrinks now
}

// checkTimeout bounds the comparison of what callers saw with the model of the API, for each class.
const checkTimeout = 5 * time.Second

// try searches one scenario.
func (s *search) try(t *rapid.T) {
	mathrand.Seed(1) //nolint:staticcheck // there is no other way to make the SDK repeat what it draws
	uuid.SetRand(&lockedReader{from: mathrand.New(mathrand.NewSource(1))})
	d := &drawn{t: t}
	var result *scenario
	var err error
	ran := make(chan struct{})
	s.scenarios <- func(b *bench) {
		defer close(ran)
		result, err = b.run(d)
	}
	<-ran
	s.tried, s.calls = s.tried+1, s.calls+result.number
	if *progress && time.Since(s.printed) > 10*time.Second {
		s.printed = time.Now()
		fmt.Fprintf(os.Stderr, "%d scenarios, %d calls in %s\n", s.tried, s.calls, time.Since(s.began).Round(time.Second))
	}
	if *traces {
		fmt.Println(strings.Join(result.trace, "\n"))
	}
	if err == nil {
		err = linearizability.Check(result.recorder.History(), checkTimeout, *pictures)
	}
	if err != nil && !s.violated { // shrinking it takes a while, and may fail
		s.violated = true
		fmt.Printf("scenario %d violates an invariant and is shrunk now: %q\n", s.tried, err)
	}
	if err != nil {
		t.Logf("%s", strings.Join(result.trace, "\n"))
		for line := range strings.Lines(err.Error()) {
			t.Logf("violated: %s", strings.TrimSpace(line))
		}
		t.Fatal("an invariant does not hold")
	}
}

// newSigner returns the signer of the service's tokens, and its public key.
func newSigner(t *testing.T) (*auth.Signer, *ecdsa.PublicKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.Account{Label: "minigroups", Audience: audience},
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return signer, &key.PublicKey
}

// issuer is the issuer of the tokens of callers.
const issuer = "iam.example.org"

// newCaller returns the token of callers, and what verifies it.
func newCaller(t *testing.T, signer *auth.Signer, key *ecdsa.PublicKey) (string, *auth.Verifier) {
	t.Helper()
	token, err := signer.Issue(issuer, audience, "teacher", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier([]auth.Issuer{{
		Name: issuer, Audiences: []string{audience}, Algorithm: "ES256", AllowMissingExp: true,
		PublicKey: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return token, verifier
}

// newDatabase makes a database whose now() is the clock of the simulation.
func newDatabase(t *testing.T) (url string) {
	t.Helper()
	execute := func(database, sql string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), storagetest.Server().URL(database))
		if err == nil {
			_, err = conn.Exec(t.Context(), sql)
			_ = conn.Close(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	execute("template1", "CREATE DATABASE simulation")
	execute("template1", "ALTER DATABASE simulation SET plan_cache_mode = force_generic_plan")
	execute("template1", "ALTER DATABASE simulation SET search_path = clock, pg_catalog, public")
	execute("simulation", `
		CREATE SCHEMA clock;
		CREATE SEQUENCE clock.now;
		SELECT setval('clock.now', 1);
		CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE plpgsql
			AS 'BEGIN RETURN to_timestamp(pg_sequence_last_value(''clock.now'') / 1e6); END'`)
	url = storagetest.Server().URL("simulation")
	if _, err := storage.Migrate(t.Context(), url, nil); err != nil {
		t.Fatal(err)
	}
	execute("simulation", monitors)
	return url
}

// open connects the processes to the ledger.
func (b *bench) open(t *testing.T, url string) {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.DialFunc = dial
	if b.db, err = pgx.ConnectConfig(context.Background(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.db.Close(context.Background()) })
	for i := range 2 {
		p := &process{name: fmt.Sprintf("p%d", i+1)}
		if p.store, err = openStore(url, p); err != nil {
			t.Fatal(err)
		}
		p.bearer, p.verifier = b.bearer, b.verifier
		t.Cleanup(p.store.Close)
		b.slots = append(b.slots, p)
	}
}

// lockedReader is a reader for several goroutines.
type lockedReader struct {
	mu   sync.Mutex
	from *mathrand.Rand
}

func (r *lockedReader) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.from.Read(b)
}
