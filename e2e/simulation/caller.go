package simulation

import (
	"context"
	"runtime"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
)

const storePackage = "minigroups/storage."

// caller is the method of the Store that the present goroutine executes.
func caller() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	name := "read"
	for {
		frame, more := frames.Next()
		// A function that is inlined into another one has a name that begins with that of the other one.
		if _, method, ok := strings.Cut(frame.Function, "(*Store)."); ok && strings.HasPrefix(frame.Function, storePackage) {
			name, _, _ = strings.Cut(method, ".")
		}
		if !more {
			return name
		}
	}
}

// inActivity names the activity that ctx belongs to, if there is one.
func inActivity(ctx context.Context) string {
	if !activity.IsActivity(ctx) {
		return ""
	}
	info := activity.GetInfo(ctx)
	return " in " + info.ActivityType.Name + " of " + info.WorkflowExecution.ID
}

func unavailable(err error) error { return serviceerror.NewUnavailable(err.Error()) }
