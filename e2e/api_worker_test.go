package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"

	"minigroups/stack"
)

// TestAnAPIWithAWorker sends the next request as soon as the last is answered. The run of the last has signalled its
// end within the process, but may not have reported it to Temporal; the next request must not be refused because of it.
func TestAnAPIWithAWorker(t *testing.T) {
	t.Parallel()
	_, address := anotherAPI(t, "hosting-api", "MINIGROUPS_API__WORKER=true", "MINIGROUPS_TEMPORAL__TASK_QUEUE=hosted")
	hosting := "http://" + address
	eventually(t, func() error { // its worker may start later than the API
		c := newClass(t)
		r, err := sendTo(t.Context(), hosting, http.MethodPost, "/api/v1/minigroups", c.body)
		if err != nil || r.code != http.StatusCreated {
			t.Fatalf("got %d %s, %v", r.code, r.text, err)
		}
		eager, err := isEager(t.Context(), c)
		if err == nil && !eager {
			err = errors.New("another process executed the first workflow task")
		}
		return err
	})
	var wg sync.WaitGroup
	var classes []*class
	for range 6 {
		c := newClass(t)
		wg.Go(func() {
			moved := c.start
			move := func(api string) {
				moved += 60
				r, err := sendTo(t.Context(), api, http.MethodPut, c.path(), window(moved, c.start+3600))
				if err != nil || r.code != http.StatusOK || r.Time[0] == nil || *r.Time[0] != moved {
					t.Errorf("a move at %s: got %d %s, %v", api, r.code, r.text, err)
				}
			}
			r, err := sendTo(t.Context(), hosting, http.MethodPost, "/api/v1/minigroups", c.body)
			if err != nil || r.code != http.StatusCreated {
				t.Errorf("got %d %s, %v", r.code, r.text, err)
				return
			}
			for range 3 {
				move(hosting)
				move(sut.api)
			}
			r, err = sendTo(t.Context(), hosting, http.MethodPost, c.path()+"/recreate", map[string]any{})
			if err != nil || r.code != http.StatusOK {
				t.Errorf("a recreate: got %d %s, %v", r.code, r.text, err)
			}
			move(hosting)
		})
		classes = append(classes, c)
	}
	wg.Wait()
	for _, c := range classes {
		c.awaitRooms(c.get().object) // the recreate is done before the rooms it replaced are closed
	}
}

// TestConcurrentCreatesOfAnAPIWithAWorker sends more creates than Temporal's development server starts in four seconds.
// It is busy and not out of reach: callers wait, and none is refused.
func TestConcurrentCreatesOfAnAPIWithAWorker(t *testing.T) {
	_, address := anotherAPI(t, "busy-api", "MINIGROUPS_API__WORKER=true", "MINIGROUPS_TEMPORAL__TASK_QUEUE=busy")
	const callers, each = 32, 4
	answers := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				c := newClass(t)
				r, err := sendTo(t.Context(), "http://"+address, http.MethodPost, "/api/v1/minigroups", c.body)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				answers[fmt.Sprintln(r.code, r.Detail)]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for answer := range answers {
		if !strings.HasPrefix(answer, "201") && !strings.HasPrefix(answer, "202") {
			t.Errorf("got %v", answers)
			break
		}
	}
	t.Log(answers)
}

// isEager reports whether the process that started the latest run of a minigroup also executed its first workflow task.
func isEager(ctx context.Context, c *class) (bool, error) {
	const all = enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT
	started, err := sut.client.GetWorkflowHistory(ctx, c.workflowID(), "", false, all).Next()
	return started.GetWorkflowExecutionStartedEventAttributes().GetEagerExecutionAccepted(), err
}

func TestAnAPIWithAWorkerReadsWithoutTemporal(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	_, address := anotherAPI(t, "hosting-api-alone", "MINIGROUPS_API__WORKER=true",
		"TEMPORAL_ADDRESS="+net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	r, err := sendTo(t.Context(), "http://"+address, http.MethodGet, c.path(), nil)
	if err != nil || r.code != http.StatusOK {
		t.Errorf("got %d %s, %v", r.code, r.text, err)
	}
}
