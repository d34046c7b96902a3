package storage_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"minigroups/stack"
	"minigroups/storage"
	"minigroups/storage/storagetest"
)

// authority is a CA for servers and clients.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return authority{t: t, key: key, certificate: &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "CA"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
}

// own returns the certificate of the authority.
func (a authority) own() []byte { return a.sign(a.certificate, a.key) }

func (a authority) sign(certificate *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, certificate, a.certificate, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// issue returns a certificate for a server called host, or a client called so, and its key.
func (a authority) issue(host string, until time.Duration) (certificate, key []byte) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(until), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, private), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// tlsServer is a server that accepts only TLS, with a folder for the files of its clients.
type tlsServer struct {
	*stack.Postgres
	t     *testing.T
	admin *pgx.Conn
	data  string
	files string
}

// newTLSServer starts a server with a certificate for localhost, and writes the CA to the client's file ca.pem.
func newTLSServer(t *testing.T, ca authority) tlsServer {
	t.Helper()
	s := tlsServer{Postgres: startServer(t, stack.PostgresOptions{}), t: t, files: t.TempDir()}
	if _, err := storage.Migrate(t.Context(), s.URL("postgres"), nil); err != nil {
		t.Fatal(err)
	}
	s.admin = storagetest.Connect(t, s.URL("postgres"))
	if err := s.admin.QueryRow(t.Context(), `SHOW data_directory`).Scan(&s.data); err != nil {
		t.Fatal(err)
	}
	s.client("ca.pem", ca.own())
	certificate, key := ca.issue("localhost", time.Hour)
	s.serve(certificate, key, "hostssl all all 127.0.0.1/32 trust")
	return s
}

// serve gives the server a certificate and a rule for its clients.
func (s tlsServer) serve(certificate, key []byte, rule string) {
	s.t.Helper()
	s.server("server.crt", certificate)
	s.server("server.key", key)
	s.server("pg_hba.conf", []byte(rule+"\n"))
	for _, statement := range []string{`ALTER SYSTEM SET ssl = on`, `SELECT pg_reload_conf()`} {
		if _, err := s.admin.Exec(s.t.Context(), statement); err != nil {
			s.t.Fatal(err)
		}
	}
	// The rules are read by the next process that accepts a connection: the connection without TLS is refused then.
	eventually(s.t, "the server has read its files", func() error {
		conn, err := pgx.Connect(s.t.Context(), s.URL("postgres"))
		if err == nil {
			return errors.Join(errors.New("a connection without TLS was accepted"), conn.Close(s.t.Context()))
		}
		return nil
	})
}

// server writes a file that only the account of the server may read.
func (s tlsServer) server(name string, text []byte) {
	s.t.Helper()
	info, err := os.Stat(s.data)
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(s.data, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// client writes a file of the clients and returns its path.
func (s tlsServer) client(name string, text []byte) string {
	s.t.Helper()
	path := filepath.Join(s.files, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

const tlsPassword = "not-to-be-shown"

// url returns the URL of the server by a host name, with options.
func (s tlsServer) url(host, options string) string {
	return fmt.Sprintf("postgres://postgres:%s@%s:%d/postgres?%s", tlsPassword, host, s.Port(), options)
}

// verified is the strictest mode, with the client's ca.pem.
func (s tlsServer) verified() string { return "sslmode=verify-full&sslrootcert=" + s.files + "/ca.pem" }

// checkSessions connects as a program does at its start.
func checkSessions(t *testing.T, url string) error {
	t.Helper()
	s, err := storage.Open(t.Context(), storage.Options{URL: url, MaxConns: 4})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.CheckSessions(t.Context())
}

func TestAURLThatCannotBeReadIsNotShown(t *testing.T) {
	for _, url := range []string{
		"postgres://user:secret@localhost:port/name", "postgres://user:secret@local host/name", "user=secret port=0",
		"postgres://user:secret@localhost/name?connect_timeout=secret",
	} {
		_, err := storage.Open(t.Context(), storage.Options{URL: url})
		var session *storage.SessionError
		if err == nil || errors.As(err, &session) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

func TestTLSIsVerifiedAndFailsWithARemedy(t *testing.T) {
	ca := newAuthority(t)
	s := newTLSServer(t, ca)
	other := s.client("other.pem", newAuthority(t).own())
	plain := storagetest.Server()
	free, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		url  string
		want []string // nil: it connects
	}{
		"verified": {url: s.url("localhost", s.verified())},
		"several hosts, the first one away": {
			url: strings.Replace(s.url("localhost", s.verified()), "localhost", fmt.Sprintf("127.0.0.1:%d,localhost", free), 1),
		},
		"an authority that has not signed": {
			url:  s.url("localhost", "sslmode=verify-full&sslrootcert="+other),
			want: []string{"not trusted", "set sslrootcert"},
		},
		"verify-ca, an authority that has not signed": {
			url:  s.url("127.0.0.1", "sslmode=verify-ca&sslrootcert="+other),
			want: []string{"not trusted", "set sslrootcert"},
		},
		"another host name": {
			url: s.url("127.0.0.1", s.verified()), want: []string{"another host", "set the host to a name"},
		},
		"the server has no TLS": {
			url:  fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/postgres?%s", tlsPassword, plain.Port(), s.verified()),
			want: []string{"speaks no TLS", "ssl = on"},
		},
		"the server wants TLS": {
			url: s.url("localhost", "sslmode=disable"), want: []string{"no connection without TLS", "sslmode=verify-full"},
		},
		"no such file": {
			url:  s.url("localhost", "sslmode=verify-full&sslrootcert=/nowhere/ca.pem"),
			want: []string{"/nowhere/ca.pem", "check sslmode, sslrootcert"},
		},
		"a file without a certificate": {
			url:  s.url("localhost", "sslmode=verify-full&sslrootcert="+s.client("empty.pem", nil)),
			want: []string{"unable to add CA", "check sslmode, sslrootcert"},
		},
		"a mode that does not exist": {
			url: s.url("localhost", "sslmode=verify"), want: []string{"sslmode is invalid"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			expectRemedy(t, checkSessions(t, test.url), test.want)
			_, err := storage.Migrate(t.Context(), test.url, nil)
			expectRemedy(t, err, test.want)
		})
	}

	t.Run("expired", func(t *testing.T) {
		certificate, key := ca.issue("localhost", -time.Hour)
		s.serve(certificate, key, "hostssl all all 127.0.0.1/32 trust")
		eventually(t, "the server shows the new certificate", func() error {
			return remedy(checkSessions(t, s.url("localhost", s.verified())), []string{"expired", "give the server another one"})
		})
	})
}

// TestAServerWithoutTLSMayBeAway connects without sslmode, so TLS is tried first, and the server refuses that before
// it refuses the connection for another reason, which waiting may end.
func TestAServerWithoutTLSMayBeAway(t *testing.T) {
	err := checkSessions(t, fmt.Sprintf("postgres://postgres@127.0.0.1:%d/nowhere", storagetest.Server().Port()))
	var session *storage.SessionError
	if err == nil || errors.As(err, &session) || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("the database does not exist, and the error is %T: %v", err, err)
	}
}

func TestAServerMayDemandAClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	s := newTLSServer(t, ca)
	s.server("root.crt", ca.own())
	if _, err := s.admin.Exec(t.Context(), `ALTER SYSTEM SET ssl_ca_file = 'root.crt'`); err != nil {
		t.Fatal(err)
	}
	certificate, key := ca.issue("localhost", time.Hour)
	s.serve(certificate, key, "hostssl all all 127.0.0.1/32 cert")
	issued := func(name string, by authority, user string) string {
		certificate, key := by.issue(user, time.Hour)
		return fmt.Sprintf("%s&sslcert=%s&sslkey=%s", s.verified(),
			s.client(name+".crt", certificate), s.client(name+".key", key))
	}
	ours, foreign := issued("ours", ca, "postgres"), issued("foreign", newAuthority(t), "postgres")
	eventually(t, "the server trusts our certificate", func() error { return checkSessions(t, s.url("localhost", ours)) })
	expectRemedy(t, checkSessions(t, s.url("localhost", s.verified())),
		[]string{"demands a certificate", "set sslcert and sslkey"})
	expectRemedy(t, checkSessions(t, s.url("localhost", foreign)), []string{"refuses our certificate", "ssl_ca_file"})
}

// TestFilesMayBeReplacedWhileAProgramRuns gives the server a certificate of another authority, which the program's file
// has from then on.
func TestFilesMayBeReplacedWhileAProgramRuns(t *testing.T) {
	ca, next := newAuthority(t), newAuthority(t)
	s := newTLSServer(t, ca)
	store := storagetest.Open(t, storage.Options{URL: s.url("localhost", s.verified())})
	if err := store.CheckSessions(t.Context()); err != nil {
		t.Fatal(err)
	}
	certificate, key := next.issue("localhost", time.Hour)
	s.serve(certificate, key, "hostssl all all 127.0.0.1/32 trust")
	endConnections := func() {
		_, err := s.admin.Exec(t.Context(),
			`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'minigroups%'`)
		if err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the program does not trust the new certificate", func() error {
		endConnections()
		return remedy(store.CheckSessions(t.Context()), []string{"not trusted"})
	})
	s.client("ca.pem", next.own())
	eventually(t, "the program has read the new authority", func() error { return store.CheckSessions(t.Context()) })
}

func expectRemedy(t *testing.T, err error, want []string) {
	t.Helper()
	if err := remedy(err, want); err != nil {
		t.Error(err)
	}
}

// remedy returns an error unless err is a *storage.SessionError with the texts, or nil if there are none. It must not
// show the password.
func remedy(err error, want []string) error {
	if err != nil && strings.Contains(err.Error(), tlsPassword) {
		return fmt.Errorf("the password is shown: %w", err)
	}
	if len(want) == 0 {
		return err
	}
	var session *storage.SessionError
	if !errors.As(err, &session) {
		return fmt.Errorf("got %w, want a *storage.SessionError", err)
	}
	for _, text := range want {
		if !strings.Contains(session.Error(), text) {
			return fmt.Errorf("got %w, want %q in it", err, text)
		}
	}
	return nil
}
