package main

import (
	"os"

	"github.com/prometheus/procfs"

	"minigroups/stack"
)

// cpuTimes are the seconds of CPU time that the parts of the system have taken so far (see report.Parts).
type cpuTimes map[string]float64

// cpu reads them, for a system and what it uses.
func (w *world) cpu(s *system) cpuTimes {
	times := cpuTimes{"load": cpuOf(os.Getpid()), "upstreams": cpuOf(w.upstream.PID()), "postgres": w.cpuOfPostgres()}
	for _, p := range s.processes {
		times["service"] += cpuOf(p.PID())
	}
	if s.temporal != nil {
		times["temporal"] = cpuOf(s.temporal.PID())
	}
	return times
}

// cpuOf returns 0 for a process that is gone.
func cpuOf(pid int) float64 {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0
	}
	stat, err := p.Stat()
	if err != nil {
		return 0
	}
	return stat.CPUTime()
}

// ticksPerSecond is what /proc counts CPU time in; Linux shows the same to everybody.
const ticksPerSecond = 100

// cpuOfPostgres is that of the server and all its children, those that have ended included.
func (w *world) cpuOfPostgres() float64 {
	seconds, _ := cpuOfFamily(w.postgres.PID())
	return seconds
}

// cpuOfFamily counts the children that are there, too.
func cpuOfFamily(pid int) (seconds float64, children int) {
	all, err := procfs.AllProcs()
	if err != nil {
		return 0, 0
	}
	for _, p := range all {
		stat, err := p.Stat()
		switch {
		case err != nil: // it has ended
		case stat.PID == pid:
			seconds += stat.CPUTime() + float64(stat.CUTime+stat.CSTime)/ticksPerSecond
		case stat.PPID == pid:
			seconds += stat.CPUTime()
			children++
		}
	}
	return seconds, children
}

// residentMB is the memory of a process, in megabytes of 10⁶ bytes.
func residentMB(p *stack.Process) float64 {
	proc, err := procfs.NewProc(p.PID())
	if err != nil {
		return 0
	}
	stat, err := proc.Stat()
	if err != nil {
		return 0
	}
	return float64(stat.ResidentMemory()) / 1e6
}

// anonymousMB is what of it no file has, heap and stacks: the rest, almost all of it code, the kernel can drop and read again.
func anonymousMB(p *stack.Process) float64 {
	proc, err := procfs.NewProc(p.PID())
	if err != nil {
		return 0
	}
	status, err := proc.NewStatus()
	if err != nil {
		return 0
	}
	return float64(status.RssAnon) / 1e6
}
