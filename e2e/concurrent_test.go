package e2e

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"minigroups/sandbox"
	"minigroups/workflows"
)

// sendConcurrently sends n requests at the same time. body returns the body of the i-th.
func sendConcurrently(t *testing.T, n int, method, path string, body func(i int) any) []reply {
	t.Helper()
	replies := make([]reply, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var err error
			if replies[i], err = send(t.Context(), method, path, body(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return replies
}

// slowUpdates keeps an update running while the others arrive.
var slowUpdates = sandbox.Fault{Operation: sandbox.OperationUpdate, Do: sandbox.EffectLate, DelayMS: 1500}

func TestOneOfSeveralConcurrentUpdatesWins(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	c.setFault(sut.conference, slowUpdates)
	replies := sendConcurrently(t, 8, http.MethodPut, c.path(), func(i int) any {
		return window(c.start+60*int64(i+1), c.start+3600)
	})
	var won []reply
	for _, r := range replies {
		if r.code == http.StatusOK {
			won = append(won, r)
			continue
		}
		r.wantInProgress(t)
	}
	if len(won) != 1 {
		t.Fatalf("%d updates won", len(won))
	}
	c.assertMoved(won[0].object, *won[0].Time[0])
	if o := c.get(); o.text != won[0].text {
		t.Fatalf("got %s, want %s", o.text, won[0].text)
	}
}

func TestConcurrentEqualUpdatesAreOneUpdate(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	c.setFault(sut.conference, slowUpdates)
	replies := sendConcurrently(t, 8, http.MethodPut, c.path(), func(int) any {
		return windowAndReserve(c.start+60, c.start+3600, 3)
	})
	for _, r := range replies {
		if r.want(t, http.StatusOK); r.text != replies[0].text {
			t.Fatalf("two answers differ: %s and %s", r.text, replies[0].text)
		}
	}
	if n := c.count(`SELECT count(*) FROM minigroup_update WHERE class_id = $1`); n != 1 {
		t.Fatalf("there are %d updates", n)
	}
	c.assertMoved(replies[0].object, c.start+60)
}

func TestOneOfSeveralConcurrentPostsWins(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.setFault(sut.conference, createLate(1000))
	replies := sendConcurrently(t, 8, http.MethodPost, "/api/v1/minigroups", func(i int) any {
		return map[string]any{
			"scope": c.scope, "audience": "example.org", "host": fmt.Sprintf("teacher%d.example.org", i),
			"time": []int64{c.start, c.start + 3600}, "reserve": i + 1, "locked_chat": true,
		}
	})
	var won []reply
	for _, r := range replies {
		if r.code == http.StatusCreated {
			won = append(won, r)
		} else if r.want(t, http.StatusConflict); r.Type != "class_already_established" { // it came after the winner
			r.wantInProgress(t)
		}
	}
	if len(won) != 1 {
		t.Fatalf("%d creates won", len(won))
	}
	c.assertComplete(won[0].object)
	c.assertOneRoomMade()
}

func TestTheObjectShowsTheFailureOfAnUpdateThatWasAnswered202(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	before := c.post().want(t, http.StatusCreated)
	restore := c.setFault(sut.conference, readFails)
	c.putAsync(windowAndReserve(c.start+60, c.start+120, 20))
	c.awaitRetryOf("BeginUpdate")
	c.setFault(sut.conference, patchRefused)
	restore()
	eventually(t, func() error {
		o := c.get()
		if o.Update == nil || o.Update.State != "failed" || o.Update.Failure.Type != "room_time_changing_forbidden" {
			return fmt.Errorf("got %s", o.text)
		}
		return nil
	})
	c.assertMoved(before.object, c.start)
}

// TestAPutRightAfterATerminate lets conference execute the PATCH of a terminated run while the next update runs.
func TestAPutRightAfterATerminate(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	c.setFault(sut.conference, sandbox.Fault{
		Operation: sandbox.OperationUpdate, Do: sandbox.EffectLate, DelayMS: 3000, Times: 1,
	})
	c.putAsync(window(c.start+60, c.start+3600))
	c.awaitPatch()
	c.terminate()
	second := c.put(window(c.start+600, c.start+3600))
	if second.code != http.StatusOK && second.code != http.StatusAccepted {
		t.Fatalf("got %d %s", second.code, second.text)
	}
	sweepUntil(t, workflows.ScheduleClasses, func() error {
		room := c.openRooms(sut.conference)[0]
		if o := c.get(); o.Update != nil || *o.Time[0] != c.start+600 || *room.Time[0] != c.start+600 {
			return fmt.Errorf("conference has a start at %d, want %d: %s", *room.Time[0], c.start+600, o.text)
		}
		if n := c.count(`
			SELECT count(*) FROM minigroup_update
			WHERE class_id = $1 AND (state IN ('requested', 'running') OR look_up_at < now() + interval '1 minute')`); n != 0 {
			return fmt.Errorf("%d updates are undecided, or their PATCHes are to be looked for", n)
		}
		return nil
	})
	c.assertMoved(c.get().object, c.start+600)
}

// TestTheNextUpdateDoesNotWaitForTheRunOfTheLast: an update is done once its row says so. Its run may still have to
// sync the gateway; a client that has read that the update is done may send the next one.
func TestTheNextUpdateDoesNotWaitForTheRunOfTheLast(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	c.useSilentGateway()
	var wg sync.WaitGroup
	wg.Go(func() {
		r, err := send(t.Context(), http.MethodPut, c.path(), map[string]any{"reserve": 3})
		if err != nil || r.code != http.StatusOK {
			t.Errorf("the first update: got %d %s, %v", r.code, r.text, err)
		}
	})
	defer wg.Wait() // also if the test fails before
	eventually(t, func() error {
		if o := c.get(); *o.Reserve != 3 || o.Update != nil {
			return fmt.Errorf("the first update is not done: %s", o.text)
		}
		return nil
	})
	r := c.put(window(c.start+60, c.start+3600)).want(t, http.StatusOK)
	if *r.Time[0] != c.start+60 || *r.Reserve != 3 {
		t.Errorf("got %s", r.text)
	}
}

// useSilentGateway moves the reservation of the class, until the test ends, to a gateway that accepts connections and
// never answers.
func (c *class) useSilentGateway() {
	c.t.Helper()
	listener, err := new(net.ListenConfig).Listen(c.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
		}
	}()
	c.exec(`INSERT INTO janus_backend (id, enabled, admin_url) VALUES ($1::uuid::text, false, $2)`,
		"http://"+listener.Addr().String()+"/admin")
	c.exec(`UPDATE janus_reservation SET backend_id = $1::uuid::text WHERE class_id = $1`)
	c.t.Cleanup(func() {
		c.exec(`UPDATE janus_reservation SET backend_id = 'janus-1' WHERE class_id = $1`)
		c.exec(`DELETE FROM janus_backend WHERE id = $1::uuid::text`)
		_ = listener.Close()
	})
}
