// Package runs is what Temporal's SDK is given so that runs and their steps are told of as requests are: its metrics, its log,
// spans, and the request to which a run belongs, carried in the run's headers.
package runs
