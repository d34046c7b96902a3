package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"minigroups/sandbox"
	"minigroups/stack"
)

// slowReply lets conference answer a create after 12 seconds, two more than a step waits by default. The room exists
// after six.
var slowReply = sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectLate, DelayMS: 12_000}

// TestAReplyOfTwelveSecondsIsAwaitedByEveryWorker demands that a request in flight keeps every worker from sending
// another one.
func TestAReplyOfTwelveSecondsIsAwaitedByEveryWorker(t *testing.T) {
	t.Parallel()
	settings := func(queue string) []string {
		return []string{
			"MINIGROUPS_TEMPORAL__TASK_QUEUE=" + queue, "MINIGROUPS_WORKER__METRICS_LISTEN=127.0.0.1:0",
			"MINIGROUPS_SAGA__STEP_WAIT=10s", "MINIGROUPS_SAGA__REQUEST_TIMEOUT=60s",
		}
	}
	for name, secondWorker := range map[string]func(t *testing.T, c *class, first *stack.Process, start func()){
		"two workers": func(_ *testing.T, _ *class, _ *stack.Process, start func()) { start() },
		"one worker replaces another": func(t *testing.T, c *class, first *stack.Process, start func()) {
			eventually(t, func() error {
				if len(c.openRooms(sut.conference)) == 0 {
					return errors.New("conference has made no room yet")
				}
				return nil
			})
			start()
			ended := make(chan error, 1)
			go func() { ended <- first.Stop(t.Context()) }()
			t.Cleanup(func() {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queue := fmt.Sprintf("slow-reply-%d-workers", len(name))
			_, address := anotherAPI(t, queue+"-api", settings(queue)...)
			worker := func(number int) *stack.Process {
				t.Helper()
				name := fmt.Sprintf("%s-%d", queue, number)
				p, err := sut.anotherWorker(t.Context(), name, sut.configFile, settings(queue)...)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = p.Kill() })
				return p
			}
			c := newClass(t)
			c.setFault(sut.conference, slowReply)
			first := worker(1)
			r, err := sendTo(
				t.Context(), "http://"+address, http.MethodPost, "/api/v1/minigroups", c.body, "Prefer", "respond-async")
			if err != nil || r.code != http.StatusAccepted {
				t.Fatalf("got %d %s, %v", r.code, r.text, err)
			}
			secondWorker(t, c, first, func() { worker(2) })
			c.assertComplete(c.awaitStatus("real-time").object)
			c.assertOneRoomMade()
			if n := c.count(`SELECT count(*) FROM room_attempt WHERE class_id = $1`); n != 2 {
				t.Errorf("%d requests were sent, want 2", n)
			}
		})
	}
}
