package stack

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// member is a process as /proc shows it.
type member struct {
	pid, parent, group int
}

// familyOf lists a process, which comes first, the members of the group that it leads, and its children. On systems
// without /proc it lists the process alone.
func familyOf(pid int) []member {
	family := []member{{pid: pid}}
	return append(family, processes(func(m member) bool { return m.pid != pid && (m.group == pid || m.parent == pid) })...)
}

// processes lists the processes that match, including those that have ended and whose parent has not yet noticed.
func processes(match func(member) bool) (found []member) {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, path := range paths {
		fields := statFields(path)
		if len(fields) < 3 {
			continue // it has ended
		}
		pid, pidErr := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, parentErr := strconv.Atoi(string(fields[1]))
		group, groupErr := strconv.Atoi(string(fields[2]))
		m := member{pid: pid, parent: parent, group: group}
		if pidErr == nil && parentErr == nil && groupErr == nil && match(m) {
			found = append(found, m)
		}
	}
	return found
}

// statFields reads a stat file of a process or a thread: its state, its parent, its group and what follows.
func statFields(path string) [][]byte {
	stat, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	// The name before them, in brackets, may hold anything.
	return bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
}

// runs reports whether any thread of the process has neither stopped nor ended. A signal stops each thread by itself,
// some time after it was sent: at its latest when the thread leaves the kernel.
func (m member) runs() bool { return m.hasThread("ZXTt") }

// isAlive reports whether any thread of the process has not ended.
func (m member) isAlive() bool { return m.hasThread("ZX") }

// hasThread reports whether any thread is in a state other than these.
func (m member) hasThread(not string) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", m.pid)) // the pattern is well-formed
	for _, path := range threads {
		if fields := statFields(path); len(fields) > 0 && !strings.Contains(not, string(fields[0])) {
			return true
		}
	}
	return false
}

// pids lists the ids of the processes that match.
func pids(of []member, match func(member) bool) (ids []int) {
	for _, m := range of {
		if match(m) {
			ids = append(ids, m.pid)
		}
	}
	return ids
}

// awaitEnd waits until all processes that list returns have ended, for at most limit. It returns the ids of those that
// have not.
func awaitEnd(limit time.Duration, list func() []member) (left []int) {
	deadline := time.Now().Add(limit)
	for {
		left = pids(list(), member.isAlive)
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(lookInterval)
	}
}
