// Package report turns the samples of a run of the benchmarks into tables, goals and a chart. It measures nothing, so
// that it can show a stored run again.
package report
