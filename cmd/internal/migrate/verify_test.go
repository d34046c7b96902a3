package migrate

import (
	"context"
	"io"
	"net"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/stack"
)

// startTemporal starts a server whose namespace has no search attributes, and returns the path of Temporal's CLI too.
func startTemporal(t *testing.T) (server *stack.Temporal, cli string) {
	t.Helper()
	cli, err := stack.BuildTemporal(t.Context(), "../../..", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	server, err = stack.StartTemporal(t.Context(), stack.TemporalOptions{
		Binary: cli, Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Log: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Kill() })
	return server, cli
}

// TestVerifyNamesTheCommandsThatAddWhatIsMissing runs the commands that the errors show, as an administrator would.
func TestVerifyNamesTheCommandsThatAddWhatIsMissing(t *testing.T) {
	server, cli := startTemporal(t)
	cfg := config.Default()
	cfg.Temporal.Address, cfg.Temporal.Namespace = server.Address(), "things"
	// Like Temporal Cloud, this server lets the program add no search attributes.
	c, err := client.Dial(client.Options{
		HostPort: server.Address(), Namespace: "things",
		ConnectionOptions: client.ConnectionOptions{
			DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(denyAddSearchAttributes)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	check := func() error { return verifyNamespace(t.Context(), c, cfg) }

	err = eventually(t, check, "namespace things does not exist")
	runCommandIn(t, err, cli)
	err = eventually(t, check, "MinigroupAttention, MinigroupAudience")
	denied := prepareNamespace(t.Context(), c, cfg.Temporal, zap.NewNop())
	_, commands, _ := strings.Cut(err.Error(), "have an administrator")
	if denied == nil || !strings.Contains(denied.Error(), "request unauthorized") ||
		!strings.HasSuffix(denied.Error(), commands) {
		t.Errorf("migrate ends with %v, want the commands of %v", denied, err)
	}
	want := "tcld namespace search-attributes add --namespace things --search-attribute MinigroupAttention=Bool "
	if !strings.Contains(commands, want) {
		t.Errorf("got %s, want %s", commands, want)
	}
	runCommandIn(t, err, cli)
	eventually(t, check, "schedule minigroups/sweep-classes is missing: run migrate")
	if err := prepareNamespace(t.Context(), c, cfg.Temporal, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	eventually(t, check, "")
}

func TestVerifyChangesNothing(t *testing.T) {
	postgres, err := stack.StartPostgres(t.Context(), stack.PostgresOptions{
		Fast: true, Log: filepath.Join(t.TempDir(), "postgres.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = postgres.Kill() })
	server, _ := startTemporal(t)
	cfg := config.Default()
	cfg.Database.URL, cfg.Temporal.Address = config.DatabaseURL(postgres.URL("postgres")), server.Address()
	expectMissing := func() {
		t.Helper()
		err := verify(t.Context(), cfg, process.Silent())
		for _, want := range []string{"run the migrate command first", "lacks the search attributes"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	}
	expectMissing()
	expectMissing()
	if err := migrate(t.Context(), cfg, process.Silent()); err != nil {
		t.Fatal(err)
	}
	if err := verify(t.Context(), cfg, process.Silent()); err != nil {
		t.Error(err)
	}
}

func denyAddSearchAttributes(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	if path.Base(method) == "AddSearchAttributes" {
		return status.Error(codes.PermissionDenied, "request unauthorized")
	}
	return invoke(ctx, method, request, reply, conn, options...)
}

// eventually calls check until its error contains want, or is nil if want is empty, and returns that error. A frontend
// learns of new namespaces and attributes after some seconds.
func eventually(t *testing.T, check func() error, want string) error {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		err = check()
		if want == "" && err == nil || want != "" && err != nil && strings.Contains(err.Error(), want) {
			return err
		}
	}
	t.Fatalf("got %v, want %q", err, want)
	return nil
}

// runCommandIn runs the command for Temporal's own tools that an error shows.
func runCommandIn(t *testing.T, err error, cli string) {
	t.Helper()
	for line := range strings.Lines(err.Error()) {
		if words := strings.Fields(line); len(words) > 0 && words[0] == "temporal" {
			if out, err := exec.CommandContext(t.Context(), cli, words[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", line, err, out)
			}
			return
		}
	}
	t.Fatalf("no command in %v", err)
}
