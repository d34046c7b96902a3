package stack_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"minigroups/stack"
)

// Names of programs (see there) that are hard to freeze.
const (
	// asMapper maps memory in several threads. The kernel fills each mapping before it handles signals.
	asMapper = "map-memory"
	// asForker runs programs from several threads. Go forks as vfork does: the thread cannot stop until its child runs the
	// other program.
	asForker = "run-programs"
)

func init() {
	programs[asMapper] = func() { repeat(mapMemory) }
	programs[asForker] = func() { repeat(func() error { return exec.Command("/bin/true").Run() }) }
}

func mapMemory() error {
	flags := syscall.MAP_PRIVATE | syscall.MAP_ANON | syscall.MAP_POPULATE
	memory, err := syscall.Mmap(-1, 0, 32<<20, syscall.PROT_READ|syscall.PROT_WRITE, flags)
	if err != nil {
		return err
	}
	return syscall.Munmap(memory)
}

// repeat calls f in a loop in four threads until it fails or the process is killed.
func repeat(f func() error) {
	failed := make(chan error)
	for range 4 {
		go func() {
			for {
				if err := f(); err != nil {
					failed <- err
				}
			}
		}()
	}
	fmt.Println("up")
	fmt.Println(<-failed)
}

// statesOf returns the states, one letter each, of all threads of a process, of the members of its group and of its
// children.
func statesOf(t *testing.T, pid int) (states string) {
	t.Helper()
	own, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob("/proc/[0-9]*/task/*/stat") // this takes a while, so read the process itself before
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Concat(own, all) {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		id := strconv.Itoa(pid)
		if strings.HasPrefix(path, "/proc/"+id+"/") || fields[1] == id || fields[2] == id {
			states += fields[0]
		}
	}
	return states
}

// freezeRepeatedly freezes and thaws a process, and expects that all its threads have stopped when Freeze returns and
// that none is stopped when Thaw returns.
func freezeRepeatedly(t *testing.T, p interface {
	Freeze() error
	Thaw()
	PID() int
}) {
	t.Helper()
	for range 10 {
		if err := p.Freeze(); err != nil {
			t.Fatal(err)
		}
		if states := statesOf(t, p.PID()); states == "" || strings.Trim(states, "TZ") != "" {
			t.Fatalf("after Freeze its threads are in the states %s", states)
		}
		p.Thaw()
		if states := statesOf(t, p.PID()); strings.Contains(states, "T") {
			t.Fatalf("after Thaw its threads are in the states %s", states)
		}
	}
}

func TestFreezeReturnsOnceAllThreadsHaveStopped(t *testing.T) {
	for name, word := range map[string]string{"in the kernel": asMapper, "waiting for a child to start": asForker} {
		t.Run(name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			p, err := stack.StartBinary(t.Context(), word, os.Args[0], []string{word}, nil, log)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Kill() })
			awaitLine(t, p, "up")
			freezeRepeatedly(t, p)
		})
	}

	t.Run("of a shell that forks", func(t *testing.T) {
		p := startShell(t, `echo up; while :; do /bin/true; done`)
		awaitLine(t, p, "up")
		freezeRepeatedly(t, p)
	})

	t.Run("of a Postgres that accepts connections", func(t *testing.T) {
		p := startPostgres(t, "")
		done := make(chan struct{})
		go func() {
			defer close(done)
			for t.Context().Err() == nil {
				conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
				if err == nil {
					_ = conn.Close(t.Context())
				}
			}
		}()
		t.Cleanup(func() { <-done })
		freezeRepeatedly(t, p)
	})
}

func TestKillEndsAFrozenPostgresAndItsChildren(t *testing.T) {
	p := startPostgres(t, "")
	conn, err := pgx.Connect(t.Context(), p.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := p.Freeze(); err != nil {
		t.Fatal(err)
	}
	backend := int(conn.PgConn().PID())
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if alive(backend) {
		t.Error("the process of a connection still runs")
	}
	if err := p.Freeze(); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("Freeze after its end: %v", err)
	}
	p.Thaw()
}
