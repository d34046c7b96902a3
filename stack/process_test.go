package stack_test

import (
	"bufio"
	"context"
	"debug/buildinfo"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"minigroups/stack"
)

// asParent names the program that starts a child, prints its id and waits until it ends.
const asParent = "be-a-parent"

// programs are what this test binary runs instead of its tests if its first argument is the name of one.
var programs = map[string]func(){
	asParent: func() {
		child, err := stack.StartBinary(context.Background(), "child", "/bin/sleep", []string{"600"}, nil, "")
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(child.PID())
		<-child.Done()
	},
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && programs[os.Args[1]] != nil {
		programs[os.Args[1]]()
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// eventually polls until ok returns true, for at most ten seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 seconds: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// alive reports whether the process runs: one that waits to be reaped does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func startShell(t *testing.T, script string) *stack.Process {
	t.Helper()
	args, env, log := []string{"-c", script}, []string{"GREETING=hello"}, filepath.Join(t.TempDir(), "log")
	p, err := stack.StartBinary(t.Context(), "shell", "/bin/sh", args, env, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	return p
}

func awaitLine(t *testing.T, p *stack.Process, line string) {
	t.Helper()
	eventually(t, line+" in the log", func() bool { return strings.Contains(strings.Join(p.Tail(), "\n"), line) })
}

func TestProcess(t *testing.T) {
	t.Run("has its environment, and ends when asked to", func(t *testing.T) {
		p := startShell(t, `trap 'echo bye; exit 0' TERM; echo "$GREETING"; while :; do sleep 0.05; done`)
		awaitLine(t, p, "hello")
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		awaitLine(t, p, "bye")
		if err := p.Err(); err != nil {
			t.Error(err)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Errorf("stopped again: %v", err)
		}
	})

	t.Run("that ignores SIGTERM is killed with its group", func(t *testing.T) {
		p := startShell(t, `trap '' TERM; sleep 600 & echo child $!; wait; wait; sleep 600`)
		awaitLine(t, p, "child ")
		grandchild, err := strconv.Atoi(strings.TrimPrefix(p.Tail()[0], "child "))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := p.Stop(ctx); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("got %v", err)
		}
		if alive(grandchild) {
			t.Error("the grandchild still runs")
		}
	})

	t.Run("that ends leaves no process of its group", func(t *testing.T) {
		p := startShell(t, `sleep 600 & echo child $!; exit 3`)
		<-p.Done()
		if p.Err() == nil {
			t.Error("exit status 3 is not an error")
		}
		grandchild, err := strconv.Atoi(strings.TrimPrefix(p.Tail()[0], "child "))
		if err != nil {
			t.Fatal(err)
		}
		if alive(grandchild) {
			t.Error("the grandchild still runs")
		}
	})

	t.Run("ends when asked to while it is frozen", func(t *testing.T) {
		p := startShell(t, `trap 'echo bye; exit 0' TERM; echo up; while :; do :; done`)
		awaitLine(t, p, "up")
		if err := p.Freeze(); err != nil {
			t.Fatal(err)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		awaitLine(t, p, "bye")
	})

	t.Run("ends when its parent is killed", func(t *testing.T) {
		parent := exec.Command(os.Args[0], asParent)
		out, err := parent.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := parent.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("the parent prints %q", line)
		}
		if !alive(pid) {
			t.Fatal("there is no child")
		}
		if err := parent.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = parent.Wait()
		eventually(t, "the child has ended", func() bool { return !alive(pid) })
	})

	t.Run("that cannot start is named in the error", func(t *testing.T) {
		_, err := stack.StartBinary(t.Context(), "the thing", "/no/such/thing", nil, nil, "")
		if err == nil || !strings.Contains(err.Error(), "start the thing") {
			t.Errorf("got %v", err)
		}
	})
}

func TestCheckPort(t *testing.T) {
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := stack.CheckPort(addr, "the API", "api.listen"); err != nil {
		t.Errorf("a free port: %v", err)
	}
	for name, listen := range map[string]string{"the same address": addr, "all addresses": ":" + strconv.Itoa(port)} {
		t.Run("another process listens on "+name, func(t *testing.T) {
			listener, err := net.Listen("tcp", listen)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			err = stack.CheckPort(addr, "the API", "api.listen")
			for _, word := range []string{addr, "the API", "api.listen"} {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("%q is missing in %v", word, err)
				}
			}
		})
	}
}

func TestBuildPrograms(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":       "module example.org/m\n",
		"good/main.go": "package main\n\nfunc main() {}\n",
		"bad/main.go":  "package main\n\nfunc main() { nothing() }\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(root, "new", "bin")
	if err := stack.BuildPrograms(t.Context(), root, out, io.Discard, "./good"); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(filepath.Join(out, "good")).Run(); err != nil {
		t.Error(err)
	}
	built, err := buildinfo.ReadFile(filepath.Join(out, "good"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []debug.BuildSetting{
		{Key: "CGO_ENABLED", Value: "0"}, {Key: "-tags", Value: "nomsgpack"}, {Key: "-trimpath", Value: "true"},
	} {
		if !slices.Contains(built.Settings, want) {
			t.Errorf("it was not built with %s=%s: %v", want.Key, want.Value, built.Settings)
		}
	}
	err = stack.BuildPrograms(t.Context(), root, out, io.Discard, "./bad")
	if err == nil || !strings.Contains(err.Error(), "undefined: nothing") {
		t.Errorf("a program that does not compile: %v", err)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
