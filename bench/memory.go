package main

import (
	"time"

	"github.com/prometheus/procfs"

	"minigroups/stack"
)

// memory watches the resident memory of a system.
type memory struct {
	quit chan struct{}
	peak chan float64
}

func watchMemory(s *system) memory {
	m := memory{quit: make(chan struct{}), peak: make(chan float64, 1)}
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		peak := s.residentMB()
		for {
			select {
			case <-tick.C:
				peak = max(peak, s.residentMB())
			case <-m.quit:
				m.peak <- peak
				return
			}
		}
	}()
	return m
}

// stop ends the watch and returns the highest value in MB.
func (m memory) stop() float64 {
	close(m.quit)
	return <-m.peak
}

func (s *system) residentMB() (sum float64) {
	for _, p := range s.processes {
		sum += residentMB(p)
	}
	return sum
}

// residentMB returns the resident memory of a process in megabytes of 10⁶ bytes, 0 if it has ended.
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

// anonymousMB returns the part of the resident memory that is heap and stacks. The kernel can drop the rest, almost
// all of it code, and read it from its file again.
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
