package sagaworker

import (
	"testing"

	"minigroups/activities"
	"minigroups/config"
	"minigroups/workflows"
)

func TestTheLongestStepEndsBeforeItsTimeout(t *testing.T) {
	longest := activities.LongestStep(config.MaxStepWait)
	if longest >= workflows.AttemptTimeout {
		t.Errorf("with saga.step_wait %s a step takes up to %s, and its timeout is %s",
			config.MaxStepWait, longest, workflows.AttemptTimeout)
	}
}
