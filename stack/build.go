package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
)

// tool is a program of somebody else's that is built from the module in root/module.
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

// BuildTemporal builds the Temporal CLI from the module in root/tools and
// returns the path of the binary, root/.tools/temporal. One that is newer than
// that module's go.mod and go.sum is left as it is. What happens is told to
// progress.
func BuildTemporal(ctx context.Context, root string, progress io.Writer) (string, error) {
	return temporalCLI.build(ctx, root, progress)
}

// BuildTemporalServer builds Temporal's own server and the tool that makes its
// schema, as BuildTemporal does, and returns the paths of the two binaries.
func BuildTemporalServer(ctx context.Context, root string, progress io.Writer) (server, schema string, err error) {
	if server, err = temporalServer.build(ctx, root, progress); err != nil {
		return "", "", err
	}
	schema, err = temporalSchema.build(ctx, root, progress)
	return server, schema, err
}

// BuildTemporalUI builds the web UI for Temporal's own server, as BuildTemporal
// does, and returns the path of the binary.
func BuildTemporalUI(ctx context.Context, root string, progress io.Writer) (string, error) {
	return temporalUI.build(ctx, root, progress)
}

// BuildBroker builds an MQTT broker from the module in root/tools/broker, as
// BuildTemporal does, and returns the path of the binary.
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
	// Built beside its place, so that an interrupted build leaves no half of it.
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

// ourFlags are what our own programs are built with, here, by the Makefile and
// in the image: what is tested and measured is what runs. Most of the memory of an
// idle process is its code, so it has none that nobody calls: no C library, no
// MessagePack of Gin's (a seventh of the API).
var ourFlags = []string{"-trimpath", "-tags", "nomsgpack", "-ldflags", "-s -w"}

// BuildPrograms builds packages of the module in root into the folder dir, each
// under the name of its folder, as they are built for the image. What happens is
// told to progress.
func BuildPrograms(ctx context.Context, root, dir string, progress io.Writer, packages ...string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("build our programs: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("build our programs: %w", err)
	}
	return goBuild(ctx, root, dir+string(filepath.Separator), "our programs", progress, []string{"CGO_ENABLED=0"}, append(slices.Clone(ourFlags), packages...)...)
}

// newer reports whether file exists and is newer than all of the sources.
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

// goBuild runs go build with further flags and the packages; env is added to our own environment.
func goBuild(ctx context.Context, module, out, what string, progress io.Writer, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-C", module, "-v", "-o", out}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	// Asked to end, it removes what it has half written.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("build %s: %w", what, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("build %s: %w", what, err)
	}
	meter := newMeter("building "+what, progress)
	said := meter.read(stderr)
	err = cmd.Wait()
	meter.stop()
	if err != nil {
		return fmt.Errorf("build %s: %w\n%s", what, err, strings.Join(said, "\n"))
	}
	return nil
}

// meter shows how far a build has come: on a terminal a line that changes every
// second, elsewhere a line every ten seconds.
type meter struct {
	what     string
	out      io.Writer
	terminal bool
	begun    time.Time
	quit     chan struct{}
	stopped  chan struct{}

	mu                   sync.Mutex
	downloaded, compiled int
}

func newMeter(what string, out io.Writer) *meter {
	file, isFile := out.(*os.File)
	m := &meter{
		what: what, out: out, terminal: isFile && isatty.IsTerminal(file.Fd()),
		begun: time.Now(), quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	go m.run()
	return m
}

func (m *meter) run() {
	defer close(m.stopped)
	every := 10 * time.Second
	if m.terminal {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	shown := false
	for {
		select {
		case <-tick.C:
			m.show()
			shown = true
		case <-m.quit:
			if shown {
				m.show()
				if m.terminal {
					fmt.Fprintln(m.out)
				}
			}
			return
		}
	}
}

func (m *meter) show() {
	m.mu.Lock()
	line := fmt.Sprintf("  %s: %d modules downloaded, %d packages compiled, %d s",
		m.what, m.downloaded, m.compiled, int(time.Since(m.begun).Seconds()))
	m.mu.Unlock()
	if m.terminal {
		fmt.Fprint(m.out, "\r\x1b[K", line)
		return
	}
	fmt.Fprintln(m.out, line)
}

// read counts what the build says until it says no more, and returns the end of
// it: there the errors are.
func (m *meter) read(stderr io.Reader) []string {
	var last []string
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		m.mu.Lock()
		if strings.HasPrefix(line, "go: downloading ") {
			m.downloaded++
		} else {
			m.compiled++
		}
		m.mu.Unlock()
		last = append(last, line)
		last = last[max(0, len(last)-30):]
	}
	// Nobody writes such lines, but the build must not hang on one.
	_, _ = io.Copy(io.Discard, stderr)
	return last
}

func (m *meter) stop() {
	close(m.quit)
	<-m.stopped
}
