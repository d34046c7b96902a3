package process

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"minigroups/config"
	"minigroups/stack"
)

// authority is a CA.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newAuthority makes a CA and writes its certificate to a file.
func newAuthority(t *testing.T, file string) authority {
	t.Helper()
	a := authority{key: newKey(t), certificate: &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "CA"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	a.write(t, file, a.certificate, a.key)
	return a
}

// issue writes a certificate for servers at 127.0.0.1 and for clients, and its key.
func (a authority) issue(t *testing.T, certificateFile, keyFile string) {
	t.Helper()
	key := newKey(t)
	a.write(t, certificateFile, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "minigroups"},
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"127.0.0.1"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, keyFile, "PRIVATE KEY", der)
}

func (a authority) write(t *testing.T, file string, certificate *x509.Certificate, key *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, certificate, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, file, "CERTIFICATE", der)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newFiles names a CA, a certificate and a key in a folder of their own, and makes them.
func newFiles(t *testing.T) stack.TemporalTLS {
	t.Helper()
	folder := t.TempDir()
	files := stack.TemporalTLS{
		CA:          filepath.Join(folder, "ca.pem"),
		Certificate: filepath.Join(folder, "cert.pem"),
		Key:         filepath.Join(folder, "key.pem"),
	}
	rotate(t, files)
	return files
}

// rotate replaces all files by those of another CA.
func rotate(t *testing.T, files stack.TemporalTLS) {
	t.Helper()
	newAuthority(t, files.CA).issue(t, files.Certificate, files.Key)
}

// mutualTLS returns the environment of a client that has all files.
func mutualTLS(files stack.TemporalTLS) map[string]string {
	return map[string]string{
		"TEMPORAL_TLS_SERVER_CA_CERT_PATH": files.CA,
		"TEMPORAL_TLS_CLIENT_CERT_PATH":    files.Certificate,
		"TEMPORAL_TLS_CLIENT_KEY_PATH":     files.Key,
	}
}

// temporal makes a client of a program with an environment.
func temporal(t *testing.T, address string, environ map[string]string) client.Client {
	t.Helper()
	for name, value := range environ {
		t.Setenv(name, value)
	}
	c, err := Temporal(config.Temporal{Address: address, Namespace: "default"}, Silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func checkHealth(ctx context.Context, c client.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := c.CheckHealth(ctx, &client.CheckHealthRequest{})
	return err
}

func expectError(t *testing.T, c client.Client, want string) {
	t.Helper()
	if err := checkHealth(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestProgramsConnectToATemporalServerThatRequiresMutualTLS(t *testing.T) {
	binary, schemaTool, err := stack.BuildTemporalServer(t.Context(), "../../..", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	postgres, err := stack.StartPostgres(t.Context(), stack.PostgresOptions{
		Fast: true, Log: filepath.Join(t.TempDir(), "postgres.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = postgres.Kill() })
	ports, err := stack.FreeTemporalPorts()
	if err != nil {
		t.Fatal(err)
	}
	files := newFiles(t)
	server, err := stack.StartTemporalServer(t.Context(), stack.TemporalServerOptions{
		Binary: binary, SchemaTool: schemaTool, Dir: t.TempDir(), Postgres: postgres, Ports: ports, TLS: files,
		Log: filepath.Join(t.TempDir(), "temporal.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Kill() })

	describe := func(t *testing.T, c client.Client) {
		t.Helper()
		_, err := c.WorkflowService().DescribeNamespace(t.Context(),
			&workflowservice.DescribeNamespaceRequest{Namespace: "default"})
		if err != nil {
			t.Error(err)
		}
	}
	t.Run("with the files that variables name", func(t *testing.T) {
		describe(t, temporal(t, server.Address(), mutualTLS(files)))
	})
	t.Run("with the files that a profile names", func(t *testing.T) {
		profile := writeFile(t, "temporal.toml", "[profile.secured.tls]\nserver_ca_cert_path = '"+files.CA+
			"'\nclient_cert_path = '"+files.Certificate+"'\nclient_key_path = '"+files.Key+"'\n")
		describe(t, temporal(t, server.Address(), map[string]string{
			"TEMPORAL_CONFIG_FILE": profile, "TEMPORAL_PROFILE": "secured",
		}))
	})
	t.Run("not without TLS, and the error says so", func(t *testing.T) {
		expectError(t, temporal(t, server.Address(), nil), needsTLS)
	})
	t.Run("not without a certificate, and the error says so", func(t *testing.T) {
		environ := map[string]string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH": files.CA}
		expectError(t, temporal(t, server.Address(), environ), needsCertificate)
	})
	t.Run("not with a certificate of another CA, and the error says so", func(t *testing.T) {
		environ := mutualTLS(newFiles(t))
		environ["TEMPORAL_TLS_SERVER_CA_CERT_PATH"] = files.CA
		expectError(t, temporal(t, server.Address(), environ), needsCertificate)
	})
	t.Run("not if its CA is unknown, and the error says so", func(t *testing.T) {
		environ := mutualTLS(files)
		environ["TEMPORAL_TLS_SERVER_CA_CERT_PATH"] = newFiles(t).CA
		expectError(t, temporal(t, server.Address(), environ), "unknown authority")
	})
}

// serve answers health checks at an address until the test ends or the server is stopped.
func serve(t *testing.T, address string, options ...grpc.ServerOption) (string, *grpc.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	checks := health.NewServer()
	checks.SetServingStatus("temporal.api.workflowservice.v1.WorkflowService", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, checks)
	workflowservice.RegisterWorkflowServiceServer(server, workflowservice.UnimplementedWorkflowServiceServer{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String(), server
}

// serverTLS requires client certificates. It uses the files as they are now.
func serverTLS(t *testing.T, files stack.TemporalTLS) grpc.ServerOption {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(text)
	return grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
	}))
}

func TestRotatedCertificateFilesApplyToTheNextConnection(t *testing.T) {
	files := newFiles(t)
	address, server := serve(t, "127.0.0.1:0", serverTLS(t, files))
	c := temporal(t, address, mutualTLS(files))
	if err := checkHealth(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	rotate(t, files)
	serve(t, address, serverTLS(t, files))
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err = checkHealth(t.Context(), c); err == nil {
			return
		}
	}
	t.Error(err)
}

func TestAServerWithoutTLSIsRecognized(t *testing.T) {
	const key = "secret-key"
	address, _ := serve(t, "127.0.0.1:0")
	for name, environ := range map[string]map[string]string{
		"TLS":        {"TEMPORAL_TLS": "true"},
		"an API key": {"TEMPORAL_API_KEY": key},
	} {
		t.Run(name, func(t *testing.T) {
			c := temporal(t, address, environ)
			expectError(t, c, needsPlaintext)
			if err := checkHealth(t.Context(), c); err == nil || strings.Contains(err.Error(), key) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("neither", func(t *testing.T) {
		if err := checkHealth(t.Context(), temporal(t, address, nil)); err != nil {
			t.Error(err)
		}
	})
}

func TestCertificateFilesMustBeReadableAtTheStart(t *testing.T) {
	t.Setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", "/missing.pem")
	_, err := Temporal(config.Temporal{Address: "127.0.0.1:1", Namespace: "default"}, Silent())
	if err == nil || !strings.Contains(err.Error(), "/missing.pem") {
		t.Errorf("got %v", err)
	}
}
