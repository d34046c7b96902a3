package process

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
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
	"minigroups/stack/stacktest"
)

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
	files := stacktest.NewTLS(t)
	server, _ := stacktest.TemporalServer(t, root, stack.TemporalServerOptions{TLS: files})

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
		environ := mutualTLS(stacktest.NewTLS(t))
		environ["TEMPORAL_TLS_SERVER_CA_CERT_PATH"] = files.CA
		expectError(t, temporal(t, server.Address(), environ), needsCertificate)
	})
	t.Run("not if its CA is unknown, and the error says so", func(t *testing.T) {
		environ := mutualTLS(files)
		environ["TEMPORAL_TLS_SERVER_CA_CERT_PATH"] = stacktest.NewTLS(t).CA
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
	files := stacktest.NewTLS(t)
	address, server := serve(t, "127.0.0.1:0", serverTLS(t, files))
	c := temporal(t, address, mutualTLS(files))
	if err := checkHealth(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	stacktest.ReplaceTLS(t, files)
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
