package main

import (
	"fmt"
	"time"

	"minigroups/bench/report"
)

// progress tells how far a run has come.
type progress struct {
	done, of int
	begun    time.Time
}

func (p progress) tell(round int, s report.Sample) {
	left := "?"
	if p.done > 0 {
		left = (time.Since(p.begun) / time.Duration(p.done) * time.Duration(p.of-p.done)).Round(time.Second).String()
	}
	fmt.Printf("%3d/%d, %s left  round %d  %s: %s, %d clients, %d ms:  %s\n",
		p.done+1, p.of, left, round+1, s.Subject, s.Work, s.Clients, s.DelayMS, s.Summary())
}
