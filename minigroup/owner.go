package minigroup

import (
	"errors"
	"fmt"
)

// OwnedError says that another run owns the minigroup's row. TakeOver takes the row from a run that has ended.
type OwnedError struct{ Owner string }

func (e *OwnedError) Error() string { return "the minigroup belongs to run " + e.Owner }

// SupersededError says that a run no longer decides about its minigroup: in the meantime another run has taken the row,
// or the minigroup was established or undone.
type SupersededError struct{ Why string }

func (e *SupersededError) Error() string { return "superseded: " + e.Why }

// Supersededf returns a SupersededError with a formatted reason.
func Supersededf(format string, args ...any) error {
	return &SupersededError{Why: fmt.Sprintf(format, args...)}
}

// Claim is the claim of a run to a minigroup's row.
type Claim struct {
	// Run is the run that claims the row.
	Run string
	// Replaces is an owner that has ended; the row is taken from no other. If it is empty, the row is claimed only if it
	// does not exist yet or belongs to Run.
	Replaces string
}

// maxTakeOvers bounds how often TakeOver calls do.
const maxTakeOvers = 5

// TakeOver calls do with the claim of a run to a minigroup's row. If do returns *OwnedError, TakeOver calls current,
// which reports whether the run is the open run of the minigroup's workflow id. If it is, the owner has ended, and
// TakeOver calls do again with a claim that replaces the owner. Otherwise it returns *SupersededError.
func TakeOver(run string, current func() (bool, error), do func(Claim) error) error {
	claim := Claim{Run: run}
	for range maxTakeOvers {
		err := do(claim)
		var owned *OwnedError
		if !errors.As(err, &owned) {
			return err
		}
		ok, err := current()
		if err != nil {
			return err
		}
		if !ok {
			return Supersededf("run %s is not the open run of this minigroup", run)
		}
		claim.Replaces = owned.Owner
	}
	return fmt.Errorf("the minigroup has changed its owner %d times in a row", maxTakeOvers)
}
