package main

import (
	"fmt"
	"time"

	"minigroups/bench/report"
)

// progress is the number of windows done and in total.
type progress struct {
	done, of int
	begun    time.Time
}

// print prints a sample and the estimated time left.
func (p progress) print(round int, s report.Sample) {
	left := "?"
	if p.done > 0 {
		each := time.Since(p.begun) / time.Duration(p.done)
		left = (each * time.Duration(p.of-p.done)).Round(time.Second).String()
	}
	fmt.Printf("%3d/%d, %s left  round %d  %s: %s, %d clients, %d ms:  %s\n",
		p.done+1, p.of, left, round+1, s.Subject, s.Work, s.Clients, s.DelayMS, s.OneLine())
}
