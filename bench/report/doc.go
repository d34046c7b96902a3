// Package report makes tables, goals and a picture out of what a run of the benchmarks has measured. It measures nothing, so
// that a run can be shown again.
package report
