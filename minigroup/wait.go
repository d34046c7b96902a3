package minigroup

import "time"

// Wait is what an undecided operation waits for: a step that is tried again, or somebody who continues it.
type Wait struct {
	// For is event, conference, janus or database: the service that has caused the last failure of the step. Otherwise it
	// is WaitForWorker or WaitForSweeper.
	For string
	// Step is the step, such as create_conference_room; empty if no step is tried again. Activity is its name in Temporal.
	Step, Activity string
	// State is scheduled or started for a step, and paused or so if an operator has interfered. For the sweeper it is the
	// status of the run that is gone.
	State string
	// Since is when the wait began; zero if that is unknown.
	Since time.Time
	// NextTry is when the next attempt begins; zero while one is in progress.
	NextTry time.Time
	// Attempts is how many attempts have failed.
	Attempts int
	// LastAnswer describes the last failure to callers, and LastError to operators; empty before the first one.
	LastAnswer, LastError string
}

// The values of Wait.For that are no services.
const (
	// WaitForWorker says that no worker has taken the next task of the run, or that one is making a first attempt.
	WaitForWorker = "worker"
	// WaitForSweeper says that the run is gone, and the sweeper starts another one.
	WaitForSweeper = "sweeper"
)

// Undecided reports whether an operation of the minigroup that callers see has not ended.
func (m Minigroup) Undecided() bool {
	if u := m.Update; u != nil && (u.State == UpdateRequested || u.State == UpdateRunning) {
		return true
	}
	return m.State == Creating || m.State == Undoing
}
