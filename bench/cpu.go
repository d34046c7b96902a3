package main

import (
	"os"

	"github.com/prometheus/procfs"
)

// cpuTimes has the CPU time of each part of the system so far, in seconds (see report.Parts).
type cpuTimes map[string]float64

// cpu returns the CPU times of a system and of what it uses.
func (e *environment) cpu(s *system) cpuTimes {
	postgres, _ := cpuOfFamily(e.postgres.PID())
	times := cpuTimes{"load": cpuOf(os.Getpid()), "upstreams": cpuOf(e.upstream.PID()), "postgres": postgres}
	for _, p := range s.processes {
		times["service"] += cpuOf(p.PID())
	}
	for _, p := range s.upstreams {
		times["upstreams"] += cpuOf(p.PID())
	}
	if s.temporal != nil {
		times["temporal"] = cpuOf(s.temporal.PID())
	}
	return times
}

// cpuOf returns the CPU time of a process in seconds, 0 if it has ended.
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

// ticksPerSecond is the unit of CPU time in /proc, which is the same on every Linux.
const ticksPerSecond = 100

// cpuOfFamily returns the CPU time in seconds of a process and its children, including those that have ended, and the
// number of children that run.
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
