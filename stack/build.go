package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tool is a third-party program that the module in root/module pins.
type tool struct{ module, name, title, source string }

var (
	temporalCLI = tool{
		module: "tools", name: "temporal", title: "the Temporal CLI",
		source: "github.com/temporalio/cli/cmd/temporal",
	}
	temporalServer = tool{
		module: "tools", name: "temporal-server", title: "Temporal's server",
		source: "go.temporal.io/server/cmd/server",
	}
	temporalUI = tool{
		module: "tools", name: "temporal-ui", title: "Temporal's UI",
		source: "github.com/temporalio/ui-server/v2/cmd/server",
	}
	temporalSchema = tool{
		module: "tools", name: "temporal-sql-tool", title: "Temporal's schema tool",
		source: "go.temporal.io/server/cmd/tools/sql",
	}
	mqttBroker = tool{
		module: "tools/broker", name: "mqtt-broker", title: "the MQTT broker",
		source: "github.com/mochi-mqtt/server/v2/cmd",
	}
)

// BuildTemporal builds the Temporal CLI from the module in root/tools and returns the path of the binary,
// root/.tools/temporal. It does nothing if the binary is newer than the module's go.mod and go.sum. It writes the
// progress of the build to progress.
func BuildTemporal(ctx context.Context, root string, progress io.Writer) (string, error) {
	return temporalCLI.build(ctx, root, progress)
}

// BuildTemporalServer builds, as BuildTemporal does, Temporal's production server and the tool that creates its schema,
// and returns the paths of both binaries.
func BuildTemporalServer(ctx context.Context, root string, progress io.Writer) (server, schema string, err error) {
	if server, err = temporalServer.build(ctx, root, progress); err != nil {
		return "", "", err
	}
	schema, err = temporalSchema.build(ctx, root, progress)
	return server, schema, err
}

// BuildTemporalUI builds, as BuildTemporal does, the web UI for Temporal's production server and returns the path of
// the binary.
func BuildTemporalUI(ctx context.Context, root string, progress io.Writer) (string, error) {
	return temporalUI.build(ctx, root, progress)
}

// BuildBroker builds, as BuildTemporal does, an MQTT broker from the module in root/tools/broker and returns the path
// of the binary.
func BuildBroker(ctx context.Context, root string, progress io.Writer) (string, error) {
	return mqttBroker.build(ctx, root, progress)
}

func (t tool) build(ctx context.Context, root string, progress io.Writer) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", t.title, err)
	}
	module := filepath.Join(root, filepath.FromSlash(t.module))
	binary := filepath.Join(root, ".tools", t.name)
	fresh, err := newer(binary, filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum"))
	if err != nil {
		return "", fmt.Errorf("build %s: %w", t.title, err)
	}
	if fresh {
		return binary, nil
	}
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return "", fmt.Errorf("build %s: %w", t.title, err)
	}
	// The build writes another file and renames it, so that an interrupted build leaves no incomplete binary.
	draft := fmt.Sprintf("%s.%d", binary, os.Getpid())
	defer os.Remove(draft)
	if err := goBuild(ctx, module, draft, t.title, progress, nil, t.source); err != nil {
		return "", err
	}
	if err := os.Rename(draft, binary); err != nil {
		return "", fmt.Errorf("build %s: %w", t.title, err)
	}
	return binary, nil
}

// buildFlags build the programs of this module, here, in the Makefile and in the image, so that tests and benchmarks
// run what production runs. Most of the memory of an idle process is its code, so they leave out Gin's MessagePack, a
// seventh of the API's code.
var buildFlags = []string{"-trimpath", "-tags", "nomsgpack", "-ldflags", "-s -w"}

// BuildService builds the service and its stand-ins in root into dir as the images hold them: one file with all
// programs and a link to it for each, and sandbox. It writes the progress of the build to progress.
func BuildService(ctx context.Context, root, dir string, progress io.Writer) error {
	if err := BuildPrograms(ctx, root, dir, progress, "./cmd/minigroups", "./cmd/sandbox"); err != nil {
		return err
	}
	for _, name := range []string{"api", "worker", "migrate", "ops"} {
		link := filepath.Join(dir, name)
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("build the programs: %w", err)
		}
		if err := os.Symlink("minigroups", link); err != nil {
			return fmt.Errorf("build the programs: %w", err)
		}
	}
	return nil
}

// BuildPrograms builds packages of the module in root into dir with the flags of the image. Each binary has the name of
// its package's directory. It writes the progress of the build to progress.
func BuildPrograms(ctx context.Context, root, dir string, progress io.Writer, packages ...string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("build the programs: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("build the programs: %w", err)
	}
	// Without the commit, the programs of the last commit need no linking, and nothing depends on git.
	flags := append(slices.Clone(buildFlags), "-buildvcs=false")
	return goBuild(ctx, root, dir+string(filepath.Separator), "the programs", progress, []string{"CGO_ENABLED=0"},
		append(flags, packages...)...)
}

// newer reports whether file exists and is newer than all sources.
func newer(file string, sources ...string) (bool, error) {
	info, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, source := range sources {
		other, err := os.Stat(source)
		if err != nil {
			return false, err
		}
		if !info.ModTime().After(other.ModTime()) {
			return false, nil
		}
	}
	return true, nil
}

// goBuild runs go build in the directory module; args are additional flags and the packages, and env is added to our
// environment.
func goBuild(
	ctx context.Context, module, out, what string, progress io.Writer, env []string, args ...string,
) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-C", module, "-v", "-o", out}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	// On an interrupt, go build removes what it has written.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("build %s: %w", what, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("build %s: %w", what, err)
	}
	shown := showProgress("building "+what, progress)
	output := shown.read(stderr)
	err = cmd.Wait()
	shown.stop()
	if err != nil {
		return fmt.Errorf("build %s: %w\n%s", what, err, strings.Join(output, "\n"))
	}
	return nil
}
