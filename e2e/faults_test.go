package e2e

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

// The faults that most tests set. patchFails also keeps an event room from being closed, which is a PATCH.
var (
	createFails     = sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectFail}
	createHangs     = sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectHang}
	createReplyLost = sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLoseReply, Times: 1}
	createRefused   = sandbox.Fault{
		Operation: sandbox.OperationCreate, Do: sandbox.EffectRefuse, Type: "access_denied", Status: http.StatusForbidden,
	}
	lockFails    = sandbox.Fault{Operation: sandbox.OperationLock, Do: sandbox.EffectFail}
	readFails    = sandbox.Fault{Operation: sandbox.OperationRead, Do: sandbox.EffectFail}
	patchFails   = sandbox.Fault{Operation: sandbox.OperationUpdate, Do: sandbox.EffectFail}
	patchHangs   = sandbox.Fault{Operation: sandbox.OperationUpdate, Do: sandbox.EffectHang}
	patchRefused = sandbox.Fault{
		Operation: sandbox.OperationUpdate, Do: sandbox.EffectRefuse, Type: "room_time_changing_forbidden",
	}
	patchReplyLost = sandbox.Fault{Operation: sandbox.OperationUpdate, Do: sandbox.EffectLoseReply, Times: 1}
	readForbidden  = sandbox.Fault{
		Operation: sandbox.OperationRead, Do: sandbox.EffectRefuse, Type: "access_denied", Status: http.StatusForbidden,
	}
	patchForbidden = sandbox.Fault{
		Operation: sandbox.OperationUpdate, Do: sandbox.EffectRefuse, Type: "access_denied", Status: http.StatusForbidden,
	}
	closeFails = sandbox.Fault{Operation: sandbox.OperationClose, Do: sandbox.EffectFail}
)

// createLate makes a service answer creates this much later, and create the room halfway.
func createLate(milliseconds int) sandbox.Fault {
	return sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, DelayMS: milliseconds}
}

// setFault sets a fault for this class at a service until the test ends or the returned function is called.
func (c *class) setFault(service string, f sandbox.Fault) (restore func()) {
	c.t.Helper()
	f.ClassroomID = &c.id
	return addFault(c.t, service, f)
}

// addFault sets a fault at a service until the test ends or the returned function is called.
func addFault(t testing.TB, service string, f sandbox.Fault) (remove func()) {
	t.Helper()
	id, err := sandboxclient.AddFault(t.Context(), service, f)
	if err != nil {
		t.Fatal(err)
	}
	remove = sync.OnceFunc(func() {
		if err := sandboxclient.RemoveFault(context.Background(), service, id); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(remove)
	return remove
}

// failedClass returns a class whose create was refused. The cause is gone.
func failedClass(t *testing.T) *class {
	t.Helper()
	c := newClass(t)
	restore := c.setFault(sut.conference, createRefused)
	c.post().want(t, http.StatusUnprocessableEntity)
	restore()
	return c
}

// stuckClass returns a class whose create retries the conference room until restore is called.
func stuckClass(t *testing.T) (c *class, restore func()) {
	t.Helper()
	c = newClass(t)
	restore = c.setFault(sut.conference, createFails)
	c.postAsync()
	c.awaitRetryOf("CreateConferenceRoom")
	return c, restore
}

// undoingClass returns a class whose create was refused and whose undo cannot close the event room until restore is
// called.
func undoingClass(t *testing.T) (c *class, restore func()) {
	t.Helper()
	c = newClass(t)
	return c, c.undoWithout(patchFails)
}

// undoWithout creates the class until conference refuses, and undoes that with a fault at event that keeps the event
// room from being closed until restore is called.
func (c *class) undoWithout(closing sandbox.Fault) (restore func()) {
	c.t.Helper()
	restoreCreate := c.setFault(sut.conference, createFails)
	restore = c.setFault(sut.event, closing)
	c.postAsync()
	c.awaitAttempt("event", "held")
	c.setFault(sut.conference, createRefused)
	restoreCreate()
	c.awaitRowState("undoing")
	return restore
}
